"""What an executor holds between two iterations, as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class State(NamedTuple):
    """All that an iteration changes, nested mappings of tensors."""

    networks: Mapping[str, Mapping[str, Tensor]]  # parameters and buffers by network
    ema: Mapping[str, Tensor]  # the generator's average; {} when off
    optimizers: Mapping[str, Mapping[str, Mapping[str, Any]]]  # player -> parameter -> entry
    parts: Mapping[str, Any]  # opponent -> part -> entry
    random: Mapping[str, Tensor]  # torch's global generators, "cpu" and "cuda", which layers may draw from


def cloned(leaf: Any, device: torch.device | None = None) -> Any:
    """A deep copy of nested mappings of tensors."""
    if isinstance(leaf, Tensor):
        return leaf.detach().to(device).clone() if device is not None else leaf.detach().clone()
    if isinstance(leaf, Mapping):
        return {key: cloned(value, device) for key, value in leaf.items()}
    return leaf
