"""Names: one decorator to enrol, one line that offers the nearest known name."""

from __future__ import annotations

import pytest

from steadygan.errors import InputError, unknown
from steadygan.registry import Registry


def registry() -> Registry[type]:
    kinds: Registry[type] = Registry("kind")
    kinds.register("first")(int)
    kinds.register("second")(str)
    return kinds


def test_is_a_mapping() -> None:
    kinds = registry()
    assert kinds["first"] is int
    assert (list(kinds), len(kinds), "second" in kinds, "third" in kinds) == (["first", "second"], 2, True, False)
    assert dict(kinds) == {"first": int, "second": str}


def test_register_returns_the_entry() -> None:
    class Kind:
        pass

    assert registry().register("third")(Kind) is Kind


def test_twice_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="kind 'first' is already registered"):
        registry().register("first")(float)


def test_unknown_names_the_nearest_then_all() -> None:
    with pytest.raises(InputError) as caught:
        registry()["frist"]
    assert str(caught.value) == "unknown kind 'frist': did you mean 'first'? known: first, second"


def test_nothing_near() -> None:
    assert str(unknown("loss", "zzz", ["hinge", "b"])) == "unknown loss 'zzz': known: b, hinge"
    assert isinstance(unknown("loss", "zzz", []), ValueError)
    assert InputError.exit_code == 2
