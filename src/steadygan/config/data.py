"""Settings of data sets: where real samples come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..errors import InputError
from .block import Block, Context, Kinds
from .values import Positive, Seed, Size, text, whole


class DataSet(Block):
    """Where real samples come from."""

    modes: ClassVar[int | None] = None  # how many are known to be there
    image: ClassVar[bool | None] = None  # whether they are images, where that is known before they are read
    side: ClassVar[int | None] = None  # pixels, where their number is known
    missing: ClassVar[str] = ""  # what is to be said when `path` is none, where the data are the user's own

    @property
    def known_side(self) -> int | None:
        """The side of its images as it will be read, where that is known before."""
        return self.side


@dataclass(frozen=True)
class MadePoints(DataSet):
    """Generated points; `n` makes the training set finite, drawn with `seed`."""

    image = False
    scale: Positive = 1.0
    n: Size = None
    seed: Seed = 0


@dataclass(frozen=True)
class Gaussian(MadePoints):
    """A 2-D normal distribution, by default with 100 training samples."""

    name = "gaussian"
    n: Size = 100


@dataclass(frozen=True)
class Ring8(MadePoints):
    """Eight Gaussians on a circle."""

    name = "ring8"
    modes = 8
    scale: Positive = 2.0


class Grid25(MadePoints):
    """Twenty-five Gaussians on a grid."""

    name = "grid25"
    modes = 25


class Swissroll(MadePoints):
    """A spiral."""

    name = "swissroll"


@dataclass(frozen=True)
class TwoGaussians(DataSet):
    """The real one of two overlapping Gaussians; `n` and `seed` as above."""

    name = "two_gaussians"
    image = False
    n: Size = 100
    seed: Seed = 0


class TwoGaussiansFake(TwoGaussians):
    """The fake one of them, which no generator makes."""

    name = "two_gaussians_fake"


@dataclass(frozen=True)
class PointsFile(DataSet):
    """Your own points, in a file with one per row; `standardise` trains on them with mean 0 and deviation 1."""

    name = "points"
    image = False
    missing = "expected your data, got none: add --data points.npy (or .npz, .csv)"
    path: Annotated[str | None, text("the path of a .npy, .npz or .csv file")] = None
    standardise: bool = True


@dataclass(frozen=True)
class DigitsSet(DataSet):
    """Handwritten digits, 8 x 8 pixels."""

    name = "digits"
    modes = 10
    image = True
    side = 8


@dataclass(frozen=True)
class ImageSet(DataSet):
    """Images: where they are, whether half of them are mirrored, and how many processes read a large set ahead.

    Without `path`, STEADYGAN_DATA and the cache folder are searched; without `workers`, up to 2 GiB are kept on the
    device.
    """

    image = True
    named_at = 3
    path: Annotated[str | None, text("the path of a folder or a file")] = None
    flip: bool = False
    workers: Annotated[int | None, whole(0, most=256)] = None


class Mnist(ImageSet):
    """Handwritten digits, 28 x 28 pixels."""

    name = "mnist"
    modes = 10
    side = 28


@dataclass(frozen=True)
class StackedMnist(ImageSet):
    """Three digits of MNIST as the channels of one image, `n` triples drawn with `seed`: 1,000 modes."""

    name = "stacked_mnist"
    modes = 1000
    side = 28
    n: Annotated[int, whole(1, most=10**8)] = 128_000
    seed: Seed = 0


class Cifar10(ImageSet):
    """Photographs of ten classes, 32 x 32 pixels."""

    name = "cifar10"
    side = 32


class Cifar100(ImageSet):
    """Photographs of a hundred classes, 32 x 32 pixels."""

    name = "cifar100"
    side = 32


class TinyImagenet(ImageSet):
    """Photographs of two hundred classes, 64 x 64 pixels."""

    name = "tiny_imagenet"
    side = 64


class Imagenet64(ImageSet):
    """ImageNet's photographs, cropped and resized to 64 x 64 pixels."""

    name = "imagenet64"
    side = 64


@dataclass(frozen=True)
class Folder(ImageSet):
    """Your own images: a folder or .zip of files, or a .npy or .npz of pixels.

    `size` crops and resizes to this many pixels a side, `channels` makes all grey (1) or colour (3); a zip may unpack
    to `max_gib` GiB.
    """

    name = "folder"
    missing = "expected your images, got none: add --data FOLDER (or .zip, .npy, .npz)"
    size: Annotated[int | None, whole(8, 1024)] = None
    channels: Annotated[int | None, whole(1, 3)] = None
    max_gib: Positive = 64.0

    @property
    def known_side(self) -> int | None:
        return self.size

    def fits(self, context: Context) -> None:
        if self.channels == 2:
            raise InputError("data.channels: expected 1 (grey) or 3 (colour), or none, got 2")


POINTS = (Gaussian, Ring8, Grid25, Swissroll, TwoGaussians, TwoGaussiansFake, PointsFile)
IMAGES = (DigitsSet, Mnist, StackedMnist, Cifar10, Cifar100, TinyImagenet, Imagenet64, Folder)
DATA = Kinds("data set", {each.name: each for each in (*POINTS, *IMAGES)}, DataSet)
