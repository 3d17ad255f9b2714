"""The device to train on, and torch's modes and global generators there, used and restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from .errors import InputError


@contextmanager
def plain_modes() -> Iterator[None]:
    """Inside, gradients are on; autocast, inference mode, anomaly detection and default devices but the CPU are off."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.is_anomaly_enabled():
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
        if torch.empty(0).device.type != "cpu":  # also of a `with torch.device`, on every torch
            stack.enter_context(torch.device("cpu"))
        yield


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


def choose_device(name: str) -> torch.device:
    """`auto` is cuda, then mps, then cpu; raises InputError for a device that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device {name!r} is not available here: use device=auto or device=cpu") from None
    return device


def global_states(device: torch.device) -> dict[str, Tensor]:
    """torch's global generators as they are."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_global_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Puts them back."""
    torch.set_rng_state(states["cpu"].cpu())
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
