"""What is done to a trainer, or to a run on its way, so that it fails: rates, optimisers, penalties, weights, data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

import steadygan as sg
from steadygan.data import Source
from steadygan.data.source import Stream
from steadygan.engine.needs import Needs
from steadygan.engine.optim import Schedule
from steadygan.runs.run import Run
from steadygan.training.opponents import ready
from steadygan.types import Batch, Critic, DBatch, Draw, Method, Now, Opponent, Penalty, Scored, Term

Change = Callable[[sg.Trainer], None]
Pace = Callable[[int], float]  # number of a step -> factor


def reset(made: sg.Trainer, **changes: Any) -> None:
    """Another setup for a trainer that has not begun."""
    made.setup = made.member.setup = replace(made.setup, **changes)


def opponent(made: sg.Trainer, change: Callable[[Opponent], Opponent]) -> None:
    """Another discriminator, or other parts of it."""
    ((name, own),) = made.setup.opponents.items()
    opponents, setup = {name: ready(change(own))}, made.setup
    needs = Needs.of(opponents, setup.sides, setup.source.shape, setup.needs.d_steps)
    reset(made, opponents=opponents, needs=needs)


# --- rates


@dataclass(frozen=True)
class Spiked(Schedule):
    """Another schedule, with rates that are `times` as high from `start` on, for `length` iterations."""

    base: Schedule
    start: int
    length: int
    times: float

    def factor(self, iteration: int, horizon: int) -> float:
        spike = self.times if self.start <= iteration < self.start + self.length else 1.0
        return spike * self.base.factor(iteration, horizon)


@dataclass(frozen=True)
class Growing(Schedule):
    """Rates that grow exponentially to `times` as much at the horizon."""

    times: float

    def factor(self, iteration: int, horizon: int) -> float:
        return float(self.times ** (iteration / horizon))


def spiked(made: sg.Trainer, start: int, length: int, times: float) -> None:
    """The rates rise for a while."""
    reset(made, schedule=Spiked(made.setup.schedule, start, length, times))


def growing(made: sg.Trainer, times: float) -> None:
    """The rates grow over the run."""
    reset(made, schedule=Growing(times))


class Paced(torch.optim.Adam):
    """Adam that takes step number k with its rate times pace(k), and none where that is 0; weights may tremble."""

    def __init__(self, parameters: Iterable[Any], lr: float, pace: Pace, tremble: Pace | None = None) -> None:
        super().__init__(list(parameters), lr, betas=(0.5, 0.9))
        self.pace, self.tremble, self.calls = pace, tremble, 0
        self.noise = torch.Generator().manual_seed(0)

    def step(self, closure: Any = None) -> Any:
        k, self.calls = self.calls, self.calls + 1
        factor, found = self.pace(k), None
        if factor > 0.0:
            rates = [group["lr"] for group in self.param_groups]
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            found = super().step(closure)
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate
        amount = 0.0 if self.tremble is None else self.tremble(k)
        if amount > 0.0:
            with torch.no_grad():
                for p in (p for group in self.param_groups for p in group["params"]):
                    p.add_(torch.randn(p.shape, generator=self.noise), alpha=amount)
        return found


def steady(k: int) -> float:
    """Every step as it is."""
    return 1.0


def paced(made: sg.Trainer, g: Pace = steady, d: Pace = steady, tremble: Pace | None = None) -> None:
    """Steps of G and of D taken as these say; a trainer tells an optimiser no more of whose it is than its rate."""
    lr_g, lr_d = made.setup.rates[0], made.setup.rates[1] * (1 + 1e-9)

    def optimizer(parameters: Iterable[Any], lr: float) -> torch.optim.Optimizer:
        return Paced(parameters, lr, d) if lr == lr_d else Paced(parameters, lr, g, tremble)

    reset(made, optimizer=optimizer, rates=(lr_g, lr_d))


# --- weights, once


def at(made: sg.Trainer, iteration: int, act: Callable[[Run], None]) -> None:
    """Something happens to the networks once, after the look at this iteration."""

    def callback(run: Run, now: int, record: dict[str, Any]) -> None:
        if now == iteration:
            with torch.no_grad():
                act(run)

    made.callbacks.append(callback)


def killed(run: Run) -> None:
    """No hidden unit of D fires any more."""
    for name, parameter in run.D.named_parameters():  # type: ignore[union-attr]
        if name.endswith("bias"):
            parameter.fill_(-1e3)


def shaken(run: Run, factor: float = 1.5) -> None:
    """G's weights grow by half."""
    for parameter in run.G_live.parameters():
        parameter.mul_(factor)


def begun_anew(run: Run) -> None:
    """D begins anew, with small weights."""
    for parameter in run.D.parameters():  # type: ignore[union-attr]
        parameter.mul_(0.1)


def jolted(run: Run, amount: float) -> None:
    """Gaussian noise on D's weights."""
    generator = torch.Generator().manual_seed(run.settings["seed"])
    for parameter in run.D.parameters():  # type: ignore[union-attr]
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=amount)


def forgetful(made: sg.Trainer, iteration: int, times: float) -> None:
    """Both optimisers lose their moments, and go on with higher rates."""

    def lose(run: Run) -> None:
        for optimizer in made.member.executor.optimizers.values():
            for state in optimizer.state.values():
                for key in ("exp_avg", "exp_avg_sq"):
                    state[key].zero_()

    at(made, iteration, lose)
    spiked(made, iteration, 10**9, times)


# --- parts that change on the way


