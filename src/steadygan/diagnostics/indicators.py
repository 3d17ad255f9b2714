"""What one look at a critic says: its slope, its outputs, its hidden units, and where the fakes lie among reals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from .coverage import over_coverage
from .diversity import diversity
from .gradients import Sight, gradient_figures, norms_of
from .outputs import output_figures
from .weights import non_finite
from .yardstick import Yardstick

PAIRS = 256  # samples of each side of which all pairs are looked at
FEATURES = 128  # the same of D's features, which change from look to look


def indicators(
    sight: Sight,
    fake: Tensor,
    active: float,
    yardstick: Yardstick,
    held_out: Tensor | None = None,
    alone: bool = True,
) -> dict[str, float]:
    """The figures of D's slope and outputs and of where the fakes (m, *shape) lie, from a look at both sides.

    active: share of D's hidden units that are active. yardstick: what the fakes are held against, `PAIRS` of them.
    held_out: D's logits (k,) of real samples that it is not trained on. alone: each logit is of one fake, so that
    over-coverage can be told. steepness = mean ||grad_y d(y)|| times the reals' mean distance. What G receives is left
    to `gradient_figures`. Raises InputError for a sight without reals.
    """
    if sight.real is None:
        raise InputError("expected a look at both sides, got one without reals: pass real=")
    slopes = gradient_figures(norms_of(sight.slope))
    figures = {"d_gradient_mean": slopes["mean"], "d_gradient_max": slopes["max"], "dead_units": 1.0 - active}
    figures |= output_figures(sight.real.logits, sight.fake.logits, held_out)
    figures["non_finite"] = float(non_finite(sight.real.logits, sight.fake.logits, fake))
    if sight.fake_hidden is not None and sight.real_hidden is not None:
        try:
            figures["feature_diversity"] = diversity(sight.fake_hidden[:FEATURES], sight.real_hidden[:FEATURES])
        except InputError:  # D's features of all reals are alike: `dead_units` tells
            figures["feature_diversity"] = 0.0
    held = yardstick.figures(fake[:PAIRS])
    figures |= held.figures
    figures["steepness"] = slopes["mean"] * yardstick.spread
    if held.cells is not None and alone:
        n = min(held.cells.shape[0], sight.fake.logits.shape[0])  # parts of a batch's size may leave some fakes over
        cells = held.cells[:n]
        rho = over_coverage(sight.fake.logits[:n], cells, torch.ones(int(cells.max()) + 1))
        figures |= {} if rho is None else {"over_coverage": rho}
    return figures


def joined(sights: Sequence[Sight]) -> Sight:
    """Sights of parts as one of the whole."""
    if len(sights) == 1:
        return sights[0]
    first = sights[0]
    reals = [each.real.logits for each in sights if each.real is not None]
    hidden = [(each.fake_hidden, each.real_hidden) for each in sights]
    both = list(zip(*hidden, strict=True))
    fake_hidden, real_hidden = (
        torch.cat([h for h in side if h is not None]) if side[0] is not None else None for side in both
    )
    return Sight(
        torch.cat([each.received for each in sights]),
        torch.cat([each.slope for each in sights]),
        first.fake._replace(logits=torch.cat([each.fake.logits for each in sights]), features={}),
        None if first.real is None else first.real._replace(logits=torch.cat(reals), features={}),
        fake_hidden,
        real_hidden,
    )
