"""A Trainer with conditions: what fakes are made for, resume, sampling, export; images translated, and sounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import steadygan as sg
from known import normal, seeded
from steadygan.data import from_user
from steadygan.diagnostics.states import ALARMS, GOOD
from steadygan.engine.draws import Draws
from steadygan.engine.needs import BLOCK, Needs
from steadygan.engine.objective import Sides
from steadygan.errors import InputError
from steadygan.latents import normal_latent
from steadygan.training.opponents import opponents_of
from steadygan.types import Batch

N = 96


def pairs(n: int = N) -> Batch:
    """Points whose condition is the point itself, so that pairs can be told."""
    x = normal(0, n, 2).float()
    return Batch(x, given=x + 5.0)


class Line(nn.Module):
    """x -> a x + b, of conditions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.body = seeded(0, lambda: nn.Linear(2, 2)).float()

    def forward(self, given: Tensor) -> Tensor:
        return self.body(given)


class Mixed(nn.Module):
    """Of latents and a mapping of conditions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = seeded(0, lambda: nn.Linear(3 + 2 + 1, 2)).float()

    def forward(self, z: Tensor, place: Tensor, step: Tensor) -> Tensor:
        return self.body(torch.cat([z, place, step.unsqueeze(1).float() / 10], 1))


class Judge(nn.Module):
    """d(x, condition)."""

    def __init__(self, numbers: int = 4) -> None:
        super().__init__()
        self.body = seeded(
            1, lambda: nn.Sequential(nn.Linear(numbers, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
        ).float()

    def forward(self, x: Tensor, given: Any) -> Tensor:
        more = [given] if isinstance(given, Tensor) else [given["place"], given["step"].unsqueeze(1).float() / 10]
        return self.body(torch.cat([x, *more], 1))


def trainer(data: Any = None, G: nn.Module | None = None, D: nn.Module | None = None, **given: Any) -> sg.Trainer:
    settings: dict[str, Any] = {"batch_size": 8, "log_every": 2, "evaluate_every": 4, "checkpoint_every": 2}
    settings |= {"evaluate_n": 64, "monitor": None} | given
    return sg.Trainer(G or Line(), D or Judge(), pairs() if data is None else data, **settings)


def drawn(method: Any = None, d_steps: int = 2, **loss: Any) -> Draws:
    source = from_user(pairs()).to("cpu")
    opponents = opponents_of(Judge(), loss.get("loss"), (), method, None)
    needs = Needs.of(opponents, Sides(8, 8), source.shape, d_steps)
    return Draws(needs, source.stream(3), normal_latent(0, torch.float32), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", [None, sg.methods.FakeAsReal(3, 2)], ids=["plain", "fake-as-real"])
def test_fakes_are_made_for_the_reals_of_their_step(method: Any) -> None:
    """One by one, and candidates for others; the reals come with their own conditions, epoch after epoch."""
    draws = drawn(method)
    source = draws.stream.source
    seen = []
    for block in (draws.block(0), draws.block(1)):
        assert len(block) == BLOCK
        for iteration in (block[0], block[BLOCK - 1]):
            for step in iteration.d:
                assert step.real is not None
                torch.testing.assert_close(step.real.given, step.real.x + 5.0)
                assert step.asked is not None
                assert len(step.asked) == len(step.z) == 8 + (0 if method is None else 6)
                assert torch.equal(source.at(step.asked[: step.real.size]).x, step.real.x)
                assert step.asked.max() < N
                seen.append(step.asked)
            assert iteration.g.asked is not None
            assert len(iteration.g.asked) == 8
    assert len({tuple(rows.tolist()) for rows in seen}) == len(seen)


def test_a_g_step_that_is_shown_reals_is_shown_its_own() -> None:
    draws = drawn(sg.methods.Reconstruction(), d_steps=1)
    for iteration in (draws.block(0)[0], draws.block(0)[7]):
        step = iteration.g
        assert step.real is not None
        assert step.asked is not None
        assert torch.equal(draws.stream.source.at(step.asked).x, step.real.x)


def test_g_learns_the_map_from_conditions_alone() -> None:
    """x = condition - 5: a least-squares reconstruction finds it, with a D that hardly counts."""
    method = sg.methods.Reconstruction(100.0, norm="l2")
    made = trainer(batch_size=32, lr_g=0.02, ema=None, evaluator=None, method=method, loss=sg.losses.Hinge())
    run = made.fit(500)
    x = pairs().x
    assert float((run.sample(N, given=x + 5.0) - x).abs().mean()) < 0.5  # at first 5


def test_latents_and_a_mapping_of_conditions() -> None:
    data = Batch(pairs().x, given={"place": pairs().given, "step": torch.arange(N) % 10})
    run = trainer(data, Mixed(), Judge(5), latent_dim=3).fit(4)
    given = {"place": torch.zeros(5, 2), "step": torch.zeros(5, dtype=torch.int64)}
    found = run.sample(5, given=given)
    assert len({tuple(row.tolist()) for row in found}) == 5  # the latents differ
    assert run.metrics[-1]["iteration"] == 4
    with pytest.raises(InputError, match="the generator cannot take latents of shape"):
        trainer(data, Line(), Judge(5), latent_dim=3).fit(1)


@pytest.mark.parametrize("classes", [True, False])
def test_classes_beside_conditions(classes: bool) -> None:
    class Both(Line):
        def forward(self, given: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
            assert label.shape == given.shape[:1]
            return self.body(given) + label.unsqueeze(1)

    class Classed(Judge):
        def forward(self, x: Tensor, given: Any, label: Tensor) -> Tensor:  # type: ignore[override]
            torch.testing.assert_close(label, (given[:, 0] > 5).long())
            return super().forward(x, given)

    data = pairs()
    data = data._replace(label=(data.given[:, 0] > 5).long())
    if classes:
        assert trainer(data, Both(), Classed()).fit(2).iteration == 2
    else:  # a second parameter is the condition, not the class
        assert trainer(data).fit(2).iteration == 2


def state(run: sg.Run) -> list[Tensor]:
    return [*run.G_live.state_dict().values()]


def test_a_run_goes_on_exactly(tmp_path: Path) -> None:
    method = sg.methods.FakeAsReal(3, 2)
    whole = trainer(method=method, out=tmp_path / "a").fit(130)
    trainer(method=method, out=tmp_path / "b").fit(57)
    again = trainer(method=method, out=tmp_path / "b", resume=True).fit(130)
    for ours, theirs in zip(state(whole), state(again), strict=True):
        assert torch.equal(ours, theirs)
    assert whole.metrics == again.metrics
    other = pairs()
    with pytest.raises(InputError, match="was trained on other data"):
        trainer(other._replace(given=other.given + 1), method=method, out=tmp_path / "b", resume=True).fit(140)


def test_a_run_is_sampled_with_its_inputs(tmp_path: Path) -> None:
    run = trainer(out=tmp_path / "run").fit(2)
    given = normal(4, 5, 2).float()
    expected = run.G(given)
    torch.testing.assert_close(run.sample(5, given=given), expected)
    torch.testing.assert_close(run.sample(7, given=given), torch.cat([expected, expected[:2]]))  # in turns
    assert run.sample(4).shape == (4, 2)  # for the training data's, which are at hand
    assert len(run.sample(300)) == 300
    back = sg.load(tmp_path / "run", G=Line(), D=Judge())
    torch.testing.assert_close(back.sample(5, given=given), expected)
    with pytest.raises(InputError, match=r"pass given= with \(2,\), such as run.sample"):
        back.sample(4)
    with pytest.raises(InputError, match="expected conditions of the form"):
        back.sample(4, given=(given, given[:3]))
    plain = sg.Trainer(nn.Linear(2, 2), nn.Linear(2, 1), pairs().x, latent_dim=2, monitor=None, evaluator=None).fit(0)
    with pytest.raises(InputError, match="expected no conditions"):
        plain.sample(4, given=given)


def test_held_out_conditions_are_what_is_evaluated() -> None:
    seen: list[Tensor] = []

    def evaluate(x: Tensor) -> dict[str, float]:
        seen.append(x)
        return {}

    data = pairs()
    source = sg.data.Source("own", (2,), data.x, given=data.given, held_out=data.x + 90.0, held_out_given=data.x + 95.0)
    run = trainer(source, evaluator=evaluate).fit(0)
    made = run.G(source.held_out_given)
    assert all(bool((row == made).all(1).any()) for row in seen[0][:16])
    torch.testing.assert_close(run.sample(3), made[:3])


@pytest.mark.parametrize("latent_dim", [None, 3])
def test_an_exported_program_takes_conditions(tmp_path: Path, latent_dim: int | None) -> None:
    if latent_dim is None:
        run = trainer().fit(1)
        given: Any = normal(4, 3, 2).float()
        inputs: tuple[Any, ...] = (given,)
    else:
        data = Batch(pairs().x, given={"place": pairs().given, "step": torch.arange(N) % 10})
        run = trainer(data, Mixed(), Judge(5), latent_dim=3).fit(1)
        given = {"place": torch.zeros(3, 2), "step": torch.arange(3)}
        inputs = (normal(5, 3, 3).float(), given)
    card = sg.export(run, tmp_path / "out")
    program = torch.export.load(tmp_path / "out" / "generator.pt2").module()
    named = given if latent_dim else {"given": given}
    expected = run.G(*inputs[:-1], **named)
    torch.testing.assert_close(program(*inputs), expected)
    assert "given)" in card["load"][1]
    assert ("randn" in card["load"][1]) == (latent_dim is not None)
    run.conditions = None
    with pytest.raises(InputError, match="the data are not at hand"):
        sg.export(run, tmp_path / "other")
    assert sg.export(run, tmp_path / "other", given=given)["output"]["shape"] == [2]


def test_what_does_not_fit() -> None:
    data = pairs()
    with pytest.raises(InputError, match=f"expected conditions for {N} train samples of 'data', got"):
        trainer(data._replace(given=data.given[:5]))
    with pytest.raises(InputError, match="pass either latent_dim"):
        trainer(data.x)
    with pytest.raises(InputError, match="not mirrored, with their conditions, got flip"):
        sg.data.Source("own", (1, 8, 8), normal(0, 4, 1, 8, 8), given=normal(1, 4, 2), image=True, flip=True)
    with pytest.raises(InputError, match="got unlimited samples"):
        sg.data.Source("own", (2,), sampler=lambda n, _: torch.zeros(n, 2), given=normal(1, 4, 2))
    with pytest.raises(InputError, match="the generator cannot take conditions alone"):
        trainer(Batch(data.x, given={"place": data.given, "step": torch.arange(N)}), Line(), Judge(5)).fit(1)


def test_two_seeds_go_one_after_the_other() -> None:
    seeds = sg.Seeds(lambda seed: trainer(seed=seed), 2)
    runs = seeds.fit(2)
    assert [run.iteration for run in runs] == [2, 2]
    assert any("data with conditions are trained one run at a time" in note for note in runs[0].notes)


def test_reconstruction_by_hand() -> None:
    x, y = normal(0, 6, 3, 2), normal(1, 6, 3, 2).requires_grad_()

    def D(v: Tensor) -> Tensor:
        return v.sum((1, 2))

    for norm, expected in (("l1", (y - x).abs().mean()), ("l2", (y - x).square().mean())):
        method = sg.methods.Reconstruction(3.0, norm=norm)
        loss = sg.g_loss(sg.losses.Wasserstein(), D, y, real=x, method=method)
        torch.testing.assert_close(loss, -D(y).mean() + 3.0 * expected)
    with pytest.raises(InputError, match="expected a real sample for each of 6 fakes, got 5"):
        sg.g_loss(sg.losses.Wasserstein(), D, y, real=x[:5], method=sg.methods.Reconstruction())
    with pytest.raises(InputError, match="unknown norm"):
        sg.methods.Reconstruction(norm="l3")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected samples as they are, got packing"):
        sg.methods.chain(sg.methods.Packing(2), sg.methods.Reconstruction())


def test_pairs_without_conditions_are_said() -> None:
    made = sg.Trainer(
        nn.Linear(2, 2),
        nn.Linear(2, 1),
        pairs().x,
        latent_dim=2,
        method=sg.methods.Reconstruction(),
        monitor=None,
        evaluator=None,
        batch_size=8,
    )
    assert any("do not belong together: the data have no conditions" in note for note in made.fit(1).notes)


# Two toys as they are trained in earnest: images sharpened by a patch discriminator, and sounds by one of two periods.


class Sharpen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, 16, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(16, 1, 3, padding=1)]
        self.body = seeded(0, lambda: nn.Sequential(*layers)).float()

    def forward(self, given: Tensor) -> Tensor:
        return given + self.body(given)


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(2, 16, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 1, 3, 1, 1)]
        self.body = seeded(1, lambda: nn.Sequential(*layers)).float()

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        return self.body(torch.cat([x, given], 1))


class Sound(nn.Module):
    """A wave of the asked pitch, from noise."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Linear(4 + 1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 48), nn.Tanh()]
        self.body = seeded(0, lambda: nn.Sequential(*layers)).float()

    def forward(self, z: Tensor, given: Tensor) -> Tensor:
        return self.body(torch.cat([z, given], 1)).unsqueeze(1)


