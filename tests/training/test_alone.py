"""A discriminator that is trained alone, on fixed fakes: what it comes to, what is left out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal
from torch.testing import assert_close

import steadygan as sg
from known import F64, Linear, normal
from steadygan.data import DATA, Source
from steadygan.data.fake_side import FakeSide, fake_side
from steadygan.data.sets.gaussians import TWO_GAUSSIANS_FAKE, TWO_GAUSSIANS_REAL
from steadygan.engine.optim import OptimizerSettings
from steadygan.errors import InputError
from steadygan.evaluation.optimum import log_odds
from steadygan.models import NoGenerator
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer as trainer_of
from tiny import NONE, assert_same, built, next_draws, saved, small_d, state, weights


class Bowl(nn.Module):
    """d(x) = a + b.x + x'Cx: what the best D of two Gaussians is."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        one, (u, v) = torch.ones(x.shape[0]), x.unbind(1)
        return torch.stack([one, u, v, u * u, u * v, v * v], 1) @ self.w


def both(n: int | None = 50) -> tuple[Source, Source]:
    return DATA["two_gaussians"](n=n), DATA["two_gaussians_fake"](n=n)


def alone(out: Path | None = None, **settings: Any) -> sg.Trainer:
    """A trainer without a generator, of equal first weights each time."""
    real, fake = both()
    (D,) = built(0, small_d)
    settings = {
        "D": D,
        "data": real,
        "fakes": fake,
        "batch_size": 8,
        "lr_g": 1e-2,
        "seed": 3,
        "device": "cpu",
        "log_every": 20,
        "evaluate_every": 40,
        "checkpoint_every": 70,
        "evaluate_n": 200,
        "monitor": sg.CollapseMonitor(thresholds=NONE),
        "out": out,
    } | settings
    return sg.Trainer(settings.pop("G", None), settings.pop("D"), settings.pop("data"), **settings)


def test_the_densities_and_their_odds_are_those_of_torch() -> None:
    x = 3.0 * normal(0, 40, 2)
    known = []
    for source, told in zip(both(), (TWO_GAUSSIANS_REAL, TWO_GAUSSIANS_FAKE), strict=True):
        mean, cov = (torch.tensor(part, dtype=F64) for part in told)
        known.append(MultivariateNormal(mean, cov).log_prob(x))
        assert source.log_density is not None
        assert_close(source.log_density(x), known[-1], rtol=1e-12, atol=1e-12)
    odds = log_odds(*both())
    assert odds is not None
    assert_close(odds(x), known[0] - known[1], rtol=1e-10, atol=1e-12)
    assert log_odds(both()[0], DATA["ring8"]()) is None


def test_fakes_do_not_depend_on_reals_of_the_same_seed() -> None:
    """Whitened, both sets are normal numbers: other ones."""
    white = []
    for source, (mean, cov) in zip(both(2000), (TWO_GAUSSIANS_REAL, TWO_GAUSSIANS_FAKE), strict=True):
        assert isinstance(source.train, Tensor)
        factor = torch.linalg.cholesky(torch.tensor(cov))
        white.append(torch.linalg.solve_triangular(factor, (source.train - torch.tensor(mean)).T, upper=False))
    assert float((white[0] * white[1]).mean(1).abs().amax()) < 0.1  # 1 if they were the same


def test_finite_fakes_come_in_rounds() -> None:
    x = torch.arange(10.0).unsqueeze(1)
    side = fake_side(x, Source("numbers", (1,), x))
    drawn = side(25, torch.Generator().manual_seed(0)).flatten()
    for part in (drawn[:10], drawn[10:20]):
        assert sorted(part.tolist()) == [*range(10)]
    assert len({*drawn[20:].tolist()}) == 5
    assert not torch.equal(drawn[:10], drawn[10:20])
    assert torch.equal(drawn, side(25, torch.Generator().manual_seed(0)).flatten())


def test_unlimited_fakes_are_drawn_anew() -> None:
    fake = DATA["two_gaussians_fake"](n=None)
    a, b = (FakeSide(fake)(6, generator) for generator in [torch.Generator().manual_seed(0)] * 2)
    assert not torch.equal(a, b)


def test_fakes_come_in_the_units_of_standardised_data() -> None:
    real = Source("points", (2,), 5.0 + 3.0 * normal(1, 30, 2, dtype=torch.float32)).standardised()
    x = normal(2, 7, 2, dtype=torch.float32)
    assert real.offset is not None
    assert real.scale is not None
    made = fake_side(x, real).source
    assert made.train is not None
    assert_close(made.train, (x - real.offset) / real.scale)
    assert_close(made.restore(made.train), x)  # type: ignore[arg-type]


