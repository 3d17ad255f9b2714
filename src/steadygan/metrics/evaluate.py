"""One call that measures fakes in every way that applies to their data, always against the same real samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ..errors import InputError, NonFiniteError
from .balance import Balance
from .distances import EnergyDistance
from .modes import class_modes, mixture_modes
from .nearest import NearestNeighbour

Fresh: TypeAlias = Callable[[int, torch.Generator], Tensor]

CELLS = 1000  # real samples that stand for an unlimited training set
MOST_CELLS = 2000  # training samples that fakes are assigned to: beyond it most cells of 10,000 fakes are nearly empty
QUALITY_QUANTILE = 0.99

BETTER: dict[str, Literal["higher", "lower", "one"]] = {
    "modes": "higher",
    "high_quality": "higher",
    "emptiest_mode": "higher",
    "mode_kl": "lower",
    "balance": "one",  # as even as real data: less is collapse, more is spread where real data is not
    "balance_tv": "lower",
    "energy_distance": "lower",
}


def best(name: str, values: Iterable[float]) -> int:
    """Index of the best of `values` of the metric `name`, the first of equals; NaN never wins unless all are NaN.

    Raises InputError for a metric without a better side, or no values.
    """
    if name not in BETTER:
        raise InputError(f"expected a metric with a better side, got {name!r}: choose from {', '.join(BETTER)}")
    known = list(values)
    if not known:
        raise InputError(f"expected at least one value of {name} to choose from, got none: evaluate once")
    return min(range(len(known)), key=lambda index: _badness(name, known[index]))  # min keeps the first of equals


def _badness(name: str, value: float) -> tuple[bool, float]:
    if math.isnan(value):
        return True, 0.0
    side = BETTER[name]
    return False, -value if side == "higher" else value if side == "lower" else abs(value - 1.0)


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Measures samples (n, *shape) with fixed real references, so that every evaluation of a run is comparable.

    Which figures come out depends on what is known of the data: `modes`, `high_quality`, `emptiest_mode`, `mode_kl` for
    mixtures of Gaussians and for data with held-out classes (these also `class_<k>`, the share of each class), always
    `balance`, `balance_tv` and `energy_distance`. `protocol` says how, in words, and belongs beside every figure.
    Make one with `Evaluator.build`.
    """

    balance: Balance
    energy: EnergyDistance
    centres: Tensor | None
    std: float | None
    held: NearestNeighbour | None  # held-out samples, with their classes if they have any
    class_counts: Tensor | None
    near: float | None  # distance to held-out data that 99 % of the training samples keep
    n: int
    protocol: str

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
    ) -> Evaluator:
        """The evaluator for data given as its parts; `n` samples are what it should be shown.

        train (k, *shape): training samples; None when they are unlimited, and CELLS = 1,000 real ones stand for them.
        fresh: (count, generator) -> real samples that training never sees; not asked when there is `held_out` data.
        When both are None, half of the training samples, drawn once, stand for fresh ones and the others are the
        cells. Everything is drawn on the CPU from `seed`, so the references are the same on every device. device:
        where to measure; None: where `train` is, else the CPU. Raises InputError when there is no real data at all,
        or `n` is below 1.
        """
        if n < 1:
            raise InputError(f"expected at least 1 sample to evaluate, got n={n}: raise n")
        if device is None:
            device = "cpu" if train is None else train.device
        device = torch.device(device)
        generator = torch.Generator().manual_seed(seed)
        *drawn, words = _references(train, fresh, held_out, n, generator)
        cells, real, target = (part.to(device, torch.float32) for part in drawn)
        told = [f"n={n:,} fakes", words]
        held = counts = near = None
        if centres is not None and std is not None:
            centres = centres.to(device, torch.float32)
            told.append("modes: >= 20 per 2,500 samples within 3 std of a centre; emptiest by nearest centre")
        else:
            centres = std = None
        if held_out is not None:
            label = None if held_out_label is None else held_out_label.to(device)
            held = NearestNeighbour(held_out.to(device, torch.float32), label)
            if train is not None:
                known = held.distance(train.to(device, torch.float32))
                near = float(torch.quantile(known.cpu().to(torch.float64), QUALITY_QUANTILE))
                if centres is None:
                    told.append(f"high quality: within {near:.4g} of a held-out sample, as 99 % of the training set")
            if label is not None and centres is None:
                counts = label.bincount()
                told.append(f"classes: nearest of {len(label):,} held-out samples, >= 20 per 2,500 samples count")
        told.append(f"energy distance without square root to {target.shape[0]:,} real samples, all pairs")
        return Evaluator(
            balance=Balance(cells, real),
            energy=EnergyDistance(target),
            centres=centres,
            std=std,
            held=held,
            class_counts=counts,
            near=near,
            n=n,
            protocol="; ".join([*told, f"reference seed {seed}"]),
        )

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> dict[str, float]:
        """The figures of samples (n, *shape); raises NonFiniteError when one of them is NaN or infinite."""
        samples = samples.detach().to(self.balance.training)
        bad = int((~samples.flatten(1).isfinite().all(1)).sum()) if samples.ndim > 1 else 0
        if bad:
            raise NonFiniteError(f"{bad} of {samples.shape[0]} generated samples are not finite: nothing to measure")
        figures = {**self._modes(samples), **self.balance(samples)}
        figures["energy_distance"] = self.energy(samples)
        return figures

    def _modes(self, samples: Tensor) -> dict[str, float]:
        if self.centres is not None and self.std is not None:
            return mixture_modes(samples, self.centres, self.std)
        figures: dict[str, float] = {}
        if self.held is None:
            return figures
        nearest = self.held.assign(samples)
        if self.near is not None:
            good = self.held.distance(samples, nearest) <= self.near
            figures["high_quality"] = int(good.sum()) / samples.shape[0]
        if self.class_counts is not None:
            labels, classes = self.held.classify(samples, nearest), self.class_counts.shape[0]
            figures |= class_modes(labels, classes, self.class_counts)
            shares = (labels.bincount(minlength=classes).to("cpu", torch.float64) / labels.shape[0]).tolist()
            figures |= {f"class_{k}": share for k, share in enumerate(shares)}
        return figures


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
    words = f"balance: {len(cells):,} {whose} samples, against {len(real):,} {kind} ones in equal numbers"
    return cells, real, real, words


def _halves(train: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, str]:
    if train.shape[0] < 2:
        raise InputError("expected at least 2 training samples to measure against, got 1: give more data")
    order = torch.randperm(train.shape[0], generator=generator).to(train.device)
    half = train.shape[0] // 2
    cells, others = train[order[:half][:MOST_CELLS]], train[order[half:][:n]]
    words = f"balance: {len(cells):,} training samples, against {len(others):,} others in equal numbers"
    return cells, others, train[order[:n]], words


def _some(train: Tensor, most: int, generator: torch.Generator) -> Tensor:
    if train.shape[0] <= most:
        return train
    return train[torch.randperm(train.shape[0], generator=generator)[:most].to(train.device)]
