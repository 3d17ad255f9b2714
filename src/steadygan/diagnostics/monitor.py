"""`CollapseMonitor`: detects whether a GAN collapses, in a `Trainer` or in your own training loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..errors import InputError, NonFiniteError, check_whole
from ..metrics.pairs import detail, paired_distance, paired_match
from ..runs.loop import LoopFolder
from ..types import Batch, Loss, Now, Term, cat
from ..types.critic import evaluating
from ..types.networks import unwrapped
from .gradients import Sight, term_figures, weights_of
from .look import PAIRS, Subject, check_call, checked, in_its_precision, inside, number, resting, take_look, try_call
from .norms import gradient_norm, non_finite, parameter_norm
from .outputs import off_equilibrium, output_figures
from .remedy import Remedy, Setting
from .space import Embed, Space
from .states import Thresholds
from .verdicts import Judge, Verdict
from .yardstick import RECENT, Standard, Yardstick

Policy = Literal["warn", "stop", "rollback"]
ASKED = 4  # times between two looks that losses are asked whether one is due at once
POLICIES: tuple[str, ...] = get_args(Policy)


class _Assumed(Loss):
    """-log sigmoid(d) of the fakes: what G minimises where nothing else is said [goodfellow2014]."""

    name = "nonsaturating"

    def d(self, real: Tensor, fake: Tensor) -> Mapping[str, Term]:
        return {}

    def g(self, fake: Tensor, real: Tensor | None = None) -> Mapping[str, Term]:
        return {"loss": Term(nn.functional.softplus(-fake), 1.0)}


class CollapseMonitor:
    """Reports the state of a GAN, judged by its fakes, with the causes of a failure and what to do [tao2020].

    In your own loop, call `verdict = monitor.observe(D=D, real=x, fake=y)` after each step: every `every` calls it
    takes a look and returns a `Verdict`, otherwise None. A startling loss brings a look early. In
    `Trainer(monitor=monitor)`, looks are taken at every tick, and the policy acts on alarms: "warn" reports, "stop"
    ends the run, "rollback" returns to the newest good checkpoint, at most `times` times, and applies the `remedy`.

    loss: what G minimises, by default the nonsaturating loss. It determines what G receives, how far d_loss is off its
    equilibrium, and the unit of D's logits, which is unknown unless a loss is given. out: a folder for the records and
    samples of your own loop, from which `sg.report(out)` makes a page. horizon: the iteration at which your loop's
    rates have decayed, by which a run should be good. features: a function or frozen network, samples -> features (n,
    ...), in which fakes are compared with reals, by default fixed random convolutions for images. `records` holds the
    figures of each look with its verdict. Raises InputError for another policy, counts below 1, a remedy without
    roll-back, or an `out` in use.
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
        out: str | Path | None = None,
        horizon: int | None = None,
        features: Embed | None = None,
    ) -> None:
        for name, count in (("every", every), ("times", times), ("horizon", 1 if horizon is None else horizon)):
            check_whole(name, count, 1)
        if policy not in POLICIES:
            raise InputError(f"expected a policy of {', '.join(POLICIES)}, got {policy!r}: choose one of them")
        if remedy is not None and policy != "rollback":
            raise InputError(f"expected a remedy only with policy='rollback', got policy={policy!r}: leave it out")
        kinds = ("remedy", remedy, Remedy), ("loss", loss, Loss), ("thresholds", thresholds, Thresholds)
        for name, given, kind in kinds:
            if given is not None and not isinstance(given, kind):
                raise InputError(f"expected {name} as a {kind.__name__}, got {given!r}: create one")
        self.every, self.policy, self.times = every, policy, times
        self.remedy = remedy or Remedy()
        self.loss: Loss = loss or _Assumed()
        self.thresholds = thresholds or Thresholds()
        if features is not None and not callable(features):
            raise InputError(f"expected features as a function of samples, got {type(features).__name__}: pass one")
        self.features = features
        self.out = LoopFolder(out, self.loss, horizon)
        self.records: list[dict[str, Any]] = []
        self.calls = 0
        self._judge = self.judge(Setting(is_free(self.loss.equilibrium[0]), end=horizon, length=horizon or 0))
        self._real: list[Tensor] = []  # the first ones: half becomes the yardstick, half shows what is normal
        self._fake: deque[Batch] = deque()  # the last ones
        self._newest: deque[Tensor] = deque()  # the last real ones
        self._average: deque[Tensor] = deque()  # the last ones of the average
        self._losses: dict[str, list[Tensor]] = {}
        self._standard: Standard | None = None
        self._measured = 0  # real samples that the yardstick was made of

    def judge(self, setting: Setting) -> Judge:
        """A judge with these thresholds, for a run trained with this setting."""
        return Judge(self.thresholds, setting)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the last look."""
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
        average: Tensor | Batch | None = None,
        iteration: int | None = None,
        terms: Mapping[str, Tensor | float] | None = None,
        at: nn.Module | Tensor | Sequence[Tensor] | None = None,
        paired: bool = False,
    ) -> Verdict | None:
        """One step of a training loop; returns a `Verdict` at every look, otherwise None.

        real (n, *shape), fake (m, *shape): the step's samples, as `types.Batch(x, label)` for a D that takes labels.
        real_logits (n,), fake_logits (m,): D's outputs in the step; unless given, D is called again at a look. held_out
        (k, *shape): real samples that D is not trained on, for the over-fitting gap. d_loss, g_loss: without penalties.
        G: for the norms of weights and gradients. average (k, *shape): fakes of the average of G's weights, if you will
        use the average; it then decides. iteration: for the reason; by default the number of the call.

        For a G with a second job (a tokenizer, a vocoder, super-resolution): terms: what G minimises, by name, as
        weighted in its sum, before the backward pass; the adversarial one is called "adv". Their gradients at `at`, a
        layer or weight of G (by default its last weight), show what D contributes. Looks begin once "adv" pulls at it,
        as it may start late. paired: fake i is made from, or for, real i. The quality then counts fine detail, of which
        averages have little: it is multiplied by min(detail, 1 / detail), and `paired_distance` is recorded, in
        `features` and in D's last hidden ones.

        Looks begin after four real samples and two fakes. Nothing is changed: no gradient, buffer, mode or random
        state; a D that is not a module is called as it is. Values that are not finite give a verdict, never an error.
        Raises InputError for samples, labels or logits that do not fit, losses or terms that are not single numbers,
        terms whose graph is gone, or a D that cannot be called with the samples.
        """
        D = unwrapped(D)
        shape = self._real[0].shape[1:] if self._real else None
        x = checked("real", real, shape)
        y = checked("fake", fake, x.x.shape[1:])
        spare = None if held_out is None else checked("held-out", held_out, x.x.shape[1:])
        averaged = None if average is None else checked("average", average, x.x.shape[1:])
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
        if paired and x.size != y.size:
            raise InputError(f"expected pairs, got {x.size} real samples and {y.size} fakes: pass fakes of this batch")
        if terms is None and at is not None:
            raise InputError("expected terms with at=, got none: pass the terms of G's loss by name")
        if self.calls % self.every == 0:
            check_call(D, *filter(None, (x, y, spare)))
        if self.calls == 0:
            try_call(D, y)
            self._pulls(terms, at, G)
        self._remember(x, y, averaged, d_loss=d_loss, g_loss=g_loss)
        self.calls += 1
        if self.calls % self.every and not (self.asked and self._startled()):
            return None
        pulls = self._pulls(terms, at, G)
        begun = pulls.get("pull/adv") != 0.0 or any("pull/adv" in record for record in self.records[-1:])
        known = [loss for own in self._losses.values() for loss in own]
        if not begun and not non_finite(x.x, y.x, *known):  # it starts later
            self._losses = {}
            return None
        changed, standard = self._measure()
        yardstick = None if standard is None else standard.yardstick
        fakes = last(cat(*(beside(batch, y.x) for batch in self._fake)))
        lost = non_finite(x.x, y.x)
        if (yardstick is None or fakes.size < 2) and not lost:
            return None
        record: dict[str, Any] = {"iteration": self.calls if iteration is None else iteration, **self._told_losses()}
        lost = record.pop("non_finite") + lost
        if yardstick is not None and fakes.size >= 2:
            with borrowed(0, y.x.device), torch.inference_mode(False), torch.autocast(y.x.device.type, enabled=False):
                record |= self._figures(D, yardstick, x, y, fakes, (real_logits, fake_logits), spare, paired) | pulls
                others = torch.cat([part.to(y.x) for part in self._average]) if self._average else y.x[:0]
                if len(others) > 1:
                    record |= {f"average_{key}": value for key, value in yardstick.quality(others[-PAIRS:]).items()}
                if paired:
                    record |= self._sharpness(record, {"": fakes.x, "average_": others[-PAIRS:]})
        record |= {"data_changed": 1.0} if changed else {}
        record["non_finite"] = max(record.get("non_finite", 0.0), float(lost))
        for key, network in (("g", G), ("d", D)):
            if isinstance(network, nn.Module):
                record[f"weight_norm_{key}"] = parameter_norm(network)
                norm = gradient_norm(network)
                record |= {} if norm is None else {f"gradient_norm_{key}": norm}
        if record.get("gradient_norm_g") == record.get("gradient_norm_d") == 0.0:  # the loop has set them to 0
            del record["gradient_norm_g"], record["gradient_norm_d"]
        elif pulls:  # G's backward pass is yet to come
            record.pop("gradient_norm_g", None)
        verdict = self._judge.update(record)
        self.records.append({**record, **verdict.record()})
        self.out.add(self.records[-1], self._real, self._average or [fakes.x])
        return verdict

    @property
    def asked(self) -> bool:
        """Whether the last call was one of those at which a look may be taken: a few between two regular ones."""
        return self.calls % self.every == 0 or self.calls % self._block == 0

    @property
    def _block(self) -> int:
        """How many calls are judged together; a deviation wants two: of one number none is known."""
        return max(2, self.every // ASKED)

    def _startled(self) -> bool:
        """Whether losses of the calls just made are so unusual that a look is due."""
        if not self._losses:
            return False
        block = self._block
        newest = {key: torch.stack([loss.cpu().double() for loss in own[-block:]]) for key, own in self._losses.items()}
        ends = ({key: float(end(own)) for key, own in newest.items()} for end in (torch.amin, torch.amax))
        return any(self._judge.startled(losses) for losses in ends)

    def _remember(self, real: Batch, fake: Batch, average: Batch | None, **losses: Tensor | float | None) -> None:
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
        for kept, most, x in ((self._newest, RECENT, real.x), (self._average, PAIRS, average and average.x)):
            if x is not None:
                kept.append(x[-most:].clone())
                while sum(map(len, kept)) - len(kept[0]) >= most:
                    kept.popleft()

    def _measure(self) -> tuple[bool, Standard | None]:
        """What fakes are held against, made anew while there are not all the reals that it wants; None for too few.

        And whether the data changed, which is asked once all are there.
        """
        known = torch.cat([part.to(self._real[-1]) for part in self._real])
        if len(known) > self._measured:
            self._measured = len(known)
            known = known[known.flatten(1).isfinite().all(1)]
            half = len(known) // 2  # in turns, as data that is not shuffled comes in stretches of one kind
            self._standard = None
            if half > 1:
                own = self.features
                space = Space.of_shape(known.shape[1:]) if own is None else Space.of_features(own)
                self._standard = Standard(Yardstick(known[: 2 * half : 2], known[1 : 2 * half : 2], space))
            return False, self._standard
        if self._standard is None or self._measured < 2 * PAIRS:
            return False, self._standard
        newest = torch.cat([part.to(self._real[-1]) for part in self._newest])
        return self._standard.renew(newest[-RECENT:]), self._standard

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
        paired: bool,
    ) -> dict[str, float]:
        loss = self.loss.at(Now(torch.zeros((), dtype=torch.int64), self.loss.initial_state(), {}))
        with evaluating(inside(D)):
            subject = Subject(resting(D), loss, inside(D))
            alone = not subject.critic.couples_samples
            shown = in_its_precision(D, fakes if alone else fake)  # others need the company that they had in the step
            x = in_its_precision(D, last(real) if paired else real.first(min(real.size, PAIRS)))
            spare = None if held_out is None else in_its_precision(D, held_out)
            figures, _, sight = take_look({"D": subject}, shown, x, yardstick, spare, fakes.x, alone)
        assert sight.real is not None
        said = [own.logits if step is None else step for step, own in zip(given, (sight.real, sight.fake), strict=True)]
        figures |= output_figures(*said)
        if paired:
            figures |= self._pair_figures(yardstick, last(fake), last(real), sight)
        figures["non_finite"] += float(non_finite(*(step for step in given if step is not None)))
        return figures

    def _pulls(self, terms: Mapping[str, Tensor | float] | None, at: Any, G: nn.Module | None) -> dict[str, float]:
        """The gradients of the terms of G's loss; {} where none are given."""
        return {} if terms is None else term_figures(terms, weights_of(at, G))

    def _pair_figures(self, yardstick: Yardstick, fake: Batch, real: Batch, sight: Sight) -> dict[str, float]:
        """How far fakes are from the reals of their own pairs, where that can be told."""
        n, embed = fake.size, yardstick.space.embed
        there = embed(fake.x), embed(real.x)
        figures = [("paired_distance", paired_distance, there), ("paired_match", paired_match, there)]
        if sight.fake_hidden is not None and sight.real_hidden is not None:
            figures.append(("paired_distance_d", paired_distance, (sight.fake_hidden[-n:], sight.real_hidden[-n:])))
        found = {}
        for key, of, (y, x) in figures:
            try:
                found[key] = of(y, x)
            except (InputError, NonFiniteError):  # one sample, or features that are all alike or not finite
                continue
        return found

    def _sharpness(self, record: Mapping[str, float], fakes: Mapping[str, Tensor]) -> dict[str, float]:
        """The fine detail of fakes, relative to that of the newest reals, and the qualities that count it."""
        newest = torch.cat([*self._newest])[-PAIRS:]
        found: dict[str, float] = {}
        for side, x in fakes.items():
            sharp = detail(x, newest.to(x)) if len(x) and f"{side}quality" in record else None
            if sharp is not None and isfinite(sharp):
                like = min(sharp, 1.0 / sharp) if sharp > 0.0 else 0.0
                found |= {f"{side}{key}": record[f"{side}{key}"] * like for key in ("quality", "quality_error")}
                found[f"{side}detail"] = sharp
        return found

    def state_dict(self) -> dict[str, Any]:
        """What your own loop saves in order to resume exactly: the records, and the samples remembered so far."""
        return {
            "calls": self.calls,
            "records": [dict(record) for record in self.records],
            "real": list(self._real),
            "fake": [tuple(batch) for batch in self._fake],
            "losses": {key: list(losses) for key, losses in self._losses.items()},
            "newest": list(self._newest),
            "average": list(self._average),
            "standard": {} if self._standard is None else self._standard.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`; raises InputError for anything else."""
        wanted = self.state_dict().keys()
        if not isinstance(state, Mapping) or state.keys() != wanted:
            raise InputError(f"expected the state of a CollapseMonitor ({', '.join(wanted)}): pass its state_dict()")
        self.calls, self.records = int(state["calls"]), [dict(record) for record in state["records"]]
        self._real, self._fake = list(state["real"]), deque(Batch(*each) for each in state["fake"])
        self._losses = {key: list(losses) for key, losses in state["losses"].items()}
        self._newest, self._average = deque(state["newest"]), deque(state["average"])
        self._standard, self._measured = None, 0
        if self._real:
            self._measure()
        if self._standard is not None:
            self._standard.restore(state["standard"])
        self._judge = self._judge.anew(self.records)
        self.out.go_on(self.records)


def is_free(equilibrium: float | None) -> bool:
    """Whether a D loss has no equilibrium but 0, so that its distance from it is in the loss's own unit."""
    return equilibrium is None or equilibrium == 0.0


def last(batch: Batch) -> Batch:
    """A copy of the last samples, as many as a look uses."""
    return batch.each(lambda tensor: tensor[-PAIRS:].clone())


def beside(batch: Batch, like: Tensor) -> Batch:
    """Moves samples to the device and precision of others: a restored state may be elsewhere."""
    return batch.each(lambda tensor: tensor.to(like.device))._replace(x=batch.x.to(like))
