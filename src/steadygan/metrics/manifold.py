"""Whether fakes lie where real samples lie, and everywhere they do: density and coverage."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError, check_whole
from .pairwise import ball_tiles, flat_samples, kth_distance


@dataclass(frozen=True, eq=False)
class Manifold:
    """Density and coverage of fakes y_j, by balls round `real` samples x_i (n > k, *shape) [naeem2020].

    Ball i reaches to the `k`-th nearest other real sample, `radii`_i (n,) float64 away; they are computed once, here,
    unless kept ones are handed in. A fake is in ball i when it is nearer than that to x_i, or equal to it.
    density = 1/(k m) sum_ij [y_j in ball i] and coverage = 1/n sum_i [some y_j in ball i].
    Of fakes distributed as the real samples E density = 1, E coverage = 1 - (n-1)...(n-k) / ((m+n-1)...(m+n-k)), about
    1 - 2^-k for m = n: compare figures of the same n, m and k. Of fakes that equal the real samples both are 1 (density
    is less where several are as far as the k-th, as in discrete data, and more where more than k are equal).
    Distances are compared in float64, in memory that does not grow with n m. Raises InputError for too few samples or
    radii that do not fit, and NonFiniteError.
    """

    real: Tensor
    k: int = 5
    radii: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float64))  # empty: to be computed

    def __post_init__(self) -> None:
        check_whole("k", self.k, 1)
        real = flat_samples(self.real, "real", self.k + 1)
        if self.radii.numel() == 0:
            object.__setattr__(self, "radii", kth_distance(real, self.k))
        elif self.radii.shape != real.shape[:1] or self.radii.dtype != torch.float64:
            raise InputError(
                f"expected the float64 radii of {real.shape[0]} real samples, got {self.radii.dtype} "
                f"{tuple(self.radii.shape)}: leave them out to have them computed"
            )

    @torch.no_grad()
    def __call__(self, fakes: Tensor) -> dict[str, float]:
        """density and coverage of fakes (m, *shape); raises InputError when there are none, and NonFiniteError."""
        real, fakes = self.real.flatten(1), flat_samples(fakes, "fake", 1, like=self.real)
        held = 0
        covered = torch.zeros(real.shape[0], dtype=torch.bool, device=real.device)
        for rows, _, inside in ball_tiles(real, self.radii.to(real.device), fakes):
            held += int(inside.count_nonzero())
            covered[rows] |= inside.any(1)
        share = int(covered.count_nonzero()) / real.shape[0]
        return {"density": held / (self.k * fakes.shape[0]), "coverage": share}


def density_coverage(fakes: Tensor, real: Tensor, k: int = 5) -> dict[str, float]:
    """`Manifold(real, k)(fakes)`, once [naeem2020]."""
    return Manifold(real, k)(fakes)