def test_it_comes_to_the_exact_optimum() -> None:
    """Its six numbers can say log p_real - log p_fake, and D's loss is convex in them."""
    real, fake = both(None)
    made = alone(
        D=Bowl(), data=real, fakes=fake, batch_size=500, lr_g=0.03, evaluate_n=4000, evaluate_every=400, log_every=200
    )
    run = made.fit(400)
    at_first, at_last = (run.metrics[i]["optimum_distance"] for i in (0, -1))
    assert at_first > 0.15  # it says 1/2 everywhere
    assert at_last < 0.04
    assert run.protocols["optimum_distance"].how.startswith("mean of |sigmoid(d) - p_real")


def test_a_step_is_that_of_the_loss_on_both_sets() -> None:
    """Batches as large as the sets: plain gradient descent on mean sp(-d(x)) + mean sp(d(y)), and on nothing else."""
    x, y = (normal(seed, 6, 3, dtype=torch.float32).double() for seed in (1, 2))
    D, rate = Linear([0.3, -0.2, 0.1], 0.4), 0.1
    w, b = D.w.detach().clone(), D.b.detach().clone()
    made = alone(
        D=D, data=x, fakes=y, batch_size=6, lr_g=rate, optimizer=OptimizerSettings("sgd"), dtype=F64, monitor=None
    )
    run = made.fit(3)
    for _ in range(3):
        up, down = torch.sigmoid(-(x @ w + b)), torch.sigmoid(y @ w + b)  # -d sp(-t)/dt, d sp(t)/dt
        slope = ((down[:, None] * y).mean(0) - (up[:, None] * x).mean(0), down.mean() - up.mean())
        w, b = w - rate * slope[0], b - rate * slope[1]
    assert_close(D.w.detach(), w, rtol=1e-10, atol=1e-12)
    assert_close(D.b.detach(), b, rtol=1e-10, atol=1e-12)
    assert made.session.executor.optimizers.keys() == {"D"}
    assert isinstance(run.G, NoGenerator)
    assert not [*run.G.parameters()]


def test_nothing_is_said_of_a_generator() -> None:
    made = alone()
    run = made.fit(60)
    told = run.metrics[-1]
    assert told.keys() >= {"d_loss", "d_gradient_mean", "overfitting_gap", "optimum_distance", "weight_norm_d"}
    about_g = {"g_loss", "gradient_norm_g", "weight_norm_g", "ema_distance", "d_off", "g_off", "energy_distance"}
    assert not about_g & told.keys()
    assert (
        not {
            "gradient_mean",
            "gradient_top1_share",
            "batch_distance",
            "batch_coverage",
            "diversity",
            "duplicates",
            "over_coverage",
        }
        & told.keys()
    )
    assert run.equilibrium == (None, None)
    assert run.notes[0].startswith("no generator: D is trained alone")


def test_the_monitor_still_judges_the_discriminator() -> None:
    """Four samples of either side are known by heart soon; of fixed fakes no state but `learning` is told."""
    units = nn.LeakyReLU(0.2)
    (D,) = built(0, lambda: nn.Sequential(nn.Linear(2, 64), units, nn.Linear(64, 64), units, nn.Linear(64, 1)))
    run = alone(D=D, data=both(4)[0], fakes=both(4)[1], monitor=sg.CollapseMonitor()).fit(600)
    assert {record["verdict"] for record in run.metrics} == {"learning"}
    assert run.metrics[-1]["causes"] == "d_overfits"
    assert "has memorised them" in run.metrics[-1]["reason"]
    assert any(": warning: D rates its training samples" in event for event in run.events)


@pytest.mark.usefixtures("short_blocks")
@pytest.mark.parametrize("n", [50, None])
def test_cut_in_two_it_is_the_same_run(tmp_path: Path, n: int | None) -> None:
    given = dict(zip(("data", "fakes"), both(n), strict=True))
    more = {"penalties": [sg.penalties.zero_gp(1.0)], "log_every": 8, "evaluate_every": 12, "checkpoint_every": 14}
    whole = alone(tmp_path / "whole", **given, **more)
    run = whole.fit(50)
    alone(tmp_path / "cut", **given, **more).fit(33)
    cut = alone(tmp_path / "cut", resume=True, **given, **more)
    again = cut.fit(50)
    assert_same(state(cut), state(whole))
    assert_same(next_draws(cut), next_draws(whole))
    assert again.metrics == run.metrics
    assert_same(saved(tmp_path / "cut")["state"], saved(tmp_path / "whole")["state"])
    shots = [sorted((tmp_path / name / "samples").iterdir()) for name in ("whole", "cut")]
    assert [path.name for path in shots[0]] == [path.name for path in shots[1]]


