"""Verdicts: every sign on both sides of its boundary, how often it must show, and which of several is told."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import pytest

from steadygan.diagnostics.rules import Thresholds, rules
from steadygan.diagnostics.verdicts import GOOD, VERDICTS, Judge, judge

FINE = {
    "batch_distance": 0.01,
    "batch_balance": 0.9,
    "batch_coverage": 0.9,
    "d_gradient_mean": 1.0,
    "steepness": 1.0,
    "diversity": 1.0,
    "dead_units": 0.0,
    "gradient_norm_g": 0.1,
    "gradient_norm_d": 0.1,
    "non_finite": 0.0,
    "d_off": -0.1,
    "overfitting_gap": 0.1,
    "g_loss_std": 0.25,
    "d_loss_std": 0.25,
}
AWAY = {**FINE, "batch_distance": 0.2}  # never was near the reals
EVERY = 100  # iterations between two looks


class Case(NamedTuple):
    """A sign: what just does not show it and what does, in how many looks, and what its reason says."""

    verdict: str
    edge: dict[str, float]
    beyond: dict[str, float]
    words: str
    looks: int = 2
    after: int = 4
    before: dict[str, float] = FINE
    known: int = 0  # looks as `before` that it takes to show at all


FLAT = {"batch_distance": 0.0301}
IDLE = {"steepness": 0.0049}
ALIKE = {"diversity": 0.399}
CASES = {
    "non-finite": Case("non_finite", {"non_finite": 0.0}, {"non_finite": 1.0}, "1 values of logits", 1, 0),
    "no slope": Case("dead_discriminator", {"d_gradient_mean": 1e-8}, {"d_gradient_mean": 9e-9}, "(mean 9e-09)", 1, 0),
    "no unit": Case("dead_discriminator", {"dead_units": 0.99}, {"dead_units": 0.992}, "99.2% of D's hidden", 1, 0),
    "G cut off": Case("stalled", {"gradient_norm_g": 1e-99}, {"gradient_norm_g": 0.0}, "reaches G's weights", after=0),
    "D cut off": Case("stalled", {"gradient_norm_d": 1e-99}, {"gradient_norm_d": 0.0}, "reaches D's weights", after=0),
    "flat": Case("dead_discriminator", {"steepness": 0.005, **FLAT}, {"steepness": 0.0049, **FLAT}, "is flat"),
    "flat, but done": Case(
        "dead_discriminator", {"steepness": 0.001, "batch_distance": 0.03}, {"steepness": 0.001, **FLAT}, "is flat"
    ),
    "flat and bare": Case(
        "dead_discriminator", {**IDLE, "batch_coverage": 0.1}, {**IDLE, "batch_coverage": 0.09}, "9.0% of the reals", 5
    ),
    "wide": Case("exploding", {"diversity": 1.8}, {"diversity": 1.82}, "fakes lie 1.8 times as far apart"),
    "collapsed": Case(
        "collapsed", {**ALIKE, "batch_distance": 0.3}, {**ALIKE, "batch_distance": 0.301}, "and lie 0.3 from them"
    ),
    "alike": Case("collapsing", {"diversity": 0.4}, ALIKE, "fakes differ 0.4 times as much"),
    "thrown off": Case(
        "collapsing", {"batch_distance": 0.6}, {"batch_distance": 0.601}, "where they were near before", 1, known=2
    ),
    "steep": Case("exploding", {"steepness": 10.0}, {"steepness": 10.1}, "10.1 logits over", after=1),
    "lost": Case("drifting", {"batch_distance": 0.12}, {"batch_distance": 0.121}, "nearer before", known=2),
    "far": Case(
        "drifting", {"batch_distance": 0.6}, {"batch_distance": 0.61}, "0.61 from the reals, further", 2, 1, AWAY
    ),
    "does not come": Case(
        "drifting", {"batch_distance": 0.3}, {"batch_distance": 0.301}, "do not come nearer", 3, 4, AWAY
    ),
    "winning": Case("drifting", {"d_off": -0.3}, {"d_off": -0.31}, "loss is -31% off", 3),
    "by heart": Case("drifting", {"overfitting_gap": 0.75}, {"overfitting_gap": 0.76}, "0.76 deviations above"),
}
each = pytest.mark.parametrize("name", CASES)


def run(*parts: tuple[dict[str, float], int]) -> list[dict[str, Any]]:
    """Records of looks, each so many times, every hundred iterations from 0 on."""
    looks = [figures for figures, times in parts for _ in range(times)]
    return [{"iteration": EVERY * i, **figures} for i, figures in enumerate(looks)]


def told(records: list[dict[str, Any]], case: Case) -> list[int]:
    """The numbers of the looks, from 1 on, after which the verdict is the case's."""
    found = judge(records)
    return [i + 1 for i, v in enumerate(found) if v.verdict == case.verdict and case.words in v.reason]


@each
def test_boundary(name: str) -> None:
    case = CASES[name]
    edge, beyond = {**case.before, **case.edge}, {**case.before, **case.beyond}
    assert told(run((case.before, 10), (edge, 8)), case) == []
    assert told(run((case.before, 10), (beyond, case.looks)), case) == [10 + case.looks]


