"""The measures of samples: modes, balance and distances, of the samples themselves or of their features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..features.network import Features
from ..metrics.energy import EnergyDistance
from ..metrics.modes import class_modes, expected_kl, mixture_modes
from ..metrics.moments import Moments, class_score, frechet, kernel_distance, precision_recall
from ..metrics.neighbours import DIMENSIONS, Balance, Manifold, Memorisation, NearestNeighbour, neighbours_of
from ..metrics.support import near_duplicate, support

MOST_CELLS = 2000  # training samples that fakes are assigned to: beyond it most cells of 10,000 fakes are nearly empty
FEW = 2500  # samples of the literature's 2-D protocol
MOST_SHARES = 100  # classes whose shares are told one by one
SURE = 0.9  # top probability from which a sample counts as of high quality
KERNEL_SIZE = 1000  # samples per subset of the kernel distance
EVERY_ONE = 1000  # classes from which one sample is enough, as the literature counts Stacked MNIST's modes

Figures: TypeAlias = dict[str, float]


class Specimens(NamedTuple):
    """Generated samples x (n, *shape) as they are measured, with their features where a network is asked."""

    x: Tensor
    features: Features | None = None

    @property
    def n(self) -> int:
        return self.x.shape[0]

    def seen(self, featured: bool) -> Tensor:
        """What a measure looks at: the feature vectors, or the samples themselves, (n, *shape)."""
        if not featured:
            return self.x
        assert self.features is not None
        return self.features.vectors


@dataclass(frozen=True, eq=False)
class Measure:
    """Figures of samples, measured against the same `n_real` real samples every time (0: it needs none).

    how: the figures by name, each with its method in words. figures: what samples get; real: what n real samples get on
    average, where that is known without measuring any. featured: it looks at features, not at samples; compares: it is
    worth telling of held-out images, too.
    """

    how: Mapping[str, str]
    figures: Callable[[Specimens], Figures]
    n_real: int = 0
    real: Callable[[int], Figures] | None = None
    featured: bool = False
    compares: bool = False


def modes_of_mixture(centres: Tensor, std: float) -> Measure:
    """Modes of a mixture of equal Gaussians, after our protocol and after the literature's [srivastava2017]."""
    within = "within 3 std of a centre"
    few = f"the first {FEW:,} samples, >= 1 {within}"
    nearest = "all samples by nearest centre"
    how = {
        "modes": f"modes with >= 20 per 2,500 samples {within}",
        "high_quality": f"share of samples {within}",
        "emptiest_mode": nearest,
        "mode_kl": f"{nearest}, against even shares, nats",
        "veegan_modes": few,
        "veegan_high_quality": few,
    }

    def figures(shown: Specimens) -> Figures:
        found = mixture_modes(shown.x, centres, std)
        if shown.n >= FEW:
            first = mixture_modes(shown.x[:FEW], centres, std, threshold=1)
            found |= {f"veegan_{key}": first[key] for key in ("modes", "high_quality")}
        return found

    return Measure(how, figures, real=lambda n: {"mode_kl": expected_kl(torch.ones(len(centres)), n)})


def modes_of_nearest(held: NearestNeighbour, near: float | None, counts: Tensor | None) -> Measure:
    """Quality and class of each sample by the held-out sample nearest to it.

    near: the distance to held-out data that 99 % of the training samples keep; counts: held-out samples per class.
    """
    how = {}
    if near is not None:
        how["high_quality"] = f"within {near:.4g} of a held-out sample, as 99 % of the training set"
    if counts is not None:
        how |= _counted(f"class of the nearest of {held.size:,} held-out samples", 20 / FEW)

    def figures(shown: Specimens) -> Figures:
        found: Figures = {}
        nearest = held.assign(shown.x)
        if near is not None:
            found["high_quality"] = int((held.distance(shown.x, nearest) <= near).sum()) / shown.n
        if counts is not None:
            labels, classes = held.classify(shown.x, nearest), counts.shape[0]
            found |= class_modes(labels, classes, counts) | _class_shares(labels, classes)
        return found

    real = None if counts is None else lambda n: {"mode_kl": expected_kl(counts, n)}
    return Measure(how, figures, held.size, real)


def modes_of_classes(classes: int, shares: Tensor) -> Measure:
    """Modes as the classes that a network names; shares (classes,): of the data."""
    enough = 1 if classes >= EVERY_ONE else None  # samples that a class needs to count; None: 20 per 2,500
    how = _counted("the network's class", 0 if enough else 20 / FEW)
    how |= {"confidence": "mean top probability", "high_quality": f"top probability >= {SURE}"}

    def figures(shown: Specimens) -> Figures:
        assert shown.features is not None
        assert shown.features.logits is not None
        top, labels = shown.features.logits.softmax(1).max(1)
        return {
            **class_modes(labels, classes, shares, enough),
            "high_quality": int((top >= SURE).sum()) / shown.n,
            "confidence": float(top.double().mean()),
            **_class_shares(labels, classes),
        }

    return Measure(how, figures, 0, lambda n: {"mode_kl": expected_kl(shares, n)}, featured=True, compares=True)


