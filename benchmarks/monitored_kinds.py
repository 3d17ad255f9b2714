"""The kinds of runs that the collapse monitor is judged by: failing ones of five groups, and healthy ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, zip_longest
from typing import Any, Literal

import monitored_faults as faults
import monitored_points as points
import torch
from monitored_loop import Loop
from torch import Tensor, nn

import steadygan as sg
from steadygan.config import override
from steadygan.config.optimisation import Linear
from steadygan.data import Source
from steadygan.recipes import RECIPES
from steadygan.recipes.build import trainer

Group = Literal["shock", "poison", "settings", "network", "data", "healthy"]
RHYTHM = {"": (200, 200, 2500), "digits": (100, 100, 1000), "mnist": (200, 200, 1000), "cifar10": (200, 1000, 1000)}
LONG = 10_000  # iterations from which points are evaluated every thousandth only
SHORT = 20_000  # below it compiling would not be thought worth while for one run, and is for eight kinds of them
FAST = ("lr_g=3e-3",)
HALF = ("generator.width=16", "discriminator.width=16")  # of digits: half the time
RELU = "discriminator.activation=relu"


@dataclass(frozen=True)
class Kind:
    """Runs of one kind: a recipe with some settings changed, and what a change of the trainer makes of it.

    fault: the iteration after which something sudden happens; change_at: after which the data are other ones.
    own: makes the trainer in place of a recipe; reals: sources whose fresh samples the truth is told by, before and
    after the data change, in place of the trainer's own; loop: a plain loop in place of a trainer.
    """

    name: str
    group: Group
    recipe: str
    iterations: int
    words: tuple[str, ...] = ()
    change: faults.Change | None = None
    fault: int | None = None
    change_at: int | None = None
    own: Callable[[Kind, int], sg.Trainer] | None = None
    reals: Callable[[], tuple[Source, ...]] | None = None
    loop: Loop | None = None
    scale: str = "full"
    seeds: int = 8
    note: str = ""

    @property
    def failing(self) -> bool:
        """Whether it is meant to fail."""
        return self.group != "healthy"

    @property
    def data(self) -> str:
        """ring8, of ring8/far."""
        return self.recipe.split("/")[0]

    @property
    def image(self) -> bool:
        """Whether it makes images."""
        return self.data in ("digits", "mnist", "cifar10")

    @property
    def rhythm(self) -> tuple[str, ...]:
        """How often it is looked at and evaluated, as settings."""
        log, evaluate, n = RHYTHM.get(self.data, RHYTHM[""])
        if self.iterations >= LONG:
            evaluate = 1000
        compiled = () if self.image or self.iterations >= SHORT else ("compile=on",)
        return f"log_every={log}", f"evaluate.every={evaluate}", f"evaluate.n={n}", *compiled

    def build(self, seed: int) -> sg.Trainer:
        """The trainer of one seed; nothing is written."""
        made = self.trainer(seed) if self.own is None else self.own(self, seed)
        if self.change is not None:
            self.change(made)
        return made

    def trainer(self, seed: int, data: Source | None = None) -> sg.Trainer:
        """The recipe's, with the words."""
        words = ["threads=1", f"seed={seed}", f"horizon={self.iterations}", *self.rhythm, *self.words]
        return trainer(override(RECIPES[self.recipe](scale=self.scale), words), data=data)

    def sources(self) -> tuple[Source, ...]:
        """Whose fresh samples the truth is told by: one source, or those before and after the data change."""
        return (self.build(0).setup.source,) if self.reals is None else self.reals()


# --- trainers of the harness's own


def conditional(kind: Kind, seed: int, deaf: bool = False, shuffled: bool = False) -> sg.Trainer:
    """G and D that are told the mode."""
    return sg.Trainer(
        faults.Told(2, 2, 8, deaf),
        faults.Told(2, 1, 8),
        points.with_classes(shuffled),
        latent_dim=2,
        penalties=[sg.penalties.r1(0.1)],
        optimizer=lambda p, lr: torch.optim.Adam([*p], lr, betas=(0.5, 0.9)),
        lr_g=3e-3,
        schedule=Linear(start=0.5, end=0.0),
        horizon=kind.iterations,
        seed=seed,
        threads=1,
        compile="on",
        evaluate_n=2500,
        log_every=200,
        evaluate_every=200,
    )


