"""The last layers of a discriminator, which compute in float32 whatever autocast says."""

from __future__ import annotations

import torch
from torch import nn

from known import normal, seeded
from steadygan.models import layers


def head() -> nn.Module:
    return nn.Linear(5, 3)


def test_a_logit_is_not_rounded_under_autocast() -> None:
    plain = seeded(0, head).float()
    made = layers.Unrounded(plain)
    x = normal(1, 7, 5, dtype=torch.float32).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, rounded = made(x), plain(x)
    assert found.dtype == torch.float32
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(found, plain(x.float()))


def test_without_autocast_it_is_a_sequence_of_layers() -> None:
    x = normal(1, 7, 5, dtype=torch.float32)
    plain = seeded(0, head).float()
    made = layers.Unrounded(plain, nn.Tanh())
    assert torch.equal(made(x), plain(x).tanh())
    assert made.state_dict().keys() == nn.Sequential(plain, nn.Tanh()).state_dict().keys()