def evenness(balance: Balance, words: str, featured: bool = False) -> Measure:
    """`balance` and `balance_tv` of samples or of their features."""
    how = dict.fromkeys(("balance", "balance_tv"), words)
    return Measure(how, lambda shown: balance(shown.seen(featured)), len(balance.fresh), featured=featured)


def energy(distance: EnergyDistance, most: int | None = None) -> Measure:
    """`energy_distance` of samples as they are, of no more than the first `most` of them."""
    first = "" if most is None else f" of at most the first {most:,} fakes"
    how = {"energy_distance": f"without square root, all pairs{first}"}
    return Measure(how, lambda shown: {"energy_distance": distance(shown.x[:most])}, len(distance.reference))


def spread(real: Features, classes: int | None, named: Callable[[str], str], kernel: bool) -> Measure:
    """Frechet distance, class score and, where there are enough samples, the kernel distance of features.

    named: the usual name of a figure with these features.
    """
    moments = cache(lambda: Moments.of(real.vectors))
    how = {named("frechet"): "torch-fidelity, float64 moments"}
    if classes is not None:
        how[named("class_score")] = "torch-fidelity, 10 splits"
    if kernel:
        subsets = f"100 subsets of {KERNEL_SIZE:,}, seed 2020"
        how[named("kernel_distance")] = f"torch-fidelity, cubic kernel, {subsets}"

    def figures(shown: Specimens) -> Figures:
        assert shown.features is not None
        vectors, logits = shown.features
        found = {named("frechet"): frechet(Moments.of(vectors), moments())}
        if classes is not None and logits is not None:
            found |= class_score(logits, key=named("class_score"))
        if kernel and len(vectors) >= KERNEL_SIZE:  # held-out images may be fewer
            name, told = named("kernel_distance"), kernel_distance(vectors, real.vectors, size=KERNEL_SIZE)
            found |= {name: told["kid"], f"{name}_std": told["kid_std"]}
        return found

    return Measure(how, figures, real.n, featured=True, compares=True)


def neighbourhood(real: Tensor, featured: bool = False) -> Measure:
    """Precision, recall, density and coverage against as many real vectors (n, dim) as there are fakes."""
    flat = real.shape[1] <= DIMENSIONS

    @cache
    def balls() -> Callable[[Tensor], Figures]:
        if flat:
            return neighbours_of(real)
        manifold = Manifold(real)
        return lambda fakes: precision_recall(fakes, real) | manifold(fakes)

    by = "a tree" if flat else "torch-fidelity"
    how = dict.fromkeys(("precision", "recall"), f"{by}, k = 3") | dict.fromkeys(("density", "coverage"), "k = 5")
    return Measure(how, lambda x: balls()(x.seen(featured).flatten(1)), len(real), featured=featured, compares=True)


def repeats(real: Tensor, featured: bool = False) -> Measure:
    """The birthday test's size of the support; pairs as near as 1 % of the real vectors (n, dim) have one are equal."""
    near = near_duplicate(real)
    return Measure(
        {"support": f"birthday test, pairs nearer than {near:.4g} (1 % of the real samples have one)"},
        lambda shown: {"support": support(shown.seen(featured).flatten(1), near).size},
        len(real),
        lambda n: {"support": support(real[:n], near).size},
        featured,
    )


def novelty(memorisation: Memorisation, featured: bool = False) -> Measure:
    """Whether fakes lie nearer to training samples than held-out data does."""
    return Measure(
        {
            "memorised": "share nearer to a training sample than 99 % of the held-out ones (new samples: 0.01)",
            "nearer_than_held_out": "chance to be nearer to the training set than a held-out sample (new samples: 0.5)",
        },
        lambda shown: memorisation(shown.seen(featured)),
        len(memorisation.training),
        lambda _: {"memorised": 0.01, "nearer_than_held_out": 0.5},
        featured,
    )


def _counted(by: str, enough: float) -> dict[str, str]:
    """Words for the figures of classes, which count from a share `enough` of the samples on."""
    least = ">= 1 sample" if enough == 0 else f">= {enough * FEW:g} per 2,500 samples"
    return {
        "modes": f"{by}, {least} count{'s' * (enough == 0)}",
        "emptiest_mode": f"{by}, over the data's share",
        "mode_kl": f"{by}, against the data's shares, nats",
    }


def _class_shares(labels: Tensor, classes: int) -> Figures:
    """class_<k>, the share of each class, where they are few enough to be read."""
    if classes > MOST_SHARES:
        return {}
    shares = (labels.bincount(minlength=classes).to("cpu", torch.float64) / labels.shape[0]).tolist()
    return {f"class_{k}": share for k, share in enumerate(shares)}
