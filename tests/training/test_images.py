"""Image runs: exact wherever they stop and whoever reads the images; classes reach every seam."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import RHYTHM
from torch import Tensor, nn

import steadygan as sg
from images import CLASSES, SHAPE, images, pixels, source
from steadygan.data import Mapped
from steadygan.engine import draws
from steadygan.errors import InputError
from steadygan.types import Opponent
from tiny import assert_same, assert_same_run, saved, state, weights

pytestmark = pytest.mark.usefixtures("short_blocks")

CASES: dict[str, dict[str, Any]] = {
    "on the device": {},
    "mirrored": {"data": source(flip=True)},
    "two workers": {"data": source(workers=2)},
    "two workers, mirrored, several D steps, reals for G": {
        "data": source(workers=2, flip=True),
        "d_steps": 2,
        "loss": sg.losses.RelativisticPairing(),
        "method": None,
    },
    "no worker": {"data": source(workers=0)},
    "with classes": {"conditional": True},
    "with classes and workers": {"conditional": True, "data": source(workers=1)},
    "batch norm": {"norm": "batch"},
}


# Each case one way; the other way round is slow.
BY_ITERATION = {"mirrored", "two workers", "no worker", "with classes and workers"}
WAYS = [
    pytest.param(
        case, at_once, id=f"{case}-{way}", marks=[pytest.mark.slow] * (bool(at_once) == (case in BY_ITERATION))
    )
    for case in CASES
    for at_once, way in ((draws.AT_ONCE, "by block"), (0, "by iteration"))
]


@pytest.mark.parametrize(("case", "at_once"), WAYS)
def test_22_iterations_are_11_and_11(tmp_path: Path, case: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "AT_ONCE", at_once)
    whole = images(tmp_path / "whole", **RHYTHM, **CASES[case])
    run = whole.fit(22)
    for until in (11, 22):
        cut = images(tmp_path / "cut", resume=True, **RHYTHM, **CASES[case])
        pieces = cut.fit(until)
    assert_same_run((whole, run), (cut, pieces))


def test_a_mapped_file_read_by_workers_trains_as_a_tensor_does(tmp_path: Path) -> None:
    """The same bits from the device, block by block or iteration by iteration, from workers, and from a file."""
    (tmp_path / "pixels").write_bytes(pixels().numpy().tobytes())
    mapped = Mapped(tmp_path / "pixels", 50, SHAPE)
    found = []
    for data in (source(), source(workers=2), source(train=mapped), source(train=mapped, workers=2)):
        made = images(data=data)
        made.fit(22)
        found.append(state(made))
    for other in found[1:]:
        assert_same(other, found[0])


def test_reading_iteration_by_iteration_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = images(data=source(flip=True), d_steps=2, loss=sg.losses.RelativisticPairing(), method=None)
    blocks.fit(21)
    monkeypatch.setattr(draws, "AT_ONCE", 0)
    single = images(data=source(flip=True), d_steps=2, loss=sg.losses.RelativisticPairing(), method=None)
    single.fit(21)
    assert_same(state(single), state(blocks))


def test_workers_end_with_the_run() -> None:
    images(data=source(workers=2)).fit(5)
    assert not multiprocessing.active_children()


def test_a_critic_sees_mirrored_images_half_the_time() -> None:
    """Each image comes as it is or mirrored, about equally often, and as its position in the stream decides."""
    stream = source(flip=True).stream(5)
    plain = source().stream(5)
    shown, whole = stream.take(0, 2000), plain.take(0, 2000)
    mirrored = (shown.x == whole.x.flip(-1)).flatten(1).all(1)
    assert torch.equal(torch.where(mirrored.view(-1, 1, 1, 1), whole.x.flip(-1), whole.x), shown.x)
    assert 900 < int(mirrored.sum()) < 1100
    assert torch.equal(stream.take(700, 64).x, shown.x[700:764])
    assert torch.equal(shown.label, whole.label)


class Recorder(nn.Module):
    """A network that remembers the classes it was told."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.told = network, []

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        self.told.append(label.clone())
        return self.network(x, label=label)


def recorded() -> tuple[Recorder, Recorder]:
    made = images(conditional=True)
    return Recorder(made.setup.G), Recorder(made.setup.opponents["D"].critic)


def test_fakes_have_the_classes_of_the_training_images() -> None:
    """The shares of the training labels; D is told the classes G was told, candidates' ones with the candidates."""
    G, D = recorded()
    made = sg.Trainer(
        G, D, source(), latent_dim=4, batch_size=8, method=sg.methods.FakeAsReal(3, factor=2), seed=3, device="cpu",
        evaluator=None, log_every=10**6, evaluate_every=10**6, checkpoint_every=10**6,
    )  # fmt: skip
    made.fit(1)
    G.told.clear()
    D.told.clear()
    made.fit(101)
    everything = torch.cat([label for label in G.told if label.shape[0] in (14, 8)])
    shares = everything.bincount(minlength=CLASSES) / everything.shape[0]
    assert torch.allclose(shares, torch.tensor([0.1, 0.3, 0.6]), atol=0.05)
    d_step = next(label for label in G.told if label.shape[0] == 14)
    candidates, real, fake = D.told[:3]
    assert torch.equal(candidates, d_step[8:])
    assert torch.equal(fake, d_step[:8])
    assert real.shape == (8,)  # 5 of the data, 3 of the candidates
    assert all(value in candidates for value in real[5:])


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("data", "expected data with labels, as G and D take them, got 'tiny' without"),
        ("G", "expected a generator that takes labels, as D does"),
    ],
)
def test_networks_and_data_must_agree_on_classes(which: str, expected: str) -> None:
    G, D = recorded()
    data = source(label=None) if which == "data" else source()
    plain = images().setup.G if which == "G" else G
    with pytest.raises(InputError, match=expected):
        sg.Trainer(plain, D, data, latent_dim=4, batch_size=8, device="cpu", evaluator=None).fit(1)


