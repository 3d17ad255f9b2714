"""Stacked MNIST: three digits as the channels of one image, so that every one of 1,000 modes can be named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...config.data import StackedMnist
from ...errors import check_whole
from ..samples import Progress, Stacked, digest_of
from ..source import DATA, Source
from .mnist import SIDE, read_mnist

CHANNELS = 3
MODES = 1000
HELD_OUT = 10_000


@DATA.register("stacked_mnist")
def stacked_mnist(
    path: str | Path | None = StackedMnist.path,
    n: int = StackedMnist.n,
    seed: int = StackedMnist.seed,
    flip: bool = StackedMnist.flip,
    workers: int | None = StackedMnist.workers,
    progress: Progress | None = None,
) -> Source:
    """Three random digits of MNIST as the channels of one 28 x 28 image, 1,000 modes [metz2017, srivastava2017].

    The class of digits (a, b, c) is 100 a + 10 b + c. n: number of training triples [lin2018], a fixed table drawn once
    with `seed` from the training images, the same on every platform. Held out: 10,000 triples of the test images,
    whatever the seed. path: as for `mnist`. Raises InputError for an n below 1, a negative seed, and as `mnist` does.
    """
    check_whole("n, the number of training triples,", n, 1)
    check_whole("seed", seed, 0)
    digits = read_mnist(path, progress)
    table = triples(len(digits.train), n, seed, 0)
    held = triples(len(digits.test), HELD_OUT, 0, 1)
    return Source(
        "stacked_mnist",
        (CHANNELS, SIDE, SIDE),
        train=Stacked(digits.train, table),
        label=modes(digits.label, table),
        held_out=digits.test[held],
        held_out_label=modes(digits.test_label, held),
        image=True,
        class_names=tuple(f"{mode:03d}" for mode in range(MODES)),
        nearest_classes=False,
        features="digits",
        benchmark_n=26_000,
        flip=flip,
        workers=workers,
        digest=digest_of(digits.train, digits.label, table),
        licence="that of MNIST, from whose images it is made: CC BY-SA 3.0",
        notes=digits.notes,
    )


def triples(count: int, n: int, seed: int, part: int) -> Tensor:
    """A table (n, 3) int64 of indices 0 .. count - 1, floor(count u / 2^32), u the upper half of PCG64's raw words.

    NumPy keeps the words of a bit generator for ever, while it may change what its distributions make of them.
    """
    words = np.random.PCG64([seed, part]).random_raw(CHANNELS * n)
    index = ((words >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)
    return torch.from_numpy(index.astype(np.int64)).view(n, CHANNELS)


def modes(label: Tensor, table: Tensor) -> Tensor:
    """100 a + 10 b + c of the digits in each row of the table, (n,) int64."""
    return label[table] @ torch.tensor([100, 10, 1])
