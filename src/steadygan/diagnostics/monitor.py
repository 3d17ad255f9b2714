"""`CollapseMonitor`: tells whether a GAN collapses, in a `Trainer` or in anybody's own training loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..critics import evaluating, kept_buffers
from ..errors import InputError, check_whole
from ..rng import borrowed
from ..types import Batch, Loss, Term
from .coverage import over_coverage
from .diversity import diversity
from .gradients import gradient_figures, look, norms_of
from .hidden import HiddenUnits
from .outputs import output_figures
from .remedy import Remedy
from .verdicts import Judge, Thresholds, Verdict
from .weights import gradient_norm, non_finite, parameter_norm
from .yardstick import Yardstick

Policy = Literal["warn", "stop", "rollback"]
POLICIES: tuple[str, ...] = get_args(Policy)
PAIRS = 256  # samples of each side that are held against each other


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
    what G receives. Raises InputError for another policy, counts below 1, or a remedy without a roll-back.
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
        self.every, self.policy, self.times = every, policy, times
        self.remedy = remedy or Remedy()
        self.loss: Loss = loss or _Assumed()
        self.thresholds = thresholds or Thresholds()
        self.records: list[dict[str, Any]] = []
        self.calls = 0
        self._judge = self.judge(self.loss.equilibrium[0] if loss is not None else None)
        self._yardstick: Yardstick | None = None
        self._real: list[Tensor] = []  # of the first calls: half becomes the yardstick, half shows what is normal
        self._fake: deque[Tensor] = deque()
        self._losses: dict[str, list[Tensor]] = {}

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
        real: Tensor,
        fake: Tensor,
        real_logits: Tensor | None = None,
        fake_logits: Tensor | None = None,
        held_out: Tensor | None = None,
        d_loss: Tensor | float | None = None,
        g_loss: Tensor | float | None = None,
        G: nn.Module | None = None,
        iteration: int | None = None,
    ) -> Verdict | None:
        """One step of a training loop; a `Verdict` at every look, else None.

        real (n, *shape), fake (m, *shape): the step's samples. real_logits (n,), fake_logits (m,): what D said of them,
        worked out anew at a look unless given. held_out (k, *shape): real samples that D is not trained on, for the
        over-fitting gap. d_loss, g_loss: without penalties. G: for the norms of weights and gradients. iteration: for
        the reason; the number of the call unless given. Nothing is changed: no gradient, buffer, mode or random state.
        Raises InputError for samples or logits of another shape.
        """
        for name, samples in (("fake", fake), ("held-out", held_out)):
            if samples is not None and samples.shape[1:] != real.shape[1:]:
                raise InputError(
                    f"expected {name} samples of the shape of the real ones, (n, "
                    f"{', '.join(map(str, real.shape[1:]))}), got {tuple(samples.shape)}: pass one batch of each"
                )
        for name, logits, samples in (("real", real_logits, real), ("fake", fake_logits, fake)):
            if logits is not None and logits.numel() != samples.shape[0]:
                raise InputError(
                    f"expected one {name} logit per sample, {samples.shape[0]}, got {tuple(logits.shape)}: pass D's "
                    "logits of this batch"
                )
        self._remember(real, fake, d_loss=d_loss, g_loss=g_loss)
        self.calls += 1
        if self.calls % self.every or (sum(len(x) for x in self._real) < 4 and self._yardstick is None):
            return None
        record: dict[str, Any] = {"iteration": self.calls if iteration is None else iteration}
        with borrowed(0, fake.device):
            record |= self._told_losses() | self._figures(D, real, real_logits, fake_logits, held_out)
        for key, network in (("g", G), ("d", D)):
            if isinstance(network, nn.Module):
                record[f"weight_norm_{key}"] = parameter_norm(network)
                norm = gradient_norm(network)
                if norm is not None:
                    record[f"gradient_norm_{key}"] = norm
        verdict = self._judge.update(record)
        self.records.append({**record, "verdict": verdict.verdict, "reason": verdict.reason})
        return verdict

    def _remember(self, real: Tensor, fake: Tensor, **losses: Tensor | float | None) -> None:
        """Keeps what a look will need; nothing waits for the device."""
        if self._yardstick is None and sum(len(x) for x in self._real) < 2 * PAIRS:
            self._real.append(real.detach())
        self._fake.append(fake.detach())
        while sum(len(y) for y in self._fake) - len(self._fake[0]) >= PAIRS:
            self._fake.popleft()
        for key, loss in losses.items():
            if loss is not None:
                self._losses.setdefault(key, []).append(torch.as_tensor(loss).detach().reshape(()))

    def _told_losses(self) -> dict[str, float]:
        """Means and deviations since the last look."""
        told: dict[str, float] = {}
        for key, losses in self._losses.items():
            values = torch.stack(losses).to(torch.float64)
            told[key] = float(values.mean())
            told[f"{key}_std"] = float(values.std(correction=0))
        self._losses = {}
        return told

    def _figures(
        self,
        D: nn.Module | Callable[..., Any],
        real: Tensor,
        real_logits: Tensor | None,
        fake_logits: Tensor | None,
        held_out: Tensor | None,
    ) -> dict[str, float]:
        fakes = torch.cat([*self._fake])[-PAIRS:]
        if self._yardstick is None:
            known = torch.cat(self._real)
            half = min(PAIRS, len(known) // 2)
            self._yardstick, self._real = Yardstick(known[:half], known[half : 2 * half]), []
        network = D if isinstance(D, nn.Module) else nn.Identity()
        with HiddenUnits(D) as units, kept_buffers(network), evaluating(network), _closed(network):
            sight = look(D, self.loss, Batch(fakes), Batch(real[:PAIRS].detach()), units=units)
            spare = None if held_out is None else _logits(D, held_out)
        assert sight.real is not None
        slopes = gradient_figures(norms_of(sight.slope))
        figures = {"d_gradient_mean": slopes["mean"], "d_gradient_max": slopes["max"]}
        figures |= {f"gradient_{key}": value for key, value in gradient_figures(norms_of(sight.received)).items()}
        figures["dead_units"] = 1.0 - units.active()
        given = real_logits is not None and fake_logits is not None
        figures |= output_figures(
            real_logits if given and real_logits is not None else sight.real.logits,
            fake_logits if given and fake_logits is not None else sight.fake.logits,
            spare,
        )
        figures["non_finite"] = float(non_finite(sight.real.logits, sight.fake.logits, fakes, sight.received))
        held = self._yardstick.figures(fakes)
        figures |= held.figures
        figures["steepness"] = slopes["mean"] * self._yardstick.spread
        if held.cells is not None:
            rho = over_coverage(sight.fake.logits, held.cells, torch.ones(int(held.cells.max()) + 1))
            figures |= {} if rho is None else {"over_coverage": rho}
        if sight.fake_hidden is not None and sight.real_hidden is not None and len(sight.real_hidden) > 1:
            try:
                figures["feature_diversity"] = diversity(sight.fake_hidden, sight.real_hidden)
            except InputError:  # D's features of all reals are alike
                figures["feature_diversity"] = 0.0
        return figures

    def state_dict(self) -> dict[str, Any]:
        """What a loop of your own saves, to go on as if it had not stopped."""
        return {"calls": self.calls, "records": [dict(record) for record in self.records]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Puts a `state_dict` back; the yardstick is taken from the next real samples."""
        self.calls, self.records = int(state["calls"]), [dict(record) for record in state["records"]]
        self._judge = Judge(self.thresholds, free=self._judge.free)
        for record in self.records:
            self._judge.update(record)


class _closed:  # noqa: N801 (reads as a word)
    """No parameter gathers a gradient inside; each one's own flag afterwards."""

    def __init__(self, network: nn.Module) -> None:
        self._flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]

    def __enter__(self) -> None:
        for parameter, _ in self._flags:
            parameter.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)


def _logits(D: Callable[..., Any], x: Tensor) -> Tensor:
    from ..types import critic

    return critic(D).constant(Batch(x.detach())).logits
