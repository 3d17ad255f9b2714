"""A conditional run on a handful of random pictures, and its networks written down once more in plain torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch

import steadygan as sg
from steadygan.data import Source
from steadygan.models import dcgan_discriminator, dcgan_generator
from steadygan.runs.run import Run
from tiny import Spread, built

NAMES = ("ant", "bee", "cat")
COUNTS = (30, 0, 10)  # no bee
DIM, SHAPE, WIDTH = 6, (3, 8, 8), 2


def source(names: tuple[str, ...] = NAMES) -> Source:
    """40 pictures (3, 8, 8) of three classes, one of them empty."""
    pixels = torch.randint(256, (sum(COUNTS), *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    label = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))
    return Source("pictures", SHAPE, train=pixels, label=label, image=True, class_names=names, nearest_classes=False)


def networks(norm: str = "none") -> tuple[Any, ...]:
    return built(
        1,
        lambda: dcgan_generator(DIM, SHAPE, classes=3, width=WIDTH, norm=norm),
        lambda: dcgan_discriminator(SHAPE, classes=3, width=WIDTH),
    )


def trained(out: Path | None = None, norm: str = "none", **more: Any) -> Run:
    """Two iterations; the average is far from the network as trained."""
    G, D = networks(norm)
    settings = {
        "latent_dim": DIM,
        "batch_size": 4,
        "lr_g": 0.05,
        "ema": 0.5,
        "evaluator": Spread(),
        "device": "cpu",
        "out": out,
    } | more
    return sg.Trainer(G, D, source(), **settings).fit(2)


@cache
def run() -> Run:
    """One such run, for tests that only read it."""
    return trained()
