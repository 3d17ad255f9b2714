"""Figures stand side by side where they were measured alike, and what differs is told where they were not."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from steadygan.commands.job import Job
from steadygan.commands.tables.results import SideBySide
from steadygan.metrics import Protocol
from steadygan.recipes import RECIPES

ALIKE = Protocol("k", n_fake=10_000, real="grid25, drawn anew", weights="EMA")


@dataclass
class Stand:
    """A finished run, as far as the table looks at it."""

    protocols: dict[str, Protocol]
    reference: dict[str, float] = field(default_factory=lambda: {"modes": 25.0, "mode_kl": 0.0012})
    protocol: str = "somehow"
    equilibrium: tuple[float | None, float | None] = (1.386, 0.693)


@dataclass
class Done:
    """What a recipe's seed left."""

    job: Job
    run: Any
    records: list[dict[str, Any]]
    seconds: float = 1.0
    members: int = 1


def results(name: str, modes: tuple[float, ...], protocol: Protocol = ALIKE) -> list[Any]:
    """One result per seed."""
    told = {"modes": protocol, "mode_kl": protocol}
    made = []
    for seed, value in enumerate(modes):
        records = [{"iteration": i, "modes": value, "mode_kl": 0.5, "emptiest_mode": 0.9} for i in (0, 100)]
        made.append(Done(Job(RECIPES[name](seed), Path("nowhere"), 100), Stand(told), records))
    return made


def shown(together: SideBySide) -> str:
    stream = io.StringIO()
    together.show(Console(file=stream, width=160, markup=False))
    return stream.getvalue()


def test_alike_recipes_share_a_heading() -> None:
    both = SideBySide.of([*results("grid25/r1", (25, 23)), *results("grid25/far", (25, 25))])
    assert both.alike("modes", both.by_recipe) == [("", ["grid25/r1", "grid25/far"])]
    page = shown(both)
    assert page.count("KL of modes to the data's") == 1
    assert "24.0 ± 1.4 of 25" in page
    assert "0.001" in page  # what real data gets


def test_another_protocol_stands_apart_and_says_what_differs() -> None:
    other = replace(ALIKE, n_fake=2000, weights="live")
    both = SideBySide.of([*results("grid25/r1", (25,)), *results("grid25/far", (25,), other)])
    told = both.alike("modes", both.by_recipe)
    assert told == [
        ("", ["grid25/r1"]),
        (" (n fake: 2,000, not 10,000; weights: live, not EMA)", ["grid25/far"]),
    ]
    assert shown(both).count("modes (n fake") == 1


def test_runs_from_before_protocols_were_kept() -> None:
    old = results("grid25/r1", (25,))
    old[0].run.protocols = {}
    both = SideBySide.of([*old, *results("grid25/far", (25,))])
    assert [names for _, names in both.alike("modes", both.by_recipe)] == [["grid25/r1"], ["grid25/far"]]


def test_the_same_in_json() -> None:
    plain = SideBySide.of(results("grid25/r1", (25, 23))).plain()
    recipe = plain["recipes"]["grid25/r1"]
    assert recipe["real"] == {"modes": 25.0, "mode_kl": 0.0012}
    assert recipe["protocols"]["modes"] == {
        "how": "k",
        "n_fake": 10_000,
        "real": "grid25, drawn anew",
        "weights": "EMA",
    }
    assert recipe["figures"]["modes"]["final"] == {"mean": 24.0, "std": 2**0.5, "values": [25, 23]}
