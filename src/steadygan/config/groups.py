"""Settings of data, optimisation and bookkeeping."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from ..errors import InputError
from .block import Block
from .values import Count, Flag, Natural, Positive, Weight, choice, pair, real, text, whole

Size: TypeAlias = Annotated[int | None, whole(1, optional=True)]
Share: TypeAlias = Annotated[float, real(0.0, below=1.0)]


class DataSet(Block):
    """Where real samples come from."""

    modes: ClassVar[int | None] = None  # how many are known to be there


class Gaussian(DataSet):
    """A 2-D normal distribution, by default seen through 100 training samples drawn with `seed`."""

    name: Literal["gaussian"] = "gaussian"
    scale: Positive = 1.0
    n: Size = 100
    seed: Natural = 0


class Ring8(DataSet):
    """Eight Gaussians on a circle; `n` makes the training set finite, drawn with `seed`."""

    modes: ClassVar[int | None] = 8

    name: Literal["ring8"] = "ring8"
    scale: Positive = 2.0
    n: Size = None
    seed: Natural = 0


class Grid25(DataSet):
    """Twenty-five Gaussians on a grid; `n` and `seed` as above."""

    modes: ClassVar[int | None] = 25

    name: Literal["grid25"] = "grid25"
    scale: Positive = 1.0
    n: Size = None
    seed: Natural = 0


class Swissroll(DataSet):
    """A spiral; `n` and `seed` as above."""

    name: Literal["swissroll"] = "swissroll"
    scale: Positive = 1.0
    n: Size = None
    seed: Natural = 0


class TwoGaussians(DataSet):
    """The real one of two overlapping Gaussians; `n` and `seed` as above."""

    name: Literal["two_gaussians"] = "two_gaussians"
    n: Size = 100
    seed: Natural = 0


class Points(DataSet):
    """The user's own points, a file of one per row; `standardise` trains on them with mean 0 and deviation 1."""

    name: Literal["points"] = "points"
    path: Annotated[str | None, text("the path of a .npy, .npz or .csv file", optional=True)] = None
    standardise: Flag = True


class Digits(DataSet):
    """Handwritten digits, 8 x 8 pixels."""

    modes: ClassVar[int | None] = 10

    name: Literal["digits"] = "digits"


class ImageSet(DataSet):
    """Images: where they are, whether half of them are mirrored, and how many processes read a large set ahead.

    `path` none looks in STEADYGAN_DATA and the cache folder; `workers` none keeps up to 2 GiB on the device.
    """

    path: Annotated[str | None, text("the path of a folder or a file", optional=True)] = None
    flip: Flag = False
    workers: Annotated[int | None, whole(0, optional=True)] = None


class Mnist(ImageSet):
    """Handwritten digits, 28 x 28 pixels."""

    modes: ClassVar[int | None] = 10

    name: Literal["mnist"] = "mnist"


class StackedMnist(ImageSet):
    """Three digits of MNIST as the channels of one image, `n` triples drawn with `seed`: 1,000 modes."""

    name: Literal["stacked_mnist"] = "stacked_mnist"
    n: Count = 128_000
    seed: Natural = 0


class Cifar10(ImageSet):
    """Photographs of ten kinds of things, 32 x 32 pixels."""

    name: Literal["cifar10"] = "cifar10"


class Cifar100(ImageSet):
    """The same of a hundred kinds."""

    name: Literal["cifar100"] = "cifar100"


class Folder(ImageSet):
    """The user's own images: a folder or .zip of files, or a .npy or .npz of pixels.

    `size` crops and resizes to so many pixels a side, `channels` makes all grey (1) or colour (3); a zip may unpack to
    `max_gib` GiB.
    """

    name: Literal["folder"] = "folder"
    size: Annotated[int | None, whole(8, 1024, optional=True)] = None
    channels: Annotated[int | None, whole(1, 3, optional=True)] = None
    max_gib: Positive = 64.0


Data: TypeAlias = Annotated[
    Gaussian
    | Ring8
    | Grid25
    | Swissroll
    | TwoGaussians
    | Points
    | Digits
    | Mnist
    | StackedMnist
    | Cifar10
    | Cifar100
    | Folder,
    Field(discriminator="name"),
]


POINTS = (Gaussian, Ring8, Grid25, Swissroll, TwoGaussians, Points)


class Optimizer(Block):
    """Both players' optimiser: betas belong to adam, alpha to rmsprop, momentum to rmsprop and sgd."""

    name: Annotated[Literal["adam", "rmsprop", "sgd"], choice("adam", "rmsprop", "sgd")] = "adam"
    betas: Annotated[tuple[float, float], pair(0.0, 1.0, "0.5,0.9")] = (0.5, 0.9)
    alpha: Annotated[float, real(0.0, below=1.0)] = 0.99
    momentum: Annotated[float, real(0.0, below=1.0)] = 0.0
    eps: Positive = 1e-8
    weight_decay: Weight = 0.0


class Constant(Block):
    """The learning rates stay as they are."""

    name: Literal["constant"] = "constant"


class Linear(Block):
    """The learning rates fall linearly from the share `start` of the horizon on, to `end` times their value."""

    name: Literal["linear"] = "linear"
    start: Share = 0.5
    end: Weight = 0.0


class Cosine(Block):
    """The same along half a cosine."""

    name: Literal["cosine"] = "cosine"
    start: Share = 0.5
    end: Weight = 0.0


Schedule: TypeAlias = Annotated[Constant | Linear | Cosine, Field(discriminator="name")]


class Ema(Block):
    """The generator's running average: a `decay` per iteration or a `half_life` in images, one of the two."""

    exclusive: ClassVar[tuple[str, ...]] = ("decay", "half_life")

    decay: Annotated[float | None, real(0.0, below=1.0, optional=True)] = 0.999
    half_life: Annotated[float | None, real(above=0.0, optional=True)] = None
    ramp_up: Annotated[float | None, real(above=0.0, optional=True)] = 0.05

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.decay is None) == (self.half_life is None):
            raise InputError(
                f"ema: expected a decay or a half_life, got {self.decay} and {self.half_life}: set one of them to none"
            )
        return self


class Evaluate(Block):
    """Generated samples are measured every so many iterations, `n` at a time; images by the `features` of a network.

    auto: the data set's own network, where there is one. inception: FID and its kin, weights downloaded on first use.
    """

    every: Count = 1000
    n: Annotated[int, whole(100)] = 10_000
    features: Annotated[
        Literal["auto", "digits", "inception"] | None, choice("auto", "digits", "inception", optional=True)
    ] = "auto"
