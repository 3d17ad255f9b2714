"""The seams: what flows between data, critics, losses, penalties and methods.

A GAN's objective is a sum of weighted means of per-sample terms. A `Loss` turns logits into terms, a `Penalty` adds a
term that measures the critic at some points, a `Method` changes which samples a critic is shown and as what, or adds
terms of its own. Higher logit = more real, for every critic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypeAlias

import torch
from torch import Tensor

from .errors import InputError

Of: TypeAlias = Literal["logit", "probability"]


class Batch(NamedTuple):
    """Samples and, when there are classes, their labels: a pytree, so vmap and compile take it as it is."""

    x: Tensor  # (n, *shape)
    label: Tensor | None = None  # (n,) int64

    @property
    def size(self) -> int:
        """Number of samples n (`len` of a named tuple counts its fields)."""
        return self.x.shape[0]

    def take(self, index: Tensor) -> Batch:
        """The samples at `index`, an integer tensor (k,)."""
        return Batch(self.x[index], None if self.label is None else self.label[index])

    def split(self, *sizes: int) -> tuple[Batch, ...]:
        """Consecutive parts of the given sizes."""
        xs = torch.split(self.x, list(sizes))
        labels = (None,) * len(sizes) if self.label is None else torch.split(self.label, list(sizes))
        return tuple(Batch(x, label) for x, label in zip(xs, labels, strict=True))

    def first(self, n: int) -> Batch:
        """The first n samples; the batch itself when it holds no more."""
        return self if n == self.size else self.split(n, self.size - n)[0]


def cat(*batches: Batch) -> Batch:
    """One batch after the other; labels are kept when every batch has them."""
    labels = [batch.label for batch in batches if batch.label is not None]
    return Batch(
        torch.cat([batch.x for batch in batches]),
        torch.cat(labels) if len(labels) == len(batches) else None,
    )


class Output(NamedTuple):
    """What a critic says of a batch in one pass."""

    logits: Tensor  # (n,), before any sigmoid
    features: Mapping[str, Tensor]  # named activations; {} when nobody asked


class Scored(NamedTuple):
    """A batch, what the critic said of it, and the way back: one forward serves loss, penalties and probes."""

    batch: Batch
    logits: Tensor  # (n,)
    features: Mapping[str, Tensor]
    pull: Callable[[Tensor], tuple[Tensor, ...]]  # cotangent (n,) -> ((n, *shape),)

    def input_gradient(self, of: Of = "logit") -> Tensor:
        """grad_v d(v), or grad_v D(v) = D (1 - D) grad_v d(v) with D = sigmoid(d); (n, dim), differentiable."""
        (gradient,) = self.pull(torch.ones_like(self.logits))
        gradient = gradient.flatten(1)
        if of == "probability":
            probability = torch.sigmoid(self.logits)
            gradient = gradient * (probability * (1.0 - probability)).unsqueeze(1)
        return gradient


Forward: TypeAlias = Callable[[Batch], Output]


@dataclass(frozen=True)
class Critic:
    """A discriminator as the parts see it: a callable from `Batch` to `Output`, whoever takes the gradients.

    couples_samples: one sample's logit depends on the others (batch norm, minibatch discrimination).
    functional: input gradients come from `torch.func.vjp` (stacked or compiled steps) instead of autograd in place.
    untracked: a forward that leaves buffers as they were; `forward` itself when there are none.
    """

    forward: Forward
    couples_samples: bool = False
    functional: bool = False
    untracked: Forward | None = None

    def __call__(self, batch: Batch) -> Output:
        return self.forward(batch)

    def score(self, batch: Batch) -> Scored:
        """One forward whose input gradient can be taken later: the only place where input gradients come from."""
        if self.functional:
            return self._score_functional(batch)
        x = batch.x if batch.x.requires_grad else batch.x.detach().requires_grad_()
        batch = Batch(x, batch.label)
        logits, features = self.forward(batch)

        def pull(cotangent: Tensor) -> tuple[Tensor, ...]:
            if not logits.requires_grad:  # a critic that ignores its input, or one called under no_grad
                return (torch.zeros_like(x),)
            found = torch.autograd.grad(logits, x, cotangent, create_graph=True, allow_unused=True)[0]
            return (torch.zeros_like(x) if found is None else found,)

        return Scored(batch, logits, features, pull)

    def _score_functional(self, batch: Batch) -> Scored:
        def run(x: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            return tuple(self.forward(Batch(x, batch.label)))  # type: ignore[return-value]

        logits, pull, features = torch.func.vjp(run, batch.x, has_aux=True)  # type: ignore[misc]
        return Scored(batch, logits, features, pull)

    def constant(self, batch: Batch, chunk: int | None = None) -> Output:
        """Logits and features as constants: no graph, no buffer moved; coupled samples go through in chunks of `chunk`."""
        forward = self.untracked or self.forward
        with torch.no_grad():
            if not self.couples_samples or chunk is None or chunk >= batch.size:
                outputs = [forward(batch)]
            else:
                sizes = [chunk] * (batch.size // chunk)
                rest = batch.size - sum(sizes)
                outputs = [forward(part) for part in batch.split(*sizes, *([rest] if rest else []))]
        if len(outputs) == 1:
            logits, features = outputs[0]
        else:
            logits = torch.cat([output.logits for output in outputs])
            features = {key: torch.cat([o.features[key] for o in outputs]) for key in outputs[0].features}
        return Output(logits.detach(), {key: value.detach() for key, value in features.items()})

    def wrap(self, change: Callable[[Forward], Forward]) -> Critic:
        """The critic whose forwards are `change`d, gradients taken as before."""
        untracked = None if self.untracked is None else change(self.untracked)
        return replace(self, forward=change(self.forward), untracked=untracked)


class Term(NamedTuple):
    """One summand of an objective: `weight * mean(value)`, the value per sample and never reduced inside a part."""

    value: Tensor  # (n,)
    weight: Tensor | float = 1.0


Terms: TypeAlias = Mapping[str, Term]


class Draw(NamedTuple):
    """Random numbers a part wants for one step: drawn outside the step, so that every executor sees the same ones."""

    shape: tuple[int, ...]
    kind: Literal["uniform", "normal"] = "uniform"  # U(0, 1) or N(0, 1)


class Now(NamedTuple):
    """All that changes from step to step: tensors whose shapes never change, nested as opponents and their parts are."""

    iteration: Tensor  # (), int64
    state: Mapping[str, Any]
    noise: Mapping[str, Any]

    def enter(self, name: str) -> Now:
        """What belongs to the opponent or part `name`."""
        return Now(self.iteration, self.state.get(name, {}), self.noise.get(name, {}))


class Part:
    """What every loss, penalty and method may have beside its formula; by default nothing of it."""

    name: str = ""
    needs_real: ClassVar[bool] = False  # wants the real side scored in the generator step
    shares_batch: ClassVar[bool] = False  # the generator step sees the discriminator step's z and reals

    def initial_state(self) -> dict[str, Tensor]:
        """Tensors that the part carries from step to step."""
        return {}

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        """Random numbers wanted per D step when the critic is shown `real` and `fake` samples of `shape`."""
        return {}

    def at(self, now: Now) -> Self:
        """The part as it is at this step (schedules, state, noise put in)."""
        return self

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state after a D step, from the mean of each of its terms."""
        return dict(state)

    def active(self, step: int) -> bool:
        """Whether the part acts in D step number `step`: decided on the host, from a number and never a tensor."""
        return True


