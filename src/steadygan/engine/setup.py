"""A trainer's arguments, checked and resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..critics import needs_label, takes_label
from ..data import Source
from ..diagnostics.monitor import CollapseMonitor
from ..errors import InputError
from ..features import FeatureNetwork
from ..types import Opponent
from .draws import Latent
from .ema import Ema
from .needs import Needs
from .objective import Sides
from .optim import OptimizerFactory
from .precision import Precision
from .probes import Evaluate
from .rhythm import Rhythm
from .schedule import Schedule


@dataclass(frozen=True)
class Setup:
    """A trainer's arguments, checked and resolved."""

    G: nn.Module
    opponents: Mapping[str, Opponent]
    source: Source
    latent: Latent
    latent_dim: int | None
    sides: Sides
    needs: Needs
    optimizer: OptimizerFactory
    rates: tuple[float, float]
    schedule: Schedule
    ema: Ema | None
    precision: Precision
    seed: int
    device: torch.device
    dtype: torch.dtype
    rhythm: Rhythm
    evaluator: Evaluate | Literal["auto"] | None
    evaluate_n: int
    features: str | FeatureNetwork | None
    settings: dict[str, Any] | None
    network_settings: dict[str, Any] | None
    monitor: CollapseMonitor | None = None

    @cached_property
    def prior(self) -> Tensor | None:
        """The training labels in order, from which those of the fakes are drawn; None where G knows no classes.

        Then no critic is told any: labels on the reals alone would tell them from the fakes. Raises InputError when
        a network needs classes and another one, or the data, has none.
        """
        label = self.source.label
        wanting = [name for name, network in self.named_networks.items() if needs_label(network)]
        if not wanting and (label is None or not takes_label(self.G)):
            return None
        if label is None:
            raise InputError(
                f"expected data with labels, as {' and '.join(wanting)} take{'s' * (len(wanting) == 1)} them, got "
                f"{self.source.name!r} without: give images in class folders, or (x, label), or train without classes"
            )
        if not takes_label(self.G):
            raise InputError(
                f"expected a generator that takes labels, as {' and '.join(wanting)} does, got one whose forward has "
                "no parameter named label: add it"
            )
        return label.sort().values.to(self.device)

    @cached_property
    def trainable(self) -> frozenset[int]:
        """The ids of the parameters that are trained: those that are open when this is first asked for."""
        return frozenset(id(p) for network in self.networks for p in network.parameters() if p.requires_grad)

    @property
    def named_networks(self) -> dict[str, nn.Module]:
        """G and every discriminator by name."""
        return {"G": self.G} | {name: o.critic for name, o in self.opponents.items()}

    @property
    def networks(self) -> list[nn.Module]:
        """G and every discriminator."""
        return [*self.named_networks.values()]

    def saved_settings(self, horizon: int) -> dict[str, Any]:
        """What is written down and compared on resume: a recipe's settings, or one's own as far as they are plain."""
        if self.settings is not None:
            return self.settings
        return {
            "opponents": {
                name: {key: _told(part) for key, part in o.parts()}
                | {"constraint": _told(o.constraint), "weight": o.weight}
                for name, o in self.opponents.items()
            },
            "data": {"name": self.source.name, "shape": list(self.source.shape), "size": self.source.size},
            "batch_size": self.sides.real,
            "d_steps": self.needs.d_steps,
            "lr_g": self.rates[0],
            "lr_d": self.rates[1],
            "optimizer": _told(self.optimizer) if is_dataclass(self.optimizer) else _name(self.optimizer),
            "schedule": _told(self.schedule),
            "horizon": None if self.schedule.constant else horizon,
            "ema": repr(self.ema),
            "seed": self.seed,
            "dtype": str(self.dtype),
            "precision": self.precision.trained,
            "candidates": self.precision.ranked,
            "latent_dim": self.latent_dim,
        }


def _told(thing: object) -> str:
    """Its repr without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
