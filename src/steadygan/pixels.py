"""Pixels and values: images are stored as uint8, and computed with as numbers in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor


def to_values(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """x = u / 127.5 - 1 of pixels u = 0..255."""
    return pixels.to(dtype).div_(127.5).sub_(1.0)


def to_pixels(x: Tensor) -> Tensor:
    """u = floor((x + 1) 127.5 + 1/2), clamped to 0..255, as uint8: the nearest pixel, as a saved image holds it."""
    return x.detach().to(torch.float32).add(1.0).mul_(127.5).add_(0.5).floor_().clamp_(0.0, 255.0).to(torch.uint8)
