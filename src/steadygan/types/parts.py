"""Losses, penalties and methods: what each may request and return."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias, get_args

import torch
from torch import Tensor

from ..errors import InputError, check_number, unknown
from .batch import Batch, as_batch
from .critic import Call, Critic, Scored, critic, varying
from .networks import Gives, check_logits
from .output import Weigh, check_weigh, shared


class Term(NamedTuple):
    """One summand of an objective, `weight * mean(value)`: a value per sample, never reduced inside a part.

    With weight None, the mean is logged but not part of the objective.
    """

    value: Tensor  # (n,); of a loss (n, k), where a sample has k logits
    weight: Tensor | float | None = 1.0


Terms: TypeAlias = Mapping[str, Term]


def two_functions(penalty: str, network: str, cause: str) -> str:
    """The warning for a difference of two forwards between which D is not the same function."""
    return (
        f"{network} has {cause}: {penalty} by difference also measures how much two forwards of one sample differ, "
        f"divided by sigma^2: set by='gradient', or leave it out"
    )


def as_term(found: object, whose: str | Penalty) -> Term:
    """Returns the term itself; raises InputError for anything else that a user's part returned.

    It runs in every step, so no message is built before it is needed.
    """
    if not isinstance(found, Term):
        told = whose if isinstance(whose, str) else f"the penalty {whose.name}"
        raise InputError(
            f"expected a types.Term from {told}, got {type(found).__name__}: return Term(value per sample, weight)"
        )
    return found


def as_terms(found: object, whose: str) -> Terms:
    """Returns terms by name; raises InputError for anything else."""
    if not isinstance(found, dict | Mapping):
        raise InputError(
            f"expected terms by name from {whose}, got {type(found).__name__}: return {{'name': Term(value, weight)}}"
        )
    for key, term in found.items():
        if not isinstance(term, Term):
            as_term(term, f"{whose}[{key!r}]")
    return found


def loss_terms(found: object, scored: Scored, whose: str) -> Terms:
    """The terms of an adversarial loss with one value per sample; the k values of a map are combined by share."""
    terms = as_terms(found, whose)
    if scored.logit_map is None:
        return terms
    return {key: term._replace(value=shared(term.value, scored.share)) for key, term in terms.items()}


class Draw(NamedTuple):
    """Random numbers that a part requests for one step, drawn outside it so that every executor sees the same ones."""

    shape: tuple[int, ...]
    kind: Literal["uniform", "normal"] = "uniform"  # U(0, 1) or N(0, 1)

    def numbers(
        self, dtype: torch.dtype, device: torch.device | str, generator: torch.Generator | None = None
    ) -> Tensor:
        """The numbers themselves, from torch's global generator where none is given."""
        draws = torch.rand if self.kind == "uniform" else torch.randn
        return draws(self.shape, generator=generator, device=device, dtype=dtype)


class Now(NamedTuple):
    """Everything that changes from step to step: tensors of fixed shape, nested by opponent and part."""

    iteration: Tensor  # (), int64
    state: Mapping[str, Any]
    noise: Mapping[str, Any]

    def enter(self, name: str) -> Now:
        """The part of it that belongs to the opponent or part `name`."""
        return Now(self.iteration, self.state.get(name, {}), self.noise.get(name, {}))


class Processes:
    """Those that train one run together, each with an equal part of every batch: here one, which has all of it."""

    world = 1  # how many there are

    def own(self, n: int) -> int:
        """How many of n things are this process's."""
        return n

    def lowest(self, scores: Tensor, candidates: Batch, count: int) -> Batch:
        """This process's part of the `count` candidates with the lowest scores (m,) of all processes."""
        return candidates.take(scores.topk(count, largest=False).indices)