class Loss(Part):
    """An adversarial loss on logits, for both players; real and fake counts may differ."""

    equilibrium: tuple[float | None, float | None] = (None, None)  # (D, G) loss when p_G = p_data

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        """Terms the discriminator minimises; logits (n,) and (m,)."""
        raise NotImplementedError

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Terms the generator minimises; `real` is given when `needs_real`."""
        raise NotImplementedError


class Penalty(Part):
    """A term on the discriminator that measures the critic itself."""

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        """The term; `real` and `fake` are what the loss saw, scored once."""
        raise NotImplementedError

    def loss(self, D: Callable[..., Any], real: Tensor, fake: Tensor | None = None) -> Tensor:
        """The penalty alone, `weight * mean`, a scalar for anybody's own loop; `D` maps (n, *shape) to (n,) or (n, 1)."""
        score = critic(D)
        scored = score.score(Batch(real))
        value, weight = self(score, scored, scored if fake is None else score.score(Batch(fake)))
        return weight * value.mean()


class DBatch(NamedTuple):
    """What a critic is shown in a D step, and samples held back for the method itself."""

    real: Batch
    fake: Batch
    held: Batch | None = None


class Method(Part):
    """Changes which samples a critic is shown and as what, or compares samples; the base class is plain training."""

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        """Presented samples wanted for a D step in which the critic is to see `real` and `fake` of them."""
        return real, fake

    def draws_g(self, real: int, fake: int) -> tuple[int, int]:
        """The same for a G step."""
        return real, fake

    def raw(self, count: int) -> int:
        """Samples needed so that `present` shows `count`."""
        return count

    def present(self, batch: Batch) -> Batch:
        """What any critic is shown of a batch: packing, augmentation."""
        return batch

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        """The two sides of a D step; extra samples come from the tail."""
        return DBatch(real, fake)

    def critic(self, critic: Critic, held: Batch | None) -> Critic:
        """The critic that scores both sides."""
        return critic

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        """Further terms for the discriminator."""
        return {}

    def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
        """Further terms for the generator; reals are constants."""
        return {}


