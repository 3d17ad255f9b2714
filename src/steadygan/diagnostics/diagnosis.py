"""One look at a GAN trained elsewhere: all indicators that need no history, and their verdict."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Settings
from ..data import Source, from_user
from ..data.source import glimpse_of
from ..devices import borrowed, choose_device, plain_modes
from ..display.card import Card, Shown
from ..display.glimpse import Glimpse
from ..errors import InputError, calling, check_whole
from ..latents import CHUNK, Latent, generate, label_chunks, latents, normal_latent
from ..losses import NonSaturating
from ..metrics.summary import GRADIENTS, Summary, final_and_best
from ..quantities import KNOWN, counted, tone, words
from ..runs.folder import RunFolder
from ..runs.history import history
from ..runs.records import Turn, turns
from ..types import Batch, Critic, Loss, Now
from ..types import critic as as_critic
from ..types.critic import evaluating, kept_buffers
from ..types.labels import label_parameter, needs_label
from ..types.networks import bare_network, check_logits
from ..types.output import shared
from .gradients import Sight
from .look import PAIRS, Subject, inside, take_look
from .monitor import is_free
from .norms import parameter_norm
from .outputs import off_equilibrium
from .remedy import Setting
from .space import Space
from .states import ALARMS, BEFORE
from .verdicts import Verdict, judge, judge_once
from .yardstick import Yardstick

SAID = ("quality", "average_quality", "served", "average_served", "steepness", "gradient_max", "d_loss", "g_loss")
TOGETHER = 128  # samples that D meets at once
FITTING = "pass networks, latents and data that fit together"
LEAST = 4  # training samples: two to compare with, and two that show what is normal


@dataclass(frozen=True, repr=False)
class Diagnosis(Shown):
    """A state with its reason, evidence and advice; `figures` are all indicators of the last look by name.

    real: these figures for real samples, where measured. For a run also: `iteration`, that of the last look; `since`,
    when the verdict began; `first`, the figures of the first look; `history`, the changes of the verdict;
    `interventions`, the roll-backs; `metrics`, the evaluations' final and best figures; `reference`, the same for real
    data. notes: remarks for the user.
    """

    state: str
    reason: str
    evidence: Mapping[str, float]
    advice: str
    figures: Mapping[str, float]
    causes: tuple[str, ...] = ()
    what: str = ""
    iteration: int | None = None
    since: int | None = None
    real: Mapping[str, float] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    interventions: tuple[Mapping[str, Any], ...] = ()
    metrics: tuple[Summary, ...] = ()
    reference: Mapping[str, float] = field(default_factory=dict)
    modes: int | None = None
    notes: tuple[str, ...] = ()
    glimpse: Glimpse | None = None  # fakes

    @property
    def alarm(self) -> bool:
        """Whether quality is lost, or out of reach."""
        return self.state in ALARMS

    @property
    def warning(self) -> bool:
        """Whether a cause of failure is seen, but no loss."""
        return bool(self.causes) and not self.alarm

    def _card(self, picture: bool) -> Card:
        causes = " ".join(self.causes)
        since = "" if self.since is None else f", since iteration {self.since:,}"
        at = "" if self.iteration is None else f", last look at {self.iteration:,}"
        told = [
            f"{words(self.state, causes)}{since}{at}",
            self.reason,
            "" if self.reason.endswith(self.advice) else f"what helps: {self.advice}",
        ]
        rows = [(KNOWN[key].label, counted(key, self.figures[key])) for key in SAID if key in self.figures]
        title = f"Diagnosis of {self.what}" if self.what else "Diagnosis"
        glimpse = self.glimpse if picture else None
        return Card(title, [*told, *self.notes], [("", "now"), *rows], glimpse, tone(self.state, causes))

    def plain(self) -> dict[str, Any]:
        """The diagnosis for JSON; numbers that are not finite become None."""
        told: dict[str, Any] = {
            "state": self.state,
            "causes": list(self.causes),
            "reason": self.reason,
            "evidence": _numbers(self.evidence),
            "advice": self.advice,
            "figures": _numbers(self.figures),
            "real": _numbers(self.real),
            "notes": list(self.notes),
        }
        if self.iteration is None:
            return told
        metrics = {
            row.key: {
                "final": row.final.value,
                "best": row.best.value,
                "best_at": row.best.iteration,
                "real": self.reference.get(row.key),
            }
            for row in self.metrics
        }
        return told | {
            "what": self.what,
            "iteration": self.iteration,
            "since": self.since,
            "first": _numbers(self.first),
            "history": [turn._asdict() | {"causes": turn.causes.split()} for turn in self.history],
            "interventions": [dict(each) for each in self.interventions],
            "metrics": metrics,
        }


@plain_modes()
def diagnose(
    G: nn.Module,
    D: nn.Module | Critic,
    data: Any,
    *,
    latent_dim: int | None = None,
    latent: Latent | None = None,
    loss: Loss | None = None,
    held_out: Any = None,
    n: int = 512,
    seed: int = 0,
    device: str = "auto",
) -> Diagnosis:
    """Diagnoses a GAN from one look: `diagnose(G, D, data, latent_dim=64)` [tao2020].

    G: z -> sample, D: sample -> logit (n,) or (n, 1), or a `types.critic` of any other D; both in eval mode. data: what
    D was trained on, in the forms that `Trainer` takes; with conditions, G makes samples of these, and may need no
    latents. held_out: real samples that it was not trained on; by default the data's own, if any. latent_dim: z ~
    N(0, I) of that size; or your own latent(n, generator) -> z. loss: what both minimise, by default the nonsaturating
    loss. n: the number of fakes, and at most of real samples of either kind. device: "auto" is G's.

    Networks, buffers, modes, gradients and random state are left unchanged. A single look shows no change over time: a
    decline from an earlier, better state is visible only in a run. Raises InputError for modules, latents or samples
    that do not fit.
    """
    known = D if isinstance(D, Critic) else None
    judge = inside(D) if isinstance(D, Critic) else D
    for name, network in (("G", G), ("D", judge)):
        if not isinstance(network, nn.Module):
            raise InputError(f"expected {name} as a torch.nn.Module, got {type(network).__name__}: pass the network")
    source = from_user(data)
    if (latent_dim is None) == (latent is None) and (latent is not None or source.given is None):
        raise InputError("expected either latent_dim (normal z of that size) or latent (n, generator -> z): give one")
    check_whole("n", n, LEAST)
    check_whole("seed", seed, 0)
    if latent_dim is not None:
        check_whole("latent_dim", latent_dim, 1)
    first = next((p for p in chain(G.parameters(), G.buffers()) if p.is_floating_point()), torch.zeros(()))
    G, judge = bare_network(G), bare_network(judge)
    where = first.device if device == "auto" else choose_device(device)
    tensors = [*chain(G.parameters(), G.buffers(), judge.parameters(), judge.buffers())]
    if any(tensor.device != where for tensor in tensors):
        if known is not None:
            raise InputError(f"expected a critic whose module is on {where}, as G is, got one elsewhere: move it there")
        G, judge = deepcopy(G).to(where), deepcopy(judge).to(where)
    source = source.to(where, first.dtype)
    notes = () if isinstance(data, Source) else source.notes
    draw = latent if latent is not None else normal_latent(latent_dim or 0, first.dtype)
    loss = loss or NonSaturating()
    now = Now(torch.zeros((), dtype=torch.int64, device=where), loss.initial_state(), {})
    with borrowed(seed, where):
        fake = _fakes(G, draw, n, seed, _labels(G, judge, source, n, seed), source)
        training, fresh, unseen = _shown(source, held_out, n, seed, fake.label is not None)
        unseen = unseen and source.given is None
        yardstick = Yardstick(training.x[:PAIRS], fresh[:PAIRS], Space.of(source))
        critic = known or as_critic(judge)
        subject = Subject(critic, loss.at(now), judge, together=TOGETHER, alone=TOGETHER, rest=True)
        spare = Batch(fresh) if unseen else None
        told = f"D cannot take samples of shape {tuple(fake.x.shape[1:])}"
        with kept_buffers(judge), evaluating(judge), calling(told, FITTING):
            few = fake.first(max(LEAST, critic.pack) // critic.pack * critic.pack)
            logits = critic.score(critic.shown(few)).logits
            if not critic.meant:
                check_logits(logits, "D")
            look = take_look({"D": subject}, fake, training, yardstick, spare)
        figures = _losses(subject.loss, look.sight) | look.figures
    figures |= {"weight_norm_g": parameter_norm(G), "weight_norm_d": parameter_norm(judge)}
    found = judge_once(figures, Setting(is_free(loss.equilibrium[0])))
    return Diagnosis(
        state=found.state,
        reason=found.reason or calm(found.state, figures),
        evidence=found.evidence,
        advice=found.advice,
        causes=found.causes,
        figures=figures,
        real={key: 0.0 if key == "batch_distance" else value for key, value in yardstick.own.items()},  # less itself
        notes=tuple(notes),
        glimpse=glimpse_of(fake.x if source.image else source.restore(fake.x), source.image, source.restore(fresh)),
    )


def _shown(source: Source, held_out: Any, n: int, seed: int, labelled: bool) -> tuple[Batch, Tensor, bool]:
    """Training samples, others that show what is normal, and whether D never saw these and needs no class of them."""
    generator = torch.Generator(source.device).manual_seed(seed + 2)
    others: Tensor | None = None
    if held_out is not None:
        own = from_user(held_out)
        if own.shape != source.shape:
            raise InputError(
                f"expected held-out samples of shape {source.shape}, as the data's, got {own.shape}: pass samples of "
                "that shape"
            )
        others = own.to(source.device, source.dtype).some(n, seed)
        others = own.to(source.device, source.dtype).fresh(n, generator) if others is None else others
        if len(others) < 2:
            raise InputError("expected at least two held-out samples, got one: pass more, or none")
    elif source.unseen is not None:
        others = source.unseen(n, generator)
    size = source.size
    if size is None:
        training = Batch(source.fresh(n, generator))
        return training, source.fresh(n, generator) if others is None else others, held_out is not None
    if size < LEAST:
        raise InputError(f"expected at least {LEAST} training samples, got {size}: pass the data that D was trained on")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed + 2))
    count = min(n, size) if others is not None else min(n, size // 2)
    training = source.at(order[:count])
    training = training if labelled else training._replace(label=None)
    if others is None:  # all there is was trained on: the rest of it shows what is normal
        return training, source.at(order[count : count + n]).x, False
    return training, others, not labelled


def _losses(loss: Loss, sight: Sight) -> dict[str, float]:
    """Of both players, and how far they are off their equilibria."""
    figures: dict[str, float] = {}
    assert sight.real is not None
    count = min(len(sight.real.logits), len(sight.fake.logits))  # some losses want as many of both
    real, fake = sight.real.scores[:count], sight.fake.scores[:count]
    for player, terms, level in zip("dg", (loss.d(real, fake), loss.g(fake, real)), loss.equilibrium, strict=True):
        known = [(shared(value, sight.fake.share), weight) for value, weight in terms.values() if weight is not None]
        own = sum(float((weight * value).mean()) for value, weight in known)
        off = off_equilibrium(own, level)
        figures |= {f"{player}_loss": own} | ({} if off is None else {f"{player}_off": off})
    return figures


def _fakes(G: nn.Module, latent: Latent, n: int, seed: int, label: Tensor | None, source: Source) -> Batch:
    with calling("latent cannot be drawn", FITTING):
        z = latents(latent, n, seed + 1, source.device)
    given, conditions = None, source.conditions()
    if conditions is not None:
        rows = conditions.drawn(len(z), torch.Generator(source.device).manual_seed(seed + 1))
        label, given = conditions.at(rows)
    what = f"latents of shape {tuple(z.shape[1:])}" if z.numel() else "conditions alone"
    with calling(f"G cannot take {what}", FITTING):
        made = generate(G, z, n, label, given)
    if tuple(made.shape) != (n, *source.shape):
        raise InputError(
            f"expected G to return samples of shape {source.shape}, as the data's, got {tuple(made.shape[1:])}: pass "
            "the data that it was trained on"
        )
    return Batch(z, label, given).first(n)._replace(x=made)


def _labels(G: nn.Module, D: nn.Module, source: Source, n: int, seed: int) -> Tensor | None:
    """Classes of the fakes, in whole chunks of latents and as frequent as in the data; None if G takes none."""
    if source.given is not None:  # their classes come with them
        return None
    wanting = needs_label(G) or needs_label(D)
    if source.label is None or label_parameter(G) is None:
        if wanting:
            raise InputError("expected classes for a network that takes labels, got none: pass data with labels")
        return None
    prior = source.label.sort().values.to(source.device)
    return torch.cat([*islice(label_chunks(prior, seed + 1), -(-n // CHUNK))])


def of_run(folder: Path) -> Diagnosis:
    """The diagnosis of the run in `folder`; raises InputError if no record can be read, or none holds a look."""
    run = history(folder)
    rows = [{key: value for key, value in row.items() if isfinite(value)} for row in run.rows]
    looks = [row for row in rows if "d_gradient_mean" in row or "batch_distance" in row]
    if not looks:
        records = f"{len(rows):,} record{'s' * (len(rows) != 1)}"
        raise InputError(
            f"expected a look at the networks in '{RunFolder(folder).metrics}', got {records} without one: train it "
            "with the monitor on"
        )
    last, notes = looks[-1], list(run.notes)
    judged = judge(rows, setting_told(run.settings, run.equilibrium[0], run.tree.get("horizon")))
    told = run.verdicts
    if not told:
        notes.append("made before verdicts were recorded: judged from its records")
        pairs = zip(rows, judged, strict=True)
        told = [Turn(int(row["iteration"]), each.state, each.reason, " ".join(each.causes)) for row, each in pairs]
    changes = turns(told)
    found = _now(told[-1], changes[-1], judged[-1])
    at = int(last["iteration"])
    behind = [f"the last look was at iteration {at:,} of {run.last:,}"] if run.last > at else []
    return Diagnosis(
        state=found.state,
        reason=found.reason or ("" if found.alarm else calm(found.state, last)),
        evidence=found.evidence,
        advice=found.advice,
        causes=found.causes,
        figures={key: value for key, value in last.items() if key != "iteration"},
        what=str(folder),
        iteration=at,
        since=found.since,
        first={key: value for key, value in looks[0].items() if key != "iteration"} if len(looks) > 1 else {},
        history=tuple(changes),
        interventions=run.interventions,
        metrics=tuple(row for row in final_and_best(rows) if row.key not in GRADIENTS),
        reference=run.reference,
        modes=None if run.settings is None else run.settings.data.modes,
        notes=(*notes, *behind),
        glimpse=Glimpse(file=latest.read_bytes()) if (latest := RunFolder(folder).latest).is_file() else None,
    )


def setting_told(settings: Settings | None, equilibrium: float | None, horizon: object = None) -> Setting:
    """How a run was trained, as far as its settings say.

    equilibrium: of its D loss; horizon: from the file, where this version cannot read the rest.
    """
    free = is_free(equilibrium)
    if settings is None:
        known = horizon if isinstance(horizon, int) else None
        return Setting(free, end=known, length=known or 0)
    own = next(iter(settings.judges().values()))
    penalties = {name: float(getattr(block, "weight", 1.0)) for name, block in own.penalty.items()}
    return Setting(
        free,
        penalties,
        frozenset((*own.method, *own.constraint)),
        int(getattr(own.method.get("fake_as_real"), "count", 0)),
        (settings.lr_g, settings.lr_g if settings.lr_d is None else settings.lr_d),
        settings.batch_size,
        known=True,
        end=None if settings.schedule.constant else settings.horizon,
        length=settings.horizon,
    )


def _now(told: Turn, turn: Turn, judged: Verdict) -> Verdict:
    """The last verdict with its evidence, which is worked out anew: records hold none."""
    state = BEFORE.get(told.verdict, told.verdict)
    if judged.state == state:
        since = judged.since if judged.alarm or judged.warning else turn.iteration
        causes = tuple(told.causes.split()) or judged.causes
        return judged._replace(reason=told.reason or judged.reason, since=since, causes=causes)
    advice = told.reason.rpartition("): ")[2] if "): " in told.reason else ""
    return Verdict(state, told.reason, since=turn.iteration, advice=advice, causes=tuple(told.causes.split()))


def calm(state: str, figures: Mapping[str, float]) -> str:
    """A summary of a run without an alarm; "" where nothing is known about the fakes."""
    if "quality" not in figures:
        return ""
    whose = "fakes serve" if "average_quality" not in figures else "the average's fakes serve"
    first = "average_" if "average_quality" in figures else ""
    served, quality = figures[f"{first}served"], figures[f"{first}quality"]
    yet = "" if state == "good" else ", not good yet"
    return f"{whose} {served:.0%} of the data, their quality is {quality:.2g} (1 is as good as real data){yet}"


def _numbers(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if isfinite(value) else None for key, value in figures.items()}
