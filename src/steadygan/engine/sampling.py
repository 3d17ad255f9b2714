"""Samples from a generator, the first n of an endless sequence that a seed defines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..critics import kept_buffers
from ..rng import borrowed
from .draws import Latent

CHUNK = 256  # latents are drawn and generated this many at a time, whatever n: a longer sample begins like a shorter


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside, every module's own mode afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def latents(latent: Latent, n: int, seed: int, device: torch.device) -> Tensor:
    """The first n latents of `seed`, in whole chunks: (ceil(n / 256) * 256, ...)."""
    generator = torch.Generator(device).manual_seed(seed)
    with borrowed(seed, device):  # a user's latent may draw from the global generator
        return torch.cat([latent(CHUNK, generator) for _ in range(-(-n // CHUNK))])


@torch.no_grad()
def generate(network: nn.Module, z: Tensor, n: int) -> Tensor:
    """G(z) for the first n latents, chunk by chunk, in eval mode and without moving a buffer."""
    with evaluating(network), kept_buffers(network):
        return torch.cat([network(part) for part in torch.split(z, CHUNK)])[:n]
