"""Small networks of one's own, and a short training of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import steadygan as sg

POINTS = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))


def mlp(outputs: int, inputs: int = 2) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(outputs)
        return nn.Sequential(nn.Linear(inputs, 8), nn.LeakyReLU(0.2), nn.Linear(8, outputs))


class Ending(nn.Module):
    """An mlp, and what becomes of its output."""

    def __init__(self, outputs: int, end: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.end = mlp(outputs), end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.net(x))


def trainer(G: nn.Module | None = None, D: Any = None, data: Any = POINTS, **arguments: Any) -> sg.Trainer:
    settings = {"latent_dim": 2, "evaluator": None, "batch_size": 8, "log_every": 5, "device": "cpu"} | arguments
    return sg.Trainer(G or mlp(2), D or mlp(1), data, **settings)


def fit(*networks: Any, iterations: int = 1, **arguments: Any) -> sg.Run:
    return trainer(*networks, **arguments).fit(iterations)
