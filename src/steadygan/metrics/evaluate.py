"""One call that measures fakes in every way that applies to their data, always against the same real samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from ..errors import InputError, NonFiniteError, unknown
from ..features.network import FeatureNetwork, Features, extract
from ..pixels import to_pixels, to_values
from .balance import Balance
from .distances import EnergyDistance
from .feature_measures import RealSide, measures_of, measures_of_samples
from .measures import MOST_CELLS, Energy, Evenness, Measure, MixtureModes, NearestSample, Shown
from .nearest import NearestNeighbour
from .protocol import Protocol, together

Fresh: TypeAlias = Callable[[int, torch.Generator], Tensor]

CELLS = 1000  # real samples that stand for an unlimited training set
MOST_IMAGES = 5000  # fakes whose pixels are compared with all real ones: 10,000 take seconds
QUALITY_QUANTILE = 0.99
PIXELS = "clamped and rounded to 8 bits, as a saved image is"


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Measures samples (n, *shape) with fixed real references, so that every evaluation of a run is comparable.

    Which figures come out depends on what is known of the data: `protocols` names them, each with how it is measured,
    and belongs beside them. `reference` holds what real data gets. Make one with `Evaluator.build`.
    """

    measures: tuple[Measure, ...]
    n: int
    like: Tensor  # device and dtype of the references
    seed: int
    network: FeatureNetwork | None
    image: bool
    real: Callable[[], Shown] | None  # real samples that no reference holds
    about: Protocol  # what the caller knows of data and generator
    known: Mapping[str, float] = field(default_factory=dict)  # what real data got before

    @staticmethod
    def build(
        train: Tensor | None,
        fresh: Fresh | None,
        centres: Tensor | None = None,
        std: float | None = None,
        held_out: Tensor | None = None,
        held_out_label: Tensor | None = None,
        n: int = 10_000,
        seed: int = 0,
        device: torch.device | str | None = None,
        image: bool = False,
        features: RealSide | None = None,
        full: bool = False,
        about: Protocol | None = None,
    ) -> Evaluator:
        """The evaluator for data given as its parts; `n` samples are what it should be shown.

        train (k, *shape): training samples; None when they are unlimited, and CELLS = 1,000 real ones stand for them.
        fresh: (count, generator) -> real samples that training never sees; not asked when there is `held_out` data.
        When both are None, half of the training samples, drawn once, stand for fresh ones and the others are the
        cells. Everything is drawn on the CPU from `seed`, so the references are the same on every device. device:
        where to measure; None: where `train` is, else the CPU. image: samples are images in [-1, 1], measured as 8-bit
        ones. features: the real side of a feature network, where there is one. full: also what takes longer. about:
        what else the figures' protocols should say. Raises InputError when there is no real data at all, or `n` is
        below 1.
        """
        if n < 1:
            raise InputError(f"expected at least 1 sample to evaluate, got n={n}: raise n")
        if device is None:
            device = "cpu" if train is None else train.device
        device = torch.device(device)
        generator = torch.Generator().manual_seed(seed)
        *drawn, words = _references(train, fresh, held_out, n, generator)
        cells, real, target = (part.to(device, torch.float32) for part in drawn)
        found: list[Measure] = []
        if centres is not None and std is not None:
            found.append(MixtureModes(centres.to(device, torch.float32), std))
        elif held_out is not None and (features is None or features.shares is None):
            near = _nearest_samples(train, held_out, held_out_label, device)
            found += [near] if near.how else []
        if features is None or features.held is None:  # else features tell it better
            space = "between pixels, " if image else ""
            found.append(Evenness(Balance(cells, real), f"{space}{words}"))
        found.append(Energy(EnergyDistance(target), MOST_IMAGES if image else None))
        if features is not None:
            found += measures_of(features, n, full)
        elif full and not image:
            unlimited = held_out is None and fresh is not None
            training = None if train is None else train.to(device, torch.float32)
            found += measures_of_samples(target, training, real if unlimited else None)
        drawer = None
        if held_out is None and fresh is not None and not image:  # fresh images are held-out ones, drawn once more
            drawer = lambda: Shown(fresh(n, generator).to(device, torch.float32))  # noqa: E731 (drawn only when asked)
        return Evaluator(
            measures=tuple(found),
            n=n,
            like=cells,
            seed=seed,
            network=None if features is None else features.network,
            image=image,
            real=drawer,
            about=about or Protocol(""),
        )

    def only(self, figures: Sequence[str]) -> Evaluator:
        """Without the measures that bring none of these figures; raises InputError for one that it cannot give."""
        for name in figures:
            if name not in self.protocols:
                raise unknown("metric", name, self.protocols)
        return replace(self, measures=tuple(each for each in self.measures if {*figures} & each.how.keys()))

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> dict[str, float]:
        """The figures of samples (n, *shape); raises NonFiniteError when one of them is NaN or infinite."""
        samples = samples.detach().to(self.like)
        if samples.shape[0] == 0 or samples.shape[1:] != self.like.shape[1:]:
            raise InputError(
                f"expected samples of shape (n >= 1, {', '.join(map(str, self.like.shape[1:]))}), "
                f"got {tuple(samples.shape)}: reshape them"
            )
        bad = int((~samples.flatten(1).isfinite().all(1)).sum())
        if bad:
            raise NonFiniteError(f"{bad} of {samples.shape[0]} generated samples are not finite: nothing to measure")
        return self.measured(self.shown(samples))

    def shown(self, samples: Tensor) -> Shown:
        """Samples as they are measured: images as 8-bit ones, with their features."""
        if not self.image:
            return Shown(samples)
        pixels = to_pixels(samples)
        features: Features | None = None if self.network is None else extract(self.network, pixels)
        return Shown(to_values(pixels), features)

    def measured(self, shown: Shown) -> dict[str, float]:
        """The figures of what is shown."""
        figures: dict[str, float] = {}
        for measure in self.measures:
            figures |= measure(shown)
        return figures

    @cached_property
    def reference(self) -> dict[str, float]:
        """What real data gets: the mean over many draws where that is known, else that of real samples held back."""
        known = dict(self.known)
        if self.real is not None:
            known |= self.measured(self.real())
        for measure in self.measures:
            known |= measure.real(self.n)
        return known

    @cached_property
    def protocols(self) -> dict[str, Protocol]:
        """How each figure is measured."""
        made: dict[str, Protocol] = {}
        for measure in self.measures:
            network = self.network if measure.featured else None
            shared = replace(
                self.about,
                n_fake=self.n,
                n_real=measure.n_real,
                features="" if network is None else f"{network.name} {network.digest} ({network.resize})",
                pixels=PIXELS if self.image else "",
                seeds="; ".join(filter(None, [self.about.seeds, f"references {self.seed}"])),
            )
            made |= {name: replace(shared, how=how) for name, how in measure.how.items()}
        return made

    @property
    def protocol(self) -> str:
        """All of them in one line."""
        return together(self.protocols)


