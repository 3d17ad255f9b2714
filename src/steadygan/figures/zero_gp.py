"""0-GP's figures of whole GANs [thanhtung2019]."""

from __future__ import annotations

from .figure import Clouds, Curves, Grids, Group, PaperFigure, Surfaces, enrol

LONG = (1000, 10_000)


def rows(*pairs: tuple[str, str], title: str = "") -> Group:
    """Its rows by name, each with a label."""
    return Group(title, tuple((f"paper/zero-gp/{row}", label) for row, label in pairs))


def figure(name: str, text: str, claim: str, group: Group, drawing: object, **more: object) -> PaperFigure:
    return PaperFigure(name, text, "thanhtung2019", claim, (group,), drawing, **more)  # type: ignore[arg-type]


def digits(end: str, *kinds: tuple[str, str]) -> Group:
    return rows(*((f"mnist-{kind}-{end}", label) for kind, label in kinds))


WEAKER = ("paper/zero-gp/mnist-zero-gp-beta5-10k-w50", "0-GP, weight 50")
ALL = (("none", "no penalty"), ("r1", "0-GP-sample"), ("one-gp", "1-GP"), ("zero-gp", "0-GP"))
RING = rows(
    ("ring8-none", "no penalty"),
    ("ring8-none-ttur", "no penalty, TTUR"),
    ("ring8-zero-gp", "0-GP"),
    ("ring8-zero-gp-ttur", "0-GP, TTUR"),
    ("ring8-one-gp", "1-GP"),
    ("ring8-r1", "0-GP-sample"),
)
SPIRAL = rows(
    ("swissroll-zero-gp", "0-GP"),
    ("swissroll-one-gp", "1-GP"),
    ("swissroll-scaled-zero-gp", "0-GP, scaled"),
    ("swissroll-scaled-one-gp", "1-GP, scaled"),
)

ALONE = Group(
    "",
    tuple(
        (f"two-gaussians/{name}", label)
        for name, label in (
            ("none", "no penalty"),
            ("more-data", "no penalty, more samples"),
            ("one_gp", "1-GP"),
            ("r1", "0-GP-sample"),
            ("zero_gp", "0-GP"),
        )
    ),
)

enrol(
    [
        figure(
            "zero-gp-1",
            "D alone on samples of two Gaussians: what it says of the plane, beside the best D",
            "without a penalty D overfits, whatever the number of samples, and 0-GP-sample is no help; with 1-GP it "
            "does less, with 0-GP it is nearest to the best",
            ALONE,
            Surfaces(-2.5, 4.5),
            notes=(
                "its 10,000 iterations are the code's epochs of 5 steps",
                "more samples are taken as 10,000 of each, for as many steps",
            ),
        ),
        figure(
            "zero-gp-2",
            "8 far Gaussians: which way D asks fakes to move",
            "only with 0-GP are gradients spread evenly over the modes; the others pull fakes to few of them",
            RING,
            Clouds((1000, 10_000, 20_000), arrows=True),
            seeds=1,
            notes=("TTUR is taken as three times G's rate for D",),
        ),
        figure(
            "zero-gp-2-curves",
            "8 far Gaussians: modes found, distance, gradients",
            "0-GP finds the most modes, with the smallest gradients",
            RING,
            Curves(("modes", "energy_distance", "gradient_max")),
        ),
        figure(
            "zero-gp-3",
            "MNIST after 1,000 iterations",
            "only 0-GP has learnt anything by then",
            digits("beta5-1k", *ALL),
            Grids(),
            seeds=1,
        ),
        figure(
            "zero-gp-4",
            "ImageNet at 64 x 64",
            "0-GP has the higher Inception Score throughout",
            rows(("imagenet-r1", "0-GP-sample"), ("imagenet-zero-gp", "0-GP")),
            Curves(("inception_score|class_score",)),
        ),
        figure(
            "zero-gp-5",
            "8 far Gaussians with 0-GP of weight 100",
            "fakes find all modes one after the other",
            rows(("ring8-zero-gp-w100", "0-GP, weight 100")),
            Clouds((0, 1000, 2000, 5000, 20_000), arrows=True),
            seeds=1,
        ),
        figure(
            "zero-gp-6",
            "a spiral, as it is and ten times as large",
            "1-GP has a bad pattern of gradients, and fails on the large one",
            SPIRAL,
            Clouds((20_000,), arrows=True),
            seeds=1,
        ),
        figure(
            "zero-gp-6-clouds",
            "a spiral, as it is and ten times as large, over what D says",
            "1-GP fails on the large one",
            SPIRAL,
            Clouds((20_000,)),
            seeds=1,
        ),
        figure(
            "zero-gp-7",
            "MNIST after 10,000 iterations, beta1 = 0.5",
            "0-GP makes digits where the others make few or none; with weight 50 some are alike",
            Group("", (*digits("beta5-10k", *ALL).lines, WEAKER)),
            Grids(),
            seeds=1,
        ),
        figure(
            "zero-gp-8",
            "MNIST after 10,000 iterations, beta1 = 0.9",
            "0-GP-sample fails, 0-GP does not",
            digits("beta9-10k", *ALL[1::2]),
            Grids(),
            seeds=1,
        ),
    ]
)  # fmt: skip
