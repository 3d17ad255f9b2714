"""Stacked MNIST, the literature's test of mode collapse: the 1,000 modes and how evenly they are hit, method by method.

The protocol is VEEGAN's and PacGAN's [srivastava2017, lin2018]: 26,000 samples, whose three digits a classifier names.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...config import Settings
from ...config.optimisation import Evaluate
from ..bases import IMAGE_BASES
from ..variants import FOR_IMAGES, Base
from .table import Claim, PaperTable, Published, Row, enrol

N = 26_000
SHORT = 20_000  # iterations for two cores, of networks four times narrower
BASE = IMAGE_BASES["stacked-mnist"]
PRINTED = {  # modes, KL to even shares, nats
    "nsgan": (Published(99.0), Published(3.40)),  # DCGAN, as PacGAN's table has it
    "rpgan": (Published(1000.0), Published(0.029)),  # R3GAN with its own networks
    "pacgan": (Published(1000.0, 0.0), Published(0.06, 0.01)),  # packs of two
}


def gan(kind: str, base: Base, horizon: int) -> Settings:
    """The data set's recipe of this kind with the protocol's samples, its learning rate falling over this length."""
    settings = FOR_IMAGES[kind].change(base)
    figures = Evaluate(every=horizon // 4, n=N)  # 26,000 samples and their neighbours take minutes
    return replace(settings, horizon=horizon, evaluate=figures, checkpoint_every=horizon // 10)


def row(kind: str) -> Row:
    """One method; `rpgan` stands for R3GAN's loss, the networks are the same DCGAN for all but `dual`."""
    assert BASE.small is not None
    return Row(
        kind,
        f"Stacked MNIST: {FOR_IMAGES[kind].text}",
        partial(gan, kind, BASE, BASE.settings.horizon),
        partial(gan, kind, BASE.small, SHORT),
        dict(zip(("modes", "mode_kl"), PRINTED.get(kind, ()), strict=False)),
        FOR_IMAGES[kind].paper,
    )


enrol(
    PaperTable(
        "stacked-mnist",
        "the 1,000 modes of three digits, by 26,000 samples and the digit network",
        "stacked-mnist",
        "lin2018",
        "mode_kl",
        tuple(row(kind) for kind in ("nsgan", "r1", "far", "rpgan", "pacgan", "dual")),
        (
            Claim("packs of two are more even than single samples", "pacgan", "nsgan"),
            Claim("relativistic pairing with r1 and r2 is more even than no remedy", "rpgan", "nsgan"),
            Claim("relativistic pairing with r1 and r2 is more even than r1", "rpgan", "r1"),
            Claim("fake-as-real is more even than r1", "far", "r1"),
            Claim("two discriminators are more even than one", "dual", "nsgan"),
        ),
        (
            "published: DCGAN and PacGAN [lin2018] by DCGANs, R3GAN [huang2024] by networks of its own",
            "real data's own KL is that of 26,000 draws, about 0.019; an average of G's weights is measured",
        ),
        others=("modes",),
    ),
)
