"""The small classifiers that come trained with the package: their layers, with and without batch normalisation."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from .network import Features

CLASSES = 10
DIGIT_LAYERS = ((1, 32, 5, 2), (32, 48, 3, 1), (48, 64, 3, 2), (64, 64, 3, 1))  # in, out, kernel, stride
CIFAR_FILTERS, CIFAR_WIDTHS = 24, (48, 128, 192)


class Classifier(nn.Module):
    """Convolutions with what lies between them, `body`, and one linear layer, `head`.

    With `normed`, for training, the convolutions are followed by batch normalisation; `folded` takes it away.
    """

    body: nn.Sequential
    head: nn.Linear


class DigitNetwork(Classifier):
    """Classifies grey digits x (n, 1, 28, 28) in [-1, 1] [lecun1998].

    vectors (n, 64) = mean over the 7 x 7 places of the last convolution's ReLU, logits (n, 10) linear in them.
    """

    def __init__(self, normed: bool = False) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for inputs, outputs, kernel, stride in DIGIT_LAYERS:
            body.append(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not normed))
            body += [nn.BatchNorm2d(outputs), nn.ReLU()] if normed else [nn.ReLU()]
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(DIGIT_LAYERS[-1][1], CLASSES)

    def forward(self, x: Tensor) -> Features:
        ink = (x + 1.0) / 2.0  # paper is 0, as the padding
        vectors = self.body(ink).mean((2, 3))
        return Features(vectors, self.head(vectors))


class CifarNetwork(Classifier):
    """Classifies colour photographs x (n, 3, 32, 32) in [-1, 1] by CIFAR-10's classes [jordan2024].

    24 fixed filters of 2 x 2 pixels, then three times two 3 x 3 convolutions, a max pooling after the first; GELU.
    vectors (n, 192) = maximum over the 3 x 3 places, logits (n, 10) linear in them.
    """

    def __init__(self, normed: bool = False) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(3, CIFAR_FILTERS, 2).requires_grad_(False), nn.GELU()]
        inputs = CIFAR_FILTERS
        for width in CIFAR_WIDTHS:
            for pool in ([nn.MaxPool2d(2)], []):
                body += [nn.Conv2d(inputs, width, 3, padding=1, bias=not normed), *pool]
                body += [nn.BatchNorm2d(width), nn.GELU()] if normed else [nn.GELU()]
                inputs = width
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(inputs, CLASSES)

    def forward(self, x: Tensor) -> Features:
        vectors = self.body(x.contiguous(memory_format=torch.channels_last)).amax((2, 3))  # 1.7 times as fast
        return Features(vectors, self.head(vectors))


N = TypeVar("N", bound=Classifier)


def folded(network: N) -> N:
    """The network without batch normalisation that computes what a `normed` one does in eval mode, in its dtype.

    w' = w s, b' = beta - mean s for each output channel of the convolution before, s = gamma / sqrt(variance + eps);
    computed in float64. Raises ValueError for s < 0 behind a max pooling, which does not commute with it.
    """
    dtype = network.head.weight.dtype
    body: list[nn.Module] = []
    for layer in deepcopy(network).double().eval().body:
        if not isinstance(layer, nn.BatchNorm2d):
            body.append(layer)
            continue
        pooled = isinstance(body[-1], nn.MaxPool2d)
        if pooled and bool((layer.weight < 0).any()):
            raise ValueError("expected no negative batch-norm factor after max pooling, got one")
        at = len(body) - 1 - pooled
        body[at] = nn.utils.fuse_conv_bn_eval(body[at], layer)  # type: ignore[type-var]
    plain = empty(type(network))
    plain.body, plain.head = nn.Sequential(*body), deepcopy(network.head)
    return plain.to(dtype).requires_grad_(False).eval()


def empty(kind: type[N]) -> N:
    """A network without weights: nothing is drawn from the global generator."""
    with torch.device("meta"):
        return kind()
