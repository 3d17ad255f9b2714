"""The nearest of a set of reference samples: cells, classes and distances."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError, NonFiniteError
from .pairwise import first_least, square_blocks


@dataclass(frozen=True, eq=False)
class NearestNeighbour:
    """Looks up nearest neighbours among `reference` (n, *shape), whose classes are `label` (n,) if it has any.

    Distances are Euclidean over the flattened samples; of equally near ones the first counts. Whatever comes in is
    taken to the reference's device and dtype. Raises InputError for an empty reference, labels that do not fit it, or
    samples of another shape, and NonFiniteError for samples that are NaN or infinite.
    """

    reference: Tensor
    label: Tensor | None = None

    def __post_init__(self) -> None:
        if self.reference.ndim < 2 or self.reference.shape[0] == 0:
            raise InputError(
                f"expected reference samples (n >= 1, *shape), got {tuple(self.reference.shape)}: reshape them"
            )
        if self.label is not None and self.label.shape != self.reference.shape[:1]:
            raise InputError(
                f"expected one label per reference sample, got {tuple(self.label.shape)} for "
                f"{self.reference.shape[0]}: mend the labels"
            )

    @property
    def size(self) -> int:
        """Number of reference samples."""
        return self.reference.shape[0]

    @torch.no_grad()
    def assign(self, x: Tensor) -> Tensor:
        """Index (n,) int64 of the reference sample nearest to each of x (n, *shape)."""
        x, reference = self._flat(x), self.reference.flatten(1)
        if x.shape[0] == 0:
            return torch.empty(0, dtype=torch.int64, device=x.device)
        return torch.cat([first_least(block) for block in square_blocks(x, reference)])

    @torch.no_grad()
    def distance(self, x: Tensor, assigned: Tensor | None = None) -> Tensor:
        """Distance (n,) from each of x (n, *shape) to its nearest reference sample, `assigned` where it is known."""
        nearest = self.reference.flatten(1)[self.assign(x) if assigned is None else assigned]
        distance: Tensor = torch.linalg.vector_norm(self._flat(x) - nearest, dim=1)
        return distance

    def classify(self, x: Tensor, assigned: Tensor | None = None) -> Tensor:
        """Class (n,) int64 of the reference sample nearest to each of x (n, *shape), `assigned` where it is known."""
        if self.label is None:
            raise InputError("expected labels of the reference samples to classify by, got none: pass label=")
        return self.label[self.assign(x) if assigned is None else assigned]

    def _flat(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.reference.shape[1:]:
            raise InputError(
                f"expected samples of shape (n, {', '.join(map(str, self.reference.shape[1:]))}), "
                f"got {tuple(x.shape)}: reshape them"
            )
        flat = x.to(self.reference).flatten(1)
        if not bool(flat.isfinite().all()):  # argmin takes a NaN for the nearest, in silence
            bad = int((~flat.isfinite().all(1)).sum())
            raise NonFiniteError(f"{bad} of {flat.shape[0]} samples are not finite: nothing is near to them")
        return flat
