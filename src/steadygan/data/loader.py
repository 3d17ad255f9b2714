"""Training samples read ahead by worker processes, in the order in which a run will ask for them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import InputError
from ..types import Batch
from .samples import Samples
from .source import Stream

AHEAD = 8  # requests that a worker may be ahead


class Loader:
    """Answers the requests that it was told of from a queue that `workers` processes fill; the samples are the same.

    What stands at a position of the stream does not depend on who reads it, so a run goes on exactly wherever it
    stopped: `begin` with the requests that will come, from there.
    """

    def __init__(self, stream: Stream, workers: int) -> None:
        samples = stream.source.train
        assert samples is not None
        assert stream.sampler is not None
        self.stream, self.workers = stream, workers
        self._dataset = _Requests(samples)
        self._queue: Iterator[tuple[tuple[int, int], Tensor]] | None = None

    def begin(self, requests: Iterator[tuple[int, int]]) -> None:
        """Starts to read what `requests`, pairs (start, count) without end, will ask for."""
        self.close()
        sampler = self.stream.sampler
        assert sampler is not None
        order = _Order((request, sampler.indices(*request)) for request in requests)
        loader = DataLoader(
            self._dataset,
            batch_size=None,
            sampler=order,
            num_workers=self.workers,
            prefetch_factor=AHEAD,
            collate_fn=_as_it_is,
            worker_init_fn=_quiet,
            pin_memory=self.stream.source.device.type == "cuda",
            generator=torch.Generator(),  # without one torch's global generator would move
        )
        self._queue = iter(loader)

    def take(self, start: int, count: int) -> Batch:
        """Samples number start .. start + count - 1: the next request of the queue, or read on the spot."""
        source, sampler = self.stream.source, self.stream.sampler
        assert sampler is not None
        if self._queue is None:
            return self.stream.take(start, count)
        try:
            request, raw = next(self._queue)
        except InputError as error:  # a worker's, with the story of where it was raised
            raise InputError(str(error).strip().splitlines()[-1].partition("InputError: ")[2] or str(error)) from None
        except RuntimeError as error:
            if "worker" not in str(error):
                raise
            raise InputError(
                f"expected {self.workers} processes to read the data, got: {str(error).splitlines()[0]}: lower workers"
            ) from error
        if request != (start, count):  # somebody asks out of order: the queue is of no use any more
            self.close()
            return self.stream.take(start, count)
        label = None if source.label is None else source.label[sampler.indices(start, count).to(source.label.device)]
        return self.stream.shown(start, Batch(source.decode(raw), label))

    @property
    def reading(self) -> bool:
        """Whether workers are reading ahead."""
        return self._queue is not None

    def close(self) -> None:
        """Ends the workers."""
        self._queue = None


class _Requests(Dataset[Any]):
    """Maps a request with its indices to the raw samples; what runs in a worker."""

    def __init__(self, samples: Tensor | Samples) -> None:
        self.samples = samples

    def __getitem__(self, asked: tuple[tuple[int, int], Tensor]) -> tuple[tuple[int, int], Tensor]:
        request, index = asked
        raw = self.samples[index] if isinstance(self.samples, Tensor) else self.samples.read(index)
        return request, raw


class _Order(Sampler[Any]):
    """An iterator as a sampler."""

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return self.items


def _as_it_is(item: Any) -> Any:
    return item


def _quiet(worker: int) -> None:
    """A worker leaves Ctrl-C to its parent, and dies of SIGTERM as any process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