def _nearest_samples(
    train: Tensor | None, held_out: Tensor, label: Tensor | None, device: torch.device
) -> NearestSample:
    held = NearestNeighbour(held_out.to(device, torch.float32), None if label is None else label.to(device))
    near = None
    if train is not None:
        known = held.distance(train.to(device, torch.float32))
        near = float(torch.quantile(known.cpu().to(torch.float64), QUALITY_QUANTILE))
    return NearestSample(held, near, None if label is None else label.to(device).bincount())


def _references(
    train: Tensor | None, fresh: Fresh | None, held_out: Tensor | None, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, str]:
    """The balance's cells and real samples, the energy distance's real samples, and the balance's in words."""
    if train is not None and fresh is None and held_out is None:
        return _halves(train, n, generator)
    if held_out is not None:
        real, kind = held_out, "held-out"
    elif fresh is not None:
        real, kind = fresh(n, generator), "fresh"
    else:
        raise InputError("expected real samples to measure against, got none: give fresh, held_out or train")
    if train is not None:
        cells, whose = _some(train, MOST_CELLS, generator), "training"
    elif fresh is not None:
        cells, whose = fresh(CELLS, generator), "real"
    else:
        raise InputError("expected training samples or a sampler beside held_out, got neither: give train or fresh")
    words = f"{len(cells):,} {whose} samples as cells, against {len(real):,} {kind} ones in equal numbers"
    return cells, real, real, words


def _halves(train: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, str]:
    if train.shape[0] < 2:
        raise InputError("expected at least 2 training samples to measure against, got 1: give more data")
    order = torch.randperm(train.shape[0], generator=generator).to(train.device)
    half = train.shape[0] // 2
    cells, others = train[order[:half][:MOST_CELLS]], train[order[half:][:n]]
    words = f"{len(cells):,} training samples as cells, against {len(others):,} others in equal numbers"
    return cells, others, train[order[:n]], words


def _some(train: Tensor, most: int, generator: torch.Generator) -> Tensor:
    if train.shape[0] <= most:
        return train
    return train[torch.randperm(train.shape[0], generator=generator)[:most].to(train.device)]
