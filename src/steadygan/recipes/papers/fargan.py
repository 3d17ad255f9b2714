"""FARGAN's image tables and figures [tao2020]: every loss with a gradient penalty on reals, without and with
fake-as-real."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...config import Settings
from ...config.data import DATA
from ...config.optimisation import Optimizer
from ...config.parts import (
    FakeAsRealSettings,
    GradientPenaltySettings,
    LeastSquaresSettings,
    Methods,
    Penalties,
    PlainLoss,
)
from .table import Claim, PaperTable, Published, Row, enrol, network, published, short

LOSSES = {
    "ns": PlainLoss("nonsaturating"),
    "w": PlainLoss("wasserstein"),
    "hinge": PlainLoss("hinge"),
    "ls": LeastSquaresSettings(),
}
WORDS = {"ns": "nonsaturating", "w": "Wasserstein", "hinge": "hinge", "ls": "least squares"}
NETS = {"resnet": "resnet32", "conv": "conventional32", "dcgan": "dcgan", "resnet64": "resnet64"}
ITERATIONS = {"resnet": 10_000, "conv": 10_000, "dcgan": 20_000, "resnet64": 2000}  # at the small scale
IMAGENET = {"optimizer": Optimizer(betas=(0.0, 0.9)), "horizon": 600_000, "latent_dim": 256}


def gan(data: str, net: str, loss: str, count: int, factor: int, **changes: Any) -> Settings:
    """r1 of weight 10 on the logit, `count` fakes of `factor * count` as real; batch 64, one D step, no average."""
    far = Methods(fake_as_real=FakeAsRealSettings(count=count, factor=factor)) if count else Methods()
    common = {
        **network(NETS[net]),
        "data": DATA.find(data)(),
        "latent_dim": 128,
        "loss": LOSSES[loss],
        "penalty": Penalties(r1=GradientPenaltySettings(weight=10.0)),
        "method": far,
        "optimizer": Optimizer(name="rmsprop", alpha=0.99),
        "lr_g": 1e-4,
        "horizon": 500_000,
    }
    return Settings(**published(10_000, **{**common, **changes}))


def row(
    data: str, net: str, loss: str, count: int, factor: int = 8, fid: Any = None, score: Any = None, **changes: Any
) -> Row:
    """A row named after what varies: cifar10-resnet-ns-far, cifar10-resnet-ns-f1, cifar10-resnet-ns-n48."""
    default = (32, 8)
    kind = (
        "0gp" if count == 0 else "far" if (count, factor) == default else f"f{factor}" if count == 32 else f"n{count}"
    )
    settings = partial(gan, data, net, loss, count, factor, **changes)
    published = {"fid": fid, "inception_score": score}
    return Row(
        f"{data}-{net}-{loss}-{kind}",
        f"{data}, {NETS[net]}, {WORDS[loss]} and r1: {counted(count, factor)}",
        settings,
        partial(short, settings, ITERATIONS[net]),
        {key: Published(*value) for key, value in published.items() if value is not None},
    )


def counted(count: int, factor: int) -> str:
    """N0 and f in words."""
    return "no fake counted as real" if count == 0 else f"{count} of {factor * count} fakes counted as real"


def pair(data: str, net: str, loss: str, *printed: Any, **changes: Any) -> tuple[tuple[Row, Row], Claim]:
    """The row without and the row with fake-as-real, printed as (FID, FID, IS, IS), and the paper's claim of them."""
    fid_0, fid_far, score_0, score_far = printed or (None,) * 4
    without = row(data, net, loss, 0, fid=fid_0, score=score_0, **changes)
    far = row(data, net, loss, 32, fid=fid_far, score=score_far, **changes)
    return (without, far), Claim(f"{data}, {net}, {WORDS[loss]}: fake-as-real helps", far.name, without.name)


def table(name: str, text: str, figure: str, *pairs: tuple[tuple[Row, Row], Claim]) -> PaperTable:
    """A table of such pairs."""
    rows = tuple(row for own, _ in pairs for row in own)
    others = ("inception_score",) if figure == "fid" else ()
    return PaperTable(name, text, "fargan", "tao2020", figure, rows, tuple(claim for _, claim in pairs), OPEN, others)


OPEN = ("the number of fakes behind a printed FID is not given: 10,000 against the 50,000 training images were taken",)
CONTROLS = ((0, 8), (32, 1), (32, 2), (32, 4), (32, 8), (32, 16), (8, 8), (16, 8), (48, 8))  # N0 and f of figure 7


def control(net: str) -> tuple[tuple[Row, ...], tuple[Claim, ...]]:
    """Figure 7's rows on a network, and what is said of them."""
    rows = tuple(row("cifar10", net, "ns", count, factor) for count, factor in CONTROLS)
    return rows, control_claims(net, f"cifar10-{net}-ns", "0gp", "far")


def control_claims(what: str, name: str, none: str, best: str) -> tuple[Claim, ...]:
    """What the paper says of figure 7's rows; none, best: the ends of the names of N0 = 0, and of N0 = 32 and f = 8."""
    return (
        Claim(f"{what}: the least realistic of 8 candidates help", f"{name}-{best}", f"{name}-{none}"),
        Claim(f"{what}: fakes chosen at random do not help", f"{name}-f1", f"{name}-{none}", same=True),
        Claim(f"{what}: the choice matters, not the count", f"{name}-{best}", f"{name}-f1"),
        Claim(f"{what}: 48 of 64 are too many", f"{name}-{best}", f"{name}-n48"),
    )


FIGURE_7 = control("resnet")
OURS_7 = control("dcgan")

enrol(
    table(
        "fargan-table2",
        "fake-as-real with four losses and two networks on CIFAR-10 and CIFAR-100",
        "fid",
        pair("cifar10", "resnet", "ns", (24.22, 0.72), (17.82, 0.33), (6.26, 0.09), (6.81, 0.03)),
        pair("cifar10", "resnet", "w", (24.72, 0.41), (18.12, 0.23), (6.15, 0.06), (6.83, 0.04)),
        pair("cifar10", "resnet", "hinge", (24.55, 0.31), (16.99, 0.18), (6.19, 0.08), (6.88, 0.07)),
        pair("cifar10", "resnet", "ls", (26.41, 0.12), (19.97, 0.38), (5.90, 0.05), (6.63, 0.02)),
        pair("cifar10", "conv", "ns", (16.66, 0.14), (12.80, 0.31), (6.94, 0.03), (7.63, 0.05)),
        pair("cifar100", "resnet", "ns", (28.46, 0.28), (21.95, 0.35), (6.27,), (7.03,)),
        pair("cifar100", "conv", "ns", (22.28, 0.45), (17.69, 0.24), (6.92,), (7.84,)),
    ),
    PaperTable(
        "fargan-figure7",
        "how many fakes count as real, of how many candidates; the last rows are dcgan's, which the paper has not",
        "fargan",
        "tao2020",
        "fid",
        FIGURE_7[0] + OURS_7[0],
        FIGURE_7[1] + OURS_7[1],
        ("the figure names only f = 1 and 8, N0 = 0, 32 and 48: the others are even steps between",),
    ),
    table(
        "fargan-figure8",
        "ImageNet at 64 x 64 without labels",
        "fid",
        pair("imagenet64", "resnet64", "ns", (44.57, 0.34), (39.69, 0.57), (10.66,), (11.44,), **IMAGENET),
    ),
    table(
        "fargan-supplement2",
        "a plain DCGAN on CIFAR-10 and CIFAR-100",
        "inception_score",
        pair("cifar10", "dcgan", "ns"),
        pair("cifar100", "dcgan", "ns"),
    ),
)
