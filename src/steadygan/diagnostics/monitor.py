"""`CollapseMonitor`: tells whether a GAN collapses, in a `Trainer` or in anybody's own training loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..errors import InputError, check_whole
from ..types import Batch, Loss, Now, Term, cat
from ..types.critic import evaluating
from .equilibrium import off_equilibrium
from .given import beside, check_call, checked, in_its_precision, last, number, resting, try_call
from .gradients import gradient_figures, look, norms_of
from .hidden import HiddenUnits
from .indicators import PAIRS, indicators
from .outputs import output_figures
from .remedy import Remedy
from .rules import Thresholds
from .verdicts import Judge, Verdict
from .weights import gradient_norm, non_finite, parameter_norm
from .yardstick import Yardstick

Policy = Literal["warn", "stop", "rollback"]
POLICIES: tuple[str, ...] = get_args(Policy)


class _Assumed(Loss):
    """-log sigmoid(d) of the fakes: what G minimises where nothing else is said [goodfellow2014]."""

    name = "nonsaturating"

    def d(self, real: Tensor, fake: Tensor) -> Mapping[str, Term]:
        return {}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Mapping[str, Term]:
        return {"loss": Term(nn.functional.softplus(-fake), 1.0)}


class CollapseMonitor:
    """Says whether a GAN is learning, drifting, exploding or collapsing, why, and what to do [tao2020].

    In your own loop, `verdict = monitor.observe(D=D, real=x, fake=y)` after each step: every `every` calls it takes a
    look and returns a `Verdict`, else None. In `Trainer(monitor=monitor)` looks are taken at every tick, and the policy
    acts on them: "warn" tells, "stop" ends the run, "rollback" goes back to the newest checkpoint that was healthy, at
    most `times` times, and takes the `remedy`. loss: what G minimises, the nonsaturating loss unless given; it decides
    what G receives, and how far d_loss is off its equilibrium. `records` holds the figures of each look, with its
    verdict. Raises InputError for another policy, counts below 1, or a remedy without a roll-back.
    """

    def __init__(
        self,
        every: int = 200,
        *,
        policy: Policy = "warn",
        times: int = 3,
        remedy: Remedy | None = None,
        loss: Loss | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        check_whole("every", every, 1)
        check_whole("times", times, 1)
        if policy not in POLICIES:
            raise InputError(f"expected a policy of {', '.join(POLICIES)}, got {policy!r}: choose one of them")
        if remedy is not None and policy != "rollback":
            raise InputError(f"expected a remedy with policy='rollback' alone, got policy={policy!r}: leave it out")
        for name, given, kind in (
            ("remedy", remedy, Remedy),
            ("loss", loss, Loss),
            ("thresholds", thresholds, Thresholds),
        ):
            if given is not None and not isinstance(given, kind):
                raise InputError(f"expected {name} as a {kind.__name__}, got {given!r}: make one")
        self.every, self.policy, self.times = every, policy, times
        self.remedy = remedy or Remedy()
        self.loss: Loss = loss or _Assumed()
        self.thresholds = thresholds or Thresholds()
        self.records: list[dict[str, Any]] = []
        self.calls = 0
        self._judge = self.judge(self.loss.equilibrium[0])
        self._real: list[Tensor] = []  # the first ones: half becomes the yardstick, half shows what is normal
        self._fake: deque[Batch] = deque()  # the last ones
        self._losses: dict[str, list[Tensor]] = {}
        self._yardstick: Yardstick | None = None
        self._measured = 0  # real samples that the yardstick was made of

    def judge(self, equilibrium: float | None) -> Judge:
        """A judge with these thresholds, for a loss of D with this equilibrium (None where it is free)."""
        return Judge(self.thresholds, free=equilibrium is None or equilibrium == 0.0)

    @property
    def verdict(self) -> Verdict:
        """What is to be thought of the run since the last look."""
        return self._judge.verdict

    def observe(
        self,
        *,
        D: nn.Module | Callable[..., Any],
        real: Tensor | Batch,
        fake: Tensor | Batch,
        real_logits: Tensor | None = None,
        fake_logits: Tensor | None = None,
        held_out: Tensor | Batch | None = None,
        d_loss: Tensor | float | None = None,
        g_loss: Tensor | float | None = None,
        G: nn.Module | None = None,
        iteration: int | None = None,
    ) -> Verdict | None:
        """One step of a training loop; a `Verdict` at every look, else None.

        real (n, *shape), fake (m, *shape): the step's samples, as `types.Batch(x, label)` for a D that takes labels.
        real_logits (n,), fake_logits (m,): what D said of them in the step; D says it again at a look unless they are
        given. held_out (k, *shape): real samples that D is not trained on, for the over-fitting gap. d_loss, g_loss:
        without penalties. G: for the norms of weights and gradients. iteration: for the reason; the number of the call
        unless given. Looks begin once four real samples and two fakes are known. Nothing is changed: no gradient,
        buffer, mode or random state; a D that is no module is called as it is. Values that are not finite are a
        verdict, never an error. Raises InputError for samples, labels or logits that do not fit, losses that are no
        single numbers, or a D that cannot be called with the samples.
        """
        shape = self._real[0].shape[1:] if self._real else None
        x = checked("real", real, shape)
        y = checked("fake", fake, x.x.shape[1:])
        spare = None if held_out is None else checked("held-out", held_out, x.x.shape[1:])
        for name, logits, batch in (("real", real_logits, x), ("fake", fake_logits, y)):
            if logits is not None and logits.numel() != batch.size:
                raise InputError(
                    f"expected one {name} logit per sample, {batch.size}, got {tuple(logits.shape)}: pass D's logits "
                    "of this batch"
                )
        if G is not None and not isinstance(G, nn.Module):
            raise InputError(f"expected G as a torch.nn.Module, got {type(G).__name__}: pass the generator")
        if iteration is not None:
            check_whole("iteration", iteration, 0)
        if self.calls % self.every == 0:
            check_call(D, *filter(None, (x, y, spare)))
        if self.calls == 0:
            try_call(D, y)
        self._remember(x, y, d_loss=d_loss, g_loss=g_loss)
        self.calls += 1
        if self.calls % self.every:
            return None
        yardstick, fakes = self._measure(), last(cat(*(beside(batch, y.x) for batch in self._fake)))
        lost = non_finite(x.x, y.x)
        if (yardstick is None or fakes.size < 2) and not lost:
            return None
        record: dict[str, Any] = {"iteration": self.calls if iteration is None else iteration, **self._told_losses()}
        lost = record.pop("non_finite") + lost
        if yardstick is not None and fakes.size >= 2:
            with borrowed(0, y.x.device), torch.inference_mode(False), torch.autocast(y.x.device.type, enabled=False):
                record |= self._figures(D, yardstick, x, y, fakes, (real_logits, fake_logits), spare)
        record["non_finite"] = max(record.get("non_finite", 0.0), float(lost))
        for key, network in (("g", G), ("d", D)):
            if isinstance(network, nn.Module):
                record[f"weight_norm_{key}"] = parameter_norm(network)
                norm = gradient_norm(network)
                record |= {} if norm is None else {f"gradient_norm_{key}": norm}
        verdict = self._judge.update(record)
        self.records.append({**record, "verdict": verdict.verdict, "reason": verdict.reason})
        return verdict

    def _remember(self, real: Batch, fake: Batch, **losses: Tensor | float | None) -> None:
        """Keeps copies of what a look will need, as a loop may write over its own; nothing waits for the device."""
        for key, loss in losses.items():
            if loss is not None:
                self._losses.setdefault(key, []).append(number(key, loss))
        wanted = 2 * PAIRS - sum(len(part) for part in self._real)
        if wanted > 0:
            self._real.append(real.x[:wanted].clone())
        self._fake.append(last(fake))
        while sum(batch.size for batch in self._fake) - self._fake[0].size >= PAIRS:
            self._fake.popleft()

    def _measure(self) -> Yardstick | None:
        """The yardstick, made anew while there are not all the real samples that it wants; None for too few."""
        known = torch.cat([part.to(self._real[-1]) for part in self._real])
        if len(known) > self._measured:
            self._measured = len(known)
            known = known[known.flatten(1).isfinite().all(1)]
            half = len(known) // 2  # in turns, as data that is not shuffled comes in stretches of one kind
            self._yardstick = Yardstick(known[: 2 * half : 2], known[1 : 2 * half : 2]) if half > 1 else None
        return self._yardstick

    def _told_losses(self) -> dict[str, float]:
        """Means and deviations since the last look, how far D's is off its equilibrium, and what was not finite."""
        told: dict[str, float] = {"non_finite": 0.0}
        for key, losses in self._losses.items():
            values = torch.stack([loss.to("cpu", torch.float64) for loss in losses])
            told["non_finite"] += float(non_finite(values))
            told[key] = float(values.mean())
            if len(losses) > 1:
                told[f"{key}_std"] = float(values.std(correction=0))
        off = off_equilibrium(told.get("d_loss"), self.loss.equilibrium[0])
        self._losses = {}
        return told if off is None else told | {"d_off": off}

    def _figures(
        self,
        D: nn.Module | Callable[..., Any],
        yardstick: Yardstick,
        real: Batch,
        fake: Batch,
        fakes: Batch,
        given: tuple[Tensor | None, Tensor | None],
        held_out: Batch | None,
    ) -> dict[str, float]:
        loss = self.loss.at(Now(torch.zeros((), dtype=torch.int64), self.loss.initial_state(), {}))
        with HiddenUnits(D) as units, evaluating(D if isinstance(D, nn.Module) else nn.Identity()):
            judge = resting(D)
            alone = not judge.couples_samples
            shown = in_its_precision(D, fakes if alone else fake)  # others need the company that they had in the step
            sight = look(judge, loss, shown, in_its_precision(D, real.first(min(real.size, PAIRS))), units=units)
            spare = None if held_out is None else judge.constant(in_its_precision(D, held_out)).logits
        assert sight.real is not None
        figures = indicators(sight, fakes.x, units.active(), yardstick, spare, alone)
        found = (sight.real.logits, sight.fake.logits)
        said = [own if step is None else step for step, own in zip(given, found, strict=True)]
        figures |= output_figures(*said)
        figures |= {f"gradient_{key}": value for key, value in gradient_figures(norms_of(sight.received)).items()}
        figures["non_finite"] += float(non_finite(sight.received, *(step for step in given if step is not None)))
        return figures

    def state_dict(self) -> dict[str, Any]:
        """What a loop of your own saves, to go on as if it had not stopped: records, and the samples that it knows."""
        return {
            "calls": self.calls,
            "records": [dict(record) for record in self.records],
            "real": list(self._real),
            "fake": [tuple(batch) for batch in self._fake],
            "losses": {key: list(losses) for key, losses in self._losses.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Puts a `state_dict` back; raises InputError for another thing."""
        wanted = self.state_dict().keys()
        if not isinstance(state, Mapping) or state.keys() != wanted:
            raise InputError(f"expected the state of a CollapseMonitor ({', '.join(wanted)}): pass its state_dict()")
        self.calls, self.records = int(state["calls"]), [dict(record) for record in state["records"]]
        self._real, self._fake = list(state["real"]), deque(Batch(*each) for each in state["fake"])
        self._losses = {key: list(losses) for key, losses in state["losses"].items()}
        self._yardstick, self._measured = None, 0
        self._judge = Judge(self.thresholds, free=self._judge.free)
        for record in self.records:
            self._judge.update(record)