@dataclass(frozen=True)
class Changing(Penalty):
    """A penalty whose weight goes exponentially from its own to `end` times as much at the horizon."""

    base: Penalty
    end: float
    horizon: int
    factor: Tensor | float = 1.0
    name: str = "changing"

    @property
    def needs_fake(self) -> bool:
        return self.base.needs_fake

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        return self.base.noise(real, fake, shape)

    def at(self, now: Now) -> Changing:
        return replace(self, base=self.base.at(now), factor=self.end ** (now.iteration / self.horizon))

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        term = self.base(critic, real, fake)
        assert term.weight is not None
        return Term(term.value, term.weight * self.factor)


def changing_penalty(made: sg.Trainer, end: float, horizon: int) -> None:
    """The weight of the one penalty falls or grows."""

    def change(own: Opponent) -> Opponent:
        (penalty,) = own.penalties
        return replace(own, penalties=(Changing(penalty, end, horizon),))

    opponent(made, change)


@dataclass(frozen=True)
class MoreAndMore(Method):
    """Fake-as-real whose count grows from none to the whole batch at the horizon; two candidates for each."""

    horizon: int
    share: Tensor | float = 0.0
    name: str = "more_and_more"

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        return real, fake + 2 * real

    def at(self, now: Now) -> MoreAndMore:
        return replace(self, share=now.iteration / self.horizon)

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        n = real.size
        fake, candidates = fake.split(fake.size - 2 * n, 2 * n)
        lowest = candidates.take(critic.rank(candidates, chunk=fake.size).topk(n, largest=False).indices)
        counts = (torch.arange(n) < n * self.share).unsqueeze(1)
        return DBatch(Batch(torch.where(counts, lowest.x, real.x)), fake)


def more_and_more(made: sg.Trainer, horizon: int) -> None:
    """N0 grows."""
    opponent(made, lambda own: replace(own, method=MoreAndMore(horizon)))


# --- networks


class Wrapped(nn.Module):
    """A network behind functions of what comes in and of what goes out."""

    def __init__(
        self, inner: nn.Module, before: Callable[[Tensor], Tensor] | None, after: Callable[[Tensor], Tensor] | None
    ) -> None:
        super().__init__()
        self.inner, self.before, self.after = inner, before, after

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner(x if self.before is None else self.before(x))
        return found if self.after is None else self.after(found)


def three(z: Tensor) -> Tensor:
    """Latents rounded to one of three points."""
    first = z[:, :1]
    return torch.where(first.abs() > 0.43, first.sign(), 0.0).expand_as(z)


def steep(logit: Tensor) -> Tensor:
    """A logit that is saturated nearly everywhere."""
    return 20.0 * torch.tanh(logit / 0.02)


def of_three(made: sg.Trainer) -> None:
    """G makes three points."""
    reset(made, G=Wrapped(made.setup.G, three, None))


def judged_by(made: sg.Trainer, after: Callable[[Tensor], Tensor]) -> None:
    """D's logits go through a function."""
    opponent(made, lambda own: replace(own, critic=Wrapped(own.critic, None, after), gives="logit"))


def dropped(made: sg.Trainer, share: float) -> None:
    """D drops this share of its samples' numbers and of what its first layer says."""
    drop = nn.Dropout(share)
    opponent(made, lambda own: replace(own, critic=nn.Sequential(own.critic[:2], drop, own.critic[2:])))


class Told(nn.Module):
    """A network that is told the class beside its input, or is deaf to it; a logit is flat."""

    def __init__(self, inputs: int, outputs: int, classes: int, deaf: bool = False) -> None:
        super().__init__()
        self.classes, self.deaf, self.outputs = classes, deaf, outputs
        self.inner = sg.models.mlp(inputs + (0 if deaf else classes), outputs, activation="leaky_relu")

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        seen = x if self.deaf else torch.cat([x, nn.functional.one_hot(label, self.classes).to(x.dtype)], 1)
        found: Tensor = self.inner(seen)
        return found if self.outputs > 1 else found.flatten()


# --- data


@dataclass(frozen=True, eq=False)
class Turning(Source):
    """A source whose training stream changes on the way: turn(position in the stream (n,), x) -> x."""

    turn: Callable[[Tensor, Tensor], Tensor] = field(default=lambda _, x: x)

    def stream(self, seed: int, shard: tuple[int, int] = (0, 1)) -> Stream:
        return TurningStream(self, super().stream(seed, shard).sampler)


@dataclass(frozen=True)
class TurningStream(Stream):
    """The stream of a `Turning` source."""

    def take(self, start: int, count: int, generator: torch.Generator | None = None) -> Batch:
        x, label, _ = super().take(start, count, generator)
        assert isinstance(self.source, Turning)
        return Batch(self.source.turn(torch.arange(start, start + count), x), label)


def coin(position: Tensor) -> Tensor:
    """A number in [0, 1) for each position, the same every time."""
    return (position * 2654435761 % 2**32).to(torch.float64) / 2**32


def turned(made: sg.Trainer, turn: Callable[[Source, Tensor, Tensor, Tensor], Tensor]) -> None:
    """Training data that change: turn(source, position of each sample in the stream, its iteration, x) -> x."""
    source, batch = made.setup.source, made.setup.needs.real_d

    def by_position(position: Tensor, x: Tensor) -> Tensor:
        return turn(source, position, position // batch, x)

    own = {name: getattr(source, name) for name in Source.__dataclass_fields__}
    reset(made, source=Turning(**own, turn=by_position))


def given(made: sg.Trainer, source: Source) -> None:
    """Other data of the same shape."""
    reset(made, source=source.to(made.setup.device, made.setup.dtype))
