"""What flows through every seam: samples, and what a critic says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Samples and, when there are classes, their labels: a pytree, so vmap and compile take it as it is."""

    x: Tensor  # (n, *shape)
    label: Tensor | None = None  # (n,) int64

    @property
    def size(self) -> int:
        """Number of samples n (`len` of a named tuple counts its fields)."""
        return self.x.shape[0]

    def take(self, index: Tensor) -> Batch:
        """The samples at `index`, an integer tensor (k,)."""
        return Batch(self.x[index], None if self.label is None else self.label[index])

    def split(self, *sizes: int) -> tuple[Batch, ...]:
        """Consecutive parts of the given sizes."""
        xs = torch.split(self.x, list(sizes))
        labels = (None,) * len(sizes) if self.label is None else torch.split(self.label, list(sizes))
        return tuple(Batch(x, label) for x, label in zip(xs, labels, strict=True))

    def first(self, n: int) -> Batch:
        """The first n samples; the batch itself when it holds no more."""
        return self if n == self.size else self.split(n, self.size - n)[0]


def cat(*batches: Batch) -> Batch:
    """One batch after the other; labels are kept when every batch has them."""
    labels = [batch.label for batch in batches if batch.label is not None]
    return Batch(
        torch.cat([batch.x for batch in batches]),
        torch.cat(labels) if len(labels) == len(batches) else None,
    )


class Output(NamedTuple):
    """What a critic says of a batch in one pass."""

    logits: Tensor  # (n,), before any sigmoid
    features: Mapping[str, Tensor]  # named activations; {} when nobody asked


def in_parts(batch: Batch, size: int) -> tuple[Batch, ...]:
    """Consecutive parts of `size` samples, the last one smaller where some are left over."""
    whole, left = divmod(batch.size, size)
    return batch.split(*[size] * whole, *filter(None, [left]))


def in_one(outputs: Sequence[Output]) -> Output:
    """The outputs of such parts, one after the other."""
    if len(outputs) == 1:
        return outputs[0]
    features = {key: torch.cat([each.features[key] for each in outputs]) for key in outputs[0].features}
    return Output(torch.cat([each.logits for each in outputs]), features)
