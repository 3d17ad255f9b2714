"""What is true of a generator at a look, told from fakes that the monitor never sees: how evenly, and how much.

Pure functions of samples: what a run's verdicts are judged by must not come from what they are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from steadygan.data import Source
from steadygan.evaluation.evaluator import network_for
from steadygan.features import extract
from steadygan.metrics.blocks import kth_distance
from steadygan.metrics.neighbours import DIMENSIONS, NearestNeighbour, perplexity
from steadygan.pixels import to_pixels, to_values

FAKES = 2500  # of which the truth is told
REALS = 2000  # fresh ones that fakes are to come near
NEIGHBOUR = 5
CELLS = 100  # where no modes are known
WITHIN = 3.0  # standard deviations of a mode, as in the usual protocol
NOWHERE = -1  # the mode of a fake that is on none


def truth(mode: Tensor, modes: float, fake: Tensor, real: Tensor, radius: Tensor) -> dict[str, float]:
    """Of fakes (m, dim) with their modes (m,), NOWHERE for those that do not count, and fresh reals (n, dim).

    evenness = exp(H(p)) / modes, p the counting fakes' shares of the modes, 0 where none counts; quality: the share of
    fakes that count; coverage: the share of reals that have a fake no further than their `radius` (n,). Fakes that are
    not finite count nowhere and cover nothing.
    """
    finite = fake.isfinite().all(1)
    counted = mode[finite & (mode != NOWHERE)]
    even = perplexity(counted.bincount().to(torch.float64) / len(counted)) if len(counted) else 0.0
    near = nearest(real, fake[finite]) <= radius if bool(finite.any()) else torch.zeros(len(real))
    return {
        "evenness": even / modes,
        "quality": len(counted) / len(mode),
        "coverage": float(near.to(torch.float64).mean()),
    }


def nearest(x: Tensor, among: Tensor) -> Tensor:
    """Distance (n,) from each of x (n, dim) to the nearest of others (m, dim), in float64."""
    if x.shape[1] <= DIMENSIONS:
        return torch.from_numpy(cKDTree(among.double().numpy()).query(x.double().numpy())[0])
    return NearestNeighbour(among.double()).distance(x.double())


@dataclass(frozen=True)
class Ground:
    """What fakes are held against: fresh reals `sample` (n, *shape), with their classes where they have some.

    read: samples (m, *shape) -> as points (m, dim) in which distances are told, and their modes (m,); modes: how many
    of them a perfect generator fills; known: how many there are, None where cells stand for modes.
    """

    sample: Tensor
    label: Tensor | None
    read: Callable[[Tensor], tuple[Tensor, Tensor]]
    modes: float
    known: int | None
    real: Tensor = field(init=False, repr=False)
    radius: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "real", self.read(self.sample)[0])
        object.__setattr__(self, "radius", kth_distance(self.real.double(), NEIGHBOUR))

    def truth(self, x: Tensor, label: Tensor | None = None) -> dict[str, float]:
        """`truth` of fakes x (m, *shape); agreement: the share whose mode is the class `label` that was asked for."""
        lost = ~x.flatten(1).isfinite().all(1)
        seen, mode = self.read(torch.where(x.isfinite(), x, torch.zeros_like(x)))
        mode = torch.where(lost, NOWHERE, mode)
        found = truth(mode, self.modes, torch.where(lost[:, None], torch.nan, seen), self.real, self.radius)
        if label is not None:
            found["agreement"] = float((mode == label).to(torch.float64).mean())
        return found

    def of_reals(self, source: Source) -> dict[str, float]:
        """The truth of as many fresh reals: what a perfect generator gets."""
        return self.truth(source.fresh(FAKES, torch.Generator().manual_seed(3)))


def ground_of(source: Source) -> Ground:
    """Modes where they are known, else cells; of images the classes, see `ground_of_images`."""
    generator = torch.Generator().manual_seed(2)
    if source.image:
        return ground_of_images(source, generator)
    sample = source.fresh(REALS, generator)
    if source.centres is not None and source.std is not None:
        centres, std = source.centres, source.std
        lookup = NearestNeighbour(centres)

        def on_mode(x: Tensor) -> tuple[Tensor, Tensor]:
            mode = lookup.assign(x)
            off = torch.linalg.vector_norm((x - centres[mode]).flatten(1), dim=1)
            return x.flatten(1), torch.where(off <= WITHIN * std, mode, NOWHERE)

        return Ground(sample, None, on_mode, float(len(centres)), len(centres))
    cells = NearestNeighbour(source.fresh(CELLS, generator))
    own = cells.assign(source.fresh(FAKES, generator)).bincount(minlength=CELLS)
    even = perplexity(own.to(torch.float64) / FAKES)
    return Ground(sample, None, lambda x: (x.flatten(1), cells.assign(x)), even, None)


def ground_of_images(source: Source, generator: torch.Generator) -> Ground:
    """Held-out images, and who names classes: the nearest of them, or the package's network for larger ones."""
    held, label = source.held_out_samples(), source.held_out_label
    assert held is not None
    assert label is not None
    some = torch.randperm(len(held), generator=generator)[:REALS]
    network = network_for(source, source.features or ("cifar" if source.shape[-1] == 32 else None))
    if network is None:
        lookup = NearestNeighbour(eight_bit(held), label)
        named: Callable[[Tensor], tuple[Tensor, Tensor]] = lambda x: (eight_bit(x), lookup.classify(eight_bit(x)))  # noqa: E731
        classes = int(label.max()) + 1
        return Ground(held[some], label[some], named, float(classes), classes)

    def by_network(x: Tensor) -> tuple[Tensor, Tensor]:
        found = extract(network, to_pixels(x))
        assert found.logits is not None
        return found.vectors, found.logits.argmax(1)

    assert network.classes is not None
    return Ground(held[some], label[some], by_network, float(network.classes), network.classes)


def eight_bit(x: Tensor) -> Tensor:
    """Images as they are saved, as points."""
    return to_values(to_pixels(x)).flatten(1)
