"""What D's logits and losses show: separation, memorisation, distance from equilibrium."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Output

SATURATED = 10.0  # |d| beyond which sigmoid's slope is below 5e-5


def output_figures(real: Tensor, fake: Tensor, held_out: Tensor | None = None) -> dict[str, float]:
    """How far apart D's logits of real (n,), fake (m,) and held-out real samples (k,) lie [thanhtung2019].

    accuracy_real, accuracy_fake, accuracy_held_out: the share of logits on the right side of 0. A logit of 0 counts as
    one half, so a D that returns 0 for everything gets 1/2 each, instead of being always wrong. logit_gap = mean
    d(real) - mean d(fake). saturation: the share of real and fake logits with |d| > 10. separation = (mean d(real) -
    mean d(fake)) / s, and overfitting_gap = (mean d(real) - mean d(held out)) / s. s^2 is the pooled variance of the
    two groups: the sum of squared deviations from each group's own mean over the total number less 2. They are 0 where
    s and the difference are 0, and infinite where only s is.

    Without held-out samples, accuracy_held_out and overfitting_gap are absent; with one logit per group, so are
    separation and gap. Non-finite logits give NaN or infinity: NaN is on neither side, infinity is on one. Raises
    InputError when one of the groups is empty.
    """
    d_real, d_fake = _logits(real, "real"), _logits(fake, "fake")
    figures = {"accuracy_real": _share_above(d_real), "accuracy_fake": _share_above(-d_fake)}
    if held_out is not None:
        d_held_out = _logits(held_out, "held-out real")
        figures["accuracy_held_out"] = _share_above(d_held_out)
        if d_real.shape[0] + d_held_out.shape[0] > 2:
            figures["overfitting_gap"] = _standardised(d_real, d_held_out)
    figures["logit_gap"] = float(d_real.mean() - d_fake.mean())
    if d_real.shape[0] + d_fake.shape[0] > 2:
        figures["separation"] = _standardised(d_real, d_fake)
    figures["saturation"] = _share_above(torch.cat([d_real, d_fake]).abs() - SATURATED, tie=0.0)
    return figures


def head_figures(real: Output, fake: Output) -> dict[str, float]:
    """separation/HEAD for each head of a D that has several: reals over fakes, in deviations of the head's logits."""
    x, y = real.of_heads(), fake.of_heads()
    wide = {name: (_logits(own, "real"), _logits(y[name], "fake")) for name, own in x.items() if name in y}
    return {f"separation/{name}": _standardised(*own) for name, own in wide.items() if sum(map(len, own)) > 2}


def _logits(logits: Tensor, name: str) -> Tensor:
    wide = logits.detach().flatten().to("cpu", torch.float64)
    if wide.shape[0] == 0:
        raise InputError(f"expected at least one {name} logit, got none: score one sample or more")
    return wide


def _share_above(values: Tensor, tie: float = 0.5) -> float:
    """The share of values above 0, one of 0 counting `tie`; NaN when one is."""
    above = torch.heaviside(values, values.new_tensor(tie))
    return float(torch.where(values.isnan(), values, above).mean())


def _standardised(a: Tensor, b: Tensor) -> float:
    """(mean a - mean b) / s. Seen from each group's first value: rounding may not tell equal logits apart."""
    off_a, off_b = a - a[0], b - b[0]
    difference = float(a[0] - b[0] + off_a.mean() - off_b.mean())
    squares = float((off_a - off_a.mean()).square().sum() + (off_b - off_b.mean()).square().sum())
    deviation = math.sqrt(squares / (a.shape[0] + b.shape[0] - 2))
    if deviation == 0.0:
        return 0.0 if difference == 0.0 else math.copysign(math.inf, difference)
    return difference / deviation


def off_equilibrium(loss: float | None, equilibrium: float | None) -> float | None:
    """(L - e) / |e| of a loss L, without penalties, and its value e at p_G = p_data; L - e where e = 0.

    In units of |e|, so that all losses are comparable. For D, a value below 0 means that it separates the sides better
    than it could if they were equal, above 0 that it does worse than guessing [goodfellow2014]. None where the loss is
    unknown or has no fixed equilibrium. A loss that is NaN or infinite gives the same.
    """
    if loss is None or equilibrium is None:
        return None
    return (loss - equilibrium) / abs(equilibrium) if equilibrium != 0.0 else loss - equilibrium
