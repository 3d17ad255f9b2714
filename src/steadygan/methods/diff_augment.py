"""Differentiable augmentation: the critic sees only augmented images, real and fake alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from ..config.parts import DiffAugmentSettings
from ..errors import InputError
from ..losses import cycled
from ..types import Batch, Draw, Method, Now
from .plain import METHODS

NUMBERS = 7  # drawn per sample: brightness, saturation, contrast; shift down, shift right; the hole's row, its column


@METHODS.register("diff_augment")
@dataclass(frozen=True)
class DiffAugment(DiffAugmentSettings, Method):
    """Shows D randomly augmented images; the generator's gradient passes through the augmentation [zhao2020].

    With its own u ~ U(0, 1) for each change: brightness x + (u - 1/2); saturation 2u (x - m) + m, m the mean over
    channels; contrast (u + 1/2) (x - m) + m, m the mean over the image; a shift by whole pixels, by up to `translation`
    of each side in either direction, padded with zeros; a hole of zeros with `cutout` of each side, centred on any
    pixel. False or 0 turns a change off. Images are (n, c, h, w), else InputError.

    Sample i of any batch uses the step's i-th row of numbers, cyclically where rows run out. Without numbers, as when a
    run is inspected between steps, images are shown unchanged.
    """

    u: Tensor | None = field(default=None, repr=False)  # (rows, 7), at this step

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return {"u": Draw((max(real, fake), NUMBERS))}

    def at(self, now: Now) -> Self:
        return replace(self, u=now.noise.get("u"))

    def present(self, batch: Batch) -> Batch:
        x = batch.x
        if x.ndim != 4:
            got = f"samples of shape {tuple(x.shape[1:])}: leave it out"
            raise InputError(f"diff_augment: expected images (channels, height, width), got {got}")
        if self.u is None:
            return batch
        u = cycled(self.u, x.shape[0])
        if self.color:
            x = coloured(x, u[:, :3])
        if self.translation:
            x = shifted(x, u[:, 3:5], self.translation)
        if self.cutout:
            x = holed(x, u[:, 5:], self.cutout)
        return batch._replace(x=x)


def coloured(x: Tensor, u: Tensor) -> Tensor:
    """Brightness, saturation and contrast of images (n, c, h, w) changed by u (n, 3)."""
    brightness, saturation, contrast = (part.view(-1, 1, 1, 1) for part in u.to(x.dtype).unbind(1))
    x = x + (brightness - 0.5)
    mean = x.mean(1, keepdim=True)
    x = (x - mean) * (2.0 * saturation) + mean
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def shifted(x: Tensor, u: Tensor, share: float) -> Tensor:
    """Images (n, c, h, w) moved down and right by -most .. most pixels, most = round(share * side), from u (n, 2)."""
    n, channels, height, width = x.shape
    row, in_column = _origins(u[:, 0], height, share)
    column, in_row = _origins(u[:, 1], width, share)
    index = (row[:, :, None] * width + column[:, None]).flatten(1)  # of each pixel's origin in the flat image
    moved = x.flatten(2).gather(2, index[:, None].expand(n, channels, height * width)).view(n, channels, height, width)
    return moved * (in_column[:, :, None] & in_row[:, None])[:, None].to(x.dtype)


def holed(x: Tensor, u: Tensor, share: float) -> Tensor:
    """Images (n, c, h, w) with zeros in a hole of round(share * side) pixels a side, where u (n, 2) puts it."""
    hole = _hole(u[:, 0], x.shape[2], share)[:, :, None] & _hole(u[:, 1], x.shape[3], share)[:, None]
    return x * (~hole)[:, None].to(x.dtype)


def _origins(u: Tensor, side: int, share: float) -> tuple[Tensor, Tensor]:
    """Where each place along a side comes from, (n, side), and whether that is inside."""
    most = int(share * side + 0.5)
    origin = torch.arange(side, device=u.device) - (_whole(u, 2 * most + 1) - most)[:, None]
    return origin.clamp(0, side - 1), (origin >= 0) & (origin < side)


def _hole(u: Tensor, side: int, share: float) -> Tensor:
    """Which places along a side lie in the hole, (n, side); beyond the edge it is cut off."""
    size = int(share * side + 0.5)
    first = (_whole(u, side + 1 - size % 2) - size // 2)[:, None]
    place = torch.arange(side, device=u.device)
    return (place >= first) & (place < first + size)


def _whole(u: Tensor, count: int) -> Tensor:
    """0 .. count - 1, all alike, from u ~ U(0, 1)."""
    return (u * count).long().clamp(max=count - 1)
