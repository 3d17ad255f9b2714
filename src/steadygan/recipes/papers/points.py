"""The papers' runs on points in the plane [tao2020, thanhtung2019]: small networks, which two cores train in full."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ...config import Settings
from ...config.data import Gaussian, Grid25, MadePoints, Ring8, Swissroll, TwoGaussians, TwoGaussiansFake
from ...config.networks import Mlp, MlpDiscriminator
from ...config.optimisation import Constant, Evaluate
from ...config.parts import FakeAsRealSettings, GradientPenaltySettings, Methods, Penalties
from ..bases import POINT_BASES, sgd
from .fargan import CONTROLS, control_claims, counted
from .table import Claim, PaperTable, Row, enrol, enrol_rows

FAR_MODES = Ring8(scale=10.0)
SHORTER = 10  # times, for two cores
KINDS = {
    "none": "no penalty",
    "r1": "0-GP-sample, r1",
    "one_gp": "1-GP",
    "zero_gp": "0-GP between reals and fakes",
    "far": "fake-as-real and r1",
}


def plain(data: MadePoints, horizon: int, **changes: Any) -> Settings:
    """Gradient descent at 0.003 without an average, with batches of 64 unless told otherwise; 100 measurements."""
    every = horizon // 100
    rhythm = {"evaluate": Evaluate(every=every), "checkpoint_every": horizon // 10, "log_every": every // 2}
    return sgd(**{"data": data, "horizon": horizon, "ema": None, **rhythm, **changes})


def penalised(kind: str, weight: float = 10.0, **own: Any) -> dict[str, Any]:
    """The penalty of this name, or r1 and N0 = 16 fakes of 8 times as many as real."""
    name = {"none": "", "far": "r1"}.get(kind, kind)
    parts: dict[str, Any] = {"penalty": Penalties(**({name: GradientPenaltySettings(weight, **own)} if name else {}))}
    return parts | ({"method": Methods(fake_as_real=FakeAsRealSettings(16, 8))} if kind == "far" else {})


def fargan(data: MadePoints, kind: str, horizon: int) -> Settings:
    """FARGAN's toy setting: ReLU, k = 10 on the logit."""
    return plain(data, horizon, **penalised(kind))


def zero_gp(data: MadePoints, kind: str, weight: float, horizon: int, ttur: bool = False) -> Settings:
    """0-GP's: two layers of 512, batches of 128, the penalty on the probability; ttur: D learns three times as fast."""
    wide: dict[str, Any] = {"width": 512, "depth": 2, "activation": "relu"}
    networks = {"generator": Mlp(**wide), "discriminator": MlpDiscriminator(**wide)}
    rates = {"lr_d": 9e-3} if ttur else {}
    return plain(data, horizon, **networks, batch_size=128, **rates, **penalised(kind, weight, of="probability"))


def alone(kind: str, n: int, horizon: int) -> Settings:
    """0-GP's D on n samples of each of two Gaussians: two layers of 64 with tanh, batches of 20, Adam at 0.001."""
    every = horizon // 50
    return Settings(
        data=TwoGaussians(n=n),
        fakes=TwoGaussiansFake(n=n),
        generator=None,
        discriminator=MlpDiscriminator(width=64, depth=2, activation="tanh"),
        batch_size=20,
        **penalised(kind, 1.0, of="probability"),
        schedule=Constant(),
        horizon=horizon,
        ema=None,
        evaluate=Evaluate(every=every),
        checkpoint_every=horizon // 10,
        log_every=every // 2,
    )