class Periods(nn.Module):
    """One head per period, each with its features, as vocoders have."""

    def __init__(self, periods: tuple[int, ...] = (2, 3)) -> None:
        super().__init__()
        self.periods = periods
        self.first = nn.ModuleList([seeded(p, lambda: nn.Conv2d(2, 8, (5, 1), (2, 1))).float() for p in periods])
        self.last = nn.ModuleList([seeded(p, lambda: nn.Conv2d(8, 1, (3, 1))).float() for p in periods])

    def forward(self, x: Tensor, given: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        x = torch.cat([x, given.unsqueeze(2).expand(-1, -1, x.shape[2])], 1)
        logits, features = [], []
        for period, first, last in zip(self.periods, self.first, self.last, strict=True):
            hidden = F.leaky_relu(first(x.unflatten(2, (-1, period))), 0.2)
            logits.append(last(hidden))
            features.append([hidden])
        return logits, features


def digits() -> Batch:
    x = sg.data.digits().at(torch.arange(256)).x
    return Batch(x, given=F.avg_pool2d(F.pad(x, [1, 1, 1, 1], mode="replicate"), 3, 1))


def waves() -> Batch:
    time, pitch = torch.arange(48) / 48.0, 1.0 + torch.arange(128) % 4
    x = (
        torch.sin(2 * math.pi * (pitch.unsqueeze(1) * time + normal(0, 128, 1).float()))
        + 0.05 * normal(1, 128, 48).float()
    )
    return Batch(x.unsqueeze(1), given=pitch.unsqueeze(1) / 4.0)


@pytest.mark.parametrize("far", [False, True], ids=["plain", "fake-as-real"])
def test_blurred_digits_are_sharpened(far: bool) -> None:
    """By a patch discriminator: the reconstruction gains on its blurred input, and the run is watched and resumed."""
    method = [*([sg.methods.FakeAsReal(4, 2)] if far else []), sg.methods.Reconstruction(10.0)]
    run = sg.Trainer(
        Sharpen(),
        Patches(),
        digits(),
        loss=sg.losses.Hinge(),
        penalties=[sg.penalties.r1(0.1, by="difference")],
        method=method,
        batch_size=16,
        lr_g=2e-3,
        ema=None,
        log_every=50,
        evaluator=None,
    ).fit(200)
    data = digits()
    made = run.sample(256, given=data.given)
    assert float((made - data.x).abs().mean()) < 0.8 * float((data.given - data.x).abs().mean())
    told = run.metrics[-1].keys()
    assert {"quality", "separation", "verdict"} <= told
    assert any(key.startswith("g/method/") and key.endswith("pairs") for key in told)
    assert any("16 logits of each sample" in note for note in run.notes)


@pytest.mark.parametrize("far", [False, True], ids=["plain", "fake-as-real"])
def test_waves_by_a_list_of_periods(far: bool) -> None:
    run = sg.Trainer(
        Sound(),
        Periods(),
        waves(),
        latent_dim=4,
        loss=sg.losses.NonSaturating(),
        penalties=[sg.penalties.r1(0.3)],
        method=sg.methods.FakeAsReal(4, 2) if far else None,
        batch_size=32,
        lr_g=2e-3,
        ema=None,
        log_every=100,
        evaluator=None,
    ).fit(200)
    last = run.metrics[-1]
    assert {"separation/0", "separation/1"} <= last.keys()
    assert all(math.isfinite(value) for value in last.values() if isinstance(value, float))
    assert last["verdict"] in GOOD + ALARMS
    assert run.sample(5, given=torch.full((5, 1), 0.5)).shape == (5, 1, 48)
