"""`Trainer`: your modules and your data in, a run out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..data import from_user
from ..errors import InputError, Interrupted, NonFiniteError
from ..losses import NonSaturating
from ..methods import Plain, chain
from ..metrics import Evaluator
from ..rng import borrowed
from ..types import Batch, Constraint, Loss, Method, Opponent, Penalty
from . import checkpoint, figures
from .draws import Draws, Latent, Needs, normal_latent
from .eager import Eager
from .ema import Ema
from .folder import RunFolder, read_records, write_json
from .log import Log
from .loop import Loop, Rhythm
from .objective import Sides
from .optim import OptimizerFactory, OptimizerSettings
from .plan import Plan, choose_device, host, training, work_of
from .probes import Evaluate, Probes
from .run import Run
from .schedule import Constant, Schedule
from .state import restore

Callback = Callable[[Run, int, dict[str, float]], None]


class Trainer:
    """Trains any pair of modules on any data: `Trainer(G, D, data, latent_dim=2).fit(10_000)`.

    G: z -> sample. D: sample -> logit (n,) or (n, 1), higher = more real; or a mapping of `Opponent`s.
    data: tensor, array, torch `Dataset` of x or (x, label), or a `steadygan.data` source.
    latent_dim: z ~ N(0, I) of that size; or latent(n, generator) -> z of your own.
    loss, penalties, method (or several), constraint: how the one discriminator is trained.
    batch_size: N = M, real and fake samples per step; d_steps: D steps per G step; lr_d defaults to lr_g.
    schedule: a factor on both rates over `horizon` iterations (default: those of the first `fit`).
    ema: an `Ema`, a plain decay, or None; evaluator: "auto", None, or samples -> {name: figure}.
    out: the run's folder (None writes nothing); resume: go on from its newest checkpoint.
    Raises InputError for settings that do not fit.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module | Mapping[str, Opponent],
        data: Any,
        *,
        latent_dim: int | None = None,
        latent: Latent | None = None,
        loss: Loss | None = None,
        penalties: Sequence[Penalty] = (),
        method: Method | Sequence[Method] | None = None,
        constraint: Constraint | None = None,
        batch_size: int = 64,
        d_steps: int = 1,
        optimizer: OptimizerFactory | None = None,
        lr_g: float = 1e-3,
        lr_d: float | None = None,
        schedule: Schedule | None = None,
        horizon: int | None = None,
        ema: Ema | float | None = 0.999,
        seed: int = 0,
        device: str = "auto",
        dtype: torch.dtype = torch.float32,
        threads: int | None = None,
        evaluator: Evaluate | Literal["auto"] | None = "auto",
        evaluate_n: int = 10_000,
        log_every: int = 200,
        evaluate_every: int = 1000,
        checkpoint_every: int = 2000,
        keep: int = 3,
        out: str | Path | None = None,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
        settings: dict[str, Any] | None = None,
        network_settings: dict[str, Any] | None = None,
    ) -> None:
        _positive(batch_size=batch_size, d_steps=d_steps, log_every=log_every, evaluate_every=evaluate_every)
        _positive(checkpoint_every=checkpoint_every, keep=keep, evaluate_n=evaluate_n)
        lr_d = lr_g if lr_d is None else lr_d
        if not (lr_g > 0 and lr_d > 0):
            raise InputError(f"learning rates must be above 0, not lr_g={lr_g}, lr_d={lr_d}")
        if (latent_dim is None) == (latent is None):
            raise InputError("give either latent_dim (normal z of that size) or latent (a function n, generator -> z)")
        self.device, self.dtype = choose_device(device), dtype
        self.source = from_user(data).to(self.device, dtype)
        self.G = _module(G, "G")
        self.opponents = _opponents(D, loss, penalties, method, constraint)
        self.latent = latent if latent is not None else normal_latent(latent_dim or 0, dtype)
        self.latent_dim = latent_dim
        self.sides = Sides(batch_size, batch_size)
        self.needs = Needs.of(self.opponents, self.sides, self.source.shape, d_steps)
        self.optimizer: OptimizerFactory = optimizer or OptimizerSettings()
        self.rates, self.schedule, self.horizon = (lr_g, lr_d), schedule or Constant(), horizon
        self.ema = Ema(decay=ema) if isinstance(ema, int | float) else ema
        self.seed, self.threads, self.evaluator, self.evaluate_n = seed, threads, evaluator, evaluate_n
        self.rhythm = Rhythm(log_every, evaluate_every, checkpoint_every, keep)
        self.out, self.resume, self.callbacks = None if out is None else Path(out), resume, list(callbacks)
        self.settings = settings if settings is not None else self._described()
        self.network_settings = network_settings
        self._loop: Loop | None = None
        self._run: Run | None = None
        self._global: Mapping[str, Tensor] | None = None

    def fit(self, iterations: int) -> Run:
        """Trains until `iterations` are done in all (an earlier `fit` or a resumed run counts) and returns the run.

        Raises NonFiniteError when a term stops being finite, and Interrupted once SIGINT or SIGTERM has been obeyed;
        the checkpoint is written by then. Global generators, threads and train/eval modes are left as they were.
        """
        if iterations < 0:
            raise InputError(f"iterations must be 0 or more, not {iterations}")
        self.horizon = self.horizon or max(1, iterations)
        folder = None if self.out is None else RunFolder(self.out)
        with ExitStack() as stack:
            if folder is not None:
                folder.acquire()
                stack.callback(folder.release)
            networks = [self.G, *(o.critic for o in self.opponents.values())]
            for network in networks:
                stack.enter_context(training(network))
            plan = Plan.resolve(self.device, self.dtype, self.threads, work_of(networks, self.sides.real))
            stack.enter_context(host(plan.threads, self.seed, self.device))
            loop = self._loop or self._start(folder, plan)
            stack.callback(loop.log.close)
            assert self._run is not None
            self._go_on(loop)
            try:
                loop.run(iterations)
            except (Interrupted, NonFiniteError):
                self._draw_figures(loop)
                raise
            finally:
                self._global = loop.state().random
                self._tell(loop)
            self._draw_figures(loop)
        return self._run

    def _start(self, folder: RunFolder | None, plan: Plan) -> Loop:
        """Builds the executor and everything around it, from the newest checkpoint when resuming."""
        for network in (self.G, *(o.critic for o in self.opponents.values())):
            network.to(self.device, self.dtype)
        saved = None
        if folder is not None:
            folder.start(self.settings, self.resume and self._loop is None)
            newest = checkpoint.latest(folder.checkpoints) if self.resume else None
            saved = None if newest is None else checkpoint.read(newest)
        generator = torch.Generator(self.device).manual_seed(self.seed)
        draws = Draws(self.needs, self.source.stream(self.seed), self.latent, generator)
        executor = Eager(self.G, self.opponents, self.sides, (self.optimizer, self.optimizer), self.rates, self.ema)
        self._check_shapes(executor)
        evaluate = self._evaluator()
        probes = Probes(executor, self.source, self.latent, self.seed, self.device, evaluate)
        loop = Loop(
            executor=executor,
            draws=draws,
            probes=probes,
            plan=plan,
            schedule=self.schedule,
            horizon=self.horizon or 1,
            rhythm=self.rhythm,
            log=Log(folder, [], 0),
            folder=folder,
            settings=self.settings,
            extras={},
            on_tick=self._on_tick,
        )
        self._run = self._new_run(executor)
        self._run.protocol = str(getattr(evaluate, "protocol", ""))
        loop.extras = {
            "latent_dim": self.latent_dim,
            "equilibrium": list(self._run.equilibrium),
            "protocol": self._run.protocol,
            "networks": self.network_settings,
            "units": {}
            if self.source.offset is None
            else {"offset": self.source.offset.cpu(), "scale": self.source.scale.cpu()},  # type: ignore[union-attr]
        }
        if saved is not None:
            assert folder is not None
            restore(saved["state"], executor, draws)
            loop.iteration, loop.sums = int(saved["state"].iteration), dict(saved["state"].sums)
            folder.cut_back(loop.iteration)
            loop.log = Log(folder, read_records(folder.metrics), loop.iteration)
            timing = read_records(folder.timing)
            loop.seconds = float(timing[-1]["seconds"]) if timing else 0.0
            differing = plan.differences(saved["plan"])
            if differing:
                loop.log.event(f"not bit-identical: {'; '.join(differing)}")
            loop.log.say(f"resumed at iteration {loop.iteration}")
        elif folder is not None:
            folder.clear()
        if folder is not None:
            write_json(folder.plan, asdict(plan))
        self._run.metrics, self._run.events = loop.log.records, loop.log.events
        self._loop = loop
        return loop

    def _go_on(self, loop: Loop) -> None:
        """torch's global generators as the last `fit` left them, and its closing record forgotten."""
        if self._global is None:
            return
        torch.set_rng_state(self._global["cpu"])
        if "cuda" in self._global:
            torch.cuda.set_rng_state(self._global["cuda"], self.device)
        if loop.log.records and loop.log.records[-1].get("final"):
            loop.log.records.pop()
            if loop.folder is not None:
                loop.folder.cut_back(loop.iteration)

    def _check_shapes(self, executor: Eager) -> None:
        """One forward of everything, so that a wrong shape is told before the first step."""
        generator = torch.Generator(self.device).manual_seed(self.seed)
        with borrowed(self.seed, self.device):
            z = self.latent(self.needs.fake_g, generator)
            real = Batch(self.source.fresh(self.needs.real_d + self.needs.fake_d, generator))
            for network in executor.networks.values():
                network.requires_grad_(False)
            executor.probe(Batch(real.x[: self.needs.fake_g]), z)
            fake = executor.sample_shape(z)
        if fake != self.source.shape:
            raise InputError(
                f"the generator must return samples of shape {self.source.shape}, as the data's, but returned {fake}: "
                "change its last layer"
            )

    def _evaluator(self) -> Evaluate | None:
        if self.evaluator != "auto":
            return self.evaluator
        source = self.source
        return Evaluator.build(
            source.train,
            source.unseen,
            source.centres,
            source.std,
            source.held_out,
            source.held_out_label,
            n=self.evaluate_n,
            device=self.device,
        )

    def _new_run(self, executor: Eager) -> Run:
        source = self.source
        first = next(iter(self.opponents.values()))
        several = len(self.opponents) > 1
        return Run(
            path=self.out,
            G=self.G if executor.average is None else executor.average.network,
            G_live=self.G,
            D={name: o.critic for name, o in self.opponents.items()} if several else first.critic,
            latent=self.latent,
            settings=self.settings,
            metrics=[],
            equilibrium=_equilibrium(self.opponents),
            units=None if source.offset is None or source.scale is None else (source.offset, source.scale),
            device=self.device,
        )

    def _draw_figures(self, loop: Loop) -> None:
        if loop.folder is not None and len(loop.log.records) > 1:
            assert self._run is not None
            title = str(self.settings.get("recipe", loop.folder.path.name))
            figures.draw(loop.folder, self.source, loop.probes.real, loop.log.records, self._run.equilibrium, title)

    def _tell(self, loop: Loop) -> None:
        assert self._run is not None
        self._run.iteration, self._run.wall_time = loop.iteration, loop.seconds
        self._run.iterations_per_second = loop.iterations_per_second

    def _on_tick(self, iteration: int, record: dict[str, float]) -> None:
        assert self._run is not None
        assert self._loop is not None
        self._tell(self._loop)
        for callback in self.callbacks:
            callback(self._run, iteration, record)

    def _described(self) -> dict[str, Any]:
        """The settings of a run with modules of one's own, as far as they are plain data."""
        return {
            "opponents": {
                name: {key: repr(part) for key, part in o.parts()} | {"weight": o.weight}
                for name, o in self.opponents.items()
            },
            "batch_size": self.sides.real,
            "d_steps": self.needs.d_steps,
            "lr_g": self.rates[0],
            "lr_d": self.rates[1],
            "optimizer": repr(self.optimizer) if is_dataclass(self.optimizer) else type(self.optimizer).__name__,
            "schedule": repr(self.schedule),
            "ema": repr(self.ema),
            "seed": self.seed,
            "dtype": str(self.dtype),
            "latent_dim": self.latent_dim,
        }


