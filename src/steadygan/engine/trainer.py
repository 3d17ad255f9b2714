"""`Trainer`: your modules and your data in, a run out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..data import from_user
from ..errors import InputError, Interrupted, NonFiniteError, check_number, check_whole
from ..rng import kept
from ..types import Constraint, Loss, Method, Opponent, Penalty
from . import figures
from .checks import work_of
from .draws import Latent, normal_latent
from .ema import Ema
from .folder import RunFolder, writing
from .loop import Loop, Rhythm
from .needs import Needs
from .objective import Sides
from .opponents import module_of, opponents_of, positive
from .optim import OptimizerFactory, OptimizerSettings
from .plan import Plan, choose_device, host, training
from .probes import Evaluate
from .run import Run
from .schedule import Constant, Schedule
from .setup import Setup
from .start import start

Callback: TypeAlias = Callable[[Run, int, dict[str, float]], None]


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
        positive(batch_size=batch_size, d_steps=d_steps, log_every=log_every, evaluate_every=evaluate_every)
        positive(checkpoint_every=checkpoint_every, keep=keep, evaluate_n=evaluate_n)
        optional = {"latent_dim": latent_dim, "horizon": horizon, "threads": threads}
        positive(**{name: value for name, value in optional.items() if value is not None})
        lr_d = lr_g if lr_d is None else lr_d
        check_number("lr_g", lr_g, 0, above=True)
        check_number("lr_d", lr_d, 0, above=True)
        check_whole("seed", seed, 0)
        if (latent_dim is None) == (latent is None):
            raise InputError("give either latent_dim (normal z of that size) or latent (a function n, generator -> z)")
        where = choose_device(device)
        source = from_user(data)
        for note in () if source is data else source.notes:
            warnings.warn(f"steadygan: {note}", stacklevel=2)
        source = source.to(where, dtype)
        opponents = opponents_of(D, loss, penalties, method, constraint)
        sides = Sides(batch_size, batch_size)
        self.setup = Setup(
            G=module_of(G, "G"),
            opponents=opponents,
            source=source,
            latent=latent if latent is not None else normal_latent(latent_dim or 0, dtype),
            latent_dim=latent_dim,
            sides=sides,
            needs=Needs.of(opponents, sides, source.shape, d_steps),
            optimizer=optimizer or OptimizerSettings(),
            rates=(lr_g, lr_d),
            schedule=schedule or Constant(),
            ema=Ema(decay=ema) if isinstance(ema, int | float) else ema,
            seed=seed,
            device=where,
            dtype=dtype,
            rhythm=Rhythm(log_every, evaluate_every, checkpoint_every, keep),
            evaluator=evaluator,
            evaluate_n=evaluate_n,
            settings=settings,
            network_settings=network_settings,
        )
        self.horizon, self.threads = horizon, threads
        self.out, self.resume, self.callbacks = None if out is None else Path(out), resume, list(callbacks)
        self._work: int | None = None  # multiply-adds of a forward
        self._loop: Loop | None = None
        self._run: Run | None = None
        self._random: Mapping[str, Tensor] | None = None  # torch's global generators between two fits

    def fit(self, iterations: int) -> Run:
        """Trains until `iterations` are done in all (an earlier `fit` or a resumed run counts) and returns the run.

        Raises NonFiniteError when a term stops being finite, and Interrupted once SIGINT or SIGTERM has been obeyed;
        the checkpoint is written by then. Global generators, threads and train/eval modes are left as they were.
        """
        if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 0:
            raise InputError(f"iterations must be a whole number of 0 or more, not {iterations!r}")
        self.horizon = self.horizon or max(1, iterations)
        setup = self.setup
        folder = None if self.out is None else RunFolder(self.out)
        with ExitStack() as stack:
            if folder is not None:
                folder.acquire()
                stack.callback(folder.release)
            for network in setup.networks:
                stack.enter_context(training(network))
            if self._work is None:
                self._work = work_of(setup)
            plan = Plan.resolve(setup.device, setup.dtype, self.threads, self._work)
            stack.enter_context(host(plan.threads, setup.seed, setup.device))
            if self._loop is None:
                self._loop, self._run = start(setup, folder, plan, self.horizon, self.resume, self._on_tick)
            loop, run = self._loop, self._run
            assert run is not None
            stack.callback(loop.log.close)
            stack.callback(loop.draws.close)
            self._go_on(loop)
            try:
                loop.run(iterations)
            except (Interrupted, NonFiniteError):
                self._draw_figures(loop, run)
                raise
            except RuntimeError as error:  # torch tells of a dead reader wherever the main thread happens to be
                if not str(error).startswith("DataLoader worker"):
                    raise
                raise InputError(
                    f"expected the processes that read the data to live, got: {str(error).splitlines()[0]} lower "
                    "workers or free memory, and go on with --resume"
                ) from error
            finally:
                self._random = loop.state().random
                self._tell(loop, run)
            self._draw_figures(loop, run)
        return run

    def _go_on(self, loop: Loop) -> None:
        """torch's global generators as the last `fit` left them, and its closing record forgotten."""
        if self._random is None:
            return
        torch.set_rng_state(self._random["cpu"])
        if "cuda" in self._random:
            torch.cuda.set_rng_state(self._random["cuda"], self.setup.device)
        if loop.log.records and loop.log.records[-1].get("final"):
            loop.log.records.pop()
            if loop.folder is not None:
                loop.folder.cut_back(loop.iteration)

    def _on_tick(self, iteration: int, record: dict[str, float]) -> None:
        assert self._loop is not None
        assert self._run is not None
        self._tell(self._loop, self._run)
        with kept(self.setup.device):  # whatever they draw, the run is the same
            for callback in self.callbacks:
                callback(self._run, iteration, record)

    @staticmethod
    def _tell(loop: Loop, run: Run) -> None:
        run.iteration, run.wall_time = loop.iteration, loop.seconds
        run.iterations_per_second = loop.iterations_per_second

    def _draw_figures(self, loop: Loop, run: Run) -> None:
        if loop.folder is not None and len(loop.log.records) > 1:
            title = str(run.settings.get("recipe", loop.folder.path.name))
            with writing(loop.folder.figures):
                figures.draw(loop.folder, self.setup.source, loop.probes.real, loop.log.records, run.equilibrium, title)