class Constraint(Protocol):
    """Something done to the discriminator's parameters after each of its steps (weight clipping)."""

    def after_d_step(self, parameters: Iterable[Tensor]) -> None:
        """Changes the parameters in place, outside autograd."""


@dataclass(frozen=True)
class Opponent:
    """A discriminator with all that trains it; a plain GAN is a mapping of length one."""

    critic: Any  # module or callable, x -> logits
    loss: Loss
    penalties: tuple[Penalty, ...] = ()
    method: Method = field(default_factory=Method)
    constraint: Constraint | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise InputError(f"loss must be a steadygan loss such as losses.Hinge(), not {self.loss!r}")
        for penalty in self.penalties:
            if not isinstance(penalty, Penalty):
                raise InputError(f"a penalty must be one such as penalties.r1(10), not {penalty!r}")
        if not isinstance(self.method, Method):
            raise InputError(f"method must be one such as methods.FakeAsReal(8), not {self.method!r}")
        names = [penalty.name for penalty in self.penalties]
        if len(set(names)) != len(names):
            raise InputError(f"each penalty may stand once per discriminator, but these came: {', '.join(names)}")

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Every part with its key: `loss`, `method`, `penalty/<name>`."""
        yield "loss", self.loss
        yield "method", self.method
        for penalty in self.penalties:
            yield f"penalty/{penalty.name}", penalty

    def at(self, now: Now) -> Opponent:
        """All parts as they are at this step."""
        return replace(
            self,
            loss=self.loss.at(now.enter("loss")),
            method=self.method.at(now.enter("method")),
            penalties=tuple(p.at(now.enter(f"penalty/{p.name}")) for p in self.penalties),
        )

    def active(self, step: int) -> Opponent:
        """The opponent with only the penalties that act in D step number `step`."""
        acting = tuple(p for p in self.penalties if p.active(step))
        return self if len(acting) == len(self.penalties) else replace(self, penalties=acting)

    def without_penalties(self) -> Opponent:
        """The opponent as the generator's step sees it."""
        return replace(self, penalties=()) if self.penalties else self

    def needs_real(self) -> bool:
        """Whether the generator step must score reals."""
        return any(part.needs_real for _, part in self.parts())


def critic(model: Callable[..., Any], couples_samples: bool = False) -> Critic:
    """Wraps a module or function x -> logits, (n,) or (n, 1), as a `Critic`.

    The model may also return `Output`, or (logits, features); a module whose forward has a `label` parameter is given
    the labels. Raises InputError when it does not return one logit per sample.
    """
    from .critics import wrap_model

    return wrap_model(model, couples_samples)
