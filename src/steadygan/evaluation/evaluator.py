"""One call that measures fakes in every way that applies to their data, always against the same real samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..data import Source
from ..data.cache import cached
from ..data.samples import digest_of
from ..errors import InputError, unknown
from ..features import FEATURES, FeatureNetwork, extract
from ..metrics.blocks import flat_samples
from ..metrics.energy import EnergyDistance
from ..metrics.neighbours import Balance, Memorisation, NearestNeighbour
from ..metrics.protocol import Protocol, together
from ..pixels import to_pixels, to_values
from ..places import cache_folder
from . import measures
from .measures import MOST_CELLS, Figures, Measure, Specimens
from .real_side import FEATURED, KEPT_FROM, RealSide, key_of, measures_of, real_side

Fresh: TypeAlias = Callable[[int, torch.Generator], Tensor]
Evaluate: TypeAlias = Callable[[Tensor], Mapping[str, float]]  # what a run asks of its evaluator

CELLS = 1000  # real samples that stand for an unlimited training set
MOST_IMAGES = 5000  # fakes whose pixels are compared with all real ones: 10,000 take seconds
MEASURED = 10_000  # training images that distances between pixels may look at
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
    real: Callable[[], Specimens] | None  # real samples that no reference holds
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
            found.append(measures.modes_of_mixture(centres.to(device, torch.float32), std))
        elif held_out is not None and (features is None or features.shares is None):
            near = _nearest_samples(train, held_out, held_out_label, device)
            found += [near] if near.how else []
        if features is None or features.held is None:  # else features tell it better
            space = "between pixels, " if image else ""
            found.append(measures.evenness(Balance(cells, real), f"{space}{words}"))
        found.append(measures.energy(EnergyDistance(target), MOST_IMAGES if image else None))
        if features is not None:
            found += measures_of(features, n, full)
        elif full and not image:
            points = target.flatten(1)
            found += [measures.neighbourhood(points), measures.repeats(points)]
            if train is not None and held_out is None and fresh is not None:
                found.append(measures.novelty(Memorisation(train.to(device, torch.float32), real)))
        drawer = None
        if held_out is None and fresh is not None and not image:  # fresh images are held-out ones, drawn once more
            drawer = lambda: Specimens(fresh(n, generator).to(device, torch.float32))  # noqa: E731 (drawn only when asked)
        network, about = None if features is None else features.network, about or Protocol("")
        return Evaluator(tuple(found), n, cells, seed, network, image, drawer, about)

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
        flat_samples(samples, "generated", 1, like=self.like)
        return self.measured(self.shown(samples))

    def shown(self, samples: Tensor) -> Specimens:
        """Samples as they are measured: images as 8-bit ones, with their features."""
        if not self.image:
            return Specimens(samples)
        pixels = to_pixels(samples)
        return Specimens(to_values(pixels), None if self.network is None else extract(self.network, pixels))

    def measured(self, shown: Specimens) -> dict[str, float]:
        """The figures of what is shown."""
        figures: dict[str, float] = {}
        for measure in self.measures:
            figures |= measure.figures(shown)
        return figures

    @cached_property
    def reference(self) -> dict[str, float]:
        """What real data gets: the mean over many draws where that is known, else that of real samples held back."""
        known = dict(self.known)
        if self.real is not None:
            known |= self.measured(self.real())
        for measure in self.measures:
            known |= {} if measure.real is None else measure.real(self.n)
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


def _nearest_samples(train: Tensor | None, held_out: Tensor, label: Tensor | None, device: torch.device) -> Measure:
    held = NearestNeighbour(held_out.to(device, torch.float32), None if label is None else label.to(device))
    near = None
    if train is not None:
        known = held.distance(train.to(device, torch.float32))
        near = float(torch.quantile(known.cpu().to(torch.float64), QUALITY_QUANTILE))
    return measures.modes_of_nearest(held, near, None if label is None else label.to(device).bincount())


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
        raise InputError("expected real samples to measure against, got none: pass fresh, held_out or train")
    if train is not None:
        whose, cells = "training", train
        if len(train) > MOST_CELLS:
            cells = train[torch.randperm(len(train), generator=generator)[:MOST_CELLS].to(train.device)]
    elif fresh is not None:
        cells, whose = fresh(CELLS, generator), "real"
    else:
        raise InputError("expected training samples or a sampler with held_out, got neither: pass train or fresh")
    words = f"{len(cells):,} {whose} samples as cells, against {len(real):,} {kind} ones in equal numbers"
    return cells, real, real, words


def _halves(train: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, str]:
    if train.shape[0] < 2:
        raise InputError("expected at least 2 training samples to measure against, got 1: use more data")
    order = torch.randperm(train.shape[0], generator=generator).to(train.device)
    half = train.shape[0] // 2
    cells, others = train[order[:half][:MOST_CELLS]], train[order[half:][:n]]
    words = f"{len(cells):,} training samples as cells, against {len(others):,} others in equal numbers"
    return cells, others, train[order[:n]], words


def network_for(source: Source, wanted: str | FeatureNetwork | None) -> FeatureNetwork | None:
    """The network that images of this source are measured with; None where there is none to measure with.

    wanted: a network, the name of one, "auto" for the data set's own, or None. Raises InputError for a name that is not
    known, and for a network whose weights are missing.
    """
    name = source.features if wanted == "auto" else wanted
    if name is None or not source.image:
        return None
    return FEATURES[name](source.shape) if isinstance(name, str) else name


def evaluator_for(
    source: Source,
    n: int,
    network: FeatureNetwork | None = None,
    split: str = "train",
    full: bool = False,
    about: Protocol | None = None,
    device: torch.device | None = None,
    most: int = FEATURED,
    metrics: Sequence[str] = (),
) -> Evaluator:
    """The evaluator of n fakes against this source; see `Evaluator.build`, `Evaluator.only` and `real_side`."""
    in_place = isinstance(source.train, Tensor) and source.train.is_floating_point()
    side = None if network is None else real_side(source, network, split, most)
    telling = source.nearest_classes or not source.image
    held_out = source.held_out_samples() if telling or network is not None else None
    known = f"{source.name}, drawn anew"
    if source.size is not None:
        known = f"{source.name} {split} {source.fingerprint()[:8]}"
    evaluator = Evaluator.build(
        source.train if in_place else source.some(MEASURED),  # type: ignore[arg-type]
        source.unseen,
        source.centres,
        source.std,
        held_out if telling else None,
        source.held_out_label if telling else None,
        n=n,
        device=device,
        image=source.image,
        features=side,
        full=full,
        about=replace(about or Protocol(""), real=known),
    )
    if metrics:
        evaluator = evaluator.only(metrics)
    return evaluator if side is None else replace(evaluator, known=_held_out(source, side, evaluator, bool(metrics)))


def _held_out(source: Source, side: RealSide, evaluator: Evaluator, few: bool) -> Figures:
    """What held-out images get; that of all figures is kept where it takes long."""
    if few or side.held is None or source.held_out is None or min(evaluator.n, side.held.n) < KEPT_FROM:
        return side.held_out_does(evaluator.measures, evaluator.n)
    data = source.fingerprint(), digest_of(source.held_out)
    folder = cache_folder() / "held-out" / key_of(*data, side.train.n, evaluator.n, evaluator.protocol)
    found: Figures = cached(folder, lambda _: {"figures": side.held_out_does(evaluator.measures, evaluator.n)})[
        "figures"
    ]
    return found


def evaluator_beside(
    source: Source, wanted: str | FeatureNetwork | None, n: int, G: nn.Module, averaged: bool, device: torch.device
) -> tuple[Evaluator, str]:
    """The evaluator of n samples of a generator in training, and a line where the network `wanted` cannot be had.

    A run does not end for want of it: it goes on without the figures that need it.
    """
    note, network = "", None
    try:
        found = network_for(source, wanted)
        if found is not None:
            found.check(source.shape)
        network = found
    except InputError as error:
        note = f"no figures of {wanted}: {error}"
    about = Protocol(
        "",
        weights="EMA" if averaged else "live",
        batch_norm=batch_norm(G),
        seeds="fakes: the run's + 1",
        versions=versions(network),
    )
    return evaluator_for(source, n, network, about=about, device=device), note


def versions(network: FeatureNetwork | None) -> str:
    """The libraries that figures hang on."""
    named = ["torch", *(["torch-fidelity"] if network is not None else [])]
    return ", ".join(f"{name} {version(name)}" for name in named)


def batch_norm(G: nn.Module) -> str:
    """What a generator's batch normalisation goes by while samples are measured; "" where it has none."""
    kinds = (nn.modules.batchnorm._BatchNorm,)
    return "moving averages" if any(isinstance(module, kinds) for module in G.modules()) else ""
