"""The monitor for a G with a second job: what D contributes, which of its heads works, whether texture is there."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import steadygan as sg
from known import F64, normal, seeded
from steadygan.diagnostics.causes import CAUSES, Past
from steadygan.diagnostics.gradients import slope_to_scale, term_figures, weights_of
from steadygan.diagnostics.outputs import head_figures, output_figures
from steadygan.diagnostics.remedy import Setting
from steadygan.diagnostics.verdicts import Judge, judge_once
from steadygan.errors import InputError
from steadygan.types import critic
from steadygan.types.output import as_output


def weight(*shape: int) -> Tensor:
    return torch.ones(*shape, dtype=F64, requires_grad=True)


def test_shares_and_agreement_by_hand() -> None:
    w = weight(2)
    terms = {"adv": 3.0 * w[0] + 0.0 * w[1], "rec": 4.0 * w[1], "rest": -1.0 * w[0]}
    found = term_figures({key: value.sum() for key, value in terms.items()}, [w])
    assert {key: value for key, value in found.items() if key.startswith("pull/")} == {
        "pull/adv": 3.0,
        "pull/rec": 4.0,
        "pull/rest": 1.0,
    }
    assert found["adv_share"] == pytest.approx(3.0 / 8.0)
    assert found["adv_agreement"] == pytest.approx(-1.0 / math.sqrt(17.0))  # (3, 0) and (-1, 4)


def test_a_term_that_does_not_reach_the_layer_pulls_with_nothing() -> None:
    w, other = weight(3), weight(2)
    found = term_figures({"adv": 0.0, "rec": w.square().sum(), "far": other.sum()}, [w])
    assert found["pull/adv"] == found["pull/far"] == found["adv_share"] == 0.0
    assert "adv_agreement" not in found
    still = (0.0 * w).sum()
    assert term_figures({"adv": 0.0, "rec": still}, [w]) == {"pull/adv": 0.0, "pull/rec": 0.0}


def test_nothing_is_left_behind() -> None:
    w = weight(2)
    loss = w.square().sum()
    term_figures({"adv": loss}, [w])
    assert w.grad is None
    loss.backward()  # the graph is still there
    assert w.grad is not None


def test_terms_that_cannot_be_told() -> None:
    w = weight(2)
    with pytest.raises(InputError, match="expected terms with the adversarial one as 'adv', got rec: name it so"):
        term_figures({"rec": w.sum()}, [w])
    with pytest.raises(InputError, match=r"expected terms\['adv'\] as one number, got \(2,\): pass its mean"):
        term_figures({"adv": w * 2}, [w])
    gone = w.square().sum()
    gone.backward()
    with pytest.raises(InputError, match="before its backward pass, got one whose graph is gone"):
        term_figures({"adv": gone}, [w])
    moved = w.square().sum()
    with torch.no_grad():
        w += 1.0
    with pytest.raises(InputError, match="whose weights have changed: call observe before backward and step"):
        term_figures({"adv": moved}, [w])
    with pytest.raises(InputError, match=r"expected terms by name, such as .*, got list: name them"):
        term_figures([w.sum()], [w])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"expected terms\['rec'\] as one number, got NoneType"):
        term_figures({"adv": w.sum(), "rec": None}, [w])  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"expected terms\['rec'\] as one number, got \(2,\)"):
        term_figures({"adv": w.sum(), "rec": torch.ones(2)}, [w])
    for terms in ({"adv": 0.0, "rec": w.sum().detach()}, {"adv": weight(2).sum()}):
        with pytest.raises(InputError, match="expected a term with a gradient at at=, got none"):
            term_figures(terms, [w])
    with pytest.raises(InputError, match="a layer or weight of G that is trained, got none"):
        term_figures({"adv": w.sum()}, [w.detach()])
    with pytest.raises(InputError, match="a layer or weight of G, got str"):
        weights_of("last", None)


def test_the_weights_that_are_meant() -> None:
    G = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    assert weights_of(None, G) == [G[1].weight]
    assert weights_of(G[0], None) == [G[0].weight, G[0].bias]
    assert weights_of(G[0].weight, G) == [G[0].weight]
    assert weights_of([G[0].bias, G[1]], G) == [G[0].bias, G[1].weight, G[1].bias]
    with pytest.raises(InputError, match="a layer or weight of G, got NoneType"):
        weights_of(None, None)


@pytest.mark.parametrize(("steep", "dim"), [(0.01, 2), (1.0, 2), (50.0, 3072)])
def test_a_linear_d_is_as_steep_as_its_outputs_say(steep: float, dim: int) -> None:
    w, x = steep * normal(0, dim), normal(1, 64, dim)
    assert slope_to_scale(w.expand(10, dim), x, x @ w) == pytest.approx(1.0, rel=1e-4)


def test_slope_to_scale_by_hand() -> None:
    """Pairs of the first and second half; one that is left over does not count."""
    slope, x, logits = normal(0, 5, 3), normal(1, 7, 3), normal(2, 7)
    along = [abs(float(g @ (x[i] - x[i + 3]))) for g in slope for i in range(3)]
    apart = [abs(float(logits[i] - logits[i + 3])) for i in range(3)]
    expected = sum(along) / len(along) / (sum(apart) / len(apart))
    assert slope_to_scale(slope, x, logits) == pytest.approx(expected, rel=1e-5)


def test_a_d_that_gives_all_reals_the_same() -> None:
    x = normal(0, 8, 2)
    assert slope_to_scale(normal(1, 4, 2), x, torch.ones(8)) == math.inf
    assert slope_to_scale(torch.zeros(4, 2), x, torch.ones(8)) is None
    assert slope_to_scale(torch.ones(4, 2), x[:1], torch.ones(1)) is None
    assert slope_to_scale(torch.ones(4, 6), x, torch.ones(8)) is None  # packs, of another shape
    assert math.isnan(slope_to_scale(torch.ones(4, 2), x, torch.full((8,), math.nan)) or 0.0)


STEEP = {"quality": 0.3, "quality_error": 0.02, "steepness": 40.0, "diversity": 1.0, "separation": 2.0}


@pytest.mark.parametrize(("scale", "told"), [(1.5, False), (2.0, True), (30.0, True), (None, True)])
def test_a_slope_is_steep_where_the_outputs_do_not_explain_it(scale: float | None, told: bool) -> None:
    figures = STEEP if scale is None else STEEP | {"slope_to_scale": scale}
    assert ("d_steep" in judge_once(figures).causes) is told


@pytest.mark.parametrize(("steepness", "told"), [(99.0, False), (101.0, True)])
def test_no_scale_explains_a_slope_of_a_hundred_logits(steepness: float, told: bool) -> None:
    """A D whose rate is far too high: 1,170 logits between the sides, 2,490 of slope, and 0.6 of its own scale."""
    assert ("d_steep" in judge_once(STEEP | {"steepness": steepness, "slope_to_scale": 0.6}).causes) is told


def test_an_untrained_patch_discriminator_is_not_called_steep() -> None:
    layers = [nn.Conv2d(3, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.InstanceNorm2d(32)]
    D = seeded(0, lambda: nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 3, 1, 1))).float()
    for part in D:
        if isinstance(part, nn.Conv2d):
            part.weight.data *= 8.0  # an absolute bound would call it steep
    monitor = sg.CollapseMonitor(1, loss=sg.losses.NonSaturating())
    monitor.observe(D=D, real=normal(1, 64, 3, 32, 32).float(), fake=normal(2, 64, 3, 32, 32).float())
    (record,) = monitor.records
    assert record["steepness"] > 10.0
    assert record["slope_to_scale"] < 2.0
    assert "d_steep" not in record.get("causes", "")
    assert monitor.verdict.discriminator.startswith("D is all right")


def test_each_head_is_told_apart() -> None:
    x, y = normal(0, 32, 2), normal(1, 32, 2) + 1.0
    said = [as_output([v.sum(1), v[:, :1].expand(-1, 3)], 32) for v in (x, y)]
    assert head_figures(*said) == {
        "separation/0": output_figures(x.sum(1), y.sum(1))["separation"],
        "separation/1": pytest.approx(output_figures(x[:, 0], y[:, 0])["separation"], rel=1e-12),
    }
    assert head_figures(as_output(x, 32), as_output(y, 32)) == {}


def shown(figures: dict[str, float]) -> set[str]:
    return {cause.name for cause in CAUSES if cause.shows(figures, Past(looks=1), Setting())}


@pytest.mark.parametrize(
    ("figures", "cause"),
    [
        ({"separation": 0.5, "separation/0": 0.24, "separation/1": -1.1}, "head_idle"),
        ({"separation": 0.5, "separation/0": 0.26, "separation/1": 1.1}, None),
        ({"separation": 0.5, "separation/0": 0.1, "separation/1": 0.9}, None),  # none of them has to: fakes are good
        ({"adv_share": 0.009}, "adv_idle"),
        ({"adv_share": 0.011, "adv_agreement": 0.0}, None),
        ({"adv_share": 0.991, "adv_agreement": 0.0}, "adv_alone"),
        ({"adv_share": 1.0}, None),  # it is the only term
        ({"detail": 0.59}, "fakes_smooth"),
        ({"detail": 0.61}, None),
        ({"detail": 1.7}, "fakes_noisy"),
        ({"detail": 1.6}, None),
        ({"paired_match": 0.96}, "input_ignored"),
        ({"paired_match": 0.94}, None),
    ],
)
def test_causes_of_a_second_job(figures: dict[str, float], cause: str | None) -> None:
    assert shown(figures) == ({cause} if cause else set())


def test_d_in_one_sentence() -> None:
    fine = {"quality": 0.9, "quality_error": 0.02, "separation": 1.25}
    assert judge_once(fine).discriminator == (
        "D is all right: its logits of reals lie 1.2 deviations above those of fakes"
    )
    more = fine | {"separation/a": 0.9, "separation/b": 1.7, "adv_share": 0.2}
    assert judge_once(more).discriminator.endswith(
        "(0.9 to 1.7 in its heads), and the adversarial term has 20% of G's gradient"
    )
    bad = judge_once(fine | {"d_gradient_mean": 0.0})
    assert bad.discriminator == "D is not all right: D has no slope at the fakes (mean 0): G learns nothing from it"
    own = Judge()
    for i in range(6):
        own.update(fine | {"iteration": i, "separation/a": 0.1, "separation/b": 2.0})
    assert own.verdict.discriminator == (
        "D is not all right: head a of D hardly tells fakes from reals, though another does; nothing is lost so far"
    )
    assert own.verdict.warning
    assert own.verdict.causes == ("head_idle",)
    assert own.verdict.discriminator in repr(own.verdict)


class Sharpener(nn.Module):
    """A G that makes images of images."""

    def __init__(self) -> None:
        super().__init__()
        self.last = seeded(0, lambda: nn.Conv2d(1, 1, 3, padding=1)).float()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x)


def blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, [2, 2, 2, 2], mode="reflect"), 5, 1)


def looked(fake: Any, n: int = 128, **given: Any) -> sg.CollapseMonitor:
    monitor = sg.CollapseMonitor(1, features=given.pop("features", None))
    D = seeded(1, lambda: nn.Sequential(nn.Conv2d(1, 8, 4, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(288, 1)))
    for i in range(3):
        x = normal(i, n, 1, 14, 14).float()
        monitor.observe(D=D, real=x, fake=fake(x), paired=True, **given)
    return monitor


def test_texture_counts_in_pairs() -> None:
    exact, smooth = (looked(fake).records[-1] for fake in (lambda x: x.clone(), blurred))
    assert exact["detail"] == 1.0
    assert exact["paired_distance"] == exact["paired_distance_d"] == 0.0
    assert exact["paired_match"] == 0.0
    assert exact["quality"] > 0.9
    assert smooth["detail"] < 0.4
    assert smooth["quality"] < 0.4
    assert 0.0 < smooth["paired_distance"] < 1.5
    assert "fakes_smooth" in smooth["causes"]
    apart = sg.CollapseMonitor(1)
    for i in range(3):
        x = normal(i, 128, 1, 14, 14).float()
        apart.observe(D=lambda v: v.mean((1, 2, 3)), real=x, fake=blurred(x))
    assert "detail" not in apart.records[-1]


def test_fakes_that_ignore_what_they_are_made_from() -> None:
    """They are good as a set, so that quality says nothing of it."""
    shuffled = looked(lambda x: x.roll(1, 0)).records[-1]
    assert shuffled["quality"] > 0.9
    assert "input_ignored" in shuffled["causes"]


def test_the_average_is_judged_by_its_own_detail() -> None:
    monitor = sg.CollapseMonitor(1)
    for i in range(3):
        x = normal(i, 128, 1, 14, 14).float()
        monitor.observe(D=lambda v: v.mean((1, 2, 3)), real=x, fake=x.clone(), average=blurred(x), paired=True)
    record = monitor.records[-1]
    assert record["average_detail"] < 0.4 < record["detail"]
    assert record["average_quality"] < 0.4 < record["quality"]


def test_features_of_ones_own_are_the_space() -> None:
    pooled = looked(blurred, features=lambda x: x.mean((2, 3))).records[-1]
    x = normal(2, 128, 1, 14, 14).float()
    mean = x.mean((2, 3)).double()
    expected = (blurred(x).mean((2, 3)).double() - mean).abs().mean() / torch.pdist(mean).mean()
    assert pooled["paired_distance"] == pytest.approx(float(expected), rel=1e-5)
    network = seeded(2, lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))).float().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert "paired_match" in looked(blurred, features=network).records[-1]  # trainable, and left as it was
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    for broken, told in (
        (lambda x: x.mean(), r"a row for each sample, got \(\)"),
        (lambda x: (x, x), "a row for each sample, got tuple"),
        (nn.Linear(3, 3), "features cannot be taken of samples of shape"),
    ):
        with pytest.raises(InputError, match=told):
            looked(blurred, features=broken)
    with pytest.raises(InputError, match="expected features as a function of samples, got str"):
        sg.CollapseMonitor(features="cifar")  # type: ignore[arg-type]


def test_looks_begin_when_the_adversarial_term_does() -> None:
    G, monitor = Sharpener(), sg.CollapseMonitor(2)
    D = seeded(1, lambda: nn.Sequential(nn.Flatten(), nn.Linear(196, 1))).float()
    told = []
    for i in range(8):
        x = normal(i, 32, 1, 14, 14).float()
        y = G(blurred(x))
        terms = {"adv": (i >= 3) * 0.1 * sg.g_loss(sg.losses.Hinge(), critic(D), y), "rec": (y - x).abs().mean()}
        told.append(monitor.observe(D=D, real=x, fake=y, G=G, terms=terms, at=G.last.weight, paired=True) is not None)
        sum(terms.values()).backward()
    assert told == [False, False, False, True, False, True, False, True]
    record = monitor.records[-1]
    assert 0.0 < record["adv_share"] < 1.0
    assert -1.0 <= record["adv_agreement"] <= 1.0
    assert record["adv_share"] == pytest.approx(record["pull/adv"] / (record["pull/adv"] + record["pull/rec"]))
    assert "gradient_norm_g" not in record  # its backward pass came later


def test_fakes_that_are_not_finite_are_told_of_before_the_start() -> None:
    G, monitor = Sharpener(), sg.CollapseMonitor(1)
    x = normal(0, 32, 1, 14, 14).float()
    given: dict[str, Any] = {"D": lambda v: v.mean((1, 2, 3)), "real": x, "at": G.last.weight}
    assert monitor.observe(**given, fake=x, d_loss=1.0, terms={"adv": 0.0, "rec": G(x).mean()}) is None
    assert monitor.state_dict()["losses"] == {}
    verdict = monitor.observe(**given, fake=x * math.nan, terms={"adv": 0.0, "rec": G(x).mean()})
    assert verdict is not None
    assert verdict.state == "non_finite"


def test_a_trainer_uses_the_features_of_its_monitor() -> None:
    seen: list[tuple[int, ...]] = []

    def features(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape[1:]))
        return x

    monitor = sg.CollapseMonitor(features=features)
    sg.Trainer(
        nn.Linear(2, 2), nn.Linear(2, 1), normal(0, 64, 2).float(), latent_dim=2, monitor=monitor, evaluator=None
    ).fit(0)
    assert seen
    assert set(seen) == {(2,)}


def test_what_does_not_fit_is_said_at_once() -> None:
    x = normal(0, 8, 1, 14, 14).float()
    given: dict[str, Any] = {"D": lambda v: v.mean((1, 2, 3)), "real": x}
    monitor = sg.CollapseMonitor(200)
    with pytest.raises(InputError, match="expected pairs, got 8 real samples and 7 fakes"):
        monitor.observe(**given, fake=x[:7], paired=True)
    with pytest.raises(InputError, match="expected terms with at=, got none"):
        monitor.observe(**given, fake=x, at=nn.Linear(1, 1))
    G = Sharpener()
    y = G(x)
    y.mean().backward()
    with pytest.raises(InputError, match="graph is gone"):
        monitor.observe(**given, fake=y, G=G, terms={"adv": y.mean().square(), "rec": G(x).sum()} | {"adv": y.mean()})
    with pytest.raises(InputError, match="a layer or weight of G, got NoneType"):
        monitor.observe(**given, fake=x, terms={"adv": G(x).mean()})
    assert monitor.calls == 0
