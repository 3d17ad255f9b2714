"""A feature network whose features can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from steadygan.errors import InputError
from steadygan.features import Features


@dataclass
class Quarters:
    """The mean value of each quarter of an image; two classes: dark and light."""

    name: str = "quarters"
    digest: str = "0123"
    resize: str = "none"
    classes: int | None = 2
    chunk: int = 16
    calls: list[int] = field(default_factory=list)  # images of each call

    def check(self, shape: tuple[int, ...]) -> None:
        if shape[1] % 2 or shape[2] % 2:
            raise InputError(f"quarters: expected even sides, got {shape}: use another network")

    def __call__(self, images: Tensor) -> Features:
        self.calls.append(len(images))
        x = images.float() / 255
        n, _, h, w = x.shape
        vectors = x.mean(1).view(n, 2, h // 2, 2, w // 2).mean((2, 4)).flatten(1)
        light = 20 * (vectors.mean(1) - 0.5)
        return Features(vectors, torch.stack([-light, light], 1))


def noise(n: int, seed: int = 0, shape: tuple[int, ...] = (1, 8, 8), low: int = 0, high: int = 256) -> Tensor:
    """uint8 images (n, *shape)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (n, *shape), generator=generator, dtype=torch.uint8)
