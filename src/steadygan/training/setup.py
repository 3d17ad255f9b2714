"""A trainer's arguments, checked and resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..data import Source
from ..diagnostics.monitor import CollapseMonitor, is_free
from ..diagnostics.remedy import Setting
from ..engine.needs import BLOCK, Cut, Needs
from ..engine.objective import Sides
from ..engine.optim import Average, Ema, OptimizerFactory, Schedule
from ..engine.precision import Precision
from ..engine.ranks import ALONE, Ranks
from ..errors import InputError, check_whole
from ..evaluation.evaluator import Evaluate
from ..evaluation.optimum import KnownOptimum, optimum_of
from ..features import FeatureNetwork
from ..latents import Latent, labels
from ..methods.chain import parts_of
from ..penalties import CONSTRAINTS
from ..runs.run import Run
from ..types import Opponent
from ..types.batch import form_of
from ..types.critic import Call
from ..types.labels import LABEL, Conditions, label_parameter, needs_label, occurring, spans
from ..types.networks import is_opened
from ..types.parts import equilibrium_of


class Share(NamedTuple):
    """The part of a run that one process trains: opponents and sides with its numbers, and its part of the draws."""

    opponents: Mapping[str, Opponent]
    sides: Sides
    cut: Cut | None  # None for a process alone


@dataclass(frozen=True)
class Setup:
    """A trainer's arguments, checked and resolved."""

    G: nn.Module
    opponents: Mapping[str, Opponent]
    source: Source
    fakes: Source | None  # what D is trained on in place of G's samples; then latents are they
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
    ranks: Ranks = ALONE  # the processes that train it together; sides and needs are those of all

    @cached_property
    def share(self) -> Share:
        """What this process trains of it."""
        shape, d_steps = self.source.shape, self.needs.d_steps
        if self.ranks.alone:
            return Share(self.opponents, self.sides, None)
        each = []
        for ranks in self.ranks.each():
            sides = Sides(*map(ranks.own, self.sides))
            opponents = {name: opponent.among(ranks) for name, opponent in self.opponents.items()}
            each.append((opponents, sides, Needs.of(opponents, sides, shape, d_steps)))
        opponents, sides, _ = each[self.ranks.rank]
        self.ranks.divide(even=all(needs == each[0][-1] for *_, needs in each))
        return Share(opponents, sides, Cut.of(self.needs, [needs for *_, needs in each], self.ranks.rank))

    @cached_property
    def prior(self) -> Tensor | None:
        """The training labels in order, from which the fakes' labels are drawn; None where G uses no classes.

        In that case no critic receives labels, since labels on reals alone would give them away. Raises InputError when
        a network needs classes and another network, or the data, has none.
        """
        label = self.source.label
        usual = {name: each for name, each in self.named_networks.items() if name not in self.calls}
        wanting = [name for name, network in usual.items() if self.labelled[name] and needs_label(network)]
        if self.fakes is not None:
            if wanting:
                raise InputError(
                    f"expected a discriminator without labels with fakes, which have none, got {wanting[0]} that "
                    "takes them: train without classes"
                )
            return None
        knows = self.labelled["G"] is not None
        if not wanting and (label is None or not knows):
            return None
        if label is None:
            by = {name: "" if (own := self.labelled[name]) == LABEL else f" (its {own!r})" for name in wanting}
            asking = " and ".join(f"{name}{own}" for name, own in by.items())
            raise InputError(
                f"expected data with labels, as {asking} take{'s' * (len(wanting) == 1)} them, got "
                f"{self.source.name!r} without: use class folders of images, or (x, label), or train without classes"
            )
        if not knows:
            raise InputError(
                f"expected a generator that takes labels, as {' and '.join(wanting)} does, got one whose forward has "
                "no parameter named label: add it"
            )
        return label.sort().values.to(self.device)

    @cached_property
    def conditions(self) -> Conditions | None:
        """What fakes are made for, where the data have conditions."""
        return self._conditions()

    @cached_property
    def evaluated(self) -> Conditions | None:
        """The same for samples that are shown and evaluated: of held-out data, where these have conditions."""
        return self._conditions(held_out=True)

    def _conditions(self, held_out: bool = False) -> Conditions | None:
        found = None if self.fakes is not None else self.source.conditions(held_out)
        if found is None or self.prior is not None:
            return found
        return replace(found, label=None)  # reals have none then, and D would know fakes by theirs

    def asked(self, n: int, generator: torch.Generator) -> Tensor | None:
        """What n fakes are made for: rows of the conditions, or classes as in the data; None for neither."""
        if self.conditions is not None:
            return self.conditions.drawn(n, generator)
        return None if self.prior is None else labels(self.prior, n, generator)

    @property
    def labelled(self) -> dict[str, str | None]:
        """The parameter through which each network takes classes; of data with conditions only one named label."""
        found = {name: label_parameter(network) for name, network in self.named_networks.items()}
        plain = self.source.given is None
        return {name: own if plain or own == LABEL else None for name, own in found.items()}

    @property
    def class_notes(self) -> list[str]:
        """Which networks receive the classes of the data, where this may be unexpected."""
        label, by = self.source.label, self.labelled
        if label is None or self.fakes is not None:
            return []
        others = [name for name in by if name != "G"]
        if self.prior is None:
            deaf = [f"the data have classes that {name} could use, but G takes none" for name in others if by[name]]
            return [f"{told}: train without classes, or add a parameter label to G's forward" for told in deaf]
        found = [
            f"{name} receives the classes through {own!r}, the second parameter of its forward"
            for name, own in by.items()
            if own not in (None, LABEL)
        ]
        found += [
            f"G receives the classes and {name} does not, so nothing ties a class to its samples: add a parameter "
            f"label to the forward of {name}"
            for name in others
            if by[name] is None
        ]
        count, classes = len(occurring(label)), int(label.max()) + 1
        if count < classes:
            found.append(f"the data's labels are {spans(label)}: {count} of {classes} classes, counted from 0, occur")
        return found

    @cached_property
    def trainable(self) -> frozenset[int]:
        """The ids of the parameters that are trained: those with gradients enabled when first asked."""
        return frozenset(id(p) for network in self.networks for p in network.parameters() if p.requires_grad)

    @property
    def equilibrium(self) -> tuple[float | None, float | None]:
        """The losses (D, G) when generated and real samples agree; None for a D trained alone."""
        if self.fakes is not None:
            return None, None
        return equilibrium_of((o.weight, o.loss) for o in self.opponents.values())

    @cached_property
    def optimum(self) -> KnownOptimum | None:
        """The optimal D to which a D trained alone is compared, where both densities are known."""
        if self.fakes is None:
            return None
        first = next(iter(self.opponents.values()))
        return optimum_of(self.source, self.fakes, first, max(1, self.evaluate_n // 2), self.seed + 4)

    @property
    def named_networks(self) -> dict[str, nn.Module]:
        """G and every discriminator by name."""
        return {"G": self.G} | {name: o.critic for name, o in self.opponents.items()}

    @property
    def calls(self) -> dict[str, Call]:
        """How those discriminators are called that are not called as usual."""
        return {name: o.call for name, o in self.opponents.items() if o.call is not None}

    @property
    def networks(self) -> list[nn.Module]:
        """G and every discriminator."""
        return [*self.named_networks.values()]

    @property
    def watches_data(self) -> bool:
        """Whether new reals are compared with the first ones: reals that are drawn anew may change."""
        return self.monitor is not None and self.source.size is None

    @property
    def about(self) -> dict[str, Any]:
        """A description of the training data that can be read without it, as plain types."""
        source, prior = self.source, self.prior
        return {
            "name": source.name,
            "shape": list(source.shape),
            "size": source.size,
            "image": source.image,
            "columns": list(source.columns),
            "class_names": list(source.class_names),
            "class_counts": None if prior is None else prior.bincount(minlength=source.classes or 0).tolist(),
            "licence": source.licence,
            **({} if source.given is None else {"given": form_of(source.given)}),
            "digest": " ".join(side.fingerprint() for side in (source, self.fakes) if side is not None),
        }

    def saved_settings(self, horizon: int) -> dict[str, Any]:
        """The settings stored and compared on resume: a recipe's, or as many of your own as are plain values."""
        if self.settings is not None:
            return self.settings
        return {
            "opponents": {
                name: {key: _told(part) for key, part in o.parts()}
                | {"constraint": _told(o.constraint), "weight": o.weight}
                | ({"gives": "probability"} if is_opened(o.critic) else {})
                | ({} if o.weigh is None else {"weigh": _told(o.weigh)})
                for name, o in self.opponents.items()
            },
            "data": {"name": self.source.name, "shape": list(self.source.shape), "size": self.source.size},
            **({} if self.fakes is None else {"fakes": {"name": self.fakes.name, "size": self.fakes.size}}),
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


def run_of(setup: Setup, average: Average | None, path: Path | None, settings: dict[str, Any], evaluate: Any) -> Run:
    """The run as the user sees it, on the networks that are being trained."""
    source, critics = setup.source, {name: opponent.critic for name, opponent in setup.opponents.items()}
    run = Run(
        path=path,
        G=setup.G if average is None else average.network,
        G_live=setup.G,
        D=critics if len(critics) > 1 else next(iter(critics.values())),
        latent=setup.latent,
        settings=settings,
        metrics=[],
        equilibrium=setup.equilibrium,
        units=None if source.offset is None or source.scale is None else (source.offset, source.scale),
        device=setup.device,
        prior=setup.prior,
        data=setup.about,
        latent_dim=setup.latent_dim,
        network_settings=setup.network_settings,
    )
    measured = evaluate or setup.optimum
    run.protocol = str(getattr(measured, "protocol", ""))
    run.protocols = dict(getattr(measured, "protocols", {}))
    run.conditions = setup.evaluated
    run.reference, run.modes = dict(getattr(evaluate, "reference", {})), source.modes
    return run


def setting_of(setup: Setup, equilibrium: float | None, horizon: int | None) -> Setting:
    """How a run is trained, as far as verdicts depend on it; for several discriminators, the first one."""
    first = next(iter(setup.opponents.values()))
    parts = {part.name: part for part in parts_of(first.method)}
    constraint = [name for name, kind in CONSTRAINTS.items() if isinstance(first.constraint, kind)]
    return Setting(
        free=is_free(equilibrium),
        penalties={penalty.name: float(getattr(penalty, "weight", 1.0)) for penalty in first.penalties},
        parts=frozenset((*parts, *constraint)),
        count=int(getattr(parts.get("fake_as_real"), "count", 0)),
        rates=setup.rates,
        batch=setup.sides.real,
        known=True,
        end=None if setup.schedule.constant else horizon,
        length=horizon or 0,
    )


@dataclass(frozen=True)
class Rhythm:
    """How often each thing happens, in iterations."""

    log: int = 200
    evaluate: int = 1000
    checkpoint: int = 2000
    keep: int = 3  # checkpoints

    def due(self, iteration: int) -> bool:
        """Whether anything is to be measured or written at this iteration."""
        return any(iteration % every == 0 for every in (self.log, self.evaluate, self.checkpoint))

    def tells(self, iteration: int) -> bool:
        """Whether a record is written at this iteration."""
        return iteration % self.log == 0 or iteration % self.evaluate == 0

    @property
    def _stops(self) -> tuple[int, ...]:
        return BLOCK, self.log, self.evaluate, self.checkpoint

    def next_stop(self, iteration: int, until: int) -> int:
        """Where the iterations must pause next: the block's end, a tick, or the end of the run."""
        return min(until, *((iteration // every + 1) * every for every in self._stops))

    def rests(self, iteration: int) -> bool:
        """Whether the iterations pause here wherever the run ends."""
        return any(iteration % every == 0 for every in self._stops)


def positive(**values: int) -> None:
    """Raises InputError for a count that is not a whole number of 1 or more."""
    for name, value in values.items():
        check_whole(name, value, 1)