def example(kind: Kind, seed: int) -> sg.Trainer:
    """The trainer of the README's example with modules of one's own."""
    G = nn.Sequential(nn.Linear(8, 64), nn.LeakyReLU(0.2), nn.Linear(64, 3))
    D = nn.Sequential(nn.Linear(3, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    far = sg.methods.FakeAsReal(count=8)
    return sg.Trainer(
        G,
        D,
        replace(points.correlated(), sampler=None),
        latent_dim=8,
        penalties=[sg.penalties.r1(0.1)],
        method=far,
        seed=seed,
        threads=1,
        compile="on",
        evaluate_n=2500,
    )


def own_points(kind: Kind, seed: int) -> sg.Trainer:
    """Points of the user's, standardised as a file's are."""
    return kind.trainer(seed, replace(points.correlated(), sampler=None).standardised())


# --- the kinds


def shocks() -> Iterator[Kind]:
    """Something happens once."""
    shock = partial(Kind, group="shock")
    hit = lambda i, act: partial(faults.at, iteration=i, act=act)  # noqa: E731
    yield shock("g-shaken", recipe="ring8/far", iterations=5000, change=hit(4000, faults.shaken), fault=4000)
    late = partial(shock, recipe="ring8/far", iterations=5000)
    words = ("schedule=constant", "ema.decay=0.9995", "lr_g=2e-3")  # G comes back fast, its average slowly
    yield late("g-shocked-average", words=words, change=hit(4000, faults.shaken), fault=4000)
    twice = partial(faults.shaken, factor=2.0)
    yield late("g-shaken-late", change=hit(4600, twice), fault=4600, note="too late for G to come back")
    yield shock("d-reset", recipe="ring8/nsgan", iterations=5000, change=hit(3000, faults.begun_anew), fault=3000)
    frozen = partial(faults.paced, d=lambda k: float(k < 2500))
    yield shock("d-frozen-half-way", recipe="ring8/r1", iterations=5000, words=FAST, change=frozen, fault=2500)
    early = partial(faults.paced, g=lambda k: float(k < 1000))
    yield shock("g-frozen-early", recipe="grid25/r1", iterations=6000, change=early, fault=1000)
    spike = partial(faults.spiked, length=50, times=20.0)
    yield shock(
        "rate-spike-50", recipe="ring8/r1", iterations=5000, words=FAST, change=partial(spike, start=3100), fault=3100
    )
    yield shock(
        "rate-spike-50-digits",
        recipe="digits/far",
        iterations=1500,
        words=HALF,
        change=partial(spike, start=850),
        fault=850,
    )
    yield shock(
        "dead-d-half-way",
        recipe="ring8/r1",
        iterations=5000,
        words=(RELU, *FAST),
        change=hit(2400, faults.killed),
        fault=2400,
    )
    jolt = partial(faults.jolted, amount=0.5)
    yield shock("d-noise", recipe="ring8/r1", iterations=5000, words=FAST, change=hit(3000, jolt), fault=3000)
    lost = partial(faults.forgetful, iteration=3000, times=10.0)
    yield shock("optimiser-lost", recipe="ring8/nsgan", iterations=5000, change=lost, fault=3000)


def poisons() -> Iterator[Kind]:
    """Something gets worse little by little."""
    poison = partial(Kind, group="poison", iterations=5000)
    steady = "schedule=constant"
    yield poison("rates-grow", recipe="ring8/r1", words=(steady,), change=partial(faults.growing, times=100.0))
    fades = partial(faults.changing_penalty, end=1e-5, horizon=5000)
    yield poison("penalty-fades", recipe="ring8/r1", words=("data.n=64", steady, *FAST), change=fades)
    grows = partial(faults.changing_penalty, end=1e6, horizon=5000)
    yield poison("penalty-grows", recipe="ring8/r1", words=(steady, *FAST), change=grows)
    trembling = partial(faults.paced, tremble=lambda k: 0.02 * max(0, k - 1000) / 4000)
    yield poison("g-trembles", recipe="ring8/r1", words=FAST, change=trembling)

    def three(source: Source, position: Tensor, iteration: Tensor, x: Tensor) -> Tensor:
        assert source.centres is not None
        gone = faults.coin(position) < iteration / 5000
        return torch.where(gone[:, None], source.centres[position % 3], x)

    yield poison("reals-become-three", recipe="ring8/r1", words=FAST, change=partial(faults.turned, turn=three))
    yield poison("n0-grows", recipe="ring8/r1", words=FAST, change=partial(faults.more_and_more, horizon=5000))
    slows = partial(faults.paced, d=lambda k: max(0.0, 1.0 - k / 2500))
    yield poison("d-slows", recipe="ring8/r1", words=(steady, *FAST), change=slows)


def settings() -> Iterator[Kind]:
    """What somebody may have set."""
    bad = partial(Kind, group="settings", iterations=5000)
    yield bad("rates-too-high", recipe="ring8/nsgan", words=("lr_g=2e-2",))
    yield bad("d-rate-too-high", recipe="ring8/nsgan", words=("lr_d=2e-2",))
    yield bad("g-rate-too-high", recipe="ring8/r1", words=("lr_g=2e-2", "lr_d=1e-3"))
    yield bad("momentum", recipe="ring8/nsgan", words=("optimizer.betas=[0.9,0.9]", "lr_g=5e-3"))
    yield bad("few-samples", recipe="ring8/nsgan", words=("data.n=64",))
    yield bad("few-samples-grid", recipe="grid25/nsgan", iterations=8000, words=("data.n=125", *FAST))
    yield bad("48-of-64", recipe="ring8/far", words=("method.fake_as_real.count=48",))
    yield bad("lambda-too-large", recipe="ring8/r1", words=("penalty.r1.weight=1e5",))
    seldom = partial(faults.paced, d=lambda k: float(k < 3 or k % 10 == 9))
    yield bad("one-d-step-of-ten", recipe="ring8/nsgan", change=seldom)
    yield bad("batch-of-four", recipe="grid25/nsgan", iterations=6000, words=("batch_size=4", *FAST))
    yield bad("minimax", recipe="ring8/nsgan", words=("loss=minimax", "d_steps=5"))
    yield bad("wgan-free", recipe="ring8/wgan", words=("constraint.weight_clipping=none", "lr_g=1e-2"))
    yield bad("wgan-clipped-small", recipe="ring8/wgan", words=("constraint.weight_clipping.c=0.005",))
    yield bad("hinge-few-samples", recipe="grid25/hinge", iterations=8000, words=("data.n=100", *FAST))
    yield bad("zero-gp-too-large", recipe="ring8/zero_gp", words=("penalty.zero_gp.weight=3000",))
    yield bad("digits-rates-too-high", recipe="digits/nsgan", iterations=1500, words=(*HALF, "lr_g=1e-2"))
    yield bad("digits-lambda-too-large", recipe="digits/r1", iterations=1500, words=(*HALF, "penalty.r1.weight=1e5"))
    yield bad("mnist-rates-too-high", recipe="mnist/nsgan", iterations=1000, words=("lr_g=1e-2",), scale="small")
    yield bad("ring8-nsgan-full", recipe="ring8/nsgan", iterations=30_000, note="trained by the README")
    yield bad("grid25-nsgan-full", recipe="grid25/nsgan", iterations=40_000, note="trained by the README")
    plain = partial(bad, recipe="ring8/plain loop", iterations=3000)
    yield plain("loop-rates-too-high", loop=Loop(lr_g=2e-2, lr_d=2e-2))
    yield plain("loop-dead-d-half-way", loop=Loop(3e-3, 3e-3, r1=0.1, activation="relu", d_until=1401), fault=1400)
    yield plain("loop-minimax", loop=Loop(minimax=True, d_steps=3), iterations=2000)
    yield plain("loop-g-frozen", loop=Loop(3e-3, 3e-3, r1=0.1, g_until=401), fault=400)


def networks() -> Iterator[Kind]:
    """Networks that cannot do it."""
    bad = partial(Kind, group="network", iterations=5000)
    yield bad("d-too-small", recipe="ring8/nsgan", words=("discriminator.width=4", "discriminator.depth=1"))
    dead = partial(faults.at, iteration=0, act=faults.killed)
    yield bad("dead-d", recipe="ring8/r1", words=(RELU,), change=dead, fault=0)
    yield bad(
        "g-too-small", recipe="grid25/r1", iterations=6000, words=("generator.width=3", "generator.depth=1", *FAST)
    )
    yield bad("g-of-three", recipe="ring8/r1", words=FAST, change=faults.of_three)
    tiny = ("latent_dim=1", "generator.width=4", "generator.depth=1")
    yield bad("g-of-one-number", recipe="grid25/r1", iterations=6000, words=(*tiny, *FAST))
    dropped = partial(faults.dropped, share=0.9)
    yield bad("d-drops", recipe="ring8/nsgan", iterations=2400, words=FAST, change=dropped)
    yield bad("d-saturates", recipe="ring8/nsgan", change=partial(faults.judged_by, after=faults.steep))
    yield bad("d-sigmoid", recipe="ring8/nsgan", change=partial(faults.judged_by, after=torch.sigmoid))
    told = partial(bad, recipe="ring8/conditional", reals=lambda: (points.ring(),))
    yield told("g-ignores-class", own=partial(conditional, deaf=True))
    yield told("classes-shuffled", own=partial(conditional, shuffled=True))


def sets() -> Iterator[Kind]:
    """Data that no settings are right for."""
    bad = partial(Kind, group="data", iterations=5000)
    yield bad("unscaled", recipe="ring8/nsgan", change=lambda made: faults.given(made, points.larger(100.0)))
    yield bad(
        "outliers",
        recipe="ring8/r1",
        words=FAST,
        change=lambda made: faults.given(made, points.with_outliers(0.01, 100.0)),
    )
    yield bad(
        "repeated",
        recipe="ring8/nsgan",
        change=lambda made: faults.given(made, points.repeated()),
        reals=lambda: (points.ring(),),
    )


def healthy() -> Iterator[Kind]:
    """Runs that learn what they are shown."""
    good = partial(Kind, group="healthy", iterations=5000)
    yield good("ring8-r1", recipe="ring8/r1", words=FAST)
    yield good("ring8-far", recipe="ring8/far", words=("lr_g=2e-3",))
    yield good("ring8-zero_gp", recipe="ring8/zero_gp", words=("lr_g=2e-3",))
    yield good("ring8-rpgan", recipe="ring8/rpgan", words=("lr_g=2e-3",))
    yield good("ring8-dragan", recipe="ring8/dragan", words=("lr_g=2e-3",))
    yield good("ring8-wgan-gp", recipe="ring8/wgan-gp")
    yield good("ring8-hinge-sn", recipe="ring8/sngan")
    grid = partial(good, iterations=8000, words=FAST)
    yield grid("grid25-r1", recipe="grid25/r1")
    yield grid("grid25-far", recipe="grid25/far")
    yield grid("grid25-rpgan", recipe="grid25/rpgan")
    yield good("swissroll-r1", recipe="swissroll/r1", iterations=6000)
    yield good("gaussian-r1", recipe="gaussian/r1", words=("optimizer=adam", "lr_g=1e-3"))
    yield good("slow", recipe="ring8/r1", words=("lr_g=6e-4",))
    yield good("noisy", recipe="ring8/r1", words=("batch_size=16", *FAST))
    yield good("young", recipe="ring8/r1", iterations=600, words=("log_every=10", "evaluate.every=10", *FAST))
    shares = (0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05)
    yield good(
        "uneven-modes", recipe="ring8/r1", words=FAST, change=lambda made: faults.given(made, points.uneven(*shares))
    )
    nine = (0.9, *[0.1 / 7] * 7)
    yield good(
        "one-mode-90", recipe="ring8/r1", words=FAST, change=lambda made: faults.given(made, points.uneven(*nine))
    )

    def drop(source: Source, position: Tensor, iteration: Tensor, x: Tensor) -> Tensor:
        return torch.where((iteration >= 2500)[:, None], points.halved(x), x)

    def add(source: Source, position: Tensor, iteration: Tensor, x: Tensor) -> Tensor:
        return torch.where((iteration >= 2500)[:, None], points.doubled(position, x), x)

    def joined(made: sg.Trainer) -> None:
        faults.given(made, points.half_ring())
        faults.turned(made, add)

    yield good(
        "data-drop",
        recipe="ring8/r1",
        words=FAST,
        change=partial(faults.turned, turn=drop),
        change_at=2500,
        reals=lambda: (points.ring(), points.half_ring()),
    )
    yield good(
        "data-add",
        recipe="ring8/r1",
        words=FAST,
        change=joined,
        change_at=2500,
        reals=lambda: (points.half_ring(), points.ring()),
    )
    yield good("ring8-conditional", recipe="ring8/conditional", own=conditional, reals=lambda: (points.ring(),))
    plain = partial(good, recipe="ring8/plain loop", iterations=3000)
    yield plain("loop-r1", loop=Loop(3e-3, 3e-3, r1=0.1))
    yield plain("loop-wgan-gp", loop=Loop(wasserstein=True, one_gp=0.1, d_steps=2), iterations=2000)
    digits = partial(good, iterations=1500, words=HALF)
    yield digits("digits-far", recipe="digits/far")
    yield digits("digits-r1", recipe="digits/r1")
    yield digits("digits-sngan", recipe="digits/sngan")
    yield digits("digits-conditional", recipe="digits/far", words=(*HALF, "conditional=true"))
    yield good("mnist-far", recipe="mnist/far", iterations=1000, scale="small")


def readme() -> Iterator[Kind]:
    """What the README trains, as long as it trains it; its runs without a remedy stand among `settings`."""
    good = partial(Kind, group="healthy", note="trained by the README")
    yield good(
        "readme-own-modules", recipe="own/far", iterations=2000, own=example, reals=lambda: (points.correlated(),)
    )
    yield good("ring8-far-full", recipe="ring8/far", iterations=30_000)
    other = ("loss=hinge", "penalty.r1.weight=0.3", "method.fake_as_real.count=16", "lr_d=2e-4")
    yield good("ring8-far-hinge-full", recipe="ring8/far", iterations=30_000, words=other)
    yield good("grid25-far-full", recipe="grid25/far", iterations=40_000)
    yield good("grid25-r1-full", recipe="grid25/r1", iterations=40_000)
    yield good("points-far-full", recipe="points/far", iterations=20_000, own=own_points, reals=points.standardised)
    two = partial(good, seeds=2, note="trained by the README; two seeds, as eight take over ten minutes")
    yield two("digits-far-full", recipe="digits/far", iterations=6000)
    yield two("cifar10-far-small-full", recipe="cifar10/far", iterations=4000, scale="small")
    yield two("mnist-far-full", recipe="mnist/far", iterations=8000)


def kinds() -> list[Kind]:
    """All of them in the order in which they are trained: short ones on points, failing and healthy in turns, first."""
    failing = [*chain(shocks(), poisons(), settings(), networks(), sets())]
    turns = [kind for pair in zip_longest(failing, healthy()) for kind in pair if kind is not None]
    return sorted([*turns, *readme()], key=_when)


def _when(kind: Kind) -> tuple[Any, ...]:
    return kind.iterations >= LONG or "README" in kind.note, kind.data in ("mnist", "cifar10"), kind.image


def table() -> str:
    """The kinds in one table."""
    rows = [("kind", "group", "recipe", "iterations", "seeds", "fault", "settings and notes")]
    for kind in kinds():
        at = kind.fault if kind.fault is not None else kind.change_at
        words = "; ".join(filter(None, [" ".join(kind.words), kind.note]))
        rows.append(
            (
                kind.name,
                kind.group,
                kind.recipe,
                f"{kind.iterations:,}",
                str(kind.seeds),
                "" if at is None else f"{at:,}",
                words,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(row[:6], widths, strict=True)), row[6]]).rstrip() for row in rows
    )
