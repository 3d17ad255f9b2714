"""What convolutional networks of square images share: how often a side is halved, and the norm between layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ..config.networks import SIDES, halvings
from ..errors import InputError
from .layers import BatchNorm


def stages(name: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """(channels, halvings, side of the smallest map) of samples (c, h, h), as `halvings` finds them.

    Raises InputError for other shapes.
    """
    found = halvings(shape[1]) if len(shape) == 3 and shape[0] >= 1 and shape[1] == shape[2] else None
    if found is None:
        raise InputError(
            f"{name} expects square images (c, h, h) with h {SIDES} (32, 64, ...), got shape {tuple(shape)}: "
            "resize them, or use mlp"
        )
    return shape[0], *found


def normed(norm: str, channels: int) -> list[nn.Module]:
    """The normalisation that follows a layer of so many channels: batch norm, or nothing."""
    return [BatchNorm(channels)] if norm == "batch" else []
