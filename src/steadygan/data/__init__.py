"""Real data: the papers' synthetic sets, embedded digits, and the user's own."""

from .cifar import cifar10, cifar100
from .digits import digits
from .folder import folder
from .mnist import mnist
from .points import points
from .registry import DATA
from .sampler import InfiniteSampler
from .samples import Mapped, Samples, Stacked
from .source import Source, Stream
from .stacked_mnist import stacked_mnist
from .synthetic import gaussian, grid25, ring8, swissroll, two_gaussians, two_gaussians_fake, two_gaussians_real
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
    "mnist",
    "points",
    "ring8",
    "stacked_mnist",
    "swissroll",
    "two_gaussians",
    "two_gaussians_fake",
    "two_gaussians_real",
]
