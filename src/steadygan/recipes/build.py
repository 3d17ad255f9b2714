"""From settings to objects: the one place where names become losses, penalties, methods, networks and data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import Folder, ImageSet, Points, Settings
from ..config.block import Parts
from ..config.opponents import Judge
from ..config.parts import Penalties
from ..data import DATA, Source
from ..data.samples import Progress
from ..devices import borrowed, choose_device
from ..diagnostics.monitor import CollapseMonitor
from ..diagnostics.remedy import Remedy
from ..engine.optim import SCHEDULES, Ema, OptimizerSettings
from ..errors import InputError
from ..losses import LOSSES, Nothing
from ..methods import METHODS, Plain, chain
from ..models import DISCRIMINATORS, GENERATORS, spectral_norm
from ..penalties import CONSTRAINTS, PENALTIES
from ..registry import Registry
from ..runs.folder import RunFolder
from ..runs.run import take_weights
from ..training.member import Callback
from ..training.trainer import Trainer
from ..types import Loss, Method, Opponent, Penalty


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
    already. Raises InputError for data that cannot be read
    or does not fit, and for first weights (`init_from`) of another model.
    """
    data = source(settings, progress) if data is None else data
    spec = network_settings(settings, data)
    G, D = networks(spec, settings.seed)
    ds = {"D": D} if isinstance(D, nn.Module) else D
    judges = settings.judges()
    if settings.init_from is not None and not (resume and out is not None and RunFolder(Path(out)).saved):
        take_weights(settings.init_from, G, ds)
    return Trainer(
        G,
        {name: opponent(judge, ds[name]) for name, judge in judges.items()},
        data,
        latent_dim=settings.latent_dim,
        batch_size=settings.batch_size,
        d_steps=settings.d_steps,
        optimizer=OptimizerSettings(**settings.optimizer.model_dump()),
        lr_g=settings.lr_g,
        lr_d=settings.lr_d,
        schedule=SCHEDULES[settings.schedule.name](**settings.schedule.model_dump(exclude={"name"})),
        horizon=settings.horizon,
        ema=None if settings.ema is None else Ema(**settings.ema.model_dump()),
        seed=settings.seed,
        device=settings.device,
        dtype=whereabouts(settings)[1],
        threads=settings.threads,
        precision=settings.precision,
        candidates=settings.candidates,
        compile=settings.compile,
        evaluate_n=settings.evaluate.n,
        features=settings.evaluate.features,
        monitor=monitor(settings),
        log_every=settings.log_every,
        evaluate_every=settings.evaluate.every,
        checkpoint_every=settings.checkpoint_every,
        keep=settings.keep,
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
    factors = own.remedy.model_dump(exclude={"penalty", "method"})
    remedy = Remedy(**factors, penalties=penalties(own.remedy.penalty), methods=methods(own.remedy.method))
    return CollapseMonitor(policy=own.policy, times=own.times, remedy=remedy)


def source(settings: Settings, progress: Progress | None = None) -> Source:
    """The real data; points of the user's are standardised unless told otherwise.

    progress: told (what, done, total) while images are decoded. Raises InputError for data that cannot be read or used.
    """
    data = settings.data
    own = data.model_dump(exclude={"name"})
    if isinstance(data, Points):
        if data.path is None:
            raise InputError(f"{settings.recipe}: expected your data, got none: add --data points.npy (or .npz, .csv)")
        points = DATA["points"](path=data.path)
        return points.standardised() if data.standardise else points
    if isinstance(data, Folder) and data.path is None:
        raise InputError(f"{settings.recipe}: expected your images, got none: add --data FOLDER (or .zip, .npy, .npz)")
    found = DATA[data.name](**own, progress=progress) if isinstance(data, ImageSet) else DATA[data.name](**own)
    if settings.conditional and found.label is None:
        raise InputError(
            f"{settings.recipe}: expected images with classes, got {found.name} without: put each class into a folder "
            "of its own, or set conditional=false"
        )
    return found


def whereabouts(settings: Settings) -> tuple[torch.device, torch.dtype]:
    """On which device a run trains, and with which dtype."""
    return choose_device(settings.device), torch.float64 if settings.dtype == "float64" else torch.float32


def opponent(judge: Judge, critic: nn.Module) -> Opponent:
    """A discriminator with all that trains it; its methods act in the order of the settings."""
    made = methods(judge.method)
    method = chain(*made) if made else Plain()
    constraints = [CONSTRAINTS[name](**block.model_dump()) for name, block in judge.constraint.items()]
    loss: Loss = (
        Nothing() if method.replaces_loss else LOSSES[judge.loss.name](**judge.loss.model_dump(exclude={"name"}))
    )
    return Opponent(
        critic,
        loss,
        tuple(penalties(judge.penalty)),
        method,
        constraints[0] if constraints else None,
        judge.weight,
    )


def penalties(own: Penalties) -> list[Penalty]:
    """Those that are set, in their order."""
    known: Mapping[str, Any] = PENALTIES
    return [known[name](**block.model_dump()) for name, block in own.items()]


def methods(own: Parts) -> list[Method]:
    """Those that are set, in their order."""
    return [METHODS[name](**block.model_dump()) for name, block in own.items()]


def network_settings(settings: Settings, data: Source) -> dict[str, Any]:
    """What G and D are rebuilt from for samples of `data`: names, shapes and sizes as plain types."""
    classes = data.classes if settings.conditional else None
    generator = {"latent_dim": settings.latent_dim, "shape": [*data.shape], "classes": classes}
    discriminators = {}
    for name, judge in settings.judges().items():
        first, *rest = data.shape
        degree = 1 if judge.method.packing is None else judge.method.packing.degree  # D is shown several samples as one
        discriminators[name] = {
            "shape": [first * degree, *rest],
            "classes": classes,
            **judge.discriminator.model_dump(),
        }
        if judge.constraint.spectral_norm is not None:
            discriminators[name]["spectral"] = True
    told = {"discriminator": discriminators["D"]} if "D" in discriminators else {"discriminators": discriminators}
    return {"generator": {**generator, **settings.generator.model_dump()}, **told}


def networks(
    spec: Mapping[str, Mapping[str, Any]], seed: int = 0
) -> tuple[nn.Module, nn.Module | dict[str, nn.Module]]:
    """(G, D) of a `network_settings`, on the CPU, with the first weights of `seed`; D by name where there are several.

    Raises InputError for settings that the networks do not have, such as those of a run of another version.
    """
    try:
        with borrowed(seed), torch.device("cpu"):
            G = _network(GENERATORS, dict(spec["generator"]))
            if "discriminators" in spec:
                D: nn.Module | dict[str, nn.Module] = {
                    name: _network(DISCRIMINATORS, dict(own)) for name, own in spec["discriminators"].items()
                }
            else:
                D = _network(DISCRIMINATORS, dict(spec["discriminator"]))
    except TypeError as error:
        raise InputError(
            f"expected network settings of this version of steadygan, got others ({error}): use the version that "
            "plan.json names, or train again"
        ) from error
    return G, D


def _network(registry: Registry[Callable[..., nn.Module]], arguments: dict[str, Any]) -> nn.Module:
    spectral = arguments.pop("spectral", False)
    made = registry[arguments.pop("name")](**arguments)
    return spectral_norm(made) if spectral else made