@each
def test_looks_in_a_row(name: str) -> None:
    """One look fewer, however often, is not enough; the streak's beginning is told."""
    case = CASES[name]
    beyond = {**case.before, **case.beyond}
    broken = [(beyond, case.looks - 1), (case.before, 1)] * 3
    assert told(run((case.before, 10), *broken), case) == []
    verdict = judge(run((case.before, 10), (beyond, case.looks)))[-1]
    assert verdict.since == 10 * EVERY
    when = "at iteration 1,000" if case.looks == 1 else "since iteration 1,000"
    assert f"({when}): {verdict.advice}" in verdict.reason
    assert verdict.told == f"{case.verdict.replace('_', ' ')}: {verdict.reason}"
    assert verdict.alarm
    assert verdict.advice
    assert {key: beyond[key] for key in verdict.evidence} == verdict.evidence
    assert verdict.evidence.keys() & case.beyond.keys()
    later = judge(run((case.before, 10), (beyond, case.looks + 2)))[-1]
    assert later.since == 10 * EVERY
    assert "since iteration 1,000" in later.reason


@each
def test_looks_passed_over_at_the_start(name: str) -> None:
    case = CASES[name]
    beyond = {**case.before, **case.beyond}
    first = case.after + case.looks
    records = run((case.before, case.known), (beyond, 9))
    assert told(records, case)[0] == first
    assert judge(records)[first - 1].since == EVERY * case.after


@each
def test_recovery(name: str) -> None:
    case = CASES[name]
    beyond = {**case.before, **case.beyond}
    records = run((case.before, 10), (beyond, case.looks), (case.before, 2))
    verdict = judge(records)[-1]
    kind = "healthy" if case.before is FINE else "learning"
    assert verdict == (kind, "", {}, EVERY * (10 + case.looks), "")
    assert not verdict.alarm
    assert verdict.told == kind


def test_the_gravest_first() -> None:
    """All signs at once, and the gravest of them taken away one by one."""
    record = {
        **dict.fromkeys(("non_finite", "dead_units", "diversity", "overfitting_gap"), 2.0),
        **dict.fromkeys(("g_loss_std", "d_loss_std"), 9.0),
        "d_gradient_mean": 0.0,
        "steepness": 0.001,
        "batch_distance": 0.7,
        "d_off": -0.9,
    }
    steps: list[tuple[dict[str, float], str, str, dict[str, float]]] = [
        ({}, "non_finite", "not finite", FINE),
        ({"non_finite": 0.0}, "dead_discriminator", "no slope", FINE),
        ({"d_gradient_mean": 1.0}, "dead_discriminator", "hidden units", FINE),
        ({"dead_units": 0.0}, "dead_discriminator", "flat", FINE),
        ({"steepness": 20.0}, "exploding", "driven out", FINE),
        ({"diversity": 0.3}, "collapsed", "and lie", FINE),
        ({"batch_distance": 0.2}, "collapsing", "fakes differ", FINE),
        ({"diversity": 1.0, "batch_distance": 0.7}, "collapsing", "near before", FINE),
        ({"batch_distance": 0.59}, "exploding", "D's slope", FINE),
        ({"steepness": 1.0}, "drifting", "nearer before", FINE),
        ({"batch_distance": 0.7}, "drifting", "further than noise", AWAY),
        ({"batch_distance": 0.5}, "exploding", "G's loss", AWAY),
        ({"g_loss_std": 0.25}, "exploding", "D's loss goes", AWAY),
        ({"d_loss_std": 0.25}, "drifting", "do not come nearer", AWAY),
        ({"batch_distance": 0.2}, "drifting", "off its equilibrium", AWAY),
        ({"d_off": 0.0}, "drifting", "by heart", AWAY),
        ({"overfitting_gap": 0.0}, "learning", "", AWAY),
    ]
    for change, verdict, words, before in steps:
        record |= change
        found = judge(run((before, 10), (record, 3)))[-1]
        assert found.verdict == verdict, change
        assert words in found.reason, change


class TestGood:
    def test_learning_then_healthy(self) -> None:
        found = judge(run((FINE, 7)))
        assert [v.verdict for v in found] == ["learning"] * 4 + ["healthy"] * 3
        assert [v.since for v in found] == [0] * 4 + [4 * EVERY] * 3

    @pytest.mark.parametrize(("distance", "kind"), [(0.0199, "healthy"), (0.02, "learning")])
    def test_where_the_reals_are(self, distance: float, kind: str) -> None:
        assert judge(run(({**FINE, "batch_distance": distance}, 6)))[-1].verdict == kind

    def test_nothing_seen_yet(self) -> None:
        assert Judge().verdict == ("learning", "", {}, 0, "")


