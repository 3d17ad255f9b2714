"""Causes: each on both sides of its bound, what is advised, and what is told of them beside a state."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from steadygan.diagnostics.causes import CAUSES, LOOKS, Past
from steadygan.diagnostics.remedy import Change, Setting
from steadygan.diagnostics.verdicts import Judge, Verdict, judge, judge_once

FINE = {
    "quality": 0.9,
    "quality_error": 0.01,
    "served": 0.95,
    "covered": 0.9,
    "batch_distance": 0.01,
    "d_gradient_mean": 1.0,
    "steepness": 1.0,
    "diversity": 1.0,
    "dead_units": 0.0,
    "gradient_norm_g": 0.1,
    "gradient_norm_d": 0.1,
    "non_finite": 0.0,
    "d_off": -0.1,
    "overfitting_gap": 0.1,
    "separation": 0.5,
    "logit_gap": 1.0,
    "g_loss": 0.7,
    "d_loss": 1.4,
    "g_loss_std": 0.02,
    "d_loss_std": 0.02,
}
POOR = {"quality": 0.4, "covered": 0.3}  # and for many looks no better
EVERY = 100
KNOWN = Setting(rates=(1e-3, 2e-3), known=True)
SMOOTH = replace(KNOWN, penalties={"r1": 2.0})


class Case(NamedTuple):
    """What just does not show a cause and what does, what it says, and what is advised without and with a penalty."""

    edge: dict[str, float]
    beyond: dict[str, float]
    words: str
    advice: str
    smooth: str = ""
    setting: Setting = KNOWN


CASES = {
    "d_dead": Case({"d_gradient_mean": 1e-8}, {"d_gradient_mean": 9e-9}, "no slope at the fakes", "leaky ReLU"),
    "g_dead": Case({"gradient_norm_g": 1e-99}, {"gradient_norm_g": 0.0}, "reaches G's weights", "a clamp"),
    "d_saturated": Case(
        {"gradient_norm_d": 1e-99}, {"gradient_norm_d": 0.0}, "reaches D's weights", "penalty.r1.weight=1, lr_d=0.001"
    ),
    "classes_ignored": Case({"class_agreement": 0.5}, {"class_agreement": 0.49}, "only 49% of fakes", "labels"),
    "d_steep": Case(
        {"steepness": 10.0},
        {"steepness": 10.1},
        "10.1 logits",
        "penalty.r1.weight=1, lr_d=0.001",
        "penalty.r1.weight=20, lr_d=0.001",
    ),
    "g_driven_out": Case(
        {"diversity": 1.8},
        {"diversity": 1.82},
        "1.8 times as far apart",
        "penalty.r1.weight=1, lr_g=0.0002, lr_d=0.0004",
        "lr_g=0.0002, lr_d=0.0004",
    ),
    "d_flat": Case(
        {"steepness": 0.004, "batch_distance": 0.03, "covered": 0.2},
        {"steepness": 0.004, "batch_distance": 0.031, "covered": 0.2},
        "D is flat (steepness 0.004)",
        "lr_g=0.0003; widen D",
        "penalty.r1.weight=0.2; widen D",
    ),
    "d_overfits": Case(
        {"overfitting_gap": 0.75}, {"overfitting_gap": 0.76}, "has memorised them", "penalty.r1.weight=1", "weight=20"
    ),
    "d_too_strong": Case({"d_off": -0.3}, {"d_off": -0.31}, "equilibrium (-31%)", "penalty.r1.weight=1", "weight=20"),
    "d_too_weak": Case(
        {"separation": 0.25}, {"separation": 0.24}, "hardly tells fakes", "widen D", "penalty.r1.weight=0.2; widen D"
    ),
    "head_idle": Case(
        {"separation/a": 0.25, "separation/b": -1.1},
        {"separation/a": 0.24, "separation/b": -1.1},
        "head a of D hardly tells fakes from reals",
        "check what this head sees",
    ),
    "adv_idle": Case({"adv_share": 0.01}, {"adv_share": 0.009}, "has 0.90% of G's gradient", "raise the term's weight"),
    "adv_alone": Case(
        {"adv_share": 0.99, "adv_agreement": 0.1},
        {"adv_share": 0.991, "adv_agreement": 0.1},
        "99.1% of G's gradient",
        "penalty.r1.weight=1, lr_d=0.001; lower the term's weight",
    ),
    "input_ignored": Case(
        {"paired_match": 0.95}, {"paired_match": 0.951}, "0.95 times as far from their own reals", "compares pairs"
    ),
    "fakes_smooth": Case({"detail": 0.6}, {"detail": 0.59}, "59% of the reals' fine detail", "smaller patches"),
    "fakes_noisy": Case(
        {"detail": 1.66}, {"detail": 1.67}, "1.7 times the reals' fine detail", "lower the adversarial"
    ),
    "average_behind": Case(
        {"average_quality": 0.2, "average_covered": 0.1},
        {"average_quality": 0.2, "average_covered": 0.09},
        "behind G (quality 0.2 and 0.4, of the reals covered 9% and 30%)",
        "use a shorter half-life",
    ),
    "fakes_alike": Case(
        {"diversity": 0.4},
        {"diversity": 0.399},
        "fakes differ 0.4 times",
        "penalty.r1.weight=1, method.fake_as_real.count=8",
        "penalty.r1.weight=20, method.fake_as_real.count=8",
    ),
}
each = pytest.mark.parametrize("name", CASES)


def run(*parts: tuple[dict[str, float], int]) -> list[dict[str, Any]]:
    """Records of looks, each so many times, every hundred iterations from 0 on; weights move."""
    looks = [figures for figures, times in parts for _ in range(times)]
    moving = ({"weight_norm_g": 1.0 + i, "weight_norm_d": 2.0 + i} for i in range(len(looks)))
    return [{"iteration": EVERY * i, **move, **look} for i, (look, move) in enumerate(zip(looks, moving, strict=True))]


@each
def test_boundary(name: str) -> None:
    """In a run that gets no better, a cause is told after so many looks beyond the bound, and not at the bound."""
    case, poor = (
        CASES[name],
        FINE | POOR | {"average_quality": 0.2, "average_quality_error": 0.01, "average_covered": 0.2},
    )
    looks = min(cause.looks for cause in CAUSES if cause.name == name)
    for figures, told in ((case.edge, False), (case.beyond, True)):
        own = poor | figures
        found = judge(run((poor, 6), (own, 5)), case.setting)
        assert [name in v.causes for v in found[6:]] == [told and i >= looks for i in range(1, 6)], found
    verdict = found[-1]
    assert case.words in verdict.reason
    assert case.advice in verdict.advice
    assert verdict.reason.endswith(f": {verdict.advice}")
    assert verdict.evidence.keys() >= case.beyond.keys()
    if case.smooth:
        assert case.smooth in judge(run((poor, 6), (poor | case.beyond, 5)), SMOOTH)[-1].advice


@each
def test_one_look(name: str) -> None:
    case = CASES[name]
    assert name in judge_once(FINE | POOR | case.beyond, KNOWN).causes
    assert name not in judge_once(FINE | POOR | case.edge, KNOWN).causes


def test_every_cause_has_a_case() -> None:
    others = {"d_still", "g_still", "critic_unbounded", "g_unsteady", "d_unsteady", "data_changed"}
    assert {cause.name for cause in CAUSES} == CASES.keys() | others


def test_a_cause_without_harm_is_not_told() -> None:
    """A steep D of a run that is good, or still gains, is no news; where nothing is gained it is a warning."""
    steep = {"steepness": 50.0}
    assert not any(v.causes for v in judge(run((FINE | steep, 9)), KNOWN))
    rising = [r | {"quality": 0.03 * i} for i, r in enumerate(run((FINE | POOR | steep, 9)))]
    assert not any(v.causes for v in judge(rising, KNOWN))
    records = run((FINE | POOR | steep, 9))
    found = judge(records, KNOWN)
    assert [v.warning for v in found] == [False] * 6 + [True] * 3
    assert not any(v.alarm for v in found)
    assert not any(v.warning for v in judge([r | {"iteration": r["iteration"] // 10} for r in records], KNOWN))  # young


def test_weights_that_do_not_change() -> None:
    for player in "dg":
        records = run((FINE, 4))
        still = [
            records[-1] | {"iteration": EVERY * i, f"weight_norm_{'g' if player == 'd' else 'd'}": i * 1.1}
            for i in (4, 5, 6)
        ]
        found = judge([*records, *still], KNOWN)
        assert [v.state for v in found] == ["learning", *["good"] * 4, "stalled", "stalled"]
        assert found[-1].causes == (f"{player}_still",)
        assert "requires_grad=False" in found[-1].advice


@pytest.mark.parametrize("player", ["g", "d"])
def test_losses_that_go_up_and_down(player: str) -> None:
    """Compared with the median of the five looks before; too few show nothing, a run at rest is allowed to stir."""
    key, poor = f"{player}_loss_std", FINE | POOR
    usual = {key: 0.02}
    others = {name: value for name, value in poor.items() if not name.endswith("_std")}
    for looks, now, expected in ((5, 0.139, False), (5, 0.141, True), (4, 0.9, False)):
        found = judge(run((others, 5), (poor | usual, looks), (poor | {key: now}, 1)), KNOWN)[-1]
        assert (f"{player}_unsteady" in found.causes) is expected
    resting = judge(run((poor | {key: 0.0}, 9), (poor | {key: 0.034}, 1)), KNOWN)[-1]
    assert not resting.causes
    assert "lr_g=0.0002, lr_d=0.0004" in judge(run((poor, 9), (poor | {key: 0.2}, 1)), KNOWN)[-1].advice


def test_a_critic_that_grows_without_bound() -> None:
    free, poor = replace(KNOWN, free=True), FINE | POOR
    grown = run((poor, LOOKS + 1), (poor | {"logit_gap": 10.1}, 2))
    assert "critic_unbounded" in judge(grown, free)[-1].causes
    assert "penalty.one_gp.weight=10" in judge(grown, free)[-1].advice
    clipped = replace(free, parts=frozenset({"weight_clipping"}))
    assert "one_gp" not in judge(grown, clipped)[-1].advice
    assert not judge(run((poor, LOOKS + 1), (poor | {"logit_gap": 9.9}, 2)), free)[-1].causes
    assert not judge(grown, KNOWN)[-1].causes
    steep = FINE | POOR | {"steepness": 99.0, "d_off": -9.0}
    assert not judge(run((steep, 9)), free)[-1].causes  # in a unit of its own


def test_a_loss_out_of_its_range_asks_for_a_look() -> None:
    judged = Judge(setting=KNOWN)
    for record in run((FINE, LOOKS - 1)):
        judged.update(record)
    assert not judged.startled({"g_loss": 99.0, "d_loss": 99.0})
    judged.update(run((FINE, LOOKS))[-1])
    assert not judged.startled({"g_loss": 0.7 + 0.19, "d_loss": 1.4 - 0.19})
    assert judged.startled({"g_loss": 0.7 + 0.21})
    assert judged.startled({"d_loss": 1.4 - 0.21})


def test_an_alarm_names_what_was_measured_then_why_then_what_to_do() -> None:
    steep = FINE | {"quality": 0.3, "steepness": 40.0}
    found = judge(run((FINE, 6), (steep, 2)), KNOWN)[-1]
    assert found.state == "collapsed" or found.state == "losing"
    assert found.reason.startswith("fakes have a quality of 0.3 after 0.9 (1 is as good as real data); D's slope")
    assert found.since == 600
    assert "(since iteration 600): penalty.r1.weight=1, lr_d=0.001" in found.reason
    assert found.evidence == {"quality": 0.3, "steepness": 40.0}
    assert found.change == Change(penalty=("r1", 1.0), lr_d=0.5)
    assert found.told == f"losing: {found.reason}"
    assert (found.alarm, found.warning) == (True, False)
    unknown = judge(run((FINE, 6), (FINE | {"quality": 0.3}, 2)), KNOWN)[-1]
    assert unknown.causes == ()
    assert "penalty.r1.weight=1, lr_g=0.0002, lr_d=0.0004" in unknown.advice
    json.dumps(found.record())
    assert found.record() == {"verdict": "losing", "causes": "d_steep", "reason": found.reason}
    assert Verdict("good").record() == {"verdict": "good"}


def test_advice_is_never_what_is_on() -> None:
    """With every setting: no penalty that is there already, and a call where there are no settings."""
    for cause in CAUSES:
        for setting in (KNOWN, SMOOTH, replace(SMOOTH, count=8), replace(KNOWN, free=True), Setting()):
            change = cause.change(setting)
            assert change.penalty is None or change.penalty[0] not in setting.penalties
            assert not (change.fakes and setting.count)
            words = ", ".join(change.words(setting))
            assert ("sg." in words) <= (not setting.known)
            assert ("penalty." in words) <= setting.known
    assert Change(penalty=("r1", 1.0), fakes=4).words(Setting()) == ["sg.penalties.r1(1)", "sg.methods.FakeAsReal(4)"]


@pytest.mark.parametrize(("weight", "advised"), [(0.3, 0.03), (2.0, 0.2), (20.0, 1.0), (1e5, 1.0)])
def test_a_penalty_that_flattens_d_is_a_tenth_or_one(weight: float, advised: float) -> None:
    (cause,) = (cause for cause in CAUSES if cause.name == "d_flat")
    words = cause.change(replace(KNOWN, penalties={"r1": weight})).words(replace(KNOWN, penalties={"r1": weight}))
    assert words == [f"penalty.r1.weight={advised:g}"]


def test_not_finite_and_unknown_figures() -> None:
    found = judge([*run((FINE, 3)), {"iteration": 300, "non_finite": 3.0}], KNOWN)[-1]
    assert (found.state, found.alarm) == ("non_finite", True)
    assert found.reason.startswith("3 values of logits, samples or gradients are not finite")
    assert judge([{"iteration": 0, "d_loss": 1.0}, {"iteration": 100, "quality": math.nan}])[-1] == Verdict("learning")
    assert judge_once({}) == Verdict("learning")
    assert judge_once(FINE).state == "good"
    assert judge_once(FINE | {"non_finite": 1.0}).state == "non_finite"


def test_other_data_are_a_new_beginning() -> None:
    records = run((FINE, 6), (FINE | {"quality": 0.3}, 6))
    assert judge(records, KNOWN)[-1].state == "losing"
    records[6]["data_changed"] = 1.0
    found = judge(records, KNOWN)
    assert (found[6].causes, found[6].warning, found[7].causes) == (("data_changed",), True, ())
    assert "fakes are compared with the new ones from here on" in found[6].reason
    assert found[-1].state == "learning"


def test_past_tells_what_is_usual() -> None:
    past = Past()
    for i in range(LOOKS + 3):
        past.add({"d_loss": float(i), "d_loss_std": 0.1 * i})
    assert past.usual("d_loss") == (5.0, 0.5)
    assert past.usual("g_loss") is None
