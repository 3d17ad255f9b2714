"""Settings of the networks, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from ..errors import InputError
from .block import Block, Context, Kinds
from .values import Depth, Extra, Few, Width, choice

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "elu", "selu", "silu", "gelu")
Activation: TypeAlias = Annotated[str, choice(*ACTIVATIONS)]
Norm: TypeAlias = Literal["none", "batch"]

SIDES = "8, 12, or 16, 20, 24, 28 doubled any number of times"

EXPANSION = 2  # of the channels inside a block of the modern networks


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

    @classmethod
    def other_sides(cls, side: int) -> str:  # noqa: ARG003
        """The sides of images that it is for, in words, where this one is not among them."""
        return ""


class AnySize(Network):
    """Convolutions that halve square images of nearly any size."""

    @classmethod
    def other_sides(cls, side: int) -> str:
        return "" if halvings(side) else SIDES


@dataclass(frozen=True)
class OneSize(Network):
    """Convolutions for images of one size; all layers have multiples of `width` channels."""

    conditional = True
    side: ClassVar[int]
    width: Width = 64

    @classmethod
    def other_sides(cls, side: int) -> str:
        return "" if side == cls.side else f"{cls.side}"


@dataclass(frozen=True)
class Mlp(Network):
    """A fully connected network of `depth` hidden layers; `output` closes it (tanh for data in [-1, 1])."""

    name = "mlp"
    width: Width = 64
    depth: Depth = 3
    activation: Activation = "leaky_relu"
    output: Annotated[str | None, choice(*ACTIVATIONS)] = None


@dataclass(frozen=True)
class Ends(Network):
    """The ends of a discriminator: kernels that compare samples, an embedding as logit, a denoiser beside it.

    All are off at 0; `denoiser` is the width of its `denoiser_depth` layers.
    """

    minibatch_discrimination: Extra = 0
    embedding: Extra = 0
    denoiser: Extra = 0
    denoiser_depth: Few = 10
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
class ImageEnds(Ends):
    """The same behind convolutions."""

    denoiser_norm: Norm = "batch"


@dataclass(frozen=True)
class DcganGenerator(AnySize):
    """Transposed convolutions; `width` channels before the last of them, twice as many before each earlier one."""

    name = "dcgan"
    conditional = True
    width: Width = 64
    norm: Norm = "none"


@dataclass(frozen=True)
class DcganDiscriminator(ImageEnds, DcganGenerator):
    """Convolutions of stride 2, the mirror image."""


@dataclass(frozen=True)
class DualGenerator(AnySize):
    """Transposed convolutions and one that keeps the size and sees `width` channels; twice as many one step earlier."""

    name = "dual"
    width: Width = 64
    norm: Norm = "batch"


@dataclass(frozen=True)
class DualDiscriminator(ImageEnds, DualGenerator):
    """Convolutions of stride 1 and 2 by turns; `residual` makes blocks of the former, `selu` needs norm none."""

    activation: Literal["leaky_relu", "selu"] = "leaky_relu"
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation == "selu" and self.norm != "none":
            raise InputError(
                f"discriminator.norm: expected none with activation=selu, which normalises by itself, got {self.norm}: "
                "set discriminator.norm=none"
            )


class Resnet32Generator(OneSize):
    """Residual blocks and nearest up-sampling for 32 x 32 pixels, `width` channels at full size."""

    name = "resnet32"
    side = 32


class Resnet64Generator(OneSize):
    """The same for 64 x 64 pixels, two blocks at each size."""

    name = "resnet64"
    side = 64


class Conventional32Generator(OneSize):
    """Convolutions that keep the size and nearest up-sampling for 32 x 32 pixels, `width` channels at full size."""

    name = "conventional32"
    side = 32


@dataclass(frozen=True)
class OneSizeDiscriminator(ImageEnds, OneSize):
    """The mirror image of such a generator."""


class Resnet32Discriminator(OneSizeDiscriminator):
    """Residual blocks and average pooling, `width` channels at full size."""

    name = "resnet32"
    side = 32


class Resnet64Discriminator(OneSizeDiscriminator):
    """The same for 64 x 64 pixels, two blocks at each size."""

    name = "resnet64"
    side = 64


class Conventional32Discriminator(OneSizeDiscriminator):
    """Convolutions that keep the size and average pooling, `width` channels at full size."""

    name = "conventional32"
    side = 32


@dataclass(frozen=True)
class NormedGenerator(OneSize):
    """The same with a norm."""

    norm: Norm = "batch"


@dataclass(frozen=True)
class Sngan32Generator(NormedGenerator):
    """Residual blocks with nearest up-sampling, `width` channels in every one."""

    name = "sngan32"
    side = 32
    width: Width = 256


@dataclass(frozen=True)
class Sngan32Discriminator(OneSizeDiscriminator):
    """Residual blocks and the sum over positions, `width` channels in every one."""

    name = "sngan32"
    side = 32
    width: Width = 128


class Sngan64Generator(NormedGenerator):
    """The same for 64 x 64 pixels, `width` channels at full size and up to 16 times as many below."""

    name = "sngan64"
    side = 64


class Sngan64Discriminator(OneSizeDiscriminator):
    """The mirror image."""

    name = "sngan64"
    side = 64


class Sngan32CnnGenerator(NormedGenerator):
    """Transposed convolutions and one that keeps the size and sees `width` channels."""

    name = "sngan32_cnn"
    side = 32


class Sngan32CnnDiscriminator(OneSizeDiscriminator):
    """Convolutions of stride 1 and 2 by turns."""

    name = "sngan32_cnn"
    side = 32


class Sngan64CnnGenerator(NormedGenerator):
    """The same for 64 x 64 pixels, one more."""

    name = "sngan64_cnn"
    side = 64


class Sngan64CnnDiscriminator(OneSizeDiscriminator):
    """The same for 64 x 64 pixels, two more."""

    name = "sngan64_cnn"
    side = 64


class Autogan32Generator(Sngan32Generator):
    """Cells found by a search, each of which receives the outputs of those before it."""

    name = "autogan32"


class Autogan32Discriminator(Sngan32Discriminator):
    """The same as `sngan32`, except for a bias."""

    name = "autogan32"


@dataclass(frozen=True)
class ModernGenerator(OneSize):
    """Residual blocks without a norm, `blocks` at each size; inner convolutions in groups of `group` channels."""

    width: Width = 16
    group: Width = 16
    blocks: Few = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if EXPANSION * self.width % self.group:
            raise InputError(
                f"{self.name}: expected a width whose {EXPANSION}-fold is a multiple of group={self.group}, got "
                f"width={self.width}: change one of them"
            )


@dataclass(frozen=True)
class ModernDiscriminator(ImageEnds, ModernGenerator):
    """The mirror image."""

    def fits(self, context: Context) -> None:
        super().fits(context)
        if "spectral_norm" in context.judge.constraint:
            raise InputError(
                f"{context.where}discriminator={self.name}: expected no constraint.spectral_norm, which divides by "
                "weights that start at 0 here, got it: leave it out, or use sngan32"
            )


class Modern28Generator(ModernGenerator):
    """For 28 x 28 pixels, `width` channels at full size and up to 16 times as many below."""

    name = "modern28"
    side = 28


class Modern28Discriminator(ModernDiscriminator):
    """The mirror image."""

    name = "modern28"
    side = 28


class Modern32Generator(ModernGenerator):
    """The same for 32 x 32 pixels, with one stage more."""

    name = "modern32"
    side = 32


class Modern32Discriminator(ModernDiscriminator):
    """The mirror image."""

    name = "modern32"
    side = 32


@dataclass(frozen=True)
class MlpAutoencoder(Network):
    """A fully connected autoencoder whose error is the score: `depth` hidden layers on each side of the code."""

    name = "mlp_autoencoder"
    rebuilds = True
    width: Width = 64
    depth: Depth = 2
    activation: Activation = "leaky_relu"
    code: Width = 2


@dataclass(frozen=True)
class DcganAutoencoder(AnySize):
    """The same with convolutions."""

    name = "dcgan_autoencoder"
    rebuilds = True
    width: Width = 64
    activation: Activation = "leaky_relu"
    code: Width = 64


GENERATORS = (
    *(Mlp, DcganGenerator, DualGenerator),
    *(Resnet32Generator, Resnet64Generator, Conventional32Generator, Autogan32Generator),
    *(Sngan32Generator, Sngan64Generator, Sngan32CnnGenerator, Sngan64CnnGenerator),
    *(Modern28Generator, Modern32Generator),
)
DISCRIMINATORS = (
    *(MlpDiscriminator, DcganDiscriminator, DualDiscriminator, MlpAutoencoder, DcganAutoencoder),
    *(Resnet32Discriminator, Resnet64Discriminator, Conventional32Discriminator, Autogan32Discriminator),
    *(Sngan32Discriminator, Sngan64Discriminator, Sngan32CnnDiscriminator, Sngan64CnnDiscriminator),
    *(Modern28Discriminator, Modern32Discriminator),
)
GENERATOR = Kinds("generator", {each.name: each for each in GENERATORS}, Network)
DISCRIMINATOR = Kinds("discriminator", {each.name: each for each in DISCRIMINATORS}, Network)
