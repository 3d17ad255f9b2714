"""The digit network: a small classifier, part of the package, that measures images of digits without a download."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from ..pixels import to_values
from .network import FEATURES, FeatureNetwork, Features

WEIGHTS, CARD = "digits.safetensors", "digits.json"  # beside this file
LAYERS = ((1, 32, 5, 2), (32, 48, 3, 1), (48, 64, 3, 2), (64, 64, 3, 1))  # in, out, kernel, stride
SIDE = 28
CLASSES = 10
STACKED = 3  # digits that are the channels of one image
CHUNK = 1000
CPU_GROUP = 100  # digits at once: what the layers hand on stays in a core's cache, which takes half the time


class DigitNetwork(nn.Module):
    """Classifies grey digits x (n, 1, 28, 28) in [-1, 1] [lecun1998].

    vectors (n, 64) = mean over the 7 x 7 places of the last convolution's ReLU, logits (n, 10) linear in them. With
    `normed`, for training, each convolution is followed by batch normalisation; `folded` takes it away.
    """

    def __init__(self, normed: bool = False) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for inputs, outputs, kernel, stride in LAYERS:
            body.append(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not normed))
            body += [nn.BatchNorm2d(outputs), nn.ReLU()] if normed else [nn.ReLU()]
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(LAYERS[-1][1], CLASSES)

    def forward(self, x: Tensor) -> Features:
        ink = (x + 1.0) / 2.0  # paper is 0, as the padding
        vectors = self.body(ink).mean((2, 3))
        return Features(vectors, self.head(vectors))


def folded(network: DigitNetwork) -> DigitNetwork:
    """The network without batch normalisation that computes what a `normed` one does in eval mode, in its dtype.

    w' = w s, b' = beta - mean s for each output channel, s = gamma / sqrt(variance + eps); computed in float64.
    """
    dtype = network.head.weight.dtype
    layers = list(deepcopy(network).double().eval().body)
    fused = [nn.utils.fuse_conv_bn_eval(a, b) for a, b in zip(layers[::3], layers[1::3], strict=False)]  # type: ignore[type-var, arg-type]
    plain = _empty()
    plain.body = nn.Sequential(*(layer for conv in fused for layer in (conv, nn.ReLU())))
    plain.head = deepcopy(network.head)
    return plain.to(dtype).requires_grad_(False).eval()


def load_digit_network() -> DigitNetwork:
    """The trained network in float32 on the CPU, frozen and in eval mode, a new one at each call.

    Raises InputError when its file is not the one that the card describes.
    """
    from safetensors.torch import load

    content = _read(WEIGHTS)
    wanted, found = digit_card()["sha256"], sha256(content).hexdigest()
    if found != wanted:
        got = f"{found[:12]}...: the installation is damaged, reinstall steadygan"
        raise InputError(f"expected {WEIGHTS} with the SHA-256 {wanted[:12]}..., got {got}")
    network = _empty()
    network.load_state_dict(load(content), assign=True)
    return network.requires_grad_(False).eval()


def digit_card() -> dict[str, Any]:
    """What is known of the trained network: architecture, training, accuracy, licences, the hash of its weights."""
    card: dict[str, Any] = json.loads(_read(CARD))
    return card


class DigitFeatures:
    """A `FeatureNetwork` of grey digits (1, 28, 28), or of three digits as the channels of one image (3, 28, 28).

    Of digits: vectors (n, 64) and logits (n, 10) of the digit network. Of three: vectors (n, 192), those of the
    channels one after the other, and logits (n, 1000), log p of class 100 a + 10 b + c:
    log p_0(a) + log p_1(b) + log p_2(c), p_i the network's softmax for channel i [metz2017]. Raises InputError for
    another number of channels, and, at the first call, as `load_digit_network` does.
    """

    def __init__(self, channels: int = 1) -> None:
        if channels not in (1, STACKED):
            got = f"{channels!r}: measure other images with another network"
            raise InputError(f"expected 1 channel, or {STACKED} of a digit each, got {got}")
        self.channels = channels
        self.name = "digits" if channels == 1 else "stacked digits"
        self.digest: str = digit_card()["sha256"][:12]
        self.resize = f"none: {SIDE} x {SIDE} as they are"
        self.classes: int | None = CLASSES**channels
        self.chunk = CHUNK

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises InputError for images of another shape than (channels, 28, 28)."""
        wanted = (self.channels, SIDE, SIDE)
        if tuple(shape) != wanted:
            raise InputError(f"{self.name}: expected images of shape {wanted}, got {tuple(shape)}: use another network")

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Features:
        """Of uint8 images (n, channels, 28, 28), wherever they are; the result is float32 on the CPU."""
        self.check(tuple(images.shape[1:]))
        # cuDNN rounds float32 to TF32 unless a switch for the whole process says otherwise; in float64 it does not.
        dtype = torch.float64 if images.device.type == "cuda" else torch.float32
        digits, network = to_values(images.flatten(0, 1).unsqueeze(1), dtype), _network(images.device, dtype)
        groups = torch.split(digits, CPU_GROUP) if images.device.type == "cpu" else (digits,)
        with torch.autocast(images.device.type, enabled=False):
            found = Features.cat([network(group) for group in groups])
        assert found.logits is not None
        vectors = found.vectors.to("cpu", torch.float32).view(len(images), self.channels * LAYERS[-1][1])
        logits = found.logits.to("cpu", torch.float32)
        return Features(vectors, logits if self.channels == 1 else _joint(logits.view(-1, STACKED, CLASSES)))


@FEATURES.register("digits")
def _features(shape: tuple[int, ...]) -> FeatureNetwork:
    return DigitFeatures(STACKED if shape[0] == STACKED else 1)  # whatever else is wrong with a shape, its check tells


def _joint(logits: Tensor) -> Tensor:
    """log p (n, 1000) of three independent digits from the logits (n, 3, 10) of each."""
    a, b, c = F.log_softmax(logits, 2).unbind(1)
    return (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).flatten(1)


@cache
def _network(device: torch.device, dtype: torch.dtype) -> DigitNetwork:
    return load_digit_network().to(device, dtype)


def _empty() -> DigitNetwork:
    """A network without weights: nothing is drawn from the global generator."""
    with torch.device("meta"):
        return DigitNetwork()


def _read(name: str) -> bytes:
    try:
        return files(__package__).joinpath(name).read_bytes()
    except OSError as error:
        raise InputError(f"expected the package's file {name}, found none: reinstall steadygan") from error
