"""The ways in which every data set is trained, from no remedy to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from ..config import FakeAsReal, GradientPenalty, Methods, Penalties, PlainLoss, Settings
from .base import recipe


@dataclass(frozen=True)
class Base:
    """A data set's settings without any remedy, and how strong the remedies are there."""

    text: str
    settings: Settings
    weight: float = 0.1  # of every gradient penalty: squared logit per squared data unit
    count: int = 8  # fakes counted as real, in a batch of 64
    small: Base | None = None  # for two cores, where this is for more


def nsgan(base: Base) -> Settings:
    """Nothing added."""
    return base.settings


def r1(base: Base) -> Settings:
    """A gradient penalty on real samples."""
    return base.settings.model_copy(update={"penalty": Penalties(r1=GradientPenalty(weight=base.weight))})


def zero_gp(base: Base) -> Settings:
    """A gradient penalty between real and generated samples."""
    return base.settings.model_copy(update={"penalty": Penalties(zero_gp=GradientPenalty(weight=base.weight))})


def far(base: Base) -> Settings:
    """r1, and the fakes that D rates lowest count as real."""
    return r1(base).model_copy(update={"method": Methods(fake_as_real=FakeAsReal(count=base.count, factor=8))})


def rpgan(base: Base) -> Settings:
    """A relativistic loss with a penalty on each side."""
    penalty = GradientPenalty(weight=base.weight)
    changes = {"loss": PlainLoss(name="relativistic_pairing"), "penalty": Penalties(r1=penalty, r2=penalty)}
    return base.settings.model_copy(update=changes)


VARIANTS: dict[str, tuple[Callable[[Base], Settings], str, str]] = {
    "nsgan": (nsgan, "no remedy", "goodfellow2014"),
    "r1": (r1, "gradient penalty on reals", "mescheder2018"),
    "zero_gp": (zero_gp, "gradient penalty between reals and fakes", "thanhtung2019"),
    "far": (far, "fake-as-real and r1", "tao2020"),
    "rpgan": (rpgan, "relativistic pairing with r1 and r2", "huang2024"),
}


def enrol(data: str, base: Base, variants: Iterable[str] = VARIANTS) -> None:
    """Enrols `<data>/<variant>` for each of the variants."""
    for name in variants:
        change, text, paper = VARIANTS[name]
        small = None if base.small is None else partial(change, base.small)
        recipe(f"{data}/{name}", f"{base.text}: {text}", paper, small)(partial(change, base))
