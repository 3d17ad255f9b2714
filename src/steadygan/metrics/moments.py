"""Frechet and kernel distance, class score, precision and recall of features: torch-fidelity's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, NonFiniteError, check_whole

BLOCK_BYTES = 250_000_000  # of distances, their ranked copy and its indices; the peak is half as much again


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (dim,) and covariance (dim, dim), divided by n - 1, of n feature vectors, in float64."""

    mean: Tensor
    covariance: Tensor
    n: int

    @staticmethod
    def of(vectors: Tensor) -> Moments:
        """Those of `vectors` (n, dim); raises InputError for fewer than 2, NonFiniteError for NaN or infinite ones."""
        from torch_fidelity.metric_fid import fid_features_to_statistics

        n, dim = _checked("feature vectors", vectors, 2).shape
        found = fid_features_to_statistics(vectors.detach().cpu().double())
        covariance = torch.from_numpy(found["sigma"].reshape(dim, dim))  # of one feature it has no axes
        return Moments(torch.from_numpy(found["mu"]), covariance, n)


def frechet(a: Moments, b: Moments) -> float:
    """The Frechet distance of two sets of vectors, FID when they are Inception's [heusel2017, obukhov2020].

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), by the eigenvalues of S_a S_b. Rounding may leave a value just
    below 0, which is returned as it is. Raises InputError for moments of different length.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    if a.mean.shape != b.mean.shape:
        raise InputError(
            f"expected moments of equally many features, got {len(a.mean)} and {len(b.mean)}: use one network"
        )
    return float(fid_statistics_to_metric(_statistics(a), _statistics(b), verbose=False)[KEY_METRIC_FID])


def kernel_distance(
    fake: Tensor, real: Tensor, subsets: int = 100, size: int = 1000, seed: int = 2020
) -> dict[str, float]:
    """kid and kid_std, the mean and deviation over `subsets` of `size` vectors a side [binkowski2018, obukhov2020].

    Of each, the unbiased MMD^2 with the kernel (<x, y> / dim + 1)^3, in the vectors' dtype; it may be below 0.
    fake (n, dim), real (m, dim). Raises InputError for fewer than `size` of either, NonFiniteError for NaN or infinity.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    check_whole("subsets", subsets, 1)
    check_whole("size", size, 2)
    found = kid_features_to_metric(
        *_pair(fake, real, size), kid_subsets=subsets, kid_subset_size=size, rng_seed=seed, verbose=False
    )
    return {"kid": found[KEY_METRIC_KID_MEAN], "kid_std": found[KEY_METRIC_KID_STD]}


def class_score(logits: Tensor, splits: int = 10, seed: int = 2020, key: str = "inception_score") -> dict[str, float]:
    """`key` and `key`_std: exp(E KL(p(c|x) || p(c))), the Inception Score for Inception's classes [salimans2016].

    Mean and deviation over `splits` of the shuffled samples [obukhov2020]; p = softmax(logits), logits (n, classes):
    from 1 to the number of classes. Raises InputError for fewer samples than splits, NonFiniteError for NaN or infinite
    logits.
    """
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

    check_whole("splits", splits, 1)
    # a class so improbable that p is 0 would count as 0 log 0 = NaN where no sample of a split has it
    log_p = _checked("logits", logits, splits).detach().cpu().double().log_softmax(1).clamp(min=-600.0)
    found = isc_features_to_metric(log_p, splits, True, seed)
    return {key: found[KEY_METRIC_ISC_MEAN], f"{key}_std": found[KEY_METRIC_ISC_STD]}


def precision_recall(fake: Tensor, real: Tensor, k: int = 3) -> dict[str, float]:
    """Shares of fakes near reals and of reals near fakes [kynkaanniemi2019, obukhov2020].

    precision = share of fakes y with ||y - x|| <= r_k(x) for some real x, r_k(x) the distance from x to its k-th
    nearest other real; recall the same with fakes and reals exchanged. fake (n, dim), real (m, dim).
    Raises InputError for fewer than k + 1 of either, NonFiniteError for NaN or infinity.
    """
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    check_whole("k", k, 1)
    fake, real = _pair(fake, real, k + 1)
    rows = _rows(max(fake.shape[0], real.shape[0]), fake.element_size())
    precision, recall = calculate_precision_recall_part(fake, real, k, rows)
    return {"precision": precision, "recall": recall}


def _rows(columns: int, itemsize: int) -> int:
    """Rows of distances to all `columns` at a time: they are ranked in a copy, beside int64 indices."""
    return max(1, BLOCK_BYTES // (columns * (2 * itemsize + 8)))


def _statistics(moments: Moments) -> dict[str, Any]:
    return {"mu": moments.mean.numpy(), "sigma": moments.covariance.numpy()}


def _pair(fake: Tensor, real: Tensor, least: int) -> tuple[Tensor, Tensor]:
    fake, real = _checked("fake feature vectors", fake, least), _checked("real feature vectors", real, least)
    if fake.shape[1] != real.shape[1]:
        got = f"{fake.shape[1]} and {real.shape[1]}"
        raise InputError(f"expected fakes and reals of equally many features, got {got}: use one network")
    dtype = torch.promote_types(torch.promote_types(fake.dtype, real.dtype), torch.float32)
    return fake.detach().to("cpu", dtype), real.detach().to("cpu", dtype)


def _checked(what: str, x: Tensor, least: int) -> Tensor:
    if x.ndim != 2 or x.shape[1] == 0 or not x.is_floating_point():
        raise InputError(f"expected {what} (n, dim >= 1) of floats, got {x.dtype} {tuple(x.shape)}: convert them")
    if x.shape[0] < least:
        raise InputError(f"expected at least {least:,} {what}, got {x.shape[0]:,}: evaluate more samples")
    bad = int((~x.isfinite().all(1)).sum())
    if bad:
        raise NonFiniteError(f"{bad:,} of {x.shape[0]:,} {what} are not finite: fix the feature network")
    return x