def test_a_run_with_classes_samples_them_as_when_it_is_read_again(tmp_path: Path) -> None:
    made = images(tmp_path, conditional=True)
    run = made.fit(3)
    again = sg.load(tmp_path, made.setup.G, made.setup.opponents["D"].critic, device="cpu")
    assert (again.conditional, again.classes) == (True, CLASSES)
    for settings in ({}, {"label": 2}, {"truncation": 0.5}, {"interpolate": 4}, {"weights": "live"}):
        assert torch.equal(again.sample(20, 1, **settings), run.sample(20, 1, **settings))
        assert torch.equal(run.sample(300, 1, **settings)[:20], run.sample(20, 1, **settings))
    labels = torch.cat([batch.label for batch in run.stream(2000)])
    assert torch.allclose(labels.bincount() / 2000, torch.tensor([0.1, 0.3, 0.6]), atol=0.04)
    with pytest.raises(InputError, match="expected a label from 0 to 2, got 3"):
        run.sample(2, label=3)
    assert run.data["licence"] == ""


def test_a_generator_without_classes_takes_no_label() -> None:
    run = images().fit(1)
    with pytest.raises(InputError, match="expected no label, because this run's generator has no classes, got 1"):
        run.sample(2, label=1)


def test_tensorboard_shows_the_grids(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    images(tmp_path, evaluate_every=10).fit(20)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    shown = events.Images("samples")
    assert [shot.step for shot in shown] == [0, 10, 20]
    grid = (tmp_path / "samples" / "000000020.png").read_bytes()
    assert shown[-1].encoded_image_string == grid == (tmp_path / "figures" / "latest.png").read_bytes()


def test_the_newest_samples_are_a_picture_while_the_run_trains(tmp_path: Path) -> None:
    seen = []

    def look(run: sg.runs.Run, iteration: int, record: dict[str, object]) -> None:
        seen.append((tmp_path / "figures" / "latest.png").read_bytes())

    made = images(tmp_path, evaluate_every=10)
    made.callbacks.append(look)
    made.fit(20)
    kept = [path.read_bytes() for path in sorted((tmp_path / "samples").glob("*.png"))]
    assert seen[0] == kept[0]
    assert seen[-1] == kept[-1] != kept[0]


@pytest.mark.usefixtures("drawn_figures")
def test_figures_are_the_last_grid_and_its_evolution(tmp_path: Path) -> None:
    images(tmp_path, evaluate_every=10).fit(20)
    assert (tmp_path / "figures" / "grid.png").read_bytes() == (tmp_path / "samples" / "000000020.png").read_bytes()
    assert (tmp_path / "figures" / "evolution.png").stat().st_size > 0


def test_dual_critics_are_told_classes_too() -> None:
    made = images(conditional=True)
    first, second = (images(conditional=True).setup.opponents["D"].critic for _ in range(2))
    pair = {"d1": Opponent(first, sg.losses.NonSaturating()), "d2": Opponent(second, sg.losses.Minimax())}
    run = sg.Trainer(made.setup.G, pair, source(), latent_dim=4, batch_size=8, device="cpu", evaluator=None).fit(3)
    assert run.iteration == 3


def test_weights_of_another_run_are_where_training_begins(tmp_path: Path) -> None:
    from steadygan.runs.checkpoint import take_weights

    images(tmp_path / "first").fit(20)
    found = saved(tmp_path / "first")["state"].networks
    made = images()
    G, D = made.setup.G, made.setup.opponents["D"].critic
    take_weights(tmp_path / "first", G, {"D": D})
    assert_same(dict(G.state_dict()), dict(found["G"]))
    assert_same(dict(D.state_dict()), dict(found["D"]))
    before = weights(G)
    with pytest.raises(InputError, match=r"cannot start from the weights of .*: the checkpoint is of another model"):
        take_weights(tmp_path / "first", images(norm="batch").setup.G, {"D": D})
    with pytest.raises(InputError, match=r"expected a run with a checkpoint in .*, got none: check --init-from"):
        take_weights(tmp_path / "none", G, {"D": D})
    assert_same(weights(G), before)


def test_a_reader_that_is_killed_ends_the_run_in_one_line(tmp_path: Path) -> None:
    """Whatever the main thread is doing when it hears of it; the run goes on from its checkpoint."""

    def kill(run: Any, iteration: int, stats: Any) -> None:
        if iteration == 20:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.2)

    with pytest.raises(InputError, match=r"expected .*process.* data.*lower workers") as error:
        images(tmp_path, data=source(workers=1), callbacks=[kill]).fit(500)
    assert "\n" not in str(error.value)
    assert images(tmp_path, data=source(workers=2), resume=True).fit(30).iteration == 30


def test_what_couples_samples_says_so_even_if_its_first_weights_hide_it() -> None:
    made = images(norm="batch", method=None)
    D = made.setup.opponents["D"].critic
    with torch.no_grad():
        for parameter in D.head.parameters():
            parameter.zero_()
    made.fit(0)
    assert made.session.ready
    assert made.session.executor.critics["D"].couples_samples
    assert made.session.executor.chunk == 8


def test_what_becomes_of_ones_own_data_is_told(recwarn: pytest.WarningsRecorder) -> None:
    images(data=torch.rand(20, *SHAPE))
    assert ["lie in [0, 1]" in str(warning.message) for warning in recwarn] == [True]
