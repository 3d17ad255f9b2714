"""A run cut into pieces is the run in one piece, bit for bit, whatever trains in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import steadygan as sg
from elsewhere import hold, process
from known import F64
from parts import Balanced, Pulled
from steadygan.engine.optim import Ema, Linear, OptimizerSettings
from steadygan.errors import InputError
from steadygan.runs.run import Run
from steadygan.types import Opponent
from tiny import assert_same, assert_same_run, built, ring, saved, small_d, small_g, trainer, weights

Make = Callable[..., sg.Trainer]
losses, penalties, methods = sg.losses, sg.penalties, sg.methods
FALLING = {"schedule": Linear(start=0.3), "horizon": 52}
RHYTHM = {"log_every": 8, "evaluate_every": 12, "checkpoint_every": 14}
pytestmark = pytest.mark.usefixtures("short_blocks")
FAR = methods.FakeAsReal(3, factor=4)


def dropout(features: int, out: int) -> nn.Module:
    """A network that draws from torch's global generator."""
    return nn.Sequential(nn.Linear(features, 6), nn.Dropout(0.3), nn.ReLU(), nn.Linear(6, out))


def batch_norm(features: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, out))


def pair(kind: Callable[[int, int], nn.Module]) -> dict[str, nn.Module]:
    G, D = built(1, lambda: kind(2, 2), lambda: kind(2, 1))
    return {"G": G, "D": D}


def packed() -> dict[str, Any]:
    G, D = built(1, small_g, lambda: small_d(4))
    return {"G": G, "D": D, "method": [methods.Packing(2), FAR], "penalties": [penalties.zero_gp(1.0)]}


def partly_trained() -> dict[str, Any]:
    """A frozen layer in G, and a layer of D that its output does not depend on."""
    G, D = built(1, small_g, lambda: nn.ModuleList([small_d(), nn.Linear(2, 1)]))
    G[0].requires_grad_(False)
    D.forward = D[0].forward
    return {"G": G, "D": D}


def dual() -> dict[str, Any]:
    G, first, second = built(1, small_g, small_d, small_d)
    opponents = {
        "d1": Opponent(first, losses.NonSaturating(), (penalties.r1(0.5, interval=3),)),
        "d2": Opponent(
            second,
            losses.Minimax(),
            method=methods.chain(Pulled(), FAR),
            weight=0.5,
            constraint=penalties.WeightClipping(0.05),
        ),
    }
    return {"G": G, "D": opponents}


CASES: dict[str, Callable[[], tuple[Make, dict[str, Any]]]] = {
    "fake as real and r1, falling rates": lambda: (
        ring,
        {"method": FAR, "penalties": [penalties.r1(0.1)], "ema": Ema(None, half_life=500.0), **FALLING},
    ),
    "finite data, noise, a part with state, a latent of one's own": lambda: (
        trainer,
        {
            "loss": Balanced(),
            "d_steps": 3,
            "penalties": [penalties.dragan(1.0)],
            "latent": lambda n, generator: torch.rand(n, 2, generator=generator, device=generator.device),
        },
    ),
    "packing, lazy penalties, paired with real samples": lambda: (
        trainer,
        {
            **packed(),
            "loss": losses.RelativisticAverage(),
            "d_steps": 2,
            "penalties": [penalties.r1(1.0, interval=7), penalties.zero_gp(1.0, interval=4)],
        },
    ),
    "two opponents, a method with noise and time, clipping, rmsprop": lambda: (
        ring,
        {**dual(), "optimizer": OptimizerSettings("rmsprop", momentum=0.5), "d_steps": 2},
    ),
    "sgd with momentum": lambda: (trainer, {"optimizer": OptimizerSettings("sgd", momentum=0.5), "ema": None}),
    "float64": lambda: (ring, {"dtype": F64, "penalties": [penalties.zero_gp(1.0)]}),
    "dropout": lambda: (trainer, {**pair(dropout), "method": FAR}),
    "batch norm": lambda: (trainer, {**pair(batch_norm), "method": FAR, "d_steps": 2}),
    "partly trained": lambda: (trainer, partly_trained()),
}
STATEFUL = "finite data, noise, a part with state, a latent of one's own"


