"""A loss that jumps explodes: its deviation is more than seven times the median of the five looks before."""

from __future__ import annotations

import pytest

from steadygan.diagnostics.rules import MEMORY
from steadygan.diagnostics.verdicts import judge

FINE = {
    "batch_distance": 0.01,
    "d_gradient_mean": 1.0,
    "g_loss_std": 0.25,
    "d_loss_std": 0.25,
}
both = pytest.mark.parametrize("player", ["g", "d"])


def told(player: str, values: list[float]) -> list[int]:
    records = [{**FINE, f"{player}_loss_std": value, "iteration": 9 * i} for i, value in enumerate(values)]
    return [i for i, v in enumerate(judge(records)) if f"{player.upper()}'s loss goes up and down" in v.reason]


@both
def test_boundary_against_the_median(player: str) -> None:
    before = [100.0, 30.0, 1.0, 4.0, 0.5, 3.0]  # of the last five, 3 is the middle one
    assert told(player, [*before, 21.0]) == []
    assert told(player, [*before, 21.1]) == [6]


@both
def test_five_looks_before(player: str) -> None:
    assert told(player, [1.0] * (MEMORY - 1) + [8.0, 1.0]) == []
    assert told(player, [1.0] * MEMORY + [8.0, 1.0]) == [MEMORY]
    silent = {key: value for key, value in FINE.items() if "std" not in key}
    known = [{**FINE, f"{player}_loss_std": 1.0}] * (MEMORY - 1)
    for more, verdict in ((0, "healthy"), (1, "exploding")):  # looks that know no loss do not count
        records = [*known, *[silent] * 4, *known[:more], {**FINE, f"{player}_loss_std": 8.0}]
        assert judge(records)[-1].verdict == verdict


@both
def test_from_nothing(player: str) -> None:
    """At its equilibrium a loss stirs by ten times as much as before, and it means nothing."""
    assert told(player, [0.0007] * 6 + [0.0349]) == []
    assert told(player, [0.0007] * 6 + [0.0351]) == [6]


@both
def test_the_verdict(player: str) -> None:
    verdict = judge(
        [{**FINE, "iteration": 100 * i} for i in range(8)] + [{**FINE, f"{player}_loss_std": 2.0, "iteration": 800}]
    )[-1]
    assert verdict.verdict == "exploding"
    assert verdict.evidence == {f"{player}_loss_std": 2.0}
    assert verdict.since == 800
    assert "up and down 2, many" in verdict.reason


def test_a_free_loss_has_no_equilibrium_to_be_off() -> None:
    records = [{**FINE, "d_off": -50.0}] * 9
    assert judge(records)[-1].verdict == "drifting"
    assert judge(records, free=True)[-1].verdict == "healthy"
    assert judge([{**FINE, "diversity": 0.1}] * 9, free=True)[-1].verdict == "collapsing"
    flat = [{**FINE, "steepness": 0.0049, "batch_coverage": 0.01}] * 9  # in a unit of the critic's own
    assert [judge(flat, free)[-1].verdict for free in (False, True)] == ["dead_discriminator", "healthy"]
