"""Real data: the papers' synthetic sets, bundled digits, and the user's own data."""

from .images.folder import folder
from .points import points
from .samples import InfiniteSampler, Mapped, Samples, Stacked
from .sets.cifar import cifar10, cifar100
from .sets.gaussians import (
    gaussian,
    grid25,
    ring8,
    swissroll,
    two_gaussians,
    two_gaussians_fake,
    two_gaussians_fakes,
    two_gaussians_real,
)
from .sets.imagenet import imagenet64, tiny_imagenet
from .sets.mnist import digits, mnist
from .sets.stacked_mnist import stacked_mnist
from .source import DATA, Source, Stream
from .user import from_user

__all__ = [
    "DATA",
    "InfiniteSampler",
    "Mapped",
    "Samples",
    "Source",
    "Stacked",
    "Stream",
    "cifar10",
    "cifar100",
    "digits",
    "folder",
    "from_user",
    "gaussian",
    "grid25",
    "imagenet64",
    "mnist",
    "points",
    "ring8",
    "stacked_mnist",
    "swissroll",
    "tiny_imagenet",
    "two_gaussians",
    "two_gaussians_fake",
    "two_gaussians_fakes",
    "two_gaussians_real",
]
