"""The data that passes through every interface: samples, with their classes and conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten, tree_flatten_with_path, tree_map, tree_unflatten

from ..errors import InputError


class Batch(NamedTuple):
    """Samples, their labels when there are classes, and what they are given: a pytree, for vmap and compile."""

    x: Tensor  # (n, *shape)
    label: Tensor | None = None  # (n,) int64
    given: Any = None  # tensors (n, ...), nested as one likes: the condition, never penalised

    @property
    def size(self) -> int:
        """Number of samples n (`len` of a named tuple counts its fields)."""
        return self.x.shape[0]

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Every tensor of the batch changed alike: samples, labels, conditions."""
        label = None if self.label is None else change(self.label)
        return Batch(change(self.x), label, mapped(change, self.given))

    def take(self, index: Tensor) -> Batch:
        """The samples at `index`, an integer tensor (k,)."""
        return self.each(lambda tensor: tensor[index])

    def split(self, *sizes: int) -> tuple[Batch, ...]:
        """Consecutive parts of the given sizes."""
        xs = torch.split(self.x, list(sizes))
        labels = (None,) * len(sizes) if self.label is None else torch.split(self.label, list(sizes))
        return tuple(
            Batch(x, label, given) for x, label, given in zip(xs, labels, _parts(self.given, sizes), strict=True)
        )

    def first(self, n: int) -> Batch:
        """The first n samples; the batch itself when it holds no more."""
        return self if n == self.size else self.split(n, self.size - n)[0]

    def check(self) -> Batch:
        """Returns the batch; raises InputError unless there is one label or condition per sample."""
        for what, leaf in (("labels", self.label), *(("conditions", leaf) for leaf in leaves(self.given))):
            if leaf is not None and (not isinstance(leaf, Tensor) or leaf.ndim < 1 or leaf.shape[0] != self.size):
                got = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
                raise InputError(
                    f"expected {what} for {self.size} samples, got {got}: pass one per sample, on the first axis"
                )
        return self


def leaves(given: Any) -> list[Any]:
    """The tensors of conditions, in order; [] where there are none."""
    return [] if given is None else tree_flatten(given)[0]


def mapped(change: Callable[[Tensor], Any], given: Any) -> Any:
    """Conditions with each of their tensors changed; None where there are none."""
    return None if given is None else tree_map(change, given)


def check_alike(batch: Batch, like: Batch, what: str) -> None:
    """Raises InputError where labels or conditions differ in kind or shape, so that the batches cannot be joined.

    what: names the first batch; the second holds fakes.
    """
    for kind, own, other in (("labels", batch.label, like.label), ("conditions", batch.given, like.given)):
        mine, theirs = _form(own), _form(other)
        if mine != theirs:
            raise InputError(
                f"expected {what} with the same {kind} as the fakes, {_told(theirs)}, got {_told(mine)}: pass "
                "Batch(x, label, given) for both"
            )


def _form(tree: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each sample's condition, by its place in the tree."""
    if tree is None:
        return {}
    return {keystr(path): tuple(leaf.shape[1:]) for path, leaf in tree_flatten_with_path(tree)[0]}


def form_of(given: Any) -> str:
    """The shape of each sample's condition, in words."""
    return _told(_form(given))


def places_of(form: str) -> str:
    """Where in a tree conditions of this form stand: what is left of `form_of` without the shapes."""
    return re.sub(r"\([\d, ]*\)", "()", form)


def _told(form: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{shape}{' at ' * bool(place)}{place}" for place, shape in form.items()) or "none"


def same_condition(a: Batch, b: Batch, pairs: bool = False) -> Tensor | None:
    """Whether sample i of both has one condition, (n,), or, in pairs, i of a and j of b, (n, m); None without any.

    Conditions are compared number by number, so that no rounding decides.
    """
    if a.given is None or b.given is None:
        return None
    rows = [leaf.detach().reshape(a.size, -1) for leaf in leaves(a.given)]
    others = [leaf.detach().reshape(b.size, -1) for leaf in leaves(b.given)]
    if pairs:
        rows, others = [row.unsqueeze(1) for row in rows], [other.unsqueeze(0) for other in others]
    alike = [(row == other).all(-1) for row, other in zip(rows, others, strict=True)]
    return torch.stack(alike).all(0) if alike else None


def as_batch(samples: Tensor | Batch) -> Batch:
    """Samples alone as a batch."""
    return samples if isinstance(samples, Batch) else Batch(samples)


def _parts(given: Any, sizes: Sequence[int]) -> Sequence[Any]:
    if given is None:
        return (None,) * len(sizes)
    leaves, form = tree_flatten(given)
    cut = [torch.split(leaf, list(sizes)) for leaf in leaves]
    return [tree_unflatten([*own], form) for own in zip(*cut, strict=True)]


def cat(*batches: Batch) -> Batch:
    """Concatenates batches; labels and conditions are kept when every batch has them."""
    labels = [batch.label for batch in batches if batch.label is not None]
    given = [batch.given for batch in batches if batch.given is not None]
    return Batch(
        torch.cat([batch.x for batch in batches]),
        torch.cat(labels) if len(labels) == len(batches) else None,
        tree_map(lambda *leaves: torch.cat(leaves), *given) if len(given) == len(batches) else None,
    )


def in_parts(batch: Batch, size: int) -> tuple[Batch, ...]:
    """Consecutive parts of `size` samples; the last one is smaller where samples are left over."""
    whole, left = divmod(batch.size, size)
    return batch.split(*[size] * whole, *filter(None, [left]))