class Part:
    """What every loss, penalty and method may define beside its formula; nothing by default."""

    name: str = ""
    needs_real: ClassVar[bool] = False  # wants the real side scored in the generator step
    compares_samples: ClassVar[bool] = False  # of a batch, with others than the one in its place
    exchanges: ClassVar[bool] = False  # asks the other processes of a run inside of a step
    shares_batch: ClassVar[bool] = False  # the generator step sees the discriminator step's z and reals

    def initial_state(self) -> dict[str, Tensor]:
        """Tensors that the part carries from step to step."""
        return {}

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> Mapping[str, Draw]:
        """Random numbers requested per D step when the critic is shown `real` and `fake` samples of `shape`."""
        return {}

    def among(self, processes: Processes) -> Self:
        """The part as one of several processes trains it, each with an equal part of the batch."""
        return self

    def at(self, now: Now) -> Self:
        """The part as it is at this step, with its schedules, state and noise filled in."""
        return self

    def next_state(self, state: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state after a D step, from the mean of each of its terms."""
        return dict(state)

    def active(self, step: int) -> bool:
        """Whether the part acts in D step number `step`; decided on the host, from a number and never from a tensor."""
        return True


class Loss(Part):
    """An adversarial loss on logits, for both players; real and fake counts may differ.

    It is applied to each logit separately: where a sample has k logits, both sides and the terms are (n, k).
    """

    equilibrium: tuple[float | None, float | None] = (None, None)  # (D, G) loss when p_G = p_data
    empty: ClassVar[bool] = False  # has no terms: the method brings the whole objective
    odds: ClassVar[bool] = False  # the best D's logit is log p_real - log p_fake
    bounded: ClassVar[bool] = False  # draws scores to numbers of its own, which may be 0 and 1

    def d(self, real: Tensor, fake: Tensor) -> Terms:
        """Terms the discriminator minimises; logits (n,) and (m,), or (n, k) and (m, k)."""
        raise NotImplementedError

    def g(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Terms the generator minimises; `real` is passed when `needs_real` is set."""
        raise NotImplementedError


class Penalty(Part):
    """A term of the discriminator's objective that measures the critic itself."""

    @property
    def compares(self) -> bool:
        """Whether it compares two forwards of nearby samples, for which D must be the same function."""
        return False

    @property
    def needs_fake(self) -> bool:
        """Whether the points where it measures depend on fakes."""
        return True

    def __call__(self, critic: Critic, real: Scored, fake: Scored) -> Term:
        """The term; `real` and `fake` are the sides that the loss uses, scored once for both."""
        raise NotImplementedError

    def loss(self, D: Callable[..., Any], real: Tensor | Batch, fake: Tensor | Batch | None = None) -> Tensor:
        """`weight * mean` as a scalar for your own training loop; `D` maps (n, *shape) to (n,) or (n, 1)."""
        if fake is None and self.needs_fake:
            raise InputError(f"{self.name} measures the critic at or between fakes: call loss(D, real, fake)")
        if self.compares and (cause := varying(D)):
            warnings.warn(two_functions(self.name, "D", cause), stacklevel=2)
        score = critic(D)
        scored = score.score(score.shown(as_batch(real)))
        if not score.meant:
            check_logits(scored.logits)
        term = self(score, scored, scored if fake is None else score.score(score.shown(as_batch(fake))))
        value, weight = as_term(term, self)
        return (1.0 if weight is None else weight) * value.mean()


class DBatch(NamedTuple):
    """What a critic is shown in a D step, and samples held back for the method itself."""

    real: Batch
    fake: Batch
    held: Batch | None = None


class Method(Part):
    """Changes which samples a critic is shown and as what, or compares samples; the base class is plain training."""

    replaces_loss: ClassVar[bool] = False  # its terms are the whole objective, beside a `losses.Nothing`
    single: ClassVar[bool] = False  # changes what the critic is: one such method per discriminator
    paired: ClassVar[bool] = False  # compares fake i with real i, as they are

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the sub-modules of D whose outputs it requests as features."""
        return ()

    def on(self, network: Any) -> Self:
        """The method for this D, before training; raises InputError when D lacks what the method needs."""
        return self

    def draws_d(self, real: int, fake: int) -> tuple[int, int]:
        """Number of presented samples requested for a D step in which the critic sees `real` and `fake` of them."""
        return real, fake

    def draws_g(self, real: int, fake: int) -> tuple[int, int]:
        """The same for a G step."""
        return real, fake

    def raw(self, count: int) -> int:
        """Number of samples needed for `present` to show `count`."""
        return count

    def present(self, batch: Batch) -> Batch:
        """What any critic is shown of a batch, for example packed or augmented samples."""
        return batch

    def edit(self, real: Batch, fake: Batch, critic: Critic) -> DBatch:
        """The two sides of a D step; extra samples come from the end of the batch."""
        return DBatch(real, fake)

    def critic(self, critic: Critic, held: Batch | None) -> Critic:
        """The critic that scores both sides."""
        return critic

    def carried(self, real: int, fake: int) -> dict[str, Tensor]:
        """The initial value of what a D step of this many samples passes to the G step, as part of the state."""
        return {}

    def carry(self, real: Scored, fake: Scored) -> dict[str, Tensor]:
        """The same after a D step, with the same shapes, computed from D's outputs before D was updated."""
        return {}

    def d_terms(self, critic: Critic, real: Scored, fake: Scored) -> Terms:
        """Further terms for the discriminator; keys that begin with `loss/` count as part of the loss."""
        return {}

    def g_terms(self, critic: Critic, real: Scored | None, fake: Scored) -> Terms:
        """Further terms for the generator; reals are constants."""
        return {}


class Constraint:
    """Changes the discriminator's weights or buffers after each of its steps (clipping, spectral norm)."""

    def prepare(self, network: Any) -> None:
        """Prepares the module before training."""

    def after_d_step(self, network: Any, parameters: Iterable[Tensor]) -> None:
        """Changes the trained parameters or the buffers in place, outside autograd."""
        raise NotImplementedError


@dataclass(frozen=True)
class Opponent:
    """A discriminator with everything that trains it; a plain GAN is a mapping with one of them.

    gives: "probability" for a D that ends in `nn.Sigmoid`, whose input is then used as the logit; "logit" for a D whose
    final sigmoid, softmax, tanh or narrow clamp is intended, and which is trained unchanged. call, weigh: how D is
    called with a batch and how its heads are weighted, as in `types.critic`. Raises InputError for parts that do not
    fit together.
    """

    critic: Any  # module or callable, x -> logits
    loss: Loss
    penalties: tuple[Penalty, ...] = ()
    method: Method = field(default_factory=Method)
    constraint: Constraint | None = None
    weight: float = 1.0
    gives: Gives | None = None
    call: Call | None = None
    weigh: Weigh | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise InputError(f"loss must be a steadygan loss such as losses.Hinge(), not {self.loss!r}")
        for penalty in self.penalties:
            if not isinstance(penalty, Penalty):
                raise InputError(f"a penalty must be one such as penalties.r1(10), not {penalty!r}")
        if not isinstance(self.method, Method):
            raise InputError(f"method must be one such as methods.FakeAsReal(8), not {self.method!r}")
        check_number("the opponent's weight", self.weight, 0)
        if self.gives not in (None, *get_args(Gives)):
            raise unknown("gives", str(self.gives), get_args(Gives))
        if self.weigh is not None:
            check_weigh(self.weigh)
        if self.method.replaces_loss and not self.loss.empty:
            raise InputError(
                f"expected no loss with the method {self.method.name}, which has its own, got "
                f"{self.loss.name}: leave out the loss, or pass losses.Nothing()"
            )
        if self.loss.empty and not self.method.replaces_loss:
            raise InputError(
                f"expected a loss with the method {self.method.name or 'plain'}, got one without terms: pass for "
                "example losses.NonSaturating()"
            )
        names = [penalty.name for penalty in self.penalties]
        if len(set(names)) != len(names):
            raise InputError(f"expected each penalty once per discriminator, got {', '.join(names)}: leave one out")

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Every part with its key: `loss`, `method`, `penalty/<name>`."""
        yield "loss", self.loss
        yield "method", self.method
        for penalty in self.penalties:
            yield f"penalty/{penalty.name}", penalty

    def initial_states(self, real: int, fake: int) -> dict[str, dict[str, Tensor]]:
        """The tensors that its parts carry from step to step, by key, where D is shown this many samples."""
        states = {key: part.initial_state() for key, part in self.parts()}
        states["method"] |= self.method.carried(real, fake)
        return {key: state for key, state in states.items() if state}

    def noise(self, real: int, fake: int, shape: tuple[int, ...]) -> dict[str, Mapping[str, Draw]]:
        """The random numbers that each part requests for a step, where D is shown this many samples of this shape."""
        return {key: draws for key, part in self.parts() if (draws := part.noise(real, fake, shape))}

    def at(self, now: Now) -> Opponent:
        """All parts as they are at this step."""
        loss, method = self.loss.at(now.enter("loss")), self.method.at(now.enter("method"))
        penalties = tuple(p.at(now.enter(f"penalty/{p.name}")) for p in self.penalties)
        if loss is self.loss and method is self.method and all(map(is_, penalties, self.penalties)):
            return self  # most parts are the same at every step
        return replace(self, loss=loss, method=method, penalties=penalties)

    def active(self, step: int) -> Opponent:
        """The opponent with only the penalties that act in D step number `step`."""
        acting = tuple(p for p in self.penalties if p.active(step))
        return self if len(acting) == len(self.penalties) else replace(self, penalties=acting)

    def among(self, processes: Processes) -> Opponent:
        """The opponent as one of several processes trains it."""
        loss, method = self.loss.among(processes), self.method.among(processes)
        return replace(self, loss=loss, method=method, penalties=tuple(p.among(processes) for p in self.penalties))

    def without_penalties(self) -> Opponent:
        """The opponent as the generator's step sees it."""
        return replace(self, penalties=()) if self.penalties else self

    def needs_real(self) -> bool:
        """Whether the generator step must score reals."""
        return any(part.needs_real for _, part in self.parts())


def equilibrium_of(weighted: Iterable[tuple[float, Loss]]) -> tuple[float | None, float | None]:
    """The weighted sum (D, G) of the losses' equilibria; None where one of them has no fixed value."""
    losses, sums = [*weighted], []
    for player in (0, 1):
        known = [weight * value for weight, loss in losses if (value := loss.equilibrium[player]) is not None]
        sums.append(sum(known) if len(known) == len(losses) else None)
    return sums[0], sums[1]
