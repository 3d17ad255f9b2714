"""How many of the data's modes a generator makes, and how evenly."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, check_whole
from .neighbours import NearestNeighbour

ENOUGH = 20 / 2500  # share of all samples that must fall on a mode for it to count
WITHIN = 3.0  # standard deviations from its centre


@torch.no_grad()
def mixture_modes(samples: Tensor, centres: Tensor, std: float, threshold: float | None = None) -> dict[str, float]:
    """Modes of a mixture of equal Gaussians that `samples` cover, after the usual 2-D protocol [srivastava2017].

    A sample is of high quality when it lies within 3 `std` of its nearest centre. A mode counts when at least
    `threshold` high-quality samples fall on it (None: 20 per 2,500 samples). samples (n, dim), centres (modes, dim).

    Returns modes (how many count), high_quality (share of samples), emptiest_mode (smallest count by nearest centre,
    all samples, over the even share n / modes) and mode_kl = sum_k p_k log(p_k modes), p by nearest centre, in nats.
    Raises InputError when there are no samples, or shapes do not fit.
    """
    n = _counted(samples)
    lookup = NearestNeighbour(centres)
    mode = lookup.assign(samples)
    offset = (samples.to(centres) - centres[mode]).flatten(1)
    good = torch.linalg.vector_norm(offset, dim=1) <= WITHIN * std
    counts = mode.bincount(minlength=lookup.size)
    good_counts = mode[good].bincount(minlength=lookup.size)
    even = torch.full((lookup.size,), 1.0 / lookup.size, dtype=torch.float64)
    return {
        "modes": _covered(good_counts, n, threshold),
        "high_quality": int(good.sum()) / n,
        **_evenness(counts, even),
    }


def class_modes(
    labels: Tensor, classes: int, reference_histogram: Tensor | None = None, threshold: float | None = None
) -> dict[str, float]:
    """Classes that fakes cover, by a classifier's labels (n,) int64 below `classes`.

    A class counts if at least `threshold` samples have its label (None: 20 per 2,500; Stacked MNIST's protocol is 1).
    reference_histogram (classes,) holds the real data's counts or shares q (None: even).

    Returns modes, emptiest_mode = min_k p_k / q_k and mode_kl = sum_k p_k log(p_k / q_k), in nats, p the fakes' shares.
    Raises InputError when there are no labels, one is out of range, or a class is empty in the reference.
    """
    n = _counted(labels)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(f"expected labels in 0..{classes - 1}, got {low}..{high}: fix the classifier")
    reference = torch.ones(classes) if reference_histogram is None else reference_histogram
    if reference.shape != (classes,) or not bool((reference > 0).all()):
        raise InputError(
            f"expected a reference histogram of {classes} classes, none of them empty, got {reference.tolist()}: "
            "leave out classes without real samples"
        )
    counts = labels.flatten().bincount(minlength=classes)
    return {"modes": _covered(counts, n, threshold), **_evenness(counts, _as_shares(reference))}


@torch.no_grad()
def expected_kl(shares: Tensor, n: int, against: Tensor | None = None, draws: int = 200, seed: int = 0) -> float:
    """mode_kl of n samples of a perfect generator, E[sum_k p_k log(p_k / q_k)], in nats: no model can get below it.

    shares (classes,) are the data's counts or shares, p the histogram of n independent draws from them; q is `against`,
    or the data's shares themselves (then about (classes - 1) / (2 n)). The mean over `draws` drawn with `seed`.
    Raises InputError when a class is empty in `against`, or n is below 1.
    """
    check_whole("n", n, 1)
    data = _as_shares(shares)
    reference = data if against is None else _as_shares(against)
    if not bool((reference > 0).all()):
        raise InputError("expected no empty class to compare with, got one: leave out classes without real samples")
    rng = np.random.default_rng(seed)
    p = torch.from_numpy(rng.multinomial(n, data.numpy(), size=draws) / n)
    return float(torch.special.xlogy(p, p / reference).sum(1).mean())


@torch.no_grad()
def served(counts: Tensor, reference: Tensor) -> tuple[float, float]:
    """The share of the data that fakes serve, and its standard error, from counts (parts,) of fakes and of reals.

    exp(-KL(p || q)) of the fakes' shares p of the parts of the data and the reals' shares q: 1 where fakes are as
    frequent everywhere as reals, 1/2 where they are evenly spread over half of the data and miss the other. The KL is
    less what independent draws of p = q have on average, (parts - 1)(1/n + 1/m) / 2 for n fakes and m reals, and not
    below 0; a part counts half a real sample more than it has, so that one without any has a finite price. The error
    is that of the mean log ratio over the fakes, and of the KL itself at p = q, whose mean does not vary there.
    Raises InputError when there are no fakes or no reals, or for counts of other parts.
    """
    if counts.shape != reference.shape or counts.ndim != 1:
        raise InputError(
            f"expected counts of the same parts, got {tuple(counts.shape)} and {tuple(reference.shape)}: count both "
            "the same way"
        )
    made, known = counts.tolist(), reference.tolist()  # a few numbers, for which an operation of torch's takes longer
    fakes, reals, parts = float(sum(made)), float(sum(known)), len(made)
    if fakes <= 0 or reals <= 0:
        raise InputError(f"expected fakes and reals, got {fakes:g} and {reals:g}: draw some")
    wider = reals + 0.5 * parts
    pairs = [(y / fakes, math.log(y / fakes / ((x + 0.5) / wider))) for y, x in zip(made, known, strict=True) if y > 0]
    kl = sum(p * ratio for p, ratio in pairs)
    spare = (parts - 1) / 2.0
    noise = 1.0 / fakes + 1.0 / reals
    variance = sum(p * (ratio - kl) ** 2 for p, ratio in pairs) / fakes + spare * noise**2
    share = math.exp(-max(0.0, kl - spare * noise))
    return share, share * math.sqrt(variance)


def _as_shares(shares: Tensor) -> Tensor:
    shares = shares.cpu().to(torch.float64)
    return shares / shares.sum()


def _counted(samples: Tensor) -> int:
    if samples.ndim == 0 or samples.shape[0] == 0:
        raise InputError("expected at least one sample to count modes of, got none: draw some")
    return samples.shape[0]


def _covered(counts: Tensor, n: int, threshold: float | None) -> int:
    enough = ENOUGH * n if threshold is None else threshold
    return int((counts >= max(enough, 1)).sum())  # a mode without a sample never counts


def _evenness(counts: Tensor, reference: Tensor) -> dict[str, float]:
    shares = counts.cpu().to(torch.float64)
    shares = shares / shares.sum()
    ratio = shares / reference
    kl = torch.special.xlogy(shares, ratio).sum()  # 0 log 0 = 0
    return {"emptiest_mode": float(ratio.min()), "mode_kl": max(float(kl), 0.0)}  # rounding
