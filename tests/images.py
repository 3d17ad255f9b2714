"""Image runs small enough to be repeated, conditional or not, from the device or through workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import steadygan as sg
import tiny
from steadygan.data import Source
from steadygan.models import DISCRIMINATORS, GENERATORS
from tiny import built

SHAPE, CLASSES = (3, 8, 8), 3


def pixels(n: int = 50) -> Tensor:
    """uint8 images (n, 3, 8, 8); the number of images is no multiple of the batch."""
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (n, *SHAPE), generator=generator, dtype=torch.uint8)


def source(**changes: Any) -> Source:
    """Images with classes, unevenly frequent: 5, 15 and 30 of them."""
    label = torch.tensor([0] * 5 + [1] * 15 + [2] * 30)
    return Source("tiny", SHAPE, **{"train": pixels(), "label": label, "image": True, **changes})


def images(out: Path | None = None, conditional: bool = False, norm: str = "none", **settings: Any) -> sg.Trainer:
    """A trainer of a tiny DCGAN; `settings` replace what is set here."""
    classes = CLASSES if conditional else None
    G, D = built(
        1,
        lambda: GENERATORS["dcgan"](4, SHAPE, classes, width=2, norm=norm),
        lambda: DISCRIMINATORS["dcgan"](SHAPE, classes, width=2, norm=norm),
    )
    common = {
        "G": G,
        "D": D,
        "data": source(),
        "latent_dim": 4,
        "monitor": "auto",
        "penalties": [sg.penalties.r1(0.1)],
        "method": sg.methods.FakeAsReal(3, factor=2),
    }
    return tiny.trainer(out, **common | settings)