def run_of(case: str, out: Path | None, until: int, resume: bool = False, **more: Any) -> tuple[sg.Trainer, Run]:
    make, settings = CASES[case]()
    made = make(out=out, resume=resume, **(RHYTHM | settings | more))
    return made, made.fit(until)


@pytest.mark.parametrize("case", CASES)
def test_31_iterations_are_26_and_5(tmp_path, case):
    """26 is no block's end, no tick's and no checkpoint's; 20, where the second run is cut too, is a block's end."""
    whole = run_of(case, tmp_path / "whole", 31)
    cut = tmp_path / "cut"
    for until in (20, 26, 31):
        pieces = run_of(case, cut, until, resume=True)
    assert_same_run(whole, pieces)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("case", [STATEFUL, "dropout", "batch norm"])
def test_on_a_gpu(tmp_path, case):
    whole = run_of(case, tmp_path / "whole", 31, device="cuda")
    for until in (20, 26, 31):
        pieces = run_of(case, tmp_path / "cut", until, resume=True, device="cuda")
    assert_same_run(whole, pieces)


def test_200_iterations_are_100_and_100_or_110_and_90(tmp_path):
    def run(folder: str, until: int) -> tuple[sg.Trainer, Run]:
        rhythm = {"log_every": 40, "evaluate_every": 100, "checkpoint_every": 80}
        return run_of(next(iter(CASES)), tmp_path / folder, until, resume=True, **rhythm)

    whole = run("whole", 200)
    run("even", 100)
    shutil.copytree(tmp_path / "even", tmp_path / "uneven")
    assert_same_run(whole, run("even", 200))
    run("uneven", 110)
    assert_same_run(whole, run("uneven", 200))


@pytest.mark.parametrize("case", [STATEFUL, "batch norm"])
def test_two_fits_are_one(tmp_path, case):
    whole = run_of(case, tmp_path / "whole", 30)
    made = run_of(case, tmp_path / "cut", 17)[0]
    torch.rand(5)  # the host goes on with its own generator in between
    assert_same_run(whole, (made, made.fit(30)))
    in_memory = run_of(case, None, 17)[0]
    assert_same_run(whole, (in_memory, in_memory.fit(30)))


def test_where_a_folder_is_written_or_not(tmp_path):
    assert_same_run(run_of("dropout", tmp_path, 12), run_of("dropout", None, 12))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    whole = run_of("dropout", tmp_path, 22)
    text = (tmp_path / "metrics.jsonl").read_text()
    again = run_of("dropout", tmp_path, 22, resume=True)
    assert_same_run(whole, again)
    assert (tmp_path / "metrics.jsonl").read_text() == text
    less = run_of("dropout", tmp_path, 6, resume=True)
    assert less[1].iteration == 22


def test_resume_in_an_empty_folder_starts(tmp_path):
    plain = run_of("dropout", tmp_path / "plain", 6)
    assert_same_run(plain, run_of("dropout", tmp_path / "none" / "yet", 6, resume=True))


def test_settings_without_a_checkpoint_start_afresh(tmp_path):
    """As after a kill before the checkpoint of iteration 0: what was left behind does not count."""
    plain = run_of("dropout", tmp_path / "plain", 6)
    left = tmp_path / "left"
    (left / "samples").mkdir(parents=True)
    shutil.copy(tmp_path / "plain" / "settings.json", left)
    (left / "metrics.jsonl").write_text('{"iteration": 0, "d_loss": 1.0}\n{"iterat')
    (left / "samples" / "000000700.npz").touch()
    assert_same_run(plain, run_of("dropout", left, 6, resume=True))


