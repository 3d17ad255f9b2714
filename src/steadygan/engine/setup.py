"""From a trainer's arguments to a loop that can run: executor, draws, probes, log; from a checkpoint when resuming."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..data import Source
from ..errors import InputError
from ..metrics import Evaluator
from ..rng import borrowed
from ..types import Batch, Opponent
from . import checkpoint
from .draws import Draws, Latent, Needs
from .eager import Eager
from .ema import Ema
from .folder import RunFolder, read_records, write_json
from .log import Log
from .loop import Loop, Rhythm
from .objective import Sides
from .opponents import equilibrium_of
from .optim import OptimizerFactory
from .plan import Plan
from .probes import Evaluate, Probes
from .run import Run
from .schedule import Schedule
from .state import restore


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
    seed: int
    device: torch.device
    dtype: torch.dtype
    rhythm: Rhythm
    evaluator: Evaluate | Literal["auto"] | None
    evaluate_n: int
    settings: dict[str, Any] | None
    network_settings: dict[str, Any] | None

    @property
    def networks(self) -> list[nn.Module]:
        """G and every discriminator."""
        return [self.G, *(o.critic for o in self.opponents.values())]

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
            "latent_dim": self.latent_dim,
        }


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
    draws = Draws(setup.needs, setup.source.stream(setup.seed), setup.latent, generator)
    executor = Eager(setup.G, setup.opponents, setup.sides, (setup.optimizer, setup.optimizer), setup.rates, setup.ema)
    check_shapes(setup, executor)
    evaluate = evaluator_of(setup)
    run = new_run(setup, executor, folder, settings)
    run.protocol = str(getattr(evaluate, "protocol", ""))
    loop = Loop(
        executor=executor,
        draws=draws,
        probes=Probes(executor, setup.source, setup.latent, setup.seed, setup.device, evaluate),
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


def check_shapes(setup: Setup, executor: Eager) -> None:
    """One forward of everything, so that a wrong shape is told before the first step."""
    generator = torch.Generator(setup.device).manual_seed(setup.seed)
    needs = setup.needs
    with borrowed(setup.seed, setup.device):
        n = needs.fake_g
        z = _batch_of(setup.latent(n, generator), n, "latent", "latents")
        real = setup.source.fresh(n, generator)
        for network in setup.networks:
            network.requires_grad_(False)
        with _taking(f"the generator cannot take latents of shape {tuple(z.shape[1:])}"):
            made = executor.fakes(z)
        fake = tuple(_batch_of(made, n, "the generator", "samples").shape[1:])
        if fake != setup.source.shape:
            raise InputError(
                f"the generator must return samples of shape {setup.source.shape}, as the data's, but returned {fake}: "
                "change its last layer"
            )
        with _taking(f"a discriminator cannot take samples of shape {setup.source.shape}, as the data's"):
            executor.probe(Batch(real), z)


@contextmanager
def _taking(what: str) -> Iterator[None]:
    """A network's own complaint about its input, told in one line."""
    try:
        yield
    except (RuntimeError, TypeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{what}: {reason}: change its first layer") from error


def _batch_of(found: Any, n: int, whose: str, what: str) -> Tensor:
    """What the user's function returned, as a tensor (n, ...); raises InputError when it is not that."""
    if not isinstance(found, Tensor):
        raise InputError(f"{whose} must return a tensor of {n} {what}, not {type(found).__name__}")
    if found.ndim < 1 or found.shape[0] != n:
        raise InputError(f"{whose} must return {n} {what} when asked for {n}, but returned shape {tuple(found.shape)}")
    return found


def evaluator_of(setup: Setup) -> Evaluate | None:
    """The user's evaluator, or the one that fits the data."""
    if setup.evaluator != "auto":
        return setup.evaluator
    source = setup.source
    return Evaluator.build(
        source.train,
        source.unseen,
        source.centres,
        source.std,
        source.held_out,
        source.held_out_label,
        n=setup.evaluate_n,
        device=setup.device,
    )


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
    )


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
        "data": setup.source.fingerprint(),
    }


def _told(thing: object) -> str:
    """Its repr without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
