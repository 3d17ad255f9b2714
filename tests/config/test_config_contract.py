"""Each setting stands once: what is registered has the names of the tables, and takes its fields from them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import pytest

from steadygan.config.block import GIVEN, Kinds, settings_of
from steadygan.config.data import DATA as DATA_SETTINGS
from steadygan.config.networks import ACTIVATIONS, DISCRIMINATOR, GENERATOR
from steadygan.config.opponents import RemedyFactors
from steadygan.config.optimisation import SCHEDULE, Ema, Optimizer
from steadygan.config.parts import LOSS, Constraints, Methods, Penalties, PlainLoss
from steadygan.data import DATA
from steadygan.diagnostics.remedy import Remedy
from steadygan.engine import optim as ema
from steadygan.engine.optim import SCHEDULES, OptimizerSettings
from steadygan.losses import LOSSES
from steadygan.methods import METHODS
from steadygan.models import ACTIVATIONS as KNOWN_ACTIVATIONS
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.penalties import CONSTRAINTS, PENALTIES
from steadygan.registry import Registry

REQUIRED = object()
ONLY_SETTINGS = {"points": {"standardise"}}  # done to the data after they are read
OWN_DEFAULTS = {  # of a function, that are not those of the command line
    ("generator mlp", "activation"): "relu",  # the paper's [tao2020]; recipes take leaky ReLU
    ("discriminator mlp", "activation"): "relu",
    ("data set points", "path"): REQUIRED,  # comes with --data
    ("data set folder", "path"): REQUIRED,
}

PAIRS: list[tuple[Registry[Any], Kinds]] = [
    (LOSSES, LOSS),
    (PENALTIES, Penalties.kinds),
    (METHODS, Methods.kinds),
    (CONSTRAINTS, Constraints.kinds),
    (GENERATORS, GENERATOR),
    (DISCRIMINATORS, DISCRIMINATOR),
    (DATA, DATA_SETTINGS),
    (SCHEDULES, SCHEDULE),
]
ENTRIES = [
    pytest.param(f"{kinds.kind} {name}", registry[name], kinds.find(name), id=f"{kinds.kind} {name}")
    for registry, kinds in PAIRS
    for name in kinds.known
]
CLASSES = [
    *((what.values[1], what.values[2]) for what in ENTRIES if isinstance(what.values[1], type)),
    (OptimizerSettings, Optimizer),
    (ema.Ema, Ema),
    (Remedy, RemedyFactors),
]
FUNCTIONS = [what for what in ENTRIES if not isinstance(what.values[1], type)]


def defaults(block: Any) -> dict[str, Any]:
    """field -> default of a block."""
    known = settings_of(block)
    return {
        each.name: REQUIRED if each.default is MISSING else each.default for each in fields(block) if each.name in known
    }


def written(entry: Callable[..., Any]) -> dict[str, ast.expr | None]:
    """parameter -> default as it is written down in a function."""
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(entry)))).body
    assert isinstance(function, ast.FunctionDef)
    found = function.args
    own = [*found.posonlyargs, *found.args]
    pairs = [*zip([each.arg for each in reversed(own)], reversed(found.defaults), strict=False)]
    return (
        {each.arg: None for each in own}
        | dict(pairs)
        | {each.arg: default for each, default in zip(found.kwonlyargs, found.kw_defaults, strict=True)}
    )


@pytest.mark.parametrize(("registry", "kinds"), PAIRS, ids=[registry.kind for registry, _ in PAIRS])
def test_names_are_those_of_the_registry(registry: Registry[Any], kinds: Kinds) -> None:
    assert set(kinds.known) == set(registry) - {"plain"}  # plain training is the absence of methods
    assert registry.settings is kinds


@pytest.mark.parametrize(("entry", "block"), CLASSES, ids=[entry.__qualname__ for entry, _ in CLASSES])
def test_a_class_inherits_its_settings_and_repeats_none(entry: type, block: type) -> None:
    if block is PlainLoss:
        assert not [each for each in fields(entry) if each.repr]
        return
    assert issubclass(entry, block)
    assert is_dataclass(entry)
    if entry is not block:
        assert not set(defaults(block)) & vars(entry).get("__annotations__", {}).keys()


@pytest.mark.parametrize(("what", "entry", "block"), FUNCTIONS)
def test_a_function_has_the_names_and_defaults_of_its_settings(
    what: str, entry: Callable[..., Any], block: type
) -> None:
    given = {name: one.default for name, one in inspect.signature(entry).parameters.items() if name not in GIVEN}
    expected = {
        name: OWN_DEFAULTS.get((what, name), default)
        for name, default in defaults(block).items()
        if name not in ONLY_SETTINGS.get(what.split()[-1], ())
    }
    assert {
        name: REQUIRED if default is inspect.Parameter.empty else default for name, default in given.items()
    } == expected


@pytest.mark.parametrize(("what", "entry", "block"), FUNCTIONS)
def test_a_function_writes_no_default_down_again(what: str, entry: Callable[..., Any], block: type) -> None:
    for name, default in written(entry).items():
        if name in defaults(block):
            assert default is None or isinstance(default, ast.Attribute), f"{what}: {name}"


def test_activations_are_those_of_the_networks() -> None:
    assert set(ACTIVATIONS) == set(KNOWN_ACTIVATIONS)