def test_a_line_cut_off_in_the_middle(tmp_path):
    whole = run_of("dropout", tmp_path / "whole", 30)
    run_of("dropout", tmp_path / "cut", 22)
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 24, "d_lo')
    assert_same_run(whole, run_of("dropout", tmp_path / "cut", 30, resume=True))


def test_from_an_older_checkpoint(tmp_path):
    """The newest one is gone: records and samples after the one before it are written again, not twice."""
    whole = run_of("dropout", tmp_path / "whole", 30)
    cut = tmp_path / "cut"
    run_of("dropout", cut, 28)
    (cut / "checkpoints" / "000000028.pt").unlink()
    assert_same_run(whole, run_of("dropout", cut, 30, resume=True))


def test_changed_settings_are_listed(tmp_path):
    trainer(tmp_path, penalties=[penalties.r1(1.0)]).fit(5)
    before = saved(tmp_path)
    with pytest.raises(InputError) as error:
        trainer(tmp_path, resume=True, penalties=[penalties.r1(2.0)], lr_d=0.5, batch_size=4).fit(10)
    message = str(error.value)
    assert "\n" not in message
    for part in ("batch_size: 8 in the run, 4 now", "lr_d: 0.01 in the run, 0.5 now", "opponents.D.penalty/r1: "):
        assert part in message
    assert "lr_g" not in message
    assert_same(saved(tmp_path)["state"], before["state"])


def test_settings_of_ones_own_are_what_is_compared(tmp_path):
    mine = {"name": "mine", "betas": (0.5, 0.9), "nested": {"n": 1}}
    trainer(tmp_path, settings=mine).fit(5)
    assert json.loads((tmp_path / "settings.json").read_text()) == {**mine, "betas": [0.5, 0.9]}
    trainer(tmp_path, settings=mine, resume=True).fit(6)
    with pytest.raises(InputError, match=r"nested\.n: 1 in the run, 2 now"):
        trainer(tmp_path, settings={**mine, "nested": {"n": 2}}, resume=True).fit(7)


def test_another_model(tmp_path):
    trainer(tmp_path).fit(5)
    with pytest.raises(InputError, match=r"another model: D has 0\.weight of shape \(6, 2\) here and \(5, 2\) in the"):
        trainer(tmp_path, G=small_g(), D=dropout(2, 1), resume=True).fit(6)


def test_other_frozen_parameters(tmp_path):
    trainer(tmp_path).fit(5)
    G, D = built(0, small_g, small_d)
    D[2].requires_grad_(False)
    with pytest.raises(InputError, match=r"trained other parameters, such as D\.2\.weight"):
        trainer(tmp_path, G=G, D=D, resume=True).fit(6)


def test_a_truncated_checkpoint(tmp_path):
    trainer(tmp_path).fit(8)
    newest = tmp_path / "checkpoints" / "000000008.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    made = trainer(tmp_path, resume=True)
    before = weights(made.setup.G)
    with pytest.raises(InputError, match=r"000000008\.pt is not a complete checkpoint"):
        made.fit(9)
    assert_same(weights(made.setup.G), before)
    newest.unlink()  # as the message says
    trainer(tmp_path, resume=True).fit(9)


def test_a_folder_in_use(tmp_path):
    trainer(tmp_path).fit(5)
    with process(hold, tmp_path) as (_, connection):
        assert connection.recv() == "held"
        for resume in (False, True):
            with pytest.raises(InputError, match="is in use by another process: wait for it, or choose another --out"):
                trainer(tmp_path, resume=resume).fit(6)
    assert trainer(tmp_path, resume=True).fit(6).iteration == 6


def test_a_run_is_not_overwritten(tmp_path):
    trainer(tmp_path).fit(5)
    before = saved(tmp_path)
    with pytest.raises(InputError, match="already holds a run: continue it with --resume"):
        trainer(tmp_path).fit(5)
    assert_same(saved(tmp_path)["state"], before["state"])