def row(name: str, text: str, build: Any, horizon: int, *words: Any, **changes: Any) -> Row:
    """In full as published; for two cores a tenth as long."""
    full = partial(build, *words, horizon=horizon, **changes)
    return Row(name, text, full, partial(build, *words, horizon=horizon // SHORTER, **changes))


def dashed(kind: str) -> str:
    return kind.replace("_", "-")


def control(name: str, data: MadePoints, count: int, factor: int, horizon: int) -> Settings:
    """So many fakes of `factor` times as many counted as real: the far modes as FARGAN trains them, else as `name`."""
    far = Methods(fake_as_real=FakeAsRealSettings(count, factor)) if count else Methods()
    if name == "ring8":
        return replace(fargan(data, "r1", horizon), method=far)
    base = POINT_BASES[name]
    r1 = Penalties(r1=GradientPenaltySettings(weight=base.weight))
    every = Evaluate(every=max(1, horizon // 40))
    return base.but(horizon=horizon, ema=None, penalty=r1, method=far, evaluate=every, checkpoint_every=horizon // 10)


CONTROLLED: dict[str, tuple[MadePoints, int]] = {"ring8": (FAR_MODES, 200_000), "grid25": (Grid25(), 40_000)}


def controls(data: str) -> tuple[tuple[Row, ...], tuple[Claim, ...]]:
    """Figure 7's rows on points, and what the paper says of them on photographs."""
    (made, horizon), rows = CONTROLLED[data], []
    for count, factor in CONTROLS:
        kind = (
            "n0" if not count else "f8" if (count, factor) == (32, 8) else f"f{factor}" if count == 32 else f"n{count}"
        )
        rows.append(
            Row(
                f"{data}-{kind}",
                f"{data}, nonsaturating and r1: {counted(count, factor)}",
                partial(control, data, made, count, factor, horizon),
                partial(control, data, made, count, factor, horizon // 2),
            )
        )
    return tuple(rows), control_claims(data, data, "n0", "f8")


RING, GRID = controls("ring8"), controls("grid25")
enrol(
    PaperTable(
        "fargan-figure7-points",
        "the same on points: a ring of 8 far modes, a grid of 25",
        "fargan",
        "tao2020",
        "energy_distance",
        RING[0] + GRID[0],
        RING[1] + GRID[1],
        (
            "the paper trains CIFAR-10 here; the ring is trained as its figure 2, the grid as grid25/far",
            "both rows of a claim are trained alike, so that what differs is the choice",
        ),
    )
)
GAUSSIANS = tuple(
    row(f"gaussian-{dashed(kind)}", f"100 samples of a Gaussian: {KINDS[kind]}", fargan, 200_000, Gaussian(n=100), kind)
    for kind in ("none", "r1", "zero_gp", "far")
)
RINGS = tuple(
    row(f"ring8-{dashed(kind)}{'-ttur' * ttur}", f"8 Gaussians, far apart: {KINDS[kind]}{', TTUR' * ttur}",
        zero_gp, 20_000, FAR_MODES, kind, 10.0, ttur=ttur)
    for kind, ttur in (("none", False), ("none", True), ("zero_gp", False), ("zero_gp", True), ("one_gp", False),
                       ("r1", False))
)  # fmt: skip
SPIRALS = tuple(
    row(f"swissroll{'-scaled' * (scale > 1)}-{dashed(kind)}",
        f"a noisy spiral{', ten times as large' * (scale > 1)}: {KINDS[kind]}",
        zero_gp, 20_000, Swissroll(scale=scale), kind, 10.0)
    for scale in (1.0, 10.0) for kind in ("zero_gp", "one_gp")
)  # fmt: skip
ALONE = tuple(
    replace(
        row(f"two-gaussians-{dashed(name)}", f"D alone on {n:,} samples of each of two Gaussians: {KINDS[kind]}",
            alone, 50_000, kind, n),
        recipe=f"two-gaussians/{name}",
    )
    for name, kind, n in (("none", "none", 100), ("more-data", "none", 10_000), ("one_gp", "one_gp", 100),
                          ("r1", "r1", 100), ("zero_gp", "zero_gp", 100))
)  # fmt: skip
SIZE = "its size and the rate are not printed: n = 100 and gradient descent at 0.003 were taken"
TTUR = "TTUR is taken as three times G's rate for D, the ring as scaled by 10"
enrol(
    PaperTable(
        "fargan-figure1",
        "100 samples of a Gaussian, four ways of training, after 200,000 iterations",
        "fargan",
        "tao2020",
        "balance",
        GAUSSIANS,
        tuple(
            Claim(f"fake-as-real stays balanced where {KINDS[kind]} drifts", "gaussian-far", f"gaussian-{dashed(kind)}")
            for kind in ("none", "r1", "zero_gp")
        ),
        (SIZE,),
        ("energy_distance",),
    ),
    PaperTable(
        "zero-gp-figure1",
        "a discriminator alone on samples of two Gaussians: how far it is from the best one",
        "zero-gp",
        "thanhtung2019",
        "optimum_distance",
        ALONE,
        (
            Claim("0-GP comes nearer to the best D than no penalty", "two-gaussians-zero-gp", "two-gaussians-none"),
            Claim("1-GP does, too", "two-gaussians-one-gp", "two-gaussians-none"),
            Claim("0-GP-sample is no help", "two-gaussians-r1", "two-gaussians-none", same=True),
            Claim("and more samples are less help than 0-GP is", "two-gaussians-zero-gp", "two-gaussians-more-data"),
        ),
        (
            "the paper shows surfaces and gives no numbers: ours are the mean of |D - p_real / (p_real + p_fake)| over "
            "10,000 fresh samples of both sides",
            "its 10,000 iterations are the code's epochs of 5 steps; its larger set is taken as 10,000 of each, and is "
            "trained on for as many steps, not epochs",
            "0-GP-sample is r1",
        ),
    ),
    PaperTable(
        "zero-gp-figure2",
        "8 far Gaussians: modes found with gradients spread by each penalty",
        "zero-gp",
        "thanhtung2019",
        "modes",
        RINGS,
        tuple(
            Claim(f"0-GP finds more modes than {KINDS[kind]}", "ring8-zero-gp", f"ring8-{dashed(kind)}")
            for kind in ("none", "one_gp", "r1")
        ),
        (TTUR,),
        ("energy_distance",),
    ),
    PaperTable(
        "zero-gp-figure6",
        "a spiral, as it is and ten times as large",
        "zero-gp",
        "thanhtung2019",
        "energy_distance",
        SPIRALS,
        (
            Claim("1-GP learns the spiral, too", "swissroll-zero-gp", "swissroll-one-gp", same=True),
            Claim("1-GP fails on the large one", "swissroll-scaled-zero-gp", "swissroll-scaled-one-gp"),
        ),
    ),
)
enrol_rows(
    "fargan",
    "tao2020",
    row("ring8-far", "8 Gaussians, far apart: fake-as-real and r1", fargan, 500_000, FAR_MODES, "far"),
    row("grid25-far", "25 Gaussians: fake-as-real and r1", fargan, 500_000, Grid25(), "far"),
    row("swissroll-far", "a noisy spiral: fake-as-real and r1", fargan, 500_000, Swissroll(), "far"),
)
enrol_rows(
    "zero-gp",
    "thanhtung2019",
    row("ring8-zero-gp-w100", "8 Gaussians, far apart: 0-GP of weight 100",
        zero_gp, 20_000, FAR_MODES, "zero_gp", 100.0),
)  # fmt: skip
