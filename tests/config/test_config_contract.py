"""The settings know, without torch, exactly what the registries and the engine know."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, get_args

import pytest

from steadygan.config import Constraints, Ema, ImageSet, Methods, Optimizer, Penalties, Settings
from steadygan.config.block import Block, Parts
from steadygan.config.keys import blocks
from steadygan.config.networks import ACTIVATIONS
from steadygan.data import DATA
from steadygan.engine import optim
from steadygan.engine import optim as ema
from steadygan.engine.optim import SCHEDULES
from steadygan.losses import LOSSES
from steadygan.methods import METHODS
from steadygan.models import ACTIVATIONS as KNOWN_ACTIVATIONS
from steadygan.models import DISCRIMINATORS, GENERATORS
from steadygan.penalties import CONSTRAINTS, PENALTIES
from steadygan.registry import Registry

REQUIRED = object()
ONLY_SETTINGS = {("data set", "points"): {"standardise": True}}  # done to the data after they are read


def named(key: str) -> dict[str, type[Block]]:
    """name -> block of a setting that is one of several kinds."""
    kinds = blocks(Settings.model_fields[key].annotation)
    return {name: kind for kind in kinds for name in get_args(kind.model_fields["name"].annotation)}


def present(parts: type[Parts]) -> dict[str, type[Block]]:
    """name -> block of parts that are there or not."""
    return {name: blocks(field.annotation)[0] for name, field in parts.model_fields.items()}


def settings_of(block: type[Block]) -> dict[str, Any]:
    """field -> default of a block, without its name."""
    return {
        name: REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in block.model_fields.items()
        if name != "name"
    }


def settings_in(entry: Callable[..., Any]) -> dict[str, Any]:
    """parameter -> default of a registered class or factory, without its name and what a step puts in."""
    fields = dataclasses.fields(entry) if dataclasses.is_dataclass(entry) else ()
    put_in = {field.name for field in fields if not field.repr}
    return {
        name: REQUIRED if parameter.default is parameter.empty else parameter.default
        for name, parameter in inspect.signature(entry).parameters.items()
        if name != "name" and name not in put_in
    }


PAIRS: list[tuple[Registry[Any], dict[str, type[Block]]]] = [
    (LOSSES, named("loss")),
    (PENALTIES, present(Penalties)),
    (METHODS, present(Methods)),
    (CONSTRAINTS, present(Constraints)),
    (DATA, named("data")),
    (SCHEDULES, named("schedule")),
]


ENTRIES = [
    pytest.param(registry, name, block, id=f"{registry.kind} {name}")
    for registry, known in PAIRS
    for name, block in known.items()
]


@pytest.mark.parametrize(("registry", "known"), PAIRS, ids=[registry.kind for registry, _ in PAIRS])
def test_names_are_those_of_the_registry(registry: Registry[Any], known: dict[str, type[Block]]) -> None:
    assert set(known) == set(registry) - {"plain"}  # plain training is the absence of methods


@pytest.mark.parametrize(("registry", "name", "block"), ENTRIES)
def test_fields_and_defaults_are_those_of_the_entry(registry: Registry[Any], name: str, block: type[Block]) -> None:
    extra = ONLY_SETTINGS.get((registry.kind, name), {})
    expected = settings_in(registry[name]) | extra
    if issubclass(block, ImageSet):
        del expected["progress"]  # whom to tell, not what to do
    if name in ("points", "folder") and registry.kind == "data set":
        expected["path"] = None  # comes with --data
    assert settings_of(block) == expected


GIVEN = {"latent_dim", "shape", "classes"}  # by the run, not by the network's settings


@pytest.mark.parametrize("key", ["generator", "discriminator"])
def test_networks_are_those_of_the_registries(key: str) -> None:
    registry: Registry[Any] = {"generator": GENERATORS, "discriminator": DISCRIMINATORS}[key]
    assert set(named(key)) == set(registry)
    for name, block in named(key).items():
        expected = {field: default for field, default in settings_in(registry[name]).items() if field not in GIVEN}
        given = settings_of(block)
        assert set(given) == set(expected)
        if name != "mlp":  # whose activation is ReLU by itself [tao2020], leaky ReLU in recipes
            assert given == expected
    assert set(ACTIVATIONS) == set(KNOWN_ACTIVATIONS)


@pytest.mark.parametrize(
    ("block", "entry"), [(Optimizer, optim.OptimizerSettings), (Ema, ema.Ema)], ids=["optimizer", "ema"]
)
def test_engine_settings_are_those_of_the_engine(block: type[Block], entry: Any) -> None:
    expected = {field.name: field.default for field in dataclasses.fields(entry)}
    assert {name: field.default for name, field in block.model_fields.items()} == expected


def test_optimizers_are_those_of_the_engine() -> None:
    assert get_args(Optimizer.model_fields["name"].annotation) == optim.OPTIMIZERS
