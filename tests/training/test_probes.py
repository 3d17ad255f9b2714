"""Looks at a run from outside: what they say is right, and they change nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.latents import latents
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.training.probes import ARROWS, POINTS, SHOWN, SURFACE
from steadygan.types import Opponent
from tiny import assert_same, built, networks, points, ring, small_d, small_g, state, trainer


class Counting(nn.Module):
    """Counts its forwards in a buffer, in any mode, and draws from the global generator while it trains."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = nn.Sequential(network, nn.Dropout(0.2)) if network[-1].out_features > 1 else network
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("forwards", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += 1
        return self.network(self.norm(x))


def drawing(samples: Tensor) -> dict[str, float]:
    """An evaluator that uses torch's global generator."""
    return {"figure": float(torch.rand(())), "mean": float(samples.mean())}


def watched(out: Path | None, **settings: Any) -> Any:
    G, D = (Counting(network) for network in networks())
    made = trainer(out, G=G, D=D, method=sg.methods.FakeAsReal(2, factor=3), **settings)
    made.fit(110)
    found = state(made)
    return found._replace(sums={}), [
        value.clone() for value in made.session.members[0].draws.generator.get_state()[:50]
    ]


@pytest.mark.parametrize("ema", [0.9, None])
def test_switching_them_off_changes_no_bit(tmp_path, ema):
    quiet = watched(None, evaluator=None, log_every=10**6, evaluate_every=10**6, checkpoint_every=10**6, ema=ema)
    often = watched(
        tmp_path,
        evaluator=drawing,
        log_every=3,
        evaluate_every=7,
        checkpoint_every=13,
        callbacks=[lambda run, *_: (torch.rand(3), run.sample(3), run.sample(3, weights="live"))],
        ema=ema,
    )
    assert_same(often, quiet)


def test_an_evaluator_always_meets_the_same_samples_seed_and_size():
    seen = []

    class Evaluator:
        n = 600

        def __call__(self, samples: Tensor) -> dict[str, float]:
            seen.append(samples.clone())
            return {"drawn": float(torch.rand(()))}

    run = trainer(evaluator=Evaluator(), ema=None, evaluate_every=10).fit(20)
    assert [tuple(samples.shape) for samples in seen] == [(600, 2)] * 3
    assert len({record["drawn"] for record in run.metrics}) == 1
    z = latents(lambda n, g: torch.randn(n, 2, generator=g), 600, 3 + 1, torch.device("cpu"))
    with torch.no_grad():
        torch.testing.assert_close(run.G_live(z)[:600], seen[-1])


def test_evaluates_the_average_when_there_is_one():
    seen = []
    run = trainer(evaluator=lambda x: seen.append(x.clone()) or {}, ema=0.99).fit(30)
    z = latents(lambda n, g: torch.randn(n, 2, generator=g), 10, 3 + 1, torch.device("cpu"))
    with torch.no_grad():
        torch.testing.assert_close(run.G(z)[:10], seen[-1][:10])
        assert not torch.allclose(run.G_live(z)[:10], seen[-1][:10])


def test_what_is_not_finite_has_no_place_in_a_record():
    run = trainer(evaluator=lambda _: {"good": 1.0, "bad": math.nan, "worse": math.inf}).fit(3)
    assert run.metrics[-1]["good"] == 1.0
    assert not {"bad", "worse"} & run.metrics[-1].keys()


class Slope(nn.Module):
    """d(y) = w.y: gradient w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.6, -0.8]))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


def test_gradients_of_a_linear_critic():
    """|grad L_G| = sigmoid(-d(y)) |w| for the nonsaturating loss, |grad d| = |w| = 1."""
    made = trainer(D=Slope(), G=small_g(), lr_g=1e-9)
    run = made.fit(0)
    z = latents(lambda n, g: torch.randn(n, 2, generator=g), POINTS, 3 + 1, torch.device("cpu"))
    with torch.no_grad():
        received = torch.sigmoid(-made.setup.opponents["D"].critic(run.G_live(z)[:POINTS])).double()
    (record,) = run.metrics
    assert record["d_gradient_mean"] == pytest.approx(1.0, rel=1e-6)
    assert record["d_gradient_max"] == pytest.approx(1.0, rel=1e-6)
    assert record["gradient_mean"] == pytest.approx(float(received.mean()), rel=1e-6)
    assert record["gradient_max"] == pytest.approx(float(received.max()), rel=1e-6)
    assert record["gradient_max_over_mean"] == pytest.approx(float(received.max() / received.mean()), rel=1e-6)
    top = received.topk(6).values.sum() / received.sum()  # 1 % of 512, rounded up
    assert record["gradient_top1_share"] == pytest.approx(float(top), rel=1e-6)


def test_gradients_are_those_in_eval_mode():
    """Dropout and batch norm are at rest while the networks are looked at."""
    G, D = built(0, small_g, lambda: nn.Sequential(nn.Dropout(0.9), Slope()))
    record = trainer(G=G, D=D).fit(0).metrics[0]
    assert record["d_gradient_mean"] == pytest.approx(1.0, rel=1e-6)
    assert record["d_gradient_max"] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("loss", [sg.losses.RelativisticPairing(), sg.losses.Hinge()])
def test_gradients_of_other_losses(loss):
    record = trainer(loss=loss, method=[sg.methods.FakeAsReal(2)]).fit(0).metrics[0]
    assert 0 < record["gradient_mean"] <= record["gradient_max"] < 10


def dead(bias: float = -100.0) -> nn.Module:
    D = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    nn.init.constant_(D[0].bias, bias)
    return D


class TestDead:
    def test_from_the_start(self, tmp_path):
        run = trainer(tmp_path, G=small_g(), D=dead()).fit(60)
        (event,) = run.events  # named once, not at every tick
        assert event.startswith("iteration 0: dead discriminator: its mean gradient at the fakes is 0, below 1e-08")
        assert "0 % of its hidden units are active" in event
        assert event in (tmp_path / "log.txt").read_text()
        assert run.metrics[0]["d_gradient_mean"] == 0.0

    def test_when_it_happens_and_when_it_is_over(self):
        heard = []

        def meddle(run, iteration, record):
            heard.append(list(run.events))
            with torch.no_grad():
                run.D[0].bias.fill_({20: -100.0, 60: 1.0}.get(iteration, run.D[0].bias[0].item()))

        run = trainer(G=small_g(), D=dead(0.5), callbacks=[meddle]).fit(80)
        assert [event[:44] for event in run.events] == [
            "iteration 40: dead discriminator: its mean g",
            "iteration 80: the discriminator D works agai",
        ]
        assert [len(events) for events in heard] == [0, 0, 1, 1, 1, 2, 2]  # known to the callback of that very tick

    def test_a_living_one_is_not_named(self):
        assert trainer().fit(40).events == []

    def test_each_opponent_by_its_name(self):
        G, living = networks()
        loss = sg.losses.Hinge()
        run = trainer(G=G, D={"a": Opponent(living, loss), "b": Opponent(dead(), loss)}).fit(2)
        (event,) = run.events
        assert event.endswith("(b)")


class TestSnapshot:
    def test_points_and_the_critics_surface(self, tmp_path):
        trainer(tmp_path, evaluate_every=20, log_every=20, ema=None).fit(20)
        made = trainer(tmp_path, evaluate_every=20, log_every=20, ema=None, resume=True)
        run = made.fit(20)
        with np.load(tmp_path / "samples" / "000000020.npz") as arrays:
            shot = dict(arrays)
        assert {k: (v.shape, v.dtype) for k, v in shot.items()} == {
            "points": ((SHOWN, 2), np.dtype("float32")),
            "surface": ((SURFACE, SURFACE), np.dtype("float32")),
            "slope": ((ARROWS, ARROWS, 2), np.dtype("float32")),
            "extent": ((4,), np.dtype("float32")),
        }
        z = latents(lambda n, g: torch.randn(n, 2, generator=g), SHOWN, 3 + 1, torch.device("cpu"))
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(shot["points"]), run.G_live(z)[:SHOWN])
            left, right, bottom, top = shot["extent"].tolist()
            for row, column in ((0, 0), (0, 63), (40, 3)):
                x = torch.tensor([[left + (right - left) * column / 63, bottom + (top - bottom) * row / 63]])
                assert shot["surface"][row, column] == pytest.approx(run.D(x).item(), abs=1e-5)
        x = torch.tensor([[left + (right - left) * 5 / 19, bottom + (top - bottom) * 12 / 19]], requires_grad=True)
        (slope,) = torch.autograd.grad(torch.nn.functional.logsigmoid(run.D(x)).sum(), x)
        assert shot["slope"][12, 5] == pytest.approx(slope[0].numpy(), rel=1e-3, abs=1e-6)

    def test_in_the_users_units(self, tmp_path):
        data = sg.data.from_user(points() * 100.0 + 1e4).standardised()
        trainer(tmp_path, data=data).fit(0)
        with np.load(tmp_path / "samples" / "000000000.npz") as arrays:
            assert arrays["points"].mean() == pytest.approx(1e4, rel=0.1)
            assert arrays["extent"].min() > 9e3
            down = np.log1p(np.exp(-arrays["surface"].astype(np.float64)))  # of log sigmoid(d)
            across = (arrays["extent"][1] - arrays["extent"][0]) / 63
            usual = np.abs(np.diff(down, axis=1) / across).mean()
            assert np.abs(arrays["slope"][..., 0]).mean() == pytest.approx(usual, rel=0.3)

    def test_other_shapes(self, tmp_path):
        G, D = built(0, lambda: small_g(2, 3), lambda: small_d(3))
        trainer(tmp_path / "three", G=G, D=D, data=points(dim=3)).fit(0)
        with np.load(tmp_path / "three" / "samples" / "000000000.npz") as arrays:
            assert {k: v.shape for k, v in arrays.items()} == {"points": (SHOWN, 3)}
        G, D = built(0, small_g, lambda: small_d(4))
        trainer(tmp_path / "packed", G=G, D=D, method=sg.methods.Packing(2)).fit(0)
        with np.load(tmp_path / "packed" / "samples" / "000000000.npz") as arrays:
            assert arrays.files == ["points"]  # a surface over pairs of points cannot be drawn

    def test_images_in_a_grid(self, tmp_path):
        shape = (1, 8, 8)
        G, D = built(0, lambda: GENERATORS["mlp"](2, shape, width=4), lambda: DISCRIMINATORS["mlp"](shape, width=4))
        trainer(tmp_path, G=G, D=D, data=sg.data.DATA["digits"]()).fit(0)
        (shot,) = (tmp_path / "samples").iterdir()
        assert shot.name == "000000000.png"
        assert shot.read_bytes().startswith(b"\x89PNG")

    def test_none_without_a_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        ring().fit(3)
        assert list(tmp_path.iterdir()) == []
