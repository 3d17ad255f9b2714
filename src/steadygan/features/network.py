"""The interface of a feature network: images as bytes in, feature vectors and class logits out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..errors import InputError, unknown
from ..registry import Registry


class Features(NamedTuple):
    """Of n images: `vectors` (n, dim) float32, and `logits` (n, classes) float32 where the network names classes."""

    vectors: Tensor
    logits: Tensor | None = None

    @property
    def n(self) -> int:
        return self.vectors.shape[0]

    def first(self, n: int) -> Features:
        """Those of the first n images."""
        return Features(self.vectors[:n], None if self.logits is None else self.logits[:n])

    def at(self, index: Tensor) -> Features:
        """Those of the images at `index` (k,)."""
        return Features(self.vectors[index], None if self.logits is None else self.logits[index])

    @staticmethod
    def cat(parts: list[Features]) -> Features:
        """One after the other."""
        logits = [part.logits for part in parts if part.logits is not None]
        return Features(torch.cat([part.vectors for part in parts]), torch.cat(logits) if logits else None)


@runtime_checkable
class FeatureNetwork(Protocol):
    """A frozen network that computes features of images.

    `name` and `digest` (of its weights or its source) say which one, `resize` in words what it does to an image's
    size, `classes` how many classes its logits have (None: none), `chunk` how many images it takes at a time.
    """

    name: str
    digest: str
    resize: str
    classes: int | None
    chunk: int

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises InputError for images of a shape (channels, height, width) that it cannot take."""

    def __call__(self, images: Tensor) -> Features:
        """Of uint8 images (n, channels, height, width), wherever they are; the result is on the CPU."""


@torch.no_grad()
def extract(network: FeatureNetwork, images: Tensor) -> Features:
    """The features of uint8 images (n, channels, height, width), a chunk at a time.

    Raises InputError for other tensors, and if the network's output is not (n, dim) or not finite.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[0] == 0:
        got = f"{images.dtype} {tuple(images.shape)}: convert them"
        raise InputError(f"expected uint8 images (n >= 1, channels, height, width), got {got}")
    network.check(tuple(images.shape[1:]))
    parts = []
    for chunk in torch.split(images, network.chunk):
        found = network(chunk)
        if found.vectors.ndim != 2 or found.vectors.shape[0] != chunk.shape[0]:
            n, came = chunk.shape[0], f"{tuple(found.vectors.shape)}: return one row per image"
            raise InputError(f"{network.name}: expected features ({n}, dim) of {n} images, got {came}")
        if not bool(found.vectors.isfinite().all()):
            raise InputError(f"{network.name}: expected finite features, got NaN or infinity: fix the network")
        parts.append(found)
    return Features.cat(parts)


FEATURES: Registry[Callable[[tuple[int, ...]], FeatureNetwork]] = Registry("feature network")  # by images' shape


def check_name(wanted: object) -> None:
    """Raises InputError for what is no network, and for the name of none; "auto" is the data set's own."""
    if not (wanted is None or isinstance(wanted, str) or hasattr(wanted, "check")):
        known = "the name of a network, a FeatureNetwork as UserFeatures(name, digest, function) or None"
        raise InputError(f"expected features as {known}, got {type(wanted).__name__}: wrap it")
    if isinstance(wanted, str) and wanted != "auto" and wanted not in FEATURES:
        raise unknown(FEATURES.kind, wanted, ("auto", *FEATURES))
