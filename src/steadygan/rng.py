"""torch's global generators, borrowed and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def kept(device: torch.device | None = None) -> Iterator[None]:
    """torch's global CPU generator, and that of a CUDA `device`, as they were afterwards; inside they go on."""
    with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
        yield


@contextmanager
def borrowed(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """torch's global CPU generator, and that of a CUDA `device`, seeded inside and as they were afterwards."""
    with kept(device):
        torch.default_generator.manual_seed(seed)
        if device is not None and device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
