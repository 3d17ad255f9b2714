"""Measures that compare clouds of vectors: features of images, or points as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..errors import InputError
from ..features.network import FeatureNetwork, Features
from .balance import Balance
from .birthday import near_duplicate, support
from .fidelity import Moments, class_score, frechet, kernel_distance, precision_recall
from .manifold import Manifold
from .measures import MOST_CELLS, Evenness, Measure, Shown, class_shares, counted, seen
from .memorisation import Memorisation
from .modes import class_modes, expected_kl
from .trees import DIMENSIONS, Neighbours, near_pairs, near_point

SURE = 0.9  # top probability from which a sample counts as of high quality
KERNEL_SIZE = 1000  # samples per subset of the kernel distance
EVERY_ONE = 1000  # classes from which one sample is enough, as the literature counts Stacked MNIST's modes


@dataclass(frozen=True, eq=False)
class RealSide:
    """The features of real images that fakes are measured against.

    train, held: of training and of held-out images, in an order that does not matter; split: which of them fakes are
    compared with; shares (classes,): how many of the data's samples are of each class of the network.
    """

    network: FeatureNetwork
    train: Features
    held: Features | None
    shares: Tensor | None
    split: str = "train"

    @property
    def real(self) -> Features:
        """The side that fakes are compared with."""
        if self.split == "train":
            return self.train
        if self.held is None:
            raise InputError("expected held-out images, got data without any: compare with the training split")
        return self.held

    def held_out_does(self, measures: Iterable[Measure], n: int) -> dict[str, float]:
        """What held-out images get where they are compared with training ones; {} where they are not."""
        if self.held is None or self.split != "train":
            return {}
        held = self.held.first(n)
        figures: dict[str, float] = {}
        for measure in measures:
            if isinstance(measure, NamedClasses | Spread | Neighbourhood) and measure.featured:
                figures |= measure(Shown(held.vectors, held))
        return figures

    def known_as(self, name: str) -> str:
        """The figure's usual name with this network: a Frechet distance of Inception's features is the FID."""
        usual: Mapping[str, str] = getattr(self.network, "known_as", {})
        return usual.get(name, name)


def measures_of(side: RealSide, n: int, full: bool) -> list[Measure]:
    """What a feature network allows; full: also the kernel distance, memorisation and repetitions."""
    found: list[Measure] = []
    if side.network.classes is not None and side.shares is not None:
        found.append(NamedClasses(side.network.classes, side.shares))
    if side.held is not None:
        cells, fresh = side.train.vectors[:MOST_CELLS], side.held.vectors
        words = f"{len(cells):,} training samples as cells, against {len(fresh):,} held-out ones in equal numbers"
        found.append(Evenness(Balance(cells, fresh), words, featured=True))
    found.append(Spread(side, full and min(n, side.real.n) >= KERNEL_SIZE))
    found.append(Neighbourhood(side.real.vectors[:n], featured=True))
    if full:
        found.append(Repeats(side.real.vectors[:n], featured=True))
        if side.held is not None:
            found.append(Novelty(Memorisation(side.train.vectors, side.held.vectors), featured=True))
    return found


def measures_of_samples(real: Tensor, training: Tensor | None, fresh: Tensor | None) -> list[Measure]:
    """The same for points: real (m, *shape) to compare with, finite `training` data and `fresh` samples beside it."""
    found: list[Measure] = [Neighbourhood(real.flatten(1)), Repeats(real.flatten(1))]
    if training is not None and fresh is not None:
        found.append(Novelty(Memorisation(training, fresh)))
    return found


@dataclass(frozen=True, eq=False)
class NamedClasses(Measure):
    """Modes as the classes that a network names; shares (classes,): of the data."""

    classes: int
    shares: Tensor
    featured: bool = True

    @property
    def enough(self) -> int | None:
        """Samples that a class needs to count; None: 20 per 2,500."""
        return 1 if self.classes >= EVERY_ONE else None

    @property
    def how(self) -> dict[str, str]:
        words = counted("the network's class", 0 if self.enough else 20 / 2500)
        return words | {"confidence": "mean top probability", "high_quality": f"top probability >= {SURE}"}

    def real(self, n: int) -> dict[str, float]:
        return {"mode_kl": expected_kl(self.shares, n)}

    def __call__(self, shown: Shown) -> dict[str, float]:
        assert shown.features is not None
        assert shown.features.logits is not None
        top, labels = shown.features.logits.softmax(1).max(1)
        return {
            **class_modes(labels, self.classes, self.shares, self.enough),
            "high_quality": int((top >= SURE).sum()) / shown.n,
            "confidence": float(top.double().mean()),
            **class_shares(labels, self.classes),
        }


@dataclass(frozen=True, eq=False)
class Spread(Measure):
    """Frechet distance, class score and, where there are enough samples, the kernel distance of features."""

    side: RealSide
    kernel: bool
    featured: bool = True

    @property
    def n_real(self) -> int:
        return self.side.real.n

    @cached_property
    def _moments(self) -> Moments:
        return Moments.of(self.side.real.vectors)

    @property
    def how(self) -> dict[str, str]:
        told = {self.side.known_as("frechet"): "torch-fidelity, float64 moments"}
        if self.side.network.classes is not None:
            told[self.side.known_as("class_score")] = "torch-fidelity, 10 splits"
        if self.kernel:
            told[self.side.known_as("kernel_distance")] = (
                f"torch-fidelity, cubic kernel, 100 subsets of {KERNEL_SIZE:,}, seed 2020"
            )
        return told

    def __call__(self, shown: Shown) -> dict[str, float]:
        assert shown.features is not None
        vectors, logits, names = shown.features.vectors, shown.features.logits, self.side.known_as
        figures = {names("frechet"): frechet(Moments.of(vectors), self._moments)}
        if self.side.network.classes is not None and logits is not None:
            name = names("class_score")
            figures |= class_score(logits, key=name)
        if self.kernel:
            name = names("kernel_distance")
            found = kernel_distance(vectors, self.side.real.vectors, size=KERNEL_SIZE)
            figures |= {name: found["kid"], f"{name}_std": found["kid_std"]}
        return figures


@dataclass(frozen=True, eq=False)
class Neighbourhood(Measure):
    """Precision, recall, density and coverage against as many real vectors as there are fakes."""

    vectors: Tensor
    featured: bool = False

    @property
    def n_real(self) -> int:
        return len(self.vectors)

    @cached_property
    def _measure(self) -> Callable[[Tensor], dict[str, float]]:
        if self.vectors.shape[1] <= DIMENSIONS:
            return Neighbours(self.vectors)
        manifold = Manifold(self.vectors)
        return lambda fakes: precision_recall(fakes, self.vectors) | manifold(fakes)

    @property
    def how(self) -> dict[str, str]:
        by = "a tree" if self.vectors.shape[1] <= DIMENSIONS else "torch-fidelity"
        return dict.fromkeys(("precision", "recall"), f"{by}, k = 3") | dict.fromkeys(("density", "coverage"), "k = 5")

    def __call__(self, shown: Shown) -> dict[str, float]:
        return self._measure(seen(shown, self.featured).flatten(1))


@dataclass(frozen=True, eq=False)
class Repeats(Measure):
    """The birthday test's size of the support; pairs as near as 1 % of the real samples have one count as equal."""

    vectors: Tensor
    featured: bool = False

    @property
    def n_real(self) -> int:
        return len(self.vectors)

    @cached_property
    def _near(self) -> float:
        return near_point(self.vectors) if self.vectors.shape[1] <= DIMENSIONS else near_duplicate(self.vectors)

    def _support(self, samples: Tensor) -> float:
        count = near_pairs if self.vectors.shape[1] <= DIMENSIONS else support
        return count(samples, self._near).size

    @property
    def how(self) -> dict[str, str]:
        return {"support": f"birthday test, pairs nearer than {self._near:.4g} (1 % of the real samples have one)"}

    def real(self, n: int) -> dict[str, float]:
        return {"support": self._support(self.vectors[:n])}

    def __call__(self, shown: Shown) -> dict[str, float]:
        return {"support": self._support(seen(shown, self.featured).flatten(1))}


@dataclass(frozen=True, eq=False)
class Novelty(Measure):
    """Whether fakes lie nearer to training samples than held-out data does."""

    memorisation: Memorisation
    featured: bool = False

    @property
    def n_real(self) -> int:
        return len(self.memorisation.training)

    @property
    def how(self) -> dict[str, str]:
        return {
            "memorised": "share nearer to a training sample than 99 % of the held-out ones (new samples: 0.01)",
            "nearer_than_held_out": "chance to be nearer to the training set than a held-out sample (new samples: 0.5)",
        }

    def real(self, n: int) -> dict[str, float]:
        return {"memorised": 0.01, "nearer_than_held_out": 0.5}

    def __call__(self, shown: Shown) -> dict[str, float]:
        return self.memorisation(seen(shown, self.featured))


def class_histogram(features: Features, classes: int) -> Tensor:
    """How many samples the network takes for each class, (classes,)."""
    assert features.logits is not None
    return torch.bincount(features.logits.argmax(1), minlength=classes)
