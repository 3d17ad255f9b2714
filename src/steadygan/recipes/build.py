"""From settings to a trainer: names become opponents here, networks and data where those are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import Settings
from ..config.block import JudgeSettings, Parts, values
from ..data import Source
from ..data.build import fakes, source
from ..data.samples import Progress
from ..devices import choose_device, plain_modes
from ..diagnostics.monitor import CollapseMonitor
from ..diagnostics.remedy import Remedy
from ..engine.optim import OptimizerSettings
from ..losses import LOSSES, Nothing
from ..methods import METHODS, Plain, chain
from ..models.build import ABSENT, networks
from ..penalties import CONSTRAINTS, PENALTIES
from ..runs.checkpoint import take_weights
from ..runs.folder import RunFolder
from ..runs.run import Callback
from ..training.trainer import Trainer
from ..types import Loss, Opponent

SAME = (  # settings that a trainer takes as they are
    *("latent_dim", "batch_size", "d_steps", "lr_g", "lr_d", "schedule", "horizon", "ema", "seed", "device", "threads"),
    *("precision", "candidates", "compile", "log_every", "checkpoint_every", "keep"),
)


@plain_modes()
def trainer(
    settings: Settings,
    out: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: Progress | None = None,
    data: Source | None = None,
) -> Trainer:
    """The trainer that `settings` describe; the global random generators are left as they were.

    out: the run's folder (None writes nothing); progress: see `source`; data: the source itself, where it is known
    already. Raises InputError for data that cannot be read or does not fit, and for first weights (`init_from`) of
    another model.
    """
    data = source(settings, progress) if data is None else data
    spec, side = network_settings(settings, data), fakes(settings, progress)
    G, D = networks(spec, settings.seed)
    ds = {"D": D} if isinstance(D, nn.Module) else D
    judges = settings.judges()
    if settings.init_from is not None and not (resume and out is not None and any(RunFolder(Path(out)).saved)):
        take_weights(settings.init_from, G, ds)
    given = {name: getattr(settings, name) for name in SAME}
    given |= {} if side is None else {"latent_dim": None}
    return Trainer(
        G if side is None else None,
        {name: opponent(judge, ds[name]) for name, judge in judges.items()},
        data,
        fakes=side,
        **given,
        optimizer=OptimizerSettings(**values(settings.optimizer)),
        dtype=whereabouts(settings)[1],
        evaluate_n=settings.evaluate.n,
        features=settings.evaluate.features,
        monitor=monitor(settings),
        evaluate_every=settings.evaluate.every,
        out=out,
        resume=resume,
        callbacks=callbacks,
        settings=settings.plain(),
        network_settings=spec,
    )


def monitor(settings: Settings) -> CollapseMonitor | None:
    """Who watches the run."""
    own = settings.monitor
    if own is None:
        return None
    if own.policy != "rollback":
        return CollapseMonitor(policy=own.policy, times=own.times)
    given = dict(values(own.remedy))
    parts = built(PENALTIES, given.pop("penalty")), built(METHODS, given.pop("method"))
    remedy = Remedy(**given, penalties=parts[0], methods=parts[1])
    return CollapseMonitor(policy=own.policy, times=own.times, remedy=remedy)


def whereabouts(settings: Settings) -> tuple[torch.device, torch.dtype]:
    """On which device a run trains, and with which dtype."""
    return choose_device(settings.device), torch.float64 if settings.dtype == "float64" else torch.float32


def opponent(judge: JudgeSettings, critic: nn.Module) -> Opponent:
    """A discriminator with all that trains it; its methods act in the order of the settings."""
    made = built(METHODS, judge.method)
    method = chain(*made) if made else Plain()
    constraint = next(iter(built(CONSTRAINTS, judge.constraint)), None)
    loss: Loss = Nothing() if method.replaces_loss else LOSSES[judge.loss.name](**values(judge.loss))
    return Opponent(critic, loss, tuple(built(PENALTIES, judge.penalty)), method, constraint, judge.weight)


def built(registry: Mapping[str, Any], own: Parts) -> list[Any]:
    """The parts that are set, in their order."""
    return [registry[name](**values(block)) for name, block in own.items()]


def network_settings(settings: Settings, data: Source) -> dict[str, Any]:
    """What G and D are rebuilt from for samples of `data`: names, shapes and sizes as plain types."""
    classes, generator = data.classes if settings.conditional else None, dict[str, Any](ABSENT)
    if settings.generator is not None:
        generator = {"latent_dim": settings.latent_dim, "shape": [*data.shape], "classes": classes}
        generator |= {"name": settings.generator.name, **values(settings.generator)}
    discriminators = {}
    for name, judge in settings.judges().items():
        (first, *rest), own = data.shape, judge.discriminator
        several = chain(*built(METHODS, judge.method), Plain()).raw(first)  # D may be shown several samples as one
        shown = {"shape": [several, *rest], "classes": classes}
        discriminators[name] = {**shown, "name": own.name, **values(own)}
        if "spectral_norm" in judge.constraint:
            discriminators[name]["spectral"] = True
    told = {"discriminator": discriminators["D"]} if "D" in discriminators else {"discriminators": discriminators}
    return {"generator": generator, **told}