def test_one_near_look_is_luck() -> None:
    """Only two looks in a row, by their mean, show that a run was near the reals."""
    far = {**FINE, "batch_distance": 0.2}
    once, twice = run((far, 6), (FINE, 1), (far, 3)), run((far, 6), (FINE, 2), (far, 3))
    assert judge(once)[-1].verdict == "learning"
    assert judge(twice)[-1].verdict == "drifting"
    for distance, verdict in ((0.0501, "learning"), (0.0499, "drifting")):
        assert judge(run(({**FINE, "batch_distance": distance}, 6), (far, 2)))[-1].verdict == verdict


def test_records_without_a_look() -> None:
    """They leave the verdict, count as no look and break no streak."""
    steep = {**FINE, "steepness": 20.0}
    plain = {"d_loss": 1.0, "g_loss": 2.0, "g_loss_std": 50.0, "non_finite": 0.0, "modes": 8.0}
    found = judge(run((FINE, 5), (steep, 1), (plain, 3), (steep, 1), (plain, 2)))
    assert [v.verdict for v in found[5:]] == ["healthy"] * 4 + ["exploding"] * 3
    assert found[-1] == found[-3]
    assert found[-1].since == 5 * EVERY
    assert [v.verdict for v in judge(run((plain, 5), (FINE, 4), (plain, 3)))] == ["learning"] * 12


def test_missing_figures_show_nothing() -> None:
    for key in FINE:
        lacking = {other: value for other, value in FINE.items() if other != key}
        kind = "learning" if key == "batch_distance" else "healthy"
        assert judge(run((lacking, 9)))[-1].verdict == kind
    for name, case in CASES.items():
        for key in case.beyond:
            lacking = {k: v for k, v in {**case.before, **case.beyond}.items() if k != key}
            assert told(run((case.before, 6), (lacking, 6)), case) == [], name
    assert [v.verdict for v in judge([{}, {"iteration": 3}])] == ["learning"] * 2
    assert judge([{"non_finite": 3.0}])[-1].verdict == "non_finite"


def test_a_missing_figure_ends_a_streak() -> None:
    steep = {**FINE, "steepness": 20.0}
    lacking = {key: value for key, value in FINE.items() if key != "steepness"}
    assert judge(run((FINE, 5), (steep, 1), (lacking, 1), (steep, 1)))[-1].verdict == "healthy"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_raises(value: float) -> None:
    for key in FINE:
        for before in (0, 1, 7):
            judge(run((FINE, before), ({**FINE, key: value}, 7), (FINE, 8)))
    judge(run((dict.fromkeys(FINE, value), 8)))


@pytest.mark.parametrize("key", FINE)
def test_nan_is_as_good_as_missing(key: str) -> None:
    """At the beginning, too: what follows is judged as ever."""
    without = {other: value for other, value in FINE.items() if other != key}
    far = {**FINE, "batch_distance": 0.2, "g_loss_std": 3.0}
    here = judge(run(({**FINE, key: math.nan}, 2), (FINE, 6), ({**FINE, key: math.nan}, 1), (far, 4)))
    there = judge(run((without, 2), (FINE, 6), (without, 1), (far, 4)))
    assert here == there
    assert here[-1].verdict == "drifting"


def test_one_by_one_and_from_a_file() -> None:
    """A judge that is fed a run's kept records goes on as the one that saw it live."""
    steep, alike = {**FINE, "steepness": 20.0}, {**FINE, "diversity": 0.2}
    records = run((FINE, 6), (steep, 3), (FINE, 2), ({**FINE, "g_loss_std": 8.0}, 1), (alike, 3), (FINE, 1))
    whole = judge(records)
    live, kept = Judge(), []
    for record, expected in zip(records, whole, strict=True):
        verdict = live.update(record)
        assert verdict == expected == live.verdict
        told = {"reason": verdict.reason} if verdict.reason else {}
        kept.append(json.loads(json.dumps({**record, "verdict": verdict.verdict, **told})))
    for stop in range(len(records)):
        resumed = Judge()
        for record in kept[:stop]:
            resumed.update(record)
        assert [resumed.update(record) for record in records[stop:]] == whole[stop:]
    assert {"exploding", "collapsing", *GOOD} == {v.verdict for v in whole}


def test_records_are_left_as_they_were() -> None:
    records = run((FINE, 3), ({**FINE, "non_finite": 2.0}, 1))
    before = [dict(record) for record in records]
    judge(records)
    assert records == before


def test_other_thresholds() -> None:
    records = run(({**FINE, "diversity": 0.5}, 7))
    assert judge(records)[-1].verdict == "healthy"
    assert judge(records, thresholds=Thresholds(few=0.6))[-1].verdict == "collapsing"
    early = judge(run(({**FINE, "diversity": 0.2}, 7)), thresholds=Thresholds(settled=1))
    assert [v.verdict for v in early] == ["learning", "healthy"] + ["collapsing"] * 5


def test_every_verdict_has_a_rule_or_is_good() -> None:
    own = rules(Thresholds())
    assert {rule.verdict for rule in own} | set(GOOD) == set(VERDICTS)
    assert len(set(VERDICTS)) == len(VERDICTS)
    for rule in own:
        assert rule.words.format(**dict.fromkeys(rule.signs, 0.5))
        assert set(rule.signs) <= FINE.keys()
