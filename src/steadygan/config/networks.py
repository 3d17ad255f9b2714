"""Settings of the networks: the names and fields of their registries, without torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from ..errors import InputError
from .block import Block
from .values import Count, Flag, Natural, choice

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "elu", "selu", "silu", "gelu")
Activation: TypeAlias = Annotated[str, choice(*ACTIVATIONS)]
Norm: TypeAlias = Annotated[Literal["none", "batch"], choice("none", "batch")]

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
    activation: Activation = "leaky_relu"
    output: Annotated[str | None, choice(*ACTIVATIONS, optional=True)] = None


class Ends(Block):
    """What a discriminator may end in: kernels that compare samples, an embedding for the logit, a denoiser beside it.

    All are off at 0; `denoiser` is the width of its `denoiser_depth` layers.
    """

    minibatch_discrimination: Natural = 0
    embedding: Natural = 0
    denoiser: Natural = 0
    denoiser_depth: Count = 10
    denoiser_norm: Norm = "none"

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.embedding and self.denoiser:
            raise InputError(
                f"discriminator: expected an embedding or a denoiser, got embedding={self.embedding} and "
                f"denoiser={self.denoiser}: set one of them to 0"
            )
        return self


class MlpDiscriminator(Ends, Mlp):
    """The same as a discriminator."""


class DcganGenerator(Block):
    """Transposed convolutions; `width` channels before the last of them, twice as many before each earlier one."""

    name: Literal["dcgan"] = "dcgan"
    width: Count = 64
    norm: Norm = "none"


class DcganDiscriminator(Ends, DcganGenerator):
    """Convolutions of stride 2, the mirror image."""

    denoiser_norm: Norm = "batch"


class DualGenerator(Block):
    """Transposed convolutions and one that keeps the size and sees `width` channels; twice as many one step earlier."""

    name: Literal["dual"] = "dual"
    width: Count = 64
    norm: Norm = "batch"


class DualDiscriminator(DualGenerator):
    """Convolutions of stride 1 and 2 by turns; `residual` makes blocks of the former, `selu` needs norm none."""

    activation: Annotated[Literal["leaky_relu", "selu"], choice("leaky_relu", "selu")] = "leaky_relu"
    residual: Flag = False
    minibatch_discrimination: Natural = 0

    @model_validator(mode="after")
    def _one_norm(self) -> Self:
        if self.activation == "selu" and self.norm != "none":
            raise InputError(
                f"discriminator.norm: expected none with activation=selu, which normalises by itself, got {self.norm}: "
                "set discriminator.norm=none"
            )
        return self


class MlpAutoencoder(Block):
    """A fully connected autoencoder whose error is the score: `depth` hidden layers on each side of the code."""

    name: Literal["mlp_autoencoder"] = "mlp_autoencoder"
    width: Count = 64
    depth: Count = 2
    activation: Activation = "leaky_relu"
    code: Count = 2


class DcganAutoencoder(Block):
    """The same of convolutions."""

    name: Literal["dcgan_autoencoder"] = "dcgan_autoencoder"
    width: Count = 64
    activation: Activation = "leaky_relu"
    code: Count = 64


Generator: TypeAlias = Annotated[Mlp | DcganGenerator | DualGenerator, Field(discriminator="name")]
Discriminator: TypeAlias = Annotated[
    MlpDiscriminator | DcganDiscriminator | DualDiscriminator | MlpAutoencoder | DcganAutoencoder,
    Field(discriminator="name"),
]
