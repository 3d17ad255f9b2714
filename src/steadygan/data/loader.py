"""Training samples read ahead by worker processes, in the order in which a run will use them."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import InputError
from ..types import Batch
from .samples import Samples
from .source import Stream

AHEAD = 3  # items that a worker may be ahead
ITEM = 4 * 1024**2  # bytes that a worker reads for one item, and sends at once: sending costs more than reading
MOST = 16  # requests in an item

Request: TypeAlias = tuple[int, int]  # start, count


class Loader:
    """Answers the requests announced to it from a queue that `workers` processes fill; the samples are the same.

    What stands at a position of the stream does not depend on who reads it, so a run goes on exactly wherever it
    stopped: `begin` with the requests that will come, from there.
    """

    def __init__(self, stream: Stream, workers: int) -> None:
        samples = stream.source.train
        assert samples is not None
        assert stream.sampler is not None
        self.stream, self.sampler, self.workers = stream, stream.sampler, workers
        self._dataset = _Requests(samples)
        self._items: Iterator[tuple[list[Request], Tensor]] | None = None
        self._here: deque[tuple[Request, Tensor]] = deque()  # of the item that came last

    def begin(self, requests: Iterator[Request]) -> None:
        """Starts to read what `requests`, pairs (start, count) without end, will ask for."""
        self.close()
        loader = DataLoader(
            self._dataset,
            batch_size=None,
            sampler=((group, [self.sampler.indices(*each) for each in group]) for group in self._groups(requests)),
            num_workers=self.workers,
            prefetch_factor=AHEAD,
            worker_init_fn=_quiet,
            pin_memory=self.stream.source.device.type == "cuda",
            generator=torch.Generator(),  # without one torch's global generator would move
        )
        self._items = iter(loader)

    def _groups(self, requests: Iterator[Request]) -> Iterator[list[Request]]:
        """Requests that are read together."""
        each = prod(self.stream.source.shape)
        group: list[Request] = []
        for request in requests:
            group.append(request)
            if len(group) == MOST or (sum(count for _, count in group) + request[1]) * each > ITEM:
                yield group
                group = []
        if group:
            yield group

    def take(self, start: int, count: int) -> Batch:
        """Samples number start .. start + count - 1: the next request of the queue, or read on the spot."""
        if self._items is None:
            return self.stream.take(start, count)
        request, raw = self._next(self._items)
        if request != (start, count):  # somebody asks out of order: the queue is of no use any more
            self.close()
            return self.stream.take(start, count)
        source = self.stream.source
        index = self.sampler.indices(start, count)
        return self.stream.shown(start, source.beside(source.decode(raw), index))

    def _next(self, items: Iterator[tuple[list[Request], Tensor]]) -> tuple[Request, Tensor]:
        if not self._here:
            try:
                requests, raw = next(items)
            except InputError as error:  # a worker's, with its traceback
                told = str(error).strip().splitlines()[-1].partition("InputError: ")[2]
                raise InputError(told or str(error)) from None
            except RuntimeError as error:
                if "worker" not in str(error):
                    raise
                told = f"expected {self.workers} processes to read the data, got {str(error).splitlines()[0]}"
                raise InputError(f"{told}: lower workers") from error
            asked = [(start, count) for start, count in requests]  # collating has made lists of them
            self._here.extend(zip(asked, torch.split(raw, [count for _, count in asked]), strict=True))
        return self._here.popleft()

    @property
    def reading(self) -> bool:
        """Whether workers are reading ahead."""
        return self._items is not None

    def close(self) -> None:
        """Ends the workers."""
        self._items = None
        self._here.clear()


class _Requests(Dataset[Any]):
    """Maps requests with their indices to the raw samples; what runs in a worker."""

    def __init__(self, samples: Tensor | Samples) -> None:
        self.samples = samples

    def __getitem__(self, asked: tuple[list[Request], list[Tensor]]) -> tuple[list[Request], Tensor]:
        requests, indices = asked
        index = torch.cat(indices)
        raw = self.samples[index] if isinstance(self.samples, Tensor) else self.samples.read(index)
        return requests, raw


def _quiet(worker: int) -> None:
    """A worker leaves Ctrl-C to its parent, and dies of SIGTERM as any process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
