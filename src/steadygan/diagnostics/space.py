"""The space in which fakes and real samples are compared, and the parts of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..data import Source
from ..errors import InputError, calling
from ..features import FEATURES, extract
from ..metrics.neighbours import NearestNeighbour
from ..pixels import to_pixels
from ..types.critic import evaluating, kept_buffers

Embed: TypeAlias = Callable[[Tensor], Tensor]
FILTERS, PLACES = 32, 4  # of the random convolutions: channels, and places per side that are left of an image
MOST = 32  # parts beyond which a look has too few samples of each


def as_they_are(x: Tensor) -> Tensor:
    """Samples (n, *shape) as vectors (n, numbers)."""
    return x.flatten(1)


@dataclass(frozen=True)
class Space:
    """`embed` turns samples (n, *shape) into vectors (n, dim); `part` gives the index of each among the data's `parts`.

    centres (parts, dim): of the parts, where the nearest centre decides. Without either, the parts are clusters of the
    real samples, found by the yardstick.
    """

    embed: Embed = as_they_are
    part: Callable[[Tensor], Tensor] | None = None
    parts: int = 0
    centres: Tensor | None = None

    @staticmethod
    def of_features(features: Embed) -> Space:
        """Of a user's own features (n, ...), from a function or a network, which is left as it is.

        Raises InputError where it cannot be called with samples, or does not give a row for each.
        """
        network = features if isinstance(features, nn.Module) else nn.Identity()

        def embed(x: Tensor) -> Tensor:
            told = f"features cannot be taken of samples of shape {tuple(x.shape[1:])}"
            with (
                calling(told, "pass a function of samples"),
                torch.no_grad(),
                kept_buffers(network),
                evaluating(network),
            ):
                found = features(x)
            if not isinstance(found, Tensor) or found.ndim < 1 or len(found) != len(x):
                got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
                raise InputError(f"expected features ({len(x)}, ...), a row for each sample, got {got}: return such")
            return found.detach().flatten(1) if found.ndim > 1 else found.detach().unsqueeze(1)

        return Space(embed)

    @staticmethod
    def of_shape(shape: torch.Size | tuple[int, ...]) -> Space:
        """Of samples of which no more is known: images (c, h, w) by random convolutions, all else as it is."""
        return Space(RandomConvolutions(shape[0])) if looks_like_images(shape) else Space()

    @staticmethod
    def of(source: Source) -> Space:
        """Of a source: modes and classes where it knows them, features of images by its own network, or random ones."""
        if source.centres is not None and len(source.centres) <= MOST:
            return Space(parts=len(source.centres), centres=source.centres.flatten(1))
        if not source.image:
            return Space.of_shape(source.shape)
        if source.features in FEATURES:
            network = FEATURES[str(source.features)](source.shape)
            classes = network.classes if network.classes is not None and network.classes <= MOST else None

            def embed(x: Tensor) -> Tensor:
                found = extract(network, to_pixels(x))
                told = [] if classes is None or found.logits is None else [found.logits]
                return torch.cat([found.vectors, *told], 1).to(x.device)

            return Space(embed, None if classes is None else lambda v: v[:, -classes:].argmax(1), classes or 0)
        if source.nearest_classes and source.classes is not None and source.classes <= MOST and source.size is not None:
            known = source.at(torch.arange(min(source.size, 2000), device=source.device))
            return Space(part=NearestNeighbour(known.x.flatten(1), known.label).classify, parts=source.classes)
        return Space.of_shape(source.shape)


def looks_like_images(shape: torch.Size | tuple[int, ...]) -> bool:
    """Whether samples have channels of at least four pixels a side."""
    return len(shape) == 3 and min(shape[1:]) >= PLACES


class RandomConvolutions(nn.Module):
    """Two layers of fixed random filters, which show what images share without a trained network.

    vectors (n, 32 x 4 x 4) = means over 4 x 4 places of leaky ReLU of 3 x 3 convolutions with normal weights, each with
    a stride of 2. The filters are the same everywhere for the same number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        layers: list[nn.Module] = []
        for inputs in (channels, FILTERS):
            layer = nn.Conv2d(inputs, FILTERS, 3, 2, 1, bias=False, device="meta")
            weight = torch.randn(layer.weight.shape, generator=draw) * (2.0 / (9 * inputs)) ** 0.5
            layer.weight = nn.Parameter(weight, requires_grad=False)
            layers += [layer, nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(PLACES), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.body.to(x.device)(x.float())  # type: ignore[no-any-return]
