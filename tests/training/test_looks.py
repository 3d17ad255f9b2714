"""What a run's records say of a look: each figure worked out once more, for all kinds of networks and methods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr
from torch import Tensor, nn

import steadygan as sg
from images import images
from images import source as pictures
from known import F64, normal
from several import EXACT, several, stacked, states
from steadygan.data import Source
from steadygan.latents import latents
from steadygan.training.probes import IMAGES, POINTS, SHOWN
from steadygan.types import Opponent
from tiny import assert_same, built, points, small_d, small_g, state, trainer

SEED = 3  # of the trainers
PAIRS = 256
LOOKED = {
    *("d_gradient_mean", "d_gradient_max", "dead_units", "accuracy_real", "accuracy_fake", "logit_gap", "separation"),
    *("saturation", "non_finite", "feature_diversity", "close_pairs", "most_on_one_real", "nearest_share"),
    *("duplicates", "batch_coverage", "batch_balance", "diversity", "batch_distance", "steepness"),
    "slope_to_scale",
    *("gradient_mean", "gradient_max", "gradient_max_over_mean", "gradient_top1_share", "weight_norm_g"),
    *("weight_norm_d", "ema_distance"),
}
TRAINED = {"d_loss_std", "g_loss_std", "d_off", "g_off", "gradient_norm_g", "gradient_norm_d"}
HELD = {"accuracy_held_out", "overfitting_gap"}


def held_source(**changes: Any) -> Source:
    settings = {"train": points(), "held_out": points(40) - 1.0, **changes}
    return Source("split", (2,), **settings)


def shown(source: Source, size: int = POINTS) -> tuple[Tensor, Tensor]:
    """Training samples and fresh ones, as the probes draw them."""
    generator = torch.Generator().manual_seed(SEED + 2)
    fresh = source.fresh(SHOWN, generator)[:size]
    assert source.size is not None
    return source.at(torch.randint(source.size, (size,), generator=generator)).x, fresh


def norm(module: nn.Module) -> float:
    return float(torch.cat([p.detach().double().flatten() for p in module.parameters()]).norm())


def finite(record: dict[str, Any]) -> bool:
    return all(math.isfinite(value) for value in record.values() if not isinstance(value, str))


class TestFigures:
    """A look at the end of a tiny run, against NumPy and SciPy."""

    @pytest.fixture(scope="class")
    @staticmethod
    def run() -> Any:
        return trainer(data=held_source(), dtype=F64, evaluate_every=20).fit(20)

    @pytest.fixture(scope="class")
    @staticmethod
    def sides(run: Any) -> tuple[Tensor, ...]:
        z = latents(lambda n, g: torch.randn(n, 2, generator=g, dtype=F64), POINTS, SEED + 1, torch.device("cpu"))
        return (*shown(held_source().to("cpu", F64)), run.G_live(z).detach())

    def test_all_keys_are_there(self, run: Any) -> None:
        first, last = run.metrics
        assert first.keys() >= LOOKED | HELD
        assert not first.keys() & TRAINED
        assert last.keys() >= LOOKED | HELD | TRAINED | {"verdict", "over_coverage"}
        assert finite(first)
        assert finite(last)

    def test_gradients(self, run: Any, sides: tuple[Tensor, ...]) -> None:
        record, y = run.metrics[-1], sides[2].clone().requires_grad_()
        (slope,) = torch.autograd.grad(run.D(y).sum(), y)
        (received,) = torch.autograd.grad(nn.functional.softplus(-run.D(y)).sum(), y)
        for key, values in (("d_gradient", slope.norm(dim=1)), ("gradient", received.norm(dim=1))):
            assert record[f"{key}_mean"] == pytest.approx(float(values.mean()), rel=1e-9)
            assert record[f"{key}_max"] == pytest.approx(float(values.max()), rel=1e-9)
        x = torch.unique(sides[0][:PAIRS], dim=0)
        assert record["steepness"] == pytest.approx(float(slope.norm(dim=1).mean()) * pdist(x).mean(), rel=1e-9)

    def test_logits(self, run: Any, sides: tuple[Tensor, ...]) -> None:
        record = run.metrics[-1]
        r, h, f = (run.D(x).squeeze(1).detach().numpy() for x in sides)
        pooled = [math.sqrt((a.var() * len(a) + r.var() * len(r)) / (len(a) + len(r) - 2)) for a in (h, f)]
        expected = {
            "accuracy_real": (r > 0).mean(),
            "accuracy_held_out": (h > 0).mean(),
            "accuracy_fake": (f < 0).mean(),
            "logit_gap": r.mean() - f.mean(),
            "overfitting_gap": (r.mean() - h.mean()) / pooled[0],
            "separation": (r.mean() - f.mean()) / pooled[1],
            "saturation": (np.abs(np.concatenate([r, f])) > 10).mean(),
            "non_finite": 0.0,
        }
        assert {key: record[key] for key in expected} == pytest.approx(expected, rel=1e-9)
        assert len(r) == len(h) == len(f) == POINTS

    def test_samples_and_cells(self, run: Any, sides: tuple[Tensor, ...]) -> None:
        record = run.metrics[-1]
        x, z, y = (side[:PAIRS].numpy() for side in sides)
        x, d = np.unique(x, axis=0), run.D(sides[2][:PAIRS]).squeeze(1).detach().numpy()
        delta, across = 0.01 * np.median(pdist(x)), cdist(x, y)
        cells, spread = across.argmin(0), pdist(x).mean()
        noise = max(0.0, (2 * cdist(x, z).mean() - pdist(z).mean() - spread) / spread)
        found = np.unique(cells)
        rho = spearmanr([d[cells == c].mean() for c in found], [(cells == c).sum() for c in found])
        expected = {
            "close_pairs": (across <= delta).sum() / len(y),
            "most_on_one_real": (across <= delta).sum(1).max(),
            "nearest_share": np.bincount(cells).max() / len(y),
            "diversity": pdist(y).mean() / spread,
            "batch_distance": (2 * across.mean() - pdist(y).mean() - spread) / spread - noise,
            "over_coverage": rho.statistic,
        }
        assert {key: record[key] for key in expected} == pytest.approx(expected, rel=1e-8)

    def test_hidden_units(self, run: Any, sides: tuple[Tensor, ...]) -> None:
        record = run.metrics[-1]
        real, fake = (run.D[:2](side[:128]).detach().numpy() for side in (sides[0], sides[2]))
        assert record["feature_diversity"] == pytest.approx(pdist(fake).mean() / pdist(real).mean(), rel=1e-9)
        assert record["dead_units"] == 0.0

    def test_weights(self, run: Any) -> None:
        record = run.metrics[-1]
        assert record["weight_norm_g"] == pytest.approx(norm(run.G_live), rel=1e-9)
        assert record["weight_norm_d"] == pytest.approx(norm(run.D), rel=1e-9)
        pairs = zip(run.G.parameters(), run.G_live.parameters(), strict=True)
        apart = math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in pairs))
        assert record["ema_distance"] == pytest.approx(apart / norm(run.G_live), rel=1e-9)


def test_a_batch_in_which_fakes_take_the_place_of_every_real_sample() -> None:
    """Of data that are drawn anew, there is then nothing to compare with the first ones."""
    made = trainer(data=sg.data.DATA["ring8"](), method=sg.methods.FakeAsReal(8, factor=2), batch_size=8)
    assert made.fit(4).metrics[-1]["iteration"] == 4


class TestHeldOut:
    def test_no_figures_where_every_real_sample_is_trained_on(self) -> None:
        assert not trainer().fit(0).metrics[0].keys() & HELD
        assert not trainer(data=sg.data.DATA["ring8"]()).fit(0).metrics[0].keys() & HELD

    def test_nor_of_conditional_runs(self) -> None:
        data = pictures(held_out=normal(0, 20, 3, 8, 8).float(), held_out_label=torch.arange(20) % 3)
        record = images(conditional=True, data=data).fit(2).metrics[-1]
        assert not record.keys() & HELD
        assert record.keys() >= LOOKED
        assert images(data=data).fit(0).metrics[0].keys() >= HELD


def batch_normed() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.LeakyReLU(0.2), nn.Linear(6, 1))


def two() -> dict[str, Opponent]:
    a, b = built(1, small_d, small_d)
    return {"a": Opponent(a, sg.losses.Hinge(), weight=0.5), "b": Opponent(b, sg.losses.NonSaturating())}


RELATIVISTIC = {"loss": sg.losses.RelativisticPairing()}


def short(make: Any = trainer, **settings: Any) -> sg.Trainer:
    return make(log_every=3, evaluate_every=3, **settings)


CASES: dict[str, Any] = {
    "batch norm": lambda: short(G=small_g(), D=batch_normed(), batch_size=6),
    "relativistic": lambda: short(**RELATIVISTIC, batch_size=300),
    "a batch larger than what is looked at": lambda: short(**RELATIVISTIC, batch_size=600),
    "packs": lambda: short(G=small_g(), D=small_d(6), method=sg.methods.Packing(3), batch_size=7),
    "two opponents": lambda: short(G=small_g(), D=two()),
    "no hidden units": lambda: short(G=small_g(), D=nn.Linear(2, 1)),
    "one sample": lambda: short(data=points(1)),
    "digits": lambda: short(**dict(zip("GD", digits(), strict=True)), data=sg.data.DATA["digits"](), batch_size=50),
    "images": lambda: short(make=images, norm="batch"),
    "images that leave some over": lambda: short(
        make=images, loss=sg.losses.RelativisticPairing(), batch_size=50, method=None
    ),
}
ABSENT = {
    "one sample": {"diversity", "batch_distance", "slope_to_scale"},
    "no hidden units": {"feature_diversity"},
}


def digits() -> tuple[nn.Module, ...]:
    models, shape = sg.models, (1, 8, 8)
    return built(
        0,
        lambda: models.GENERATORS["mlp"](2, shape, width=4),
        lambda: models.DISCRIMINATORS["mlp"](shape, width=4),
    )


@pytest.mark.parametrize("name", CASES)
def test_other_runs(name: str) -> None:
    made = CASES[name]()
    run = made.fit(3)
    first, last = run.metrics
    for record in (first, last):
        assert record.keys() >= LOOKED - ABSENT.get(name, set())
        assert not record.keys() & ABSENT.get(name, set())
        assert finite(record)
    assert last.keys() >= TRAINED - ({"g_off"} if name == "two opponents" else set())  # hinge leaves it free
    probes = made.session.members[0].probes
    figures, dead = probes.look(3)
    again, still = probes.look(3)
    assert still == dead
    assert again == pytest.approx(figures, rel=1e-5, abs=1e-9)  # kernels may round by where memory lies
    assert {key: last[key] for key in figures} == pytest.approx(figures, rel=1e-5, abs=1e-9)


def test_of_two_opponents_the_first_is_described_and_both_teach() -> None:
    made = trainer(G=small_g(), D=two(), dtype=F64)
    run = made.fit(0)
    z = latents(lambda n, g: torch.randn(n, 2, generator=g, dtype=F64), POINTS, SEED + 1, torch.device("cpu"))
    y = run.G_live(z).detach().requires_grad_()
    a, b = (run.D[name](y) for name in "ab")
    (slope,) = torch.autograd.grad(a.sum(), y, retain_graph=True)
    (received,) = torch.autograd.grad(nn.functional.softplus(-b).sum() - 0.5 * a.sum(), y)
    (record,) = run.metrics
    assert record["d_gradient_mean"] == pytest.approx(float(slope.norm(dim=1).mean()), rel=1e-9)
    assert record["gradient_mean"] == pytest.approx(float(received.norm(dim=1).mean()), rel=1e-9)
    assert record["weight_norm_d"] == pytest.approx(norm(run.D["a"]), rel=1e-9)


def test_as_many_images_as_are_looked_at() -> None:
    seen: list[int] = []

    class Watched(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.shape[0])
            return self.network(x)

    G, D = digits()
    made = trainer(G=G, D=Watched(D), data=sg.data.DATA["digits"]())
    made.fit(0)
    seen.clear()
    made.session.members[0].probes.look(0)
    assert seen == [IMAGES, IMAGES, IMAGES]  # reals, fakes, held-out ones


class TestTheyChangeNoBit:
    SETTINGS: dict[str, Any] = {"method": sg.methods.FakeAsReal(2, factor=3), "log_every": 4}  # noqa: RUF012

    def test_of_a_lone_run(self) -> None:
        found = []
        for monitor in ("auto", None):
            made = trainer(monitor=monitor, **self.SETTINGS)
            run = made.fit(30)
            found.append(state(made)._replace(sums={}))
            assert bool(run.metrics[-1].keys() & (LOOKED | {"verdict", "gradient_norm_d"})) == (monitor == "auto")
        assert_same(*found)

    def test_of_a_stack(self) -> None:
        found = []
        for monitor in ("auto", None):
            made = several(None, 3, monitor=monitor, **self.SETTINGS)
            made.fit(30)
            assert stacked(made)
            found.append([each._replace(sums={}) for each in states(made)])
        assert_same(*found)


def test_members_of_a_stack_are_looked_at_like_lone_runs() -> None:
    together = several(None, 3, **EXACT, log_every=5, evaluate_every=20)
    runs = together.fit(20)
    assert stacked(together)
    for seed, run in enumerate(runs):
        (alone,) = several(None, [seed], **EXACT, log_every=5, evaluate_every=20).fit(20)
        assert [record["iteration"] for record in run.metrics] == [0, 5, 10, 15, 20]
        for here, there in zip(run.metrics, alone.metrics, strict=True):
            assert here.keys() == there.keys()
            told = {key: value for key, value in there.items() if not isinstance(value, str)}
            assert {key: here[key] for key in told} == pytest.approx(told, rel=1e-5, abs=1e-9)
        assert "gradient_norm_g" in run.metrics[-1]
