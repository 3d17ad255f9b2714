"""The statements are about the package's own parts: one of them spoilt, and what it is about no longer holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from steadygan import theory
from steadygan.losses import D2GAN, Minimax, NonSaturating
from steadygan.methods import FakeAsReal
from steadygan.penalties import ClosePairDifference, ClosePairFakeAsReal, GradientPenalty
from steadygan.theory import constructed, dirac, dual, fargan, zero_gp
from steadygan.types import Critic, Term

MEASURED = [
    function
    for module in (constructed, fargan, zero_gp, dirac, dual)
    for function in vars(module).values()
    if hasattr(function, "cache_clear")
]


@pytest.fixture
def anew() -> Iterator[None]:
    """What was measured is forgotten before and after."""
    for _ in range(2):
        for function in MEASURED:
            function.cache_clear()
        if _ == 0:
            yield


def scaled(monkeypatch: pytest.MonkeyPatch, part: type, method: str, factor: float) -> None:
    """A part's terms with their weights times `factor`."""
    own = getattr(part, method)

    def changed(*given: Any) -> Any:
        found = own(*given)
        if isinstance(found, Term):
            return Term(found.value, factor * (1.0 if found.weight is None else found.weight))
        return {key: Term(term.value, factor * term.weight) for key, term in found.items()}

    monkeypatch.setattr(part, method, changed)


SPOILT: list[tuple[str, type, str, float]] = [
    ("fargan/proposition-2", ClosePairDifference, "__call__", 2.0),
    ("fargan/proposition-3", ClosePairFakeAsReal, "__call__", 1.5),
    ("fargan/equation-11", GradientPenalty, "__call__", 0.5),
    ("zero-gp/section-3.2", GradientPenalty, "__call__", 0.5),
    ("zero-gp/section-3.5", GradientPenalty, "__call__", 2.0),
    ("dual/equation-9", Minimax, "g", -1.0),
    ("d2gan/optimum", D2GAN, "d", 2.0),
]


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(("name", "part", "method", "factor"), SPOILT, ids=[spoilt[0] for spoilt in SPOILT])
def test_a_part_with_another_weight(
    monkeypatch: pytest.MonkeyPatch, name: str, part: type, method: str, factor: float
) -> None:
    scaled(monkeypatch, part, method, factor)
    monkeypatch.setattr(fargan, "K", fargan.K[:1])
    monkeypatch.setattr(fargan, "LAMBDA", fargan.LAMBDA[:1])
    monkeypatch.setattr(zero_gp, "D_STEPS", 1)
    assert theory.STATEMENTS[name].check().verdict == "fails"


@pytest.mark.usefixtures("anew")
def test_eigenvalues_of_a_penalty_with_another_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirac, "PLAYED", ("nonsaturating",))
    assert theory.STATEMENTS["zero-gp/section-3.4"].check().verdict == "holds"
    dirac.linearised.cache_clear()
    scaled(monkeypatch, GradientPenalty, "__call__", 0.5)  # gamma / 2
    assert theory.STATEMENTS["zero-gp/section-3.4"].check().verdict == "fails"


@pytest.mark.usefixtures("anew")
def test_a_generator_that_runs_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirac, "PLAYED", ("nonsaturating",))
    scaled(monkeypatch, NonSaturating, "g", -1.0)
    assert theory.STATEMENTS["zero-gp/section-3.4"].check().verdict == "fails"


@pytest.mark.usefixtures("anew")
def test_a_method_that_takes_the_highest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fargan, "K", fargan.K[:1])
    assert theory.STATEMENTS["fargan/footnote-1"].check().verdict == "holds"
    rank = Critic.rank
    monkeypatch.setattr(Critic, "rank", lambda *given, **more: -rank(*given, **more))
    assert theory.STATEMENTS["fargan/footnote-1"].check().verdict == "fails"
    assert FakeAsReal(1).count == 1


def test_the_game_is_the_engines_step() -> None:
    """A game's iteration, by hand: psi <- psi - rate (theta s(psi theta) + 2 w psi), then theta follows the new psi."""
    game = dirac.DiracGame("nonsaturating", dirac.PENALISED["r1"](0.3), rate=0.1)
    psi, theta = torch.tensor([0.4, -0.7], dtype=torch.float64).tolist()
    after = psi - 0.1 * (theta / (1 + 2.718281828459045 ** -(psi * theta)) + 0.6 * psi)
    moved = theta + 0.1 * after / (1 + 2.718281828459045 ** (after * theta))
    assert game.after([psi, theta]).tolist() == pytest.approx([after, moved], abs=1e-12)
