"""FARGAN's figures and those of its supplement [tao2020]."""

from __future__ import annotations

from .figure import Clouds, Curves, Grids, Group, PaperFigure, enrol

QUALITY = ("fid|frechet", "inception_score|class_score")
POINTS = "none is printed: 100 training samples, f = 8 and N0 = 16, gradient descent at 0.003 were taken"


def paper(name: str) -> str:
    """The recipe of one of its rows."""
    return f"paper/fargan/{name}"


def pair(title: str, row: str) -> Group:
    """A row without and with fake-as-real."""
    return Group(title, ((paper(f"{row}-0gp"), "0-GP"), (paper(f"{row}-far"), "fake-as-real")))


def controls(*kinds: tuple[str, str]) -> Group:
    return Group("", tuple((paper(f"cifar10-resnet-ns-{kind}"), label) for kind, label in kinds))


GAUSSIAN = Group(
    "",
    (
        (paper("gaussian-none"), "no penalty"),
        (paper("gaussian-r1"), "0-GP-sample"),
        (paper("gaussian-zero-gp"), "0-GP"),
        (paper("gaussian-far"), "fake-as-real"),
    ),
)
CIFAR = (pair("CIFAR-10", "cifar10-resnet-ns"), pair("CIFAR-100", "cifar100-resnet-ns"))
LOSSES = {"ns": "nonsaturating", "w": "Wasserstein", "hinge": "hinge", "ls": "least squares"}


def figure(name: str, text: str, claim: str, groups: tuple[Group, ...], drawing: object, **more: object) -> PaperFigure:
    return PaperFigure(name, text, "tao2020", claim, groups, drawing, **more)  # type: ignore[arg-type]


enrol(
    [
        figure(
            "fargan-1",
            "100 samples of a Gaussian: what four ways of training make of them",
            "with no penalty or either zero-centred one the fakes drift into an unbalanced distribution by 200,000 "
            "iterations; with fake-as-real they stay balanced",
            (GAUSSIAN,),
            Clouds((100_000, 200_000)),
            seeds=5,
            notes=(POINTS,),
        ),
        figure(
            "fargan-1-curves",
            "100 samples of a Gaussian: balance, distance to fresh data, gradients",
            "gradients at the fakes explode without fake-as-real, and balance falls",
            (GAUSSIAN,),
            Curves(("balance", "energy_distance", "gradient_max")),
            seeds=5,
            notes=(POINTS,),
        ),
        figure(
            "fargan-2",
            "8 far Gaussians: how fake-as-real finds them",
            "three modes are found early, the others gradually, all by 500,000 iterations",
            (Group("", ((paper("ring8-far"), "fake-as-real"),)),),
            Clouds((0, 100_000, 335_000, 500_000)),
            seeds=1,
        ),
        figure(
            "fargan-3",
            "residual networks on CIFAR",
            "fake-as-real ends with the lower FID and the higher Inception Score on both",
            CIFAR,
            Curves(QUALITY),
        ),
        figure(
            "fargan-4",
            "conventional networks on CIFAR",
            "fake-as-real ends with the lower FID and the higher Inception Score on both",
            (pair("CIFAR-10", "cifar10-conv-ns"), pair("CIFAR-100", "cifar100-conv-ns")),
            Curves(QUALITY),
        ),
        figure(
            "fargan-5",
            "losses on CIFAR-10, without penalties",
            "with fake-as-real both losses go up and down less and do not leave their equilibria, 1.386 and 0.693",
            CIFAR[:1],
            Curves(("d_loss", "g_loss")),
        ),
        figure(
            "fargan-6",
            "four losses on CIFAR-10",
            "fake-as-real helps each of them",
            tuple(pair(label, f"cifar10-resnet-{key}") for key, label in LOSSES.items()),
            Curves(QUALITY),
        ),
        figure(
            "fargan-7",
            "how many fakes count as real, of how many candidates",
            "the gain grows up to f = 8, f = 1 brings none, and N0 = 48 collapses",
            (
                controls(("0gp", "N0 = 0"), ("f1", "f = 1"), ("f2", "f = 2"), ("f4", "f = 4"), ("far", "f = 8"),
                         ("f16", "f = 16"))._replace(title="f, N0 = 32"),
                controls(("0gp", "N0 = 0"), ("n8", "N0 = 8"), ("n16", "N0 = 16"), ("far", "N0 = 32"),
                         ("n48", "N0 = 48"))._replace(title="N0, f = 8"),
            ),
            Curves(QUALITY[:1]),
        ),
        figure(
            "fargan-7-points",
            "fakes counted as real on a ring of 8 far modes and a grid of 25",
            "as on photographs, if the choice is what helps",
            tuple(
                Group(title, tuple((paper(f"{data}-{kind}"), label) for kind, label in (
                    ("n0", "N0 = 0"), ("f1", "f = 1"), ("f2", "f = 2"), ("f4", "f = 4"), ("f8", "f = 8"),
                    ("f16", "f = 16"), ("n8", "N0 = 8"), ("n16", "N0 = 16"), ("n48", "N0 = 48"))))
                for data, title in (("ring8", "ring"), ("grid25", "grid"))
            ),
            Curves(("modes", "energy_distance")),
            seeds=8,
        ),
        figure(
            "fargan-8",
            "ImageNet at 64 x 64",
            "fake-as-real ends with the lower FID and the higher Inception Score",
            (pair("ImageNet", "imagenet64-resnet64-ns"),),
            Curves(QUALITY),
        ),
        figure(
            "fargan-supplement-1",
            "25 Gaussians and a spiral: what fake-as-real makes of them",
            "both are covered evenly",
            (Group("", ((paper("grid25-far"), "25 Gaussians"), (paper("swissroll-far"), "spiral"))),),
            Clouds((500_000,)),
            seeds=1,
        ),
        figure(
            "fargan-supplement-2",
            "a plain DCGAN on CIFAR",
            "fake-as-real has the higher Inception Score on both",
            (pair("CIFAR-10", "cifar10-dcgan-ns"), pair("CIFAR-100", "cifar100-dcgan-ns")),
            Curves(QUALITY[1:]),
        ),
        figure(
            "fargan-supplement-3",
            "losses on CIFAR-100, without penalties",
            "as on CIFAR-10",
            CIFAR[1:],
            Curves(("d_loss", "g_loss")),
        ),
        figure(
            "fargan-supplement-4",
            "losses on ImageNet, without penalties",
            "as on CIFAR-10",
            (pair("ImageNet", "imagenet64-resnet64-ns"),),
            Curves(("d_loss", "g_loss")),
        ),
        figure(
            "fargan-images",
            "photographs made with and without fake-as-real",
            "those of fake-as-real are more varied",
            CIFAR[:1],
            Grids(),
            seeds=1,
        ),
    ]
)  # fmt: skip
