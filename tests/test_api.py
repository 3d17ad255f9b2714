"""The public surface: names, signatures, bases and registered names, compared with `tests/api_snapshot.txt`.

A change that is meant is written down by `python tests/test_api.py`, run where steadygan is installed, and shows in the
diff that is reviewed. A changed name or signature belongs in CHANGELOG.md too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, ForwardRef

import pytest

import steadygan
from steadygan.registry import Registry

SNAPSHOT = Path(__file__).with_name("api_snapshot.txt")
REGENERATE = "python tests/test_api.py"


class Verbatim:
    """An annotation as it stands in the source, without quotes."""

    def __init__(self, annotation: Any) -> None:
        self.text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation

    def __repr__(self) -> str:
        return self.text if isinstance(self.text, str) else inspect.formatannotation(self.text)


def signature(thing: Any, returns: bool = True) -> str:
    """The call signature as text that does not depend on the Python version or on addresses."""
    found, empty = inspect.signature(thing), inspect.Signature.empty

    def verbatim(annotation: Any) -> Any:
        return empty if annotation is empty else Verbatim(annotation)

    parameters = [p.replace(annotation=verbatim(p.annotation)) for p in found.parameters.values() if p.name != "self"]
    result = verbatim(found.return_annotation) if returns else empty
    return re.sub(r" at 0x[0-9a-f]+", "", str(found.replace(parameters=parameters, return_annotation=result)))


def members(cls: type) -> Iterator[str]:
    """What a class defines itself; what it inherits is said of its base."""
    of_torch = str(getattr(cls.__init__, "__module__", "")).startswith("torch.")  # differs from release to release
    if not getattr(cls, "_is_protocol", False) and not of_torch:
        yield f"    def __init__{signature(cls, returns=False)}"
    fields = getattr(cls, "__dataclass_fields__", {}).keys() | set(getattr(cls, "_fields", ()))
    for name, member in sorted(vars(cls).items()):
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if name == "__call__" or (not name.startswith("_") and inspect.isfunction(function)):
            kind = {staticmethod: "static ", classmethod: "class "}.get(type(member), "")
            yield f"    {kind}def {name}{signature(function)}"
        elif not name.startswith("_") and isinstance(member, property | cached_property):
            yield f"    property {name}"
        elif not name.startswith("_") and name not in fields:
            yield f"    {name} = {member!r}"


def describe(name: str, thing: Any) -> Iterator[str]:
    if inspect.isclass(thing):
        bases = ["NamedTuple" if base is tuple else base.__name__ for base in thing.__bases__]
        yield f"class {name}({', '.join(base for base in bases if base != 'object')})".removesuffix("()")
        yield from members(thing)
    elif isinstance(thing, Registry):
        yield f"{name} = {thing.kind}: {', '.join(sorted(thing))}"
    elif inspect.isfunction(thing):
        yield f"def {name}{signature(thing)}"
    else:
        yield f"{name} = {', '.join(sorted(thing))}" if isinstance(thing, dict) else name


def public(module: ModuleType) -> list[str]:
    """`__all__`, or else what the module itself defines."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    own = [
        name
        for name, thing in vars(module).items()
        if isinstance(thing, Registry) or getattr(thing, "__module__", None) == module.__name__
    ]
    return sorted(name for name in own if not name.startswith("_"))


def surface() -> str:
    lines = [f"# The public surface of steadygan; rewritten by `{REGENERATE}`.", "", "[steadygan]"]
    things = {name: getattr(steadygan, name) for name in sorted(steadygan.__all__)}
    for name, thing in things.items():
        if not isinstance(thing, ModuleType):
            lines += describe(name, thing)
    for module in things.values():
        if isinstance(module, ModuleType):
            lines += ["", f"[{module.__name__}]"]
            for name in public(module):
                lines += describe(name, getattr(module, name))
    return "\n".join(lines) + "\n"


def test_the_surface_is_the_one_that_was_agreed() -> None:
    now, agreed = surface().splitlines(), SNAPSHOT.read_text(encoding="utf-8").splitlines()
    gone, new = [line for line in agreed if line not in now], [line for line in now if line not in agreed]
    assert now == agreed, "\n".join(
        ["the public surface changed", *(f"- {x}" for x in gone), *(f"+ {x}" for x in new), f"if meant: {REGENERATE}"]
    )


def test_every_public_name_can_be_had() -> None:
    for name in steadygan.__all__:
        assert getattr(steadygan, name) is not None
        assert name in dir(steadygan)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        steadygan.nothing  # noqa: B018


PROMISED = {
    "losses": "NonSaturating Minimax Wasserstein Hinge LeastSquares RelativisticPairing RelativisticAverage",
    "penalties": "r1 r2 zero_gp one_gp dragan",
    "methods": "FakeAsReal",
    "types": "Batch Output Scored Term DBatch critic",
    "": "Trainer load",
}


@pytest.mark.parametrize("module", PROMISED)
def test_names_that_users_rely_on(module: str) -> None:
    for name in PROMISED[module].split():
        thing = getattr(getattr(steadygan, module) if module else steadygan, name)
        assert callable(thing)
        assert inspect.getdoc(thing)


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
