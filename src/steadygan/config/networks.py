"""Settings of the networks, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from ..errors import InputError
from .block import Block, Kinds
from .context import Context
from .values import Count, Natural, choice

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "elu", "selu", "silu", "gelu")
Activation: TypeAlias = Annotated[str, choice(*ACTIVATIONS)]
Norm: TypeAlias = Literal["none", "batch"]

SIDES = "8, 12, or 16, 20, 24, 28 doubled any number of times"


def halvings(side: int) -> tuple[int, int] | None:
    """(k, side / 2^k): halved while it is even and above 7, at least twice, to 2..7; None where that cannot be."""
    base, stages = side, 0
    while base % 2 == 0 and (base > 7 or stages < 2):
        base, stages = base // 2, stages + 1
    return (stages, base) if stages >= 2 and 2 <= base <= 7 else None


class Network(Block):
    """A generator or discriminator."""

    conditional: ClassVar[bool] = False  # can be told a class
    rebuilds: ClassVar[bool] = False  # a discriminator whose score is the error of an autoencoder


@dataclass(frozen=True)
class Mlp(Network):
    """A fully connected network of `depth` hidden layers; `output` closes it (tanh for data in [-1, 1])."""

    name = "mlp"
    width: Count = 64
    depth: Natural = 3
    activation: Activation = "leaky_relu"
    output: Annotated[str | None, choice(*ACTIVATIONS)] = None


@dataclass(frozen=True)
class Ends(Network):
    """What a discriminator may end in: kernels that compare samples, an embedding for the logit, a denoiser beside it.

    All are off at 0; `denoiser` is the width of its `denoiser_depth` layers.
    """

    minibatch_discrimination: Natural = 0
    embedding: Natural = 0
    denoiser: Natural = 0
    denoiser_depth: Count = 10
    denoiser_norm: Norm = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding and self.denoiser:
            raise InputError(
                f"discriminator: expected an embedding or a denoiser, got embedding={self.embedding} and "
                f"denoiser={self.denoiser}: set one of them to 0"
            )

    def fits(self, context: Context) -> None:
        if self.denoiser and "denoising_feature_matching" not in context.judge.method:
            raise InputError(
                f"{context.where}discriminator.denoiser: expected method.denoising_feature_matching, which trains it, "
                "got none: add it, or set denoiser=0"
            )


@dataclass(frozen=True)
class MlpDiscriminator(Ends, Mlp):
    """The same as a discriminator."""


@dataclass(frozen=True)
class DcganGenerator(Network):
    """Transposed convolutions; `width` channels before the last of them, twice as many before each earlier one."""

    name = "dcgan"
    conditional = True
    width: Count = 64
    norm: Norm = "none"


@dataclass(frozen=True)
class DcganDiscriminator(Ends, DcganGenerator):
    """Convolutions of stride 2, the mirror image."""

    denoiser_norm: Norm = "batch"


@dataclass(frozen=True)
class DualGenerator(Network):
    """Transposed convolutions and one that keeps the size and sees `width` channels; twice as many one step earlier."""

    name = "dual"
    width: Count = 64
    norm: Norm = "batch"


@dataclass(frozen=True)
class DualDiscriminator(DualGenerator):
    """Convolutions of stride 1 and 2 by turns; `residual` makes blocks of the former, `selu` needs norm none."""

    activation: Literal["leaky_relu", "selu"] = "leaky_relu"
    residual: bool = False
    minibatch_discrimination: Natural = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation == "selu" and self.norm != "none":
            raise InputError(
                f"discriminator.norm: expected none with activation=selu, which normalises by itself, got {self.norm}: "
                "set discriminator.norm=none"
            )


@dataclass(frozen=True)
class MlpAutoencoder(Network):
    """A fully connected autoencoder whose error is the score: `depth` hidden layers on each side of the code."""

    name = "mlp_autoencoder"
    rebuilds = True
    width: Count = 64
    depth: Natural = 2
    activation: Activation = "leaky_relu"
    code: Count = 2


@dataclass(frozen=True)
class DcganAutoencoder(Network):
    """The same of convolutions."""

    name = "dcgan_autoencoder"
    rebuilds = True
    width: Count = 64
    activation: Activation = "leaky_relu"
    code: Count = 64


DISCRIMINATORS = (MlpDiscriminator, DcganDiscriminator, DualDiscriminator, MlpAutoencoder, DcganAutoencoder)
GENERATOR = Kinds("generator", {each.name: each for each in (Mlp, DcganGenerator, DualGenerator)}, Network)
DISCRIMINATOR = Kinds("discriminator", {each.name: each for each in DISCRIMINATORS}, Network)
