"""The plan: where and how a run is executed, resolved once and stored; bit-identity is promised under one plan."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from .. import __version__
from ..devices import borrowed
from ..errors import InputError, first_line
from ..types.critic import kept_modes

SMALL_STEP = 2**25  # multiply-adds of one forward below which a second thread costs more than it gives
SMALL_STACK = 2**22  # the same of all members of a stack, whose operations are fewer and larger
LARGE_STEP = 2**29  # of one forward, from which convolutions on a CPU are 1.2 times as fast with their channels last


@dataclass(frozen=True)
class Plan:
    """Executor, members of its stack, whether compiled, layout, device, dtype, threads and versions of a run."""

    executor: str  # eager, functional
    members: int
    compile: str  # on, off; auto while it is open
    layout: str  # contiguous, channels_last
    device: str
    dtype: str
    threads: int
    torch_version: str
    steadygan: str
    python: str
    machine: str
    processes: int = 1  # that train it together

    @staticmethod
    def resolve(
        device: torch.device,
        dtype: torch.dtype,
        threads: int | None,
        work: int,
        members: int = 1,
        compiled: str = "off",
        convolutional: bool = False,
        processes: int = 1,
    ) -> Plan:
        """The plan for `members` runs of networks of `work` multiply-adds per forward of a batch."""
        few = device.type == "cpu" and work * members < (SMALL_STEP if members == 1 else SMALL_STACK)
        lone = device.type == "cpu" and members == 1 and compiled != "on"  # flat weights have no layout of their own
        last = lone and convolutional and work >= LARGE_STEP
        return Plan(
            executor="eager",
            members=members,
            compile=compiled,
            layout="channels_last" if last else "contiguous",
            device=device.type,
            dtype=str(dtype).removeprefix("torch."),
            threads=threads if threads is not None else (1 if few else torch.get_num_threads()),
            torch_version=str(torch.__version__),
            steadygan=__version__,
            python=platform.python_version(),
            machine=f"{platform.system()} {platform.machine()}",
            processes=processes,
        )

    def told(self) -> str:
        """The plan in one line."""
        return ", ".join(f"{key} {value}" for key, value in asdict(self).items())

    def differences(self, stored: dict[str, Any]) -> list[str]:
        """What differs from a stored plan, as `key: then, now`."""
        now, stored = asdict(self), {"processes": 1, **stored}
        return [f"{key}: {stored.get(key)} then, {now[key]} now" for key in now if stored.get(key) != now[key]]


@contextmanager
def host(threads: int, seed: int, device: torch.device) -> Iterator[None]:
    """Sets threads and torch's global generators for the run, and restores them afterwards."""
    before = torch.get_num_threads()
    with borrowed(seed, device):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def training(network: nn.Module) -> Iterator[None]:
    """Train mode inside; restores every module's mode and every parameter's `requires_grad` afterwards."""
    flags = [(p, p.requires_grad) for p in network.parameters()]
    with kept_modes(network):
        network.train()
        try:
            yield
        finally:
            for parameter, flag in flags:
                parameter.requires_grad_(flag)


@contextmanager
def mendable(members: int, processes: int = 1) -> Iterator[None]:
    """Turns torch errors that a user can fix into one line."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        line = first_line(error)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in line:
            fewer = f"fewer than {members} seeds side by side, " if members > 1 else ""
            raise InputError(
                f"expected memory enough for the networks and their batches, got none left ({line}): use {fewer}a "
                "smaller batch_size or narrower networks"
            ) from error
        if processes > 1 and ("Connection closed by peer" in line or "Connection reset by peer" in line):
            raise InputError(
                f"expected {processes} processes that train together, but one ended early: see what it said, and go on "
                "with --resume"
            ) from error
        if line.startswith("DataLoader worker"):  # torch tells of a dead reader wherever the main thread happens to be
            raise InputError(
                f"expected the processes that read the data to live, got: {line} lower workers or free memory, and go "
                "on with --resume"
            ) from error
        if line.startswith("element 0 of tensors does not require grad"):  # G and D do, or were refused
            raise InputError(
                "expected an objective through which a gradient reaches the weights, got one that is cut off: let "
                "losses and methods of your own leave out detach, numpy and integers"
            ) from error
        raise
