"""Measures of samples as they are: modes, classes of the nearest real sample, balance, energy distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..features.network import Features
from .balance import Balance
from .distances import EnergyDistance
from .modes import class_modes, expected_kl, mixture_modes
from .nearest import NearestNeighbour

MOST_CELLS = 2000  # training samples that fakes are assigned to: beyond it most cells of 10,000 fakes are nearly empty
FEW = 2500  # samples of the literature's 2-D protocol
MOST_SHARES = 100  # classes whose shares are told one by one


class Shown(NamedTuple):
    """Generated samples x (n, *shape) as they are measured, with their features where a network is asked."""

    x: Tensor
    features: Features | None = None

    @property
    def n(self) -> int:
        return self.x.shape[0]


class Measure(ABC):
    """Figures of samples, measured against the same `n_real` real samples every time (0: it needs none).

    featured: it looks at features, not at samples.
    """

    featured: bool

    @property
    def n_real(self) -> int:
        return 0

    @property
    @abstractmethod
    def how(self) -> dict[str, str]:
        """The figures by name, each with its method in words."""

    @abstractmethod
    def __call__(self, shown: Shown) -> dict[str, float]:
        """The figures."""

    def real(self, n: int) -> dict[str, float]:
        """What n real samples get on average, where that is known without measuring any."""
        return {}


@dataclass(frozen=True, eq=False)
class MixtureModes(Measure):
    """Modes of a mixture of equal Gaussians, after our protocol and after the literature's [srivastava2017]."""

    centres: Tensor
    std: float
    featured: bool = False

    @property
    def how(self) -> dict[str, str]:
        within = "within 3 std of a centre"
        ours = f">= 20 per 2,500 samples {within}"
        few = f"the first {FEW:,} samples, >= 1 {within}"
        nearest = "all samples by nearest centre"
        return {
            "modes": f"modes with {ours}",
            "high_quality": f"share of samples {within}",
            "emptiest_mode": nearest,
            "mode_kl": f"{nearest}, against even shares, nats",
            "veegan_modes": few,
            "veegan_high_quality": few,
        }

    def real(self, n: int) -> dict[str, float]:
        even = torch.ones(len(self.centres))
        return {"mode_kl": expected_kl(even, n)}

    def __call__(self, shown: Shown) -> dict[str, float]:
        figures = mixture_modes(shown.x, self.centres, self.std)
        if shown.n >= FEW:
            few = mixture_modes(shown.x[:FEW], self.centres, self.std, threshold=1)
            figures |= {f"veegan_{key}": few[key] for key in ("modes", "high_quality")}
        return figures


@dataclass(frozen=True, eq=False)
class NearestSample(Measure):
    """Quality and class of each sample by the held-out sample nearest to it.

    near: the distance to held-out data that 99 % of the training samples keep; counts: held-out samples per class.
    """

    held: NearestNeighbour
    near: float | None
    counts: Tensor | None
    featured: bool = False

    @property
    def n_real(self) -> int:
        return self.held.size

    @property
    def how(self) -> dict[str, str]:
        told = {}
        if self.near is not None:
            told["high_quality"] = f"within {self.near:.4g} of a held-out sample, as 99 % of the training set"
        if self.counts is not None:
            told |= counted(f"class of the nearest of {self.held.size:,} held-out samples", 20 / FEW)
        return told

    def real(self, n: int) -> dict[str, float]:
        return {} if self.counts is None else {"mode_kl": expected_kl(self.counts, n)}

    def __call__(self, shown: Shown) -> dict[str, float]:
        figures: dict[str, float] = {}
        nearest = self.held.assign(shown.x)
        if self.near is not None:
            good = self.held.distance(shown.x, nearest) <= self.near
            figures["high_quality"] = int(good.sum()) / shown.n
        if self.counts is not None:
            labels, classes = self.held.classify(shown.x, nearest), self.counts.shape[0]
            figures |= class_modes(labels, classes, self.counts) | class_shares(labels, classes)
        return figures


@dataclass(frozen=True, eq=False)
class Evenness(Measure):
    """`balance` and `balance_tv` of samples or of their features."""

    balance: Balance
    words: str
    featured: bool = False

    @property
    def n_real(self) -> int:
        return len(self.balance.fresh)

    @property
    def how(self) -> dict[str, str]:
        return dict.fromkeys(("balance", "balance_tv"), self.words)

    def __call__(self, shown: Shown) -> dict[str, float]:
        return self.balance(seen(shown, self.featured))


@dataclass(frozen=True, eq=False)
class Energy(Measure):
    """`energy_distance` of samples as they are, of no more than the first `most` of them."""

    distance: EnergyDistance
    most: int | None = None
    featured: bool = False

    @property
    def n_real(self) -> int:
        return len(self.distance.reference)

    @property
    def how(self) -> dict[str, str]:
        first = "" if self.most is None else f" of at most the first {self.most:,} fakes"
        return {"energy_distance": f"without square root, all pairs{first}"}

    def __call__(self, shown: Shown) -> dict[str, float]:
        return {"energy_distance": self.distance(shown.x[: self.most])}


def seen(shown: Shown, featured: bool) -> Tensor:
    """What a measure looks at: the feature vectors or the samples themselves, (n, *shape)."""
    if not featured:
        return shown.x
    assert shown.features is not None
    return shown.features.vectors


def counted(by: str, enough: float) -> dict[str, str]:
    """Words for the figures of classes, which count from a share `enough` of the samples on."""
    least = ">= 1 sample" if enough == 0 else f">= {enough * FEW:g} per 2,500 samples"
    return {
        "modes": f"{by}, {least} count{'s' * (enough == 0)}",
        "emptiest_mode": f"{by}, over the data's share",
        "mode_kl": f"{by}, against the data's shares, nats",
    }


def class_shares(labels: Tensor, classes: int) -> dict[str, float]:
    """class_<k>, the share of each class, where they are few enough to be read."""
    if classes > MOST_SHARES:
        return {}
    shares = (labels.bincount(minlength=classes).to("cpu", torch.float64) / labels.shape[0]).tolist()
    return {f"class_{k}": share for k, share in enumerate(shares)}
