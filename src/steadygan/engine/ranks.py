"""The processes that train one run together: who takes which part of a batch, and what they tell each other."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from ..errors import InputError, ToldError, first_line
from ..processes import attempt, processes
from ..types import Batch
from ..types.parts import Processes

T = TypeVar("T")


class Ranks(Processes):
    """One process, which does everything itself; `Several` are more, each with an equal part of every batch."""

    rank = 0
    even = True  # all parts of a batch and of a method's numbers are equally large

    @property
    def alone(self) -> bool:
        """Whether there is one process."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """This process's part of n things in order."""
        return slice(n * self.rank // self.world, n * (self.rank + 1) // self.world)

    def own(self, n: int) -> int:
        part = self.part(n)
        return int(part.stop - part.start)

    def divide(self, even: bool) -> None:
        """Begins with parts of a batch that are equally large, or not."""

    def each(self) -> list[Ranks]:
        """All of them, to count their parts with."""
        return [self]

    def told(self, find: Callable[[], T]) -> T:
        """What the first process finds, for all; an InputError there is raised everywhere."""
        return find()

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors by those of the first process."""

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces tensors by their means over the processes, with one all-reduce."""

    def mean(self, key: str, value: Tensor) -> Tensor:
        """The mean of a term's values (n, ...), so scaled that the mean over processes is that of the whole batch."""
        return value.mean()

    def means(self, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Numbers as means over the processes."""
        return found

    def gathered(self, x: Tensor) -> Tensor:
        """The rows (n, ...) of all processes."""
        return x

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""
        return flag

    def refusal(self, told: str) -> InputError:
        """The error to raise for what all processes meet: the first one says it."""
        return InputError(told) if self.first else ToldError(told)

    def check_same(self, numbers: Mapping[str, float], told: str) -> None:
        """Raises InputError unless all processes have the same numbers, bit for bit."""

    def check_equal(self, what: Mapping[str, Any]) -> None:
        """Raises InputError unless all processes have the same plain values under these names."""

    def part_ways(self) -> None:
        """Seeds torch's global generator anew in all but the first process, from the state that it has there."""


ALONE = Ranks()


class Several(Ranks):
    """The processes that torchrun started, connected by `torch.distributed`.

    A mean over a batch is the mean of the processes' means: gradients are averaged before each step of an optimiser.
    Raises InputError where the processes cannot be connected.
    """

    def __init__(self, device: torch.device) -> None:
        if not dist.is_initialized():
            try:
                store, rank, world = next(rendezvous("env://"))
                # torchrun's store outlives a failed attempt, whose processes' addresses must not be found in it
                store = PrefixStore(f"attempt-{attempt()}", store)
                backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
                dist.init_process_group(backend, store=store, rank=rank, world_size=world)
            except (RuntimeError, ValueError) as error:
                raise InputError(
                    f"expected the processes of torchrun to reach each other, got: {first_line(error)}: choose another "
                    "--master-port, or --standalone on one machine"
                ) from None
        self.rank, self.world, self.device = dist.get_rank(), dist.get_world_size(), device
        self.even = False  # until it is known
        self._ratios: dict[str, float] = {}

    def divide(self, even: bool) -> None:
        self.even = even
        self._ratios.clear()

    def each(self) -> list[Ranks]:
        return [self._as(rank) for rank in range(self.world)]

    def _as(self, rank: int) -> Ranks:
        other = copy(self)
        other.rank = rank
        return other

    def told(self, find: Callable[[], T]) -> T:
        said: list[Any] = [None, None]
        if self.first:
            try:
                said[0] = find()
            except InputError as error:
                said[1] = str(error)
        dist.broadcast_object_list(said, 0, device=torch.device("cpu"))
        if said[1] is not None:
            raise self.refusal(said[1])
        return said[0]  # type: ignore[no-any-return]

    @torch.no_grad()
    def align(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            own = tensor.contiguous()
            dist.broadcast(own, 0)
            tensor.copy_(own)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.world
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_([*tensors], [p.view(t.shape) for p, t in zip(parts, tensors, strict=True)])

    def mean(self, key: str, value: Tensor) -> Tensor:
        found = value.mean()
        if self.even:
            return found
        if key not in self._ratios:  # the sizes of a term's parts stay as they are
            rows = torch.tensor(float(value.shape[0]), dtype=torch.float64)
            dist.all_reduce(rows)
            self._ratios[key] = value.shape[0] * self.world / float(rows)
        return found * self._ratios[key]

    def means(self, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        own = {key: value.detach().clone() for key, value in found.items()}
        self.average([*own.values()])
        return own

    def lowest(self, scores: Tensor, candidates: Batch, count: int) -> Batch:
        every, sizes = self._padded(scores, torch.inf)
        order = every.topk(count, largest=False).indices
        place, owner = order % max(sizes), order // max(sizes)
        here = owner == self.rank

        def exchanged(x: Tensor) -> Tensor:
            shown = x.new_zeros(count, *x.shape[1:])
            shown[here] = x[place[here]]
            dist.all_reduce(shown)
            return shown[self.part(count)]

        return candidates.each(exchanged)

    def _padded(self, x: Tensor, filling: float) -> tuple[Tensor, list[int]]:
        """The rows of all processes, each process's filled up to the same number; and how many each has."""
        sizes = [torch.zeros((), dtype=torch.int64) for _ in range(self.world)]
        dist.all_gather(sizes, torch.tensor(len(x)))
        counts = [int(size) for size in sizes]
        padded = x.new_full((max(counts), *x.shape[1:]), filling)
        padded[: len(x)] = x
        rows = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(rows, padded)
        return torch.cat(rows), counts

    def gathered(self, x: Tensor) -> Tensor:
        rows, counts = self._padded(x, 0.0)
        return torch.cat([part[:count] for part, count in zip(rows.chunk(self.world), counts, strict=True)])

    def any(self, flag: bool) -> bool:
        found = torch.tensor(int(flag))
        dist.all_reduce(found)
        return bool(found)

    def check_same(self, numbers: Mapping[str, float], told: str) -> None:
        own = torch.tensor([*numbers.values()], dtype=torch.float64)
        every = [torch.empty_like(own) for _ in range(self.world)]
        dist.all_gather(every, own)
        for rank, other in enumerate(every):
            wrong = [key for key, a, b in zip(numbers, every[0], other, strict=True) if not torch.equal(a, b)]
            if wrong:
                raise self.refusal(
                    f"expected the same {told} in all processes, got others of {wrong[0]} in process {rank}: use one "
                    "kind of machine, and nothing that changes weights in one process only"
                )

    def check_equal(self, what: Mapping[str, Any]) -> None:
        every: list[Any] = [None] * self.world
        dist.all_gather_object(every, dict(what))
        for rank, other in enumerate(every):
            for key, value in every[0].items():
                if other.get(key) != value:
                    raise self.refusal(
                        f"expected the same {key} in all processes, got {_short(value)} in process 0 and "
                        f"{_short(other.get(key))} in process {rank}: start all with the same command and data"
                    )

    def part_ways(self) -> None:
        state = self.told(torch.get_rng_state)
        if not self.first:
            torch.manual_seed((zlib.crc32(bytes(state.tolist())) << 16) + self.rank)


def ranks_here(device: torch.device) -> Ranks:
    """The processes that torchrun started this one with, or this one alone."""
    return Several(device) if processes() > 1 else ALONE


def place_of(device: torch.device) -> torch.device:
    """The device of this process among those of its machine."""
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        found = torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        torch.cuda.set_device(found)
        return found
    return device


def _short(value: Any) -> str:
    told = str(value)
    return told if len(told) <= 60 else f"{told[:60]}..."
