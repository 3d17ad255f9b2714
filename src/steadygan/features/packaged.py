"""Trained feature networks that are part of the package: no download is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..pixels import to_values
from .classifiers import CLASSES, CifarNetwork, Classifier, DigitNetwork, empty
from .network import FEATURES, Features

CHUNK = 1000


@dataclass(frozen=True)
class PackagedNetwork:
    """A trained classifier whose weights, `name`.safetensors, and card, `name`.json, lie beside this file.

    kind: makes vectors (n, dim) and logits (n, classes) of x (n, *shape) in [-1, 1]. stacked: so many of its images
    may be the channels of one. group: images at once on a CPU: what the layers hand on stays in a core's cache, which
    takes half the time.
    """

    name: str
    kind: type[Classifier]
    shape: tuple[int, int, int]
    classes: int = CLASSES
    stacked: int = 1
    group: int = 100

    @property
    def card(self) -> dict[str, Any]:
        """What is known of it: architecture, training, accuracy, licences, the hash of its weights."""
        card: dict[str, Any] = json.loads(_read(f"{self.name}.json"))
        return card

    def features(self, shape: tuple[int, ...]) -> PackagedFeatures:
        """What measures images of this shape; where it is none of the network's, its `check` says so."""
        return PackagedFeatures(self, self.stacked if shape[0] == self.stacked * self.shape[0] else 1)

    def load(self) -> Classifier:
        """The trained network in float32 on the CPU, frozen and in eval mode, a new one at each call.

        Raises InputError when its file is not the one that the card describes.
        """
        from safetensors.torch import load

        content = _read(file := f"{self.name}.safetensors")
        wanted, found = self.card["sha256"], sha256(content).hexdigest()
        if found != wanted:
            got = f"{found[:12]}...: the installation is damaged, reinstall steadygan"
            raise InputError(f"expected {file} with the SHA-256 {wanted[:12]}..., got {got}")
        network = empty(self.kind)
        network.load_state_dict({key: value.float() for key, value in load(content).items()}, assign=True)
        return network.requires_grad_(False).eval()


class PackagedFeatures:
    """The `FeatureNetwork` of a packaged network, of its images or of `stacked` of them as the channels of one.

    vectors (n, stacked dim) are those of the stacked images one after the other, logits (n, classes^stacked) those of
    the network, or, of several independent images, log p of the class of them all: of three digits
    log p_0(a) + log p_1(b) + log p_2(c) for class 100 a + 10 b + c, p_i the softmax for channel i [metz2017]. Raises
    InputError for images of another shape, and, at the first call, as `PackagedNetwork.load` does.
    """

    def __init__(self, packaged: PackagedNetwork, stacked: int = 1) -> None:
        self._packaged, self._stacked = packaged, stacked
        channels, height, width = packaged.shape
        self._shape = (stacked * channels, height, width)
        self.name = packaged.name if stacked == 1 else f"stacked {packaged.name}"
        self.digest: str = packaged.card["sha256"][:12]
        self.resize = f"none: {width} x {height} as they are"
        self.classes: int | None = packaged.classes**stacked
        self.chunk = CHUNK

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises InputError for images of another shape (channels, height, width) than the network's."""
        if tuple(shape) != self._shape:
            got = f"{tuple(shape)}: use another network"
            raise InputError(f"{self.name}: expected images of shape {self._shape}, got {got}")

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Features:
        """Of uint8 images (n, channels, height, width), wherever they are; the result is float32 on the CPU."""
        self.check(tuple(images.shape[1:]))
        packaged, stacked, device = self._packaged, self._stacked, images.device
        # cuDNN rounds float32 to TF32 unless a switch for the whole process says otherwise; in float64 it does not.
        dtype = torch.float64 if device.type == "cuda" else torch.float32
        x, network = to_values(images.reshape(-1, *packaged.shape), dtype), _network(packaged, device, dtype)
        groups = torch.split(x, packaged.group) if device.type == "cpu" else (x,)
        with torch.autocast(device.type, enabled=False):
            found = Features.cat([network(group) for group in groups])
        assert found.logits is not None
        vectors, logits = (each.to("cpu", torch.float32) for each in (found.vectors, found.logits))
        vectors = vectors.view(len(images), stacked * vectors.shape[1])
        return Features(vectors, logits if stacked == 1 else _joint(logits.view(-1, stacked, packaged.classes)))


DIGITS = PackagedNetwork("digits", DigitNetwork, (1, 28, 28), stacked=3)
CIFAR = PackagedNetwork("cifar", CifarNetwork, (3, 32, 32))
PACKAGED = (DIGITS, CIFAR)
for _packaged in PACKAGED:
    FEATURES.register(_packaged.name)(_packaged.features)


def _joint(logits: Tensor) -> Tensor:
    """log p (n, classes^k) of k independent images from the logits (n, k, classes) of each."""
    first, *others = F.log_softmax(logits, 2).unbind(1)
    for other in others:
        first = (first[:, :, None] + other[:, None, :]).flatten(1)
    return first


@cache
def _network(packaged: PackagedNetwork, device: torch.device, dtype: torch.dtype) -> Classifier:
    network: Classifier = packaged.load().to(device, dtype)
    return network.to(memory_format=torch.channels_last)  # on a CPU 1.7 times as fast


def _read(name: str) -> bytes:
    try:
        return files(__package__).joinpath(name).read_bytes()
    except OSError as error:
        raise InputError(f"expected the package's file {name}, found none: reinstall steadygan") from error
