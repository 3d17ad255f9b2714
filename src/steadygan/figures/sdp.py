"""The figures of sample differences [zhangsdp]."""

from __future__ import annotations

from .figure import Curves, Grids, Group, PaperFigure, enrol

WGAN = "paper/sdp/cifar10-wgan-gp"
WEIGHTS = Group(
    "",
    ((f"{WGAN}-plain", "no SDP"), (f"{WGAN}-sdp", "0.01"), *((f"{WGAN}-sdp-{w}", w) for w in ("0.03", "0.05", "0.1"))),
)


def sdp(title: str, row: str) -> Group:
    """A row without and with SDP."""
    return Group(title, ((f"{row}-plain", "WGAN-GP"), (f"{row}-sdp", "WGAN-GP-SDP")))


enrol(
    [
        PaperFigure(
            "sdp-2",
            "photographs of SN-GAN with SDP",
            "zhangsdp",
            "shown without a comparison",
            (Group("", (("paper/sdp/cifar10-sngan-sdp", "CIFAR-10"), ("paper/sdp/cifar100-sngan-sdp", "CIFAR-100"))),),
            Grids(),
            seeds=1,
        ),
        PaperFigure(
            "sdp-3",
            "WGAN-GP with SDP of rising weight",
            "zhangsdp",
            "0.01 and 0.03 lower FID and calm D's loss, 0.05 makes no difference, 0.1 hurts",
            (WEIGHTS,),
            Curves(("fid|frechet", "d_loss")),
        ),
        PaperFigure(
            "sdp-4",
            "WGAN-GP at a rate of 0.001, and without norm layers",
            "zhangsdp",
            "without SDP it does not converge at that rate, and diverges without norm layers",
            (sdp("rate 0.001", f"{WGAN}-fast"), sdp("no norm layers", f"{WGAN}-bare")),
            Curves(("fid|frechet",)),
        ),
    ]
)
