"""Every statement can fail: each thing that it predicts is spoilt in its sign, by a constant and by a power."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign
from typing import Any

import pytest

from steadygan import theory
from steadygan.theory import Checked

CORRECTED = {
    "fargan/proposition-1", "fargan/proposition-3", "fargan/equation-11", "zero-gp/section-3.5", "dual/equation-9",
    "dual/theorem-3",
}  # fmt: skip
SPOILT: dict[str, Callable[[Any], Any]] = {
    "sign": lambda x: -x,
    "constant": lambda x: 1.5 * x + 0.05 * (x == 0),
    "power": lambda x: x**1.25 if isinstance(x, complex) else copysign(abs(x) ** 1.25, x),
}


def spoilt(law: Any, how: str) -> Any:
    """The law with another number for each that it gives."""

    def changed(value: Any) -> Any:
        return tuple(map(changed, value)) if isinstance(value, tuple) else SPOILT[how](value)

    return (lambda *given: changed(law(*given))) if callable(law) else changed(law)


def predicted(found: Checked) -> list[Any]:
    return [reading.predicted for reading in found.readings]


@pytest.mark.parametrize("name", theory.STATEMENTS)
def test_a_statement_holds_and_a_spoilt_law_is_seen(name: str) -> None:
    statement = theory.STATEMENTS[name]
    before = statement.check()
    wrong = [reading for reading in before.readings if not reading.agrees and not reading.printed]
    assert wrong == []
    assert before.verdict == ("holds_as_corrected" if name in CORRECTED else "holds")
    assert bool(statement.corrected) == (name in CORRECTED)
    for law, own in statement.laws.items():
        for how in SPOILT:
            after = statement.check(**{law: spoilt(own, how)})
            if predicted(after) == predicted(before):  # 1 to any power is 1, and -0 is 0
                assert how in ("power", "sign"), law
                assert {abs(x) for x in (own if isinstance(own, tuple) else (own,))} <= {0.0, 1.0}, law
            else:
                assert after.verdict == "fails", (law, how)
