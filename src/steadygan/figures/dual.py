"""The figures of dual discriminators [zhang2018]."""

from __future__ import annotations

from .figure import Final, Grids, Group, PaperFigure, enrol

OURS = ("paper/dual/ours", "both")
BASELINES = ("wgan-gp", "dfm", "cramer", "dragan", "dcgan", "md", "began", "d2gan")
PARTS = ("no-md", "no-selu", "both-md", "both-selu", "no-resblock", "hinge", "ours-gp", "hinge-gp")


def dual(*names: str) -> Group:
    """The paper's own GAN and others."""
    return Group("", (OURS, *((f"paper/dual/{name}", name) for name in names)))


enrol(
    [
        PaperFigure(
            "dual-2",
            "photographs of nine GANs",
            "zhang2018",
            "those of the dual discriminators are the most varied",
            (dual(*BASELINES),),
            Grids(),
            seeds=1,
        ),
        PaperFigure(
            "dual-tables",
            "what each part of the dual discriminators is for",
            "zhang2018",
            "each change lowers the score, but minibatch discrimination in both",
            (dual(*PARTS),),
            Final("inception_score|class_score"),
        ),
    ]
)
