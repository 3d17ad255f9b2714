"""From a setup to a loop that can run: executor, draws, probes, log; from a checkpoint when resuming."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..metrics import Evaluator
from . import checkpoint
from .checks import check_shapes
from .draws import Draws
from .eager import Eager
from .folder import RunFolder, read_records, write_json
from .log import Log
from .loop import Loop
from .opponents import equilibrium_of
from .plan import Plan
from .probes import Evaluate, Probes
from .run import Run
from .setup import Setup
from .state import restore

MEASURED = 10_000  # training images that an evaluation may look at


def start(
    setup: Setup,
    folder: RunFolder | None,
    plan: Plan,
    horizon: int,
    resume: bool,
    on_tick: Callable[[int, dict[str, float]], None],
) -> tuple[Loop, Run]:
    """Builds everything, checks it against the folder, and goes back to the newest checkpoint when resuming."""
    settings = setup.saved_settings(horizon)
    saved = None
    if folder is not None:
        newest = folder.check(settings, resume)
        saved = None if newest is None else checkpoint.read(newest)
    for network in setup.networks:
        network.to(setup.device, setup.dtype)
    generator = torch.Generator(setup.device).manual_seed(setup.seed)
    draws = Draws(setup.needs, setup.source.stream(setup.seed), setup.latent, generator, setup.prior)
    executor = Eager(setup.G, setup.opponents, setup.sides, (setup.optimizer, setup.optimizer), setup.rates, setup.ema)
    check_shapes(setup, executor)
    evaluate = evaluator_of(setup)
    run = new_run(setup, executor, folder, settings)
    run.protocol = str(getattr(evaluate, "protocol", ""))
    loop = Loop(
        executor=executor,
        draws=draws,
        probes=Probes(executor, setup.source, setup.latent, setup.seed, setup.device, evaluate, setup.prior),
        plan=plan,
        schedule=setup.schedule,
        horizon=horizon,
        rhythm=setup.rhythm,
        log=Log(folder, []),
        folder=folder,
        settings=settings,
        extras=extras(setup, run),
        on_tick=on_tick,
    )
    if saved is not None:
        assert folder is not None
        go_back(loop, folder, saved)
    elif folder is not None:
        folder.clear()
    if folder is not None:  # only now: a run that could not start has no settings
        write_json(folder.settings, settings)
        write_json(folder.plan, asdict(plan))
        loop.log.say(f"{'resumed at' if saved else 'started at'} iteration {loop.iteration}: {plan.told()}")
        for note in setup.source.notes:
            loop.log.say(note)
    run.metrics, run.events = loop.log.records, loop.log.events
    return loop, run


def go_back(loop: Loop, folder: RunFolder, saved: dict[str, Any]) -> None:
    """Puts the checkpoint's state back and cuts the logs to it; raises InputError when it was made with other data."""
    if saved.get("data") != loop.extras["data"]:
        raise InputError(
            f"{folder.path} was made with other training data than what is given now: resume with the same data, or "
            "choose another --out"
        )
    restore(saved["state"], loop.executor, loop.draws)
    loop.iteration, loop.sums = int(saved["state"].iteration), dict(saved["state"].sums)
    folder.cut_back(loop.iteration)
    loop.log = Log(folder, read_records(folder.metrics))
    timing = read_records(folder.timing)
    loop.seconds = float(timing[-1]["seconds"]) if timing else 0.0
    differing = loop.plan.differences(saved["plan"])
    if differing:
        loop.log.event(f"not bit-identical: {'; '.join(differing)}")


def evaluator_of(setup: Setup) -> Evaluate | None:
    """The user's evaluator, or the one that fits the data."""
    if setup.evaluator != "auto":
        return setup.evaluator
    source = setup.source
    in_place = isinstance(source.train, Tensor) and source.train.is_floating_point()
    telling = source.nearest_classes
    evaluator = Evaluator.build(
        source.train if in_place else source.some(MEASURED),  # type: ignore[arg-type]
        source.unseen,
        source.centres,
        source.std,
        source.held_out_samples() if telling else None,
        source.held_out_label if telling else None,
        n=setup.evaluate_n,
        device=setup.device,
    )
    return replace(evaluator, protocol=f"{evaluator.protocol}; distances between pixels") if source.image else evaluator


def new_run(setup: Setup, executor: Eager, folder: RunFolder | None, settings: dict[str, Any]) -> Run:
    """The run as the user sees it, on the networks that are being trained."""
    source, opponents = setup.source, setup.opponents
    several = len(opponents) > 1
    return Run(
        path=None if folder is None else folder.path,
        G=setup.G if executor.average is None else executor.average.network,
        G_live=setup.G,
        D={name: o.critic for name, o in opponents.items()} if several else next(iter(opponents.values())).critic,
        latent=setup.latent,
        settings=settings,
        metrics=[],
        equilibrium=equilibrium_of(opponents),
        units=None if source.offset is None or source.scale is None else (source.offset, source.scale),
        device=setup.device,
        prior=setup.prior,
        data=about(setup),
        latent_dim=setup.latent_dim,
        network_settings=setup.network_settings,
    )


def about(setup: Setup) -> dict[str, Any]:
    """What is worth knowing of the training data without having it, as plain types."""
    source = setup.source
    return {
        "name": source.name,
        "shape": list(source.shape),
        "size": source.size,
        "image": source.image,
        "class_names": list(source.class_names),
        "class_counts": None if setup.prior is None else setup.prior.bincount(minlength=source.classes or 0).tolist(),
        "licence": source.licence,
        "digest": source.fingerprint(),
    }


def extras(setup: Setup, run: Run) -> dict[str, Any]:
    """What a checkpoint holds beside the state, so that `load` needs nothing else."""
    offset, scale = setup.source.offset, setup.source.scale
    units = {} if offset is None or scale is None else {"offset": offset.cpu(), "scale": scale.cpu()}
    return {
        "latent_dim": setup.latent_dim,
        "equilibrium": list(run.equilibrium),
        "protocol": run.protocol,
        "networks": setup.network_settings,
        "units": units,
        "data": run.data["digest"],
        "about": run.data,
    }
