"""Settings of the networks: the names and fields of their registries, without torch."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .block import Block
from .values import Count, Natural, choice

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "elu", "selu", "silu", "gelu")
SIDES = "8, 12, or 16, 20, 24, 28 doubled any number of times"


def halvings(side: int) -> tuple[int, int] | None:
    """(k, side / 2^k): halved while it is even and above 7, at least twice, to 2..7; None where that cannot be."""
    base, stages = side, 0
    while base % 2 == 0 and (base > 7 or stages < 2):
        base, stages = base // 2, stages + 1
    return (stages, base) if stages >= 2 and 2 <= base <= 7 else None


class Mlp(Block):
    """A fully connected network of `depth` hidden layers; `output` closes it (tanh for data in [-1, 1])."""

    name: Literal["mlp"] = "mlp"
    width: Count = 64
    depth: Count = 3
    activation: Annotated[str, choice(*ACTIVATIONS)] = "leaky_relu"
    output: Annotated[str | None, choice(*ACTIVATIONS, optional=True)] = None


class DcganGenerator(Block):
    """Transposed convolutions; `width` channels before the last of them, twice as many before each earlier one."""

    name: Literal["dcgan"] = "dcgan"
    width: Count = 64
    norm: Annotated[Literal["none", "batch"], choice("none", "batch")] = "none"


class DcganDiscriminator(DcganGenerator):
    """Convolutions of stride 2, the mirror image; `minibatch_discrimination` adds so many kernels before the end."""

    minibatch_discrimination: Natural = 0


Generator: TypeAlias = Annotated[Mlp | DcganGenerator, Field(discriminator="name")]
Discriminator: TypeAlias = Annotated[Mlp | DcganDiscriminator, Field(discriminator="name")]
