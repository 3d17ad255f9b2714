"""`Trainer`: your modules and your data in, a run out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from ..config.block import PLAIN
from ..data import Source, from_user
from ..devices import choose_device, plain_modes
from ..diagnostics.monitor import CollapseMonitor
from ..display.card import Card, Shown
from ..display.sentence import sentence
from ..display.watch import Watch, watching
from ..engine.compiler import too_old
from ..engine.needs import Needs
from ..engine.objective import Sides
from ..engine.optim import Constant, Ema, OptimizerFactory, OptimizerSettings, Schedule
from ..engine.precision import Precision
from ..engine.ranks import place_of, ranks_here
from ..errors import InputError, check_number, check_whole, unknown
from ..evaluation.evaluator import Evaluate
from ..features import FeatureNetwork
from ..features.network import check_name
from ..latents import Latent, normal_latent
from ..processes import attempt
from ..runs.run import Callback, Run
from ..types import Constraint, Loss, Method, Opponent, Penalty
from ..types.networks import Gives
from .guard import check_new, healed
from .member import Member
from .opponents import generating, opponents_of
from .session import Session
from .setup import Rhythm, Setup, positive

COMPILE = ("auto", "on", "off")


class Trainer(Shown):
    """Trains any pair of modules on any data: `Trainer(G, D, data, latent_dim=2).fit(10_000)`.

    G: z -> sample. D: sample -> logit (n,) or (n, 1), higher = more real; or a mapping of `Opponent`s.
    data: tensor, array, torch `Dataset` of x or (x, label), a `steadygan.data` source, or `types.Batch(x, label,
    given)` with conditions, which G receives with z, or alone where no latents are named, and D with the samples.
    fakes: with G=None, the fixed fakes that D is trained on alone, in the same forms and units as data.
    latent_dim: z ~ N(0, I) of that size; or your own latent(n, generator) -> z.
    loss, penalties, method (or several), constraint: how a single discriminator is trained.
    gives: "probability" if D ends in `nn.Sigmoid`, whose input is then used; "logit" if its output is the score.
    batch_size: N = M, real and fake samples per step; d_steps: D steps per G step; lr_d defaults to lr_g.
    schedule: a factor on both learning rates over `horizon` iterations (default: those of the first `fit`).
    precision: what the networks compute in, "bf16" or the dtype; candidates: the same for samples that are only ranked.
    compile: "on" compiles the step, "auto" does so if the run is long enough for it to pay.
    ema: an `Ema`, a plain decay, or None; evaluator: "auto", None, or samples -> {name: figure}.
    features: the name of a network to evaluate images with, a network, None, or "auto" for that of the data set.
    monitor: takes a look at every tick and acts on its verdict; "auto" only warns, None takes no looks.
    out: the run's folder (None writes nothing); resume: continue from its newest checkpoint.
    Under torchrun, all of its processes train one run together: each a part of every batch, and the first one writes.
    Raises InputError for settings that do not fit together.
    """

    @plain_modes()
    def __init__(
        self,
        G: nn.Module | None,
        D: nn.Module | Mapping[str, Opponent],
        data: Any,
        *,
        fakes: Any = None,
        latent_dim: int | None = None,
        latent: Latent | None = None,
        loss: Loss | None = None,
        penalties: Sequence[Penalty] = (),
        method: Method | Sequence[Method] | None = None,
        constraint: Constraint | None = None,
        gives: Gives | None = None,
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
        precision: Literal["float32", "bf16"] = "float32",
        candidates: Literal["float32", "bf16"] | None = None,
        threads: int | None = None,
        compile: Literal["auto", "on", "off"] = "auto",  # noqa: A002 (torch's word for it)
        evaluator: Evaluate | Literal["auto"] | None = "auto",
        evaluate_n: int = 10_000,
        features: str | FeatureNetwork | None = "auto",
        log_every: int = 200,
        evaluate_every: int = 1000,
        checkpoint_every: int = 2000,
        keep: int = 3,
        out: str | Path | None = None,
        resume: bool = False,
        monitor: CollapseMonitor | Literal["auto"] | None = "auto",
        callbacks: Sequence[Callback] = (),
        settings: dict[str, Any] | None = None,
        network_settings: dict[str, Any] | None = None,
    ) -> None:
        positive(batch_size=batch_size, d_steps=d_steps, log_every=log_every, evaluate_every=evaluate_every)
        positive(checkpoint_every=checkpoint_every, keep=keep, evaluate_n=evaluate_n)
        optional = {"latent_dim": latent_dim, "horizon": horizon, "threads": threads}
        positive(**{name: value for name, value in optional.items() if value is not None})
        if compile not in COMPILE:
            raise unknown("compile", compile, COMPILE)
        if compile == "on" and (missing := too_old()) is not None:
            raise InputError(f"{missing}: set compile=off, or upgrade torch")
        check_name(features)
        lr_d = lr_g if lr_d is None else lr_d
        check_number("lr_g", lr_g, 0, above=True)
        check_number("lr_d", lr_d, 0, above=True)
        check_whole("seed", seed, 0)
        Precision(precision, candidates).check(dtype)
        where = place_of(choose_device(device))
        ranks = ranks_here(where)
        source = from_user(data).to(where, dtype)
        known = data.notes if isinstance(data, Source) else ()
        for note in source.notes[len(known) :]:
            warnings.warn(f"steadygan: {note}", stacklevel=2)
        told = [name for name, own in (("latent_dim", latent_dim), ("latent", latent)) if own is not None]
        G, side = generating(G, fakes, told, source)
        if side is not None:
            if evaluator not in ("auto", None):
                raise InputError("expected no evaluator with fakes, which are fixed, got one: leave it out")
            latent, evaluator, ema = side, None, None
        opponents = opponents_of(D, loss, penalties, method, constraint, gives)
        sides = Sides(batch_size, batch_size)
        if batch_size < ranks.world:
            raise ranks.refusal(
                f"expected at least a sample for each of {ranks.world} processes, got batch_size={batch_size}: raise "
                "it, or start fewer"
            )
        self.setup = Setup(
            G=G,
            opponents=opponents,
            source=source,
            fakes=None if side is None else side.source,
            latent=latent if latent is not None else normal_latent(latent_dim or 0, dtype),
            latent_dim=latent_dim if told or side is not None else 0,
            sides=sides,
            needs=Needs.of(opponents, sides, source.shape, d_steps),
            optimizer=optimizer or OptimizerSettings(),
            rates=(lr_g, lr_d),
            schedule=schedule or Constant(),
            precision=Precision(precision, candidates),
            ema=Ema(decay=ema) if isinstance(ema, int | float) else ema,
            seed=seed,
            device=where,
            dtype=dtype,
            rhythm=Rhythm(log_every, evaluate_every, checkpoint_every, keep),
            evaluator=evaluator,
            evaluate_n=evaluate_n,
            features=features,
            settings=settings,
            network_settings=network_settings,
            monitor=acting(monitor, out),
            ranks=ranks,
        )
        for note in self.setup.class_notes:
            warnings.warn(f"steadygan: {note}", stacklevel=2)
        if self.setup.monitor is not None and self.setup.monitor.policy == "rollback":
            check_new(self.setup, self.setup.monitor.remedy)
            healed(self.setup, self.setup.monitor.remedy)  # refused now, not at the first roll-back
        self.out, self.resume = None if out is None else Path(out), resume or attempt() > 0
        self.member = Member(self.setup, self.out if ranks.first else None, callbacks if ranks.first else ())
        self.callbacks = self.member.callbacks
        self.session = Session([self.member], horizon, threads, compile, self.resume)

    def _card(self, picture: bool) -> Card:
        setup, run = self.setup, vars(self.member).get("run")
        lines = [f"G: {in_words(setup.G)}"]
        for name, opponent in setup.opponents.items():
            parts = ", ".join(part.name for _, part in opponent.parts() if part.name != PLAIN)
            lines.append(f"{name}: {in_words(opponent.critic)}; {parts}")
        rates = " and ".join(f"{rate:g}" for rate in setup.rates)
        lines.append(f"batches of {setup.sides.real}, {setup.needs.d_steps} D step, rates {rates} of G and D")
        where = "" if self.out is None else f", in {self.out}"
        lines.append(f"on {setup.device}, seed {setup.seed}{where}")
        source = setup.source._card(picture and run is None)
        state = (
            "not trained yet"
            if run is None
            else f"{run.iteration:,} iterations done: {sentence(run.metrics, run.modes)}"
        )
        seen = source.glimpse if run is None else run._card(picture).glimpse
        return Card(f"Trainer of {self.name}: {state}", [*lines, source.title], glimpse=seen)

    @property
    def name(self) -> str:
        """The recipe's name, or the name of the data."""
        return str((self.setup.settings or {}).get("recipe", self.setup.source.name))

    def fit(self, iterations: int, *, progress: bool | Watch | None = None) -> Run:
        """Trains until `iterations` are done in total, counting earlier calls and a resumed run, and returns the run.

        progress: what is shown on stderr: moving lines in a terminal, one output in a notebook, a few plain lines
        elsewhere; False shows nothing. An alarm is a `CollapseWarning` in any case, once for each cause. Raises
        NonFiniteError when a term is not finite, and Interrupted after SIGINT or SIGTERM; the checkpoint is written
        first. Global generators, threads and train/eval modes are left as they were.
        """
        check_whole("iterations", iterations, 0)
        with watching(progress) as watch:
            where = "" if self.out is None else f" in {self.out}"
            title = f"{self.name} seed {self.setup.seed}"
            watch.plan(title, iterations, self.setup.source.modes, f"{title}: {iterations:,} iterations{where}")
            (run,) = self.session.fit(iterations, watch)
        if run.failure is not None:
            raise run.failure
        return run


def in_words(network: nn.Module) -> str:
    """A short description of a network."""
    count = sum(p.numel() for p in network.parameters())
    return f"{type(network).__name__}, {count:,} parameters"


def acting(monitor: CollapseMonitor | Literal["auto"] | None, out: str | Path | None) -> CollapseMonitor | None:
    """The monitor to use; raises InputError for anything else, and for a roll-back that would be impossible."""
    if monitor == "auto":
        return CollapseMonitor()
    if monitor is not None and not isinstance(monitor, CollapseMonitor):
        raise InputError(f"monitor must be a CollapseMonitor, 'auto' or None, not {monitor!r}")
    if monitor is not None and monitor.out.folder is not None:
        raise InputError("expected a monitor without out, got one with: a Trainer's records go to its own out")
    if monitor is not None and monitor.policy == "rollback" and out is None:
        raise InputError("expected a folder for checkpoints to roll back to, got out=None: give out=")
    return monitor