def _opponents(
    D: nn.Module | Mapping[str, Opponent],
    loss: Loss | None,
    penalties: Sequence[Penalty],
    method: Method | Sequence[Method] | None,
    constraint: Constraint | None,
) -> dict[str, Opponent]:
    if isinstance(D, Mapping):
        if loss is not None or penalties or method is not None or constraint is not None:
            raise InputError(
                "with a mapping of opponents, loss, penalties, method and constraint belong to each of them"
            )
        for name, opponent in D.items():
            if not isinstance(opponent, Opponent):
                raise InputError(f"D[{name!r}] must be a types.Opponent, not {type(opponent).__name__}")
            _module(opponent.critic, f"D[{name!r}].critic")
        return dict(D)
    if isinstance(method, Sequence):
        method = chain(*method) if method else None
    return {"D": Opponent(_module(D, "D"), loss or NonSaturating(), tuple(penalties), method or Plain(), constraint)}


def _module(network: Any, name: str) -> nn.Module:
    if not isinstance(network, nn.Module):
        raise InputError(f"{name} must be a torch.nn.Module, not {type(network).__name__}")
    if not any(p.requires_grad for p in network.parameters()):
        raise InputError(f"{name} has no parameter to train: unfreeze one, or give another module")
    return network


def _positive(**values: int) -> None:
    for name, value in values.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number of 1 or more, not {value!r}")


def _equilibrium(opponents: Mapping[str, Opponent]) -> tuple[float | None, float | None]:
    """The weighted sum of the losses' equilibria; None where one of them is free."""
    sums: list[float | None] = []
    for player in (0, 1):
        values = [(o.weight, o.loss.equilibrium[player]) for o in opponents.values()]
        known = [weight * value for weight, value in values if value is not None]
        sums.append(sum(known) if len(known) == len(values) else None)
    return sums[0], sums[1]
