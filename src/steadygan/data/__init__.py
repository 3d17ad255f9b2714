"""Real data: the papers' synthetic sets, embedded digits, and the user's own."""

from .digits import digits
from .points import points
from .registry import DATA
from .sampler import InfiniteSampler
from .source import Source, Stream
from .synthetic import (
    gaussian,
    grid25,
    ring8,
    swissroll,
    two_gaussians,
    two_gaussians_fake,
    two_gaussians_real,
)
from .user import from_user

__all__ = [
    "DATA",
    "InfiniteSampler",
    "Source",
    "Stream",
    "digits",
    "from_user",
    "gaussian",
    "grid25",
    "points",
    "ring8",
    "swissroll",
    "two_gaussians",
    "two_gaussians_fake",
    "two_gaussians_real",
]
