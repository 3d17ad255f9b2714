"""Kinds that were written down after the monitor's rules, and trained once: what it makes of runs that nobody has seen.

    python benchmarks/monitored_runs.py --added --out added
    python benchmarks/lead_time.py records --added added --write

No rule or threshold may be changed for what comes of them; a rule that is changed asks for other kinds here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import monitored_faults as faults
from monitored_kinds import FAST, HALF, Kind
from torch import nn

from steadygan.runs.run import Run


def last_layer(network: nn.Module) -> nn.Parameter:
    """The weights of the last layer."""
    return [own for own in network.parameters() if own.ndim > 1][-1]


def turned(run: Run) -> None:
    """D says the opposite of what it said."""
    last_layer(run.D).neg_()  # type: ignore[arg-type]


def lost(run: Run) -> None:
    """All fakes are one point."""
    last_layer(run.G_live).zero_()


def g_grows(k: int) -> float:
    """G's rate grows to 200 times itself, D's stays."""
    return float(200.0 ** (k / 5000))


def added() -> Iterator[Kind]:
    """Nine that should fail, and four that should not."""
    bad = partial(Kind, iterations=5000, seeds=4)
    hit = lambda i, act: partial(faults.at, iteration=i, act=act)  # noqa: E731
    yield bad("d-turned", "shock", "ring8/far", words=FAST, change=hit(3000, turned), fault=3000)
    yield bad("g-layer-lost", "shock", "grid25/far", iterations=6000, words=FAST, change=hit(4000, lost), fault=4000)
    yield bad("g-rate-grows", "poison", "ring8/far", words=FAST, change=partial(faults.paced, g=g_grows))
    yield bad("weight-decay", "settings", "ring8/r1", words=("optimizer.weight_decay=0.3", *FAST))
    yield bad("lsgan-d-rate", "settings", "ring8/lsgan", words=("lr_d=2e-2",))
    yield bad("one-gp-too-large", "settings", "ring8/wgan-gp", words=("penalty.one_gp.weight=3000",))
    narrow = ("generator.width=2", "generator.depth=1", *FAST)
    yield bad("swissroll-g-too-small", "network", "swissroll/r1", iterations=6000, words=narrow)
    yield bad("swissroll-few-samples", "data", "swissroll/nsgan", words=("data.n=24", *FAST))
    yield bad("digits-d-turned", "shock", "digits/r1", iterations=1500, words=HALF, change=hit(900, turned), fault=900)
    good = partial(Kind, group="healthy", iterations=6000, seeds=4)
    yield good("swissroll-far", recipe="swissroll/far", words=("lr_g=2e-3",))
    yield good("grid25-zero_gp", recipe="grid25/zero_gp", iterations=8000, words=FAST)
    yield good("gaussian-far", recipe="gaussian/far", words=("optimizer=adam", "lr_g=1e-3"))
    yield good("ring8-lsgan-r1", recipe="ring8/lsgan", words=("penalty.r1.weight=0.1", *FAST))