def test_other_fakes_are_another_run(tmp_path: Path) -> None:
    alone(tmp_path).fit(10)
    with pytest.raises(InputError, match="trained on other data"):
        alone(tmp_path, fakes=DATA["two_gaussians_fake"](n=50, seed=9), resume=True).fit(20)


def test_side_by_side_they_are_the_lone_runs() -> None:
    def build(seed: int) -> sg.Trainer:
        return alone(D=built(seed, small_d)[0], seed=seed, penalties=[sg.penalties.r1(1.0)])

    seeds = sg.Seeds(build, 2)
    runs = seeds.fit(40)
    assert seeds.reason is None
    for seed, run in enumerate(runs):
        lone = build(seed).fit(40)
        assert_close(weights(run.D), weights(lone.D), rtol=1e-4, atol=1e-5)
        assert run.metrics[-1]["optimum_distance"] == pytest.approx(lone.metrics[-1]["optimum_distance"], abs=1e-4)


def test_a_run_read_back_has_no_samples(tmp_path: Path) -> None:
    trained = alone(tmp_path / "run").fit(20)
    (D,) = built(1, small_d)
    run = sg.load(tmp_path / "run", D=D)
    assert_close(weights(run.D), weights(trained.D), rtol=0, atol=0)
    for use in (
        lambda: run.sample(3),
        lambda: trained.sample(3),
        lambda: sg.export(run, tmp_path / "export"),
        lambda: sg.evaluate(run, both()[0]),
    ):
        with pytest.raises(InputError, match="expected a run with a generator, got a discriminator trained alone"):
            use()
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fakes": None}, "expected a generator, or fakes that D is trained on alone"),
        ({"G": nn.Linear(2, 2)}, "expected G=None with fakes"),
        ({"latent_dim": 2}, "expected no latent_dim with fakes"),
        ({"latent": lambda n, g: torch.randn(n, 2, generator=g)}, "expected no latent with fakes"),
        ({"evaluator": lambda _: {}}, "expected no evaluator with fakes"),
        ({"fakes": torch.zeros(5, 3)}, r"expected fakes of shape \(2,\), like the data, got \(3,\)"),
        ({"fakes": 3}, "expected"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        alone(**settings)
    assert "\n" not in str(error.value)


def test_a_discriminator_that_takes_labels_is_refused() -> None:
    class Told(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_d()

        def forward(self, x: Tensor, label: Tensor) -> Tensor:
            return self.net(x).flatten() + label

    with pytest.raises(InputError, match="expected a discriminator without labels with fakes"):
        alone(D=Told()).fit(1)


@pytest.mark.parametrize("name", ["none", "more-data", "one_gp", "r1", "zero_gp"])
def test_the_recipes_train_and_are_read_back(name: str, tmp_path: Path) -> None:
    made = trainer_of(RECIPES[f"two-gaussians/{name}"](scale="small"), out=tmp_path / "run")
    run = made.fit(2)
    assert made.setup.fakes is not None
    assert (made.setup.source.size, made.setup.fakes.size) == ((10_000,) * 2 if name == "more-data" else (100,) * 2)
    again = sg.load(tmp_path / "run")
    assert isinstance(again.G, NoGenerator)
    assert_close(weights(again.D), weights(run.D), rtol=0, atol=0)
    assert again.protocols == run.protocols


def test_mirrored_images_are_so_in_half_of_their_visits() -> None:
    """A picture that differs from its mirror image: one column is light."""
    x = torch.full((1, 1, 4, 4), -1.0)
    x[..., 0] = 1.0
    source = Source("column", (1, 4, 4), x, image=True, flip=True)
    drawn = FakeSide(source)(200, torch.Generator().manual_seed(0))
    left, right = (drawn[:, 0, 0, column] > 0 for column in (0, 3))
    assert torch.equal(left, ~right)
    assert 60 < int(left.sum()) < 140
    assert (FakeSide(source)(50, torch.Generator().manual_seed(1)).sum((1, 2, 3)) == x.sum()).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": sg.losses.Wasserstein()},  # whose best D has no bound
        {"D": nn.Sequential(nn.Linear(4, 1)), "method": sg.methods.Packing(2)},  # which judges pairs
        {"fakes": DATA["gaussian"](n=50)},  # whose density is not told
    ],
    ids=["loss", "pairs", "density"],
)
def test_where_no_best_discriminator_is_known_nothing_is_said_of_it(settings: dict[str, Any]) -> None:
    run = alone(**settings).fit(40)
    assert "optimum_distance" not in run.metrics[-1]
    assert run.protocols == {}
    assert run.metrics[-1]["d_loss"] != 0.0
