"""All the algebra: two pure functions from critics and batches to an objective."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Batch, Critic, Forward, Loss, Method, Now, Opponent, Output, Penalty, Scored, Term
from ..types import critic as as_critic
from ..types.batch import as_batch, check_alike
from ..types.critic import varying
from ..types.networks import bare_network, check_logits
from ..types.parts import as_term, as_terms, loss_terms, two_functions
from .ranks import ALONE, Ranks

UNCOMPILED = (
    "D is compiled: the module inside is used as it is, because a compiled forward has no gradient of its gradients: "
    "pass that module"
)


class Sides(NamedTuple):
    """How many real and fake samples a critic is shown at a time, N and M."""

    real: int
    fake: int


def d_objective(
    opponents: Mapping[str, Opponent],
    critics: Mapping[str, Critic],
    real: Batch,
    fake: Batch,
    now: Now,
    sides: Sides,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, tuple[dict[str, Tensor], dict[str, Any]]]:
    """sum over opponents of weight * (loss + method + penalty terms), each a weighted mean over its samples.

    `real` and `fake` hold at least what the most demanding opponent draws. Returns the objective, the detached means
    per opponent (`<name>/loss`, `<name>/method/<term>`, `<name>/penalty/<name>`) and the parts' next states. ranks: who
    takes which part of the batch; the means over all of them are those of the whole.
    """
    objectives: list[Tensor] = []
    statistics: dict[str, Tensor] = {}
    states: dict[str, Any] = {}
    for name, resting in opponents.items():
        here = now.enter(name)
        o, method, critic = (at := resting.at(here)), at.method, critics[name]
        wanted_real, wanted_fake = method.draws_d(*sides)
        shown = method.edit(
            method.present(real.first(method.raw(wanted_real))),
            method.present(fake.first(method.raw(wanted_fake))),
            critic,
        )
        critic = method.critic(critic, shown.held)
        scored_real, scored_fake = critic.score(shown.real), critic.score(shown.fake)

        own = loss_terms(o.loss.d(scored_real.scores, scored_fake.scores), scored_fake, "the loss's d")
        terms: dict[str, Term] = {f"loss/{key}": term for key, term in own.items()}
        for key, term in as_terms(method.d_terms(critic, scored_real, scored_fake), "the method's d_terms").items():
            terms[key if key.startswith("loss/") else f"method/{key}"] = term
        for penalty in o.penalties:
            terms[f"penalty/{penalty.name}"] = as_term(penalty(critic, scored_real, scored_fake), penalty)

        means = {key: ranks.mean(f"d/{name}/{key}", term.value) for key, term in terms.items()}
        weighted = {key: times(term.weight, means[key]) for key, term in terms.items() if term.weight is not None}
        objectives.append(times(o.weight, total(weighted.values())))
        statistics |= summary(name, means, weighted)
        states[name] = next_states(resting, here, ranks.means(means) if here.state else means)
        if carried := method.carry(scored_real, scored_fake):
            states[name]["method"] = {**states[name].get("method", {}), **carried}
    return total(objectives), (statistics, states)


def g_objective(
    opponents: Mapping[str, Opponent],
    critics: Mapping[str, Critic],
    real: Batch | None,
    fake: Batch,
    now: Now,
    sides: Sides,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """sum over opponents of weight * (generator loss + method terms), with reals scored as constants if needed.

    Returns the objective and the detached means (`<name>/loss`, `<name>/method/<term>`).
    """
    objectives: list[Tensor] = []
    statistics: dict[str, Tensor] = {}
    for name, resting in opponents.items():
        o = resting.without_penalties().at(now.enter(name))
        method, critic = o.method, critics[name]
        wanted_real, wanted_fake = method.draws_g(*sides)
        scored_real = None
        if real is not None and o.needs_real():
            scored_real = constant(critic, method.present(real.first(method.raw(wanted_real))))
        scored_fake = critic.score(method.present(fake.first(method.raw(wanted_fake))))

        reals = None if scored_real is None else scored_real.scores
        own = loss_terms(o.loss.g(scored_fake.scores, reals), scored_fake, "the loss's g")
        terms = {f"loss/{key}": term for key, term in own.items()}
        for key, term in as_terms(method.g_terms(critic, scored_real, scored_fake), "the method's g_terms").items():
            terms[key if key.startswith("loss/") else f"method/{key}"] = term

        means = {key: ranks.mean(f"g/{name}/{key}", term.value) for key, term in terms.items()}
        weighted = {key: times(term.weight, means[key]) for key, term in terms.items() if term.weight is not None}
        objectives.append(times(o.weight, total(weighted.values())))
        statistics |= summary(name, means, weighted)
    return total(objectives), statistics


def d_loss(
    loss: Loss,
    D: Callable[..., Any],
    real: Tensor | Batch,
    fake: Tensor | Batch,
    penalties: Iterable[Penalty] = (),
    method: Method | None = None,
    iteration: int = 0,
) -> Tensor:
    """The objective of one discriminator for your own training loop: `d_objective`, with one forward per side.

    real (n, *shape) and fake (m, *shape) are the sides that D is shown, as `FakeAsReal.apply` returns them, or batches
    with classes or conditions; no gradient reaches G. D is a module, a function, or a `types.critic` with any output.
    method: one with terms of its own, such as SDP. iteration: the number of the step, for lazy penalties and schedules.
    Raises InputError for squashed logits, and for parts that carry a state from step to step.
    """
    if isinstance(penalties, Penalty):
        raise InputError(f"expected penalties as a list, got {penalties.name} alone: pass [{penalties.name}]")
    own = Opponent(D, loss, tuple(penalties), method or Method())
    for penalty in own.penalties:
        if penalty.compares and (cause := varying(D)):
            warnings.warn(two_functions(penalty.name, "D", cause), stacklevel=2)
    judge, own = _in_a_loop(own)
    x, y = judge.shown(as_batch(real)), judge.shown(as_batch(fake))
    y = y._replace(x=y.x.detach())
    if (x.given is None) != (y.given is None):  # lengths may differ, as those of texts do
        check_alike(x, y, "reals")
    for side in (x, y):
        if not side.x.is_floating_point():
            raise InputError(f"expected samples of floats, got {side.x.dtype}: convert them")
    _check_draws(own.method, own.method.draws_d(x.size, y.size), x, y)
    now = _now(own, iteration, x, y.size)
    acting = {"D": own.active(iteration)}
    return d_objective(acting, {"D": judge}, x, y, now, Sides(x.size, y.size))[0]


def g_loss(
    loss: Loss,
    D: Callable[..., Any],
    fake: Tensor | Batch,
    real: Tensor | Batch | None = None,
    method: Method | None = None,
    iteration: int = 0,
) -> Tensor:
    """The generator's objective against one discriminator, for your own training loop: `g_objective`.

    fake (m, *shape) must be connected to G; real (n, *shape) is for losses and methods that compare with it. The other
    arguments are those of `d_loss`. D's weights accumulate gradients, too: clear them before D's step, or freeze them.
    """
    judge, own = _in_a_loop(Opponent(D, loss, (), method or Method()))
    if real is None and own.needs_real():
        raise InputError(f"expected real samples for {own.loss.name or own.method.name}, got none: pass real=")
    y, x = judge.shown(as_batch(fake)), None if real is None else judge.shown(as_batch(real))
    now = _now(own, iteration, y, y.size)
    sides = Sides(y.size if x is None else x.size, y.size)
    _check_draws(own.method, own.method.draws_g(*sides), x or y, y)
    return g_objective({"D": own}, {"D": judge}, x, y, now, sides)[0]


def _check_draws(method: Method, wanted: tuple[int, int], real: Batch, fake: Batch) -> None:
    """Raises InputError for a method that builds its sides from more samples than D is shown."""
    if method.raw(wanted[0]) > real.size or method.raw(wanted[1]) > fake.size:
        raise InputError(
            f"expected a method that takes both sides as given, got {method.name}, which makes them from more samples: "
            "make the sides first, as in x_d, y_d = far.apply(...), or train with sg.Trainer"
        )


def _in_a_loop(own: Opponent) -> tuple[Critic, Opponent]:
    """The critic, which checks for squashed logits, and the opponent, no part of which may carry a state."""
    if not isinstance(own.critic, Critic):
        if bare_network(own.critic) is not own.critic:
            warnings.warn(UNCOMPILED, stacklevel=3)
        own = replace(own, method=own.method.on(own.critic))
    judge = as_critic(own.critic, layers=own.method.layers)
    carried = list(own.initial_states(1, 1))
    if carried:
        raise InputError(
            f"expected parts that carry no state between steps, got the {carried[0]} of {own.loss.name} and "
            f"{own.method.name or 'plain'}: train with sg.Trainer, or call the part's own functions"
        )
    return judge.wrap(partial(_watched, meant=judge.meant, layers=own.method.layers)), own


def _watched(forward: Forward, meant: bool, layers: tuple[str, ...]) -> Forward:
    def run(batch: Batch) -> Output:
        said = forward(batch)
        if not meant:
            check_logits(said.logits)
        if missing := [name for name in layers if name not in said.features]:
            raise InputError(
                f"expected the feature layers {', '.join(missing)} of the critic, got none: name them there, as in "
                f"types.critic(D, layers={layers!r})"
            )
        return said

    return run


def _now(own: Opponent, iteration: int, shown: Batch, fakes: int) -> Now:
    """The random numbers requested by a step's parts, from torch's global generator."""
    x = shown.x
    noise = {
        part: {name: draw.numbers(x.dtype, x.device) for name, draw in draws.items()}
        for part, draws in own.noise(shown.size, fakes, tuple(x.shape[1:])).items()
    }
    return Now(torch.tensor(iteration, device=x.device), {}, {"D": noise})


def constant(critic: Critic, batch: Batch) -> Scored:
    """The batch scored without a graph."""
    said = critic.constant(batch)
    return Scored(batch, said.logits, said.features, lambda _: (torch.zeros_like(batch.x),), said.logit_map, said.share)


def times(weight: Tensor | float, value: Tensor) -> Tensor:
    """weight * value, without the multiplication where the weight is the number 1."""
    return value if isinstance(weight, float) and weight == 1.0 else weight * value


def total(values: Iterable[Tensor]) -> Tensor:
    """The sum of at least one scalar."""
    first, *rest = values
    for value in rest:
        first = first + value
    return first


def summary(name: str, means: Mapping[str, Tensor], weighted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The logged values of an opponent's terms: the adversarial loss as one, everything else under its own name.

    A term without a weight is logged as its plain mean.
    """
    logged = {
        f"{name}/{key}": weighted.get(key, mean).detach()
        for key, mean in means.items()
        if key not in weighted or not key.startswith("loss/")
    }
    losses = [value for key, value in weighted.items() if key.startswith("loss/")]
    if losses:
        logged[f"{name}/loss"] = total(losses).detach()
    return logged


def next_states(opponent: Opponent, now: Now, means: Mapping[str, Tensor]) -> dict[str, Any]:
    """The state of each part that has one, after this D step."""
    return {
        key: part.next_state(
            state,
            {
                name.removeprefix(f"{key}/"): mean.detach()
                for name, mean in means.items()
                if name == key or name.startswith(f"{key}/")  # a penalty's one term bears its own name
            },
        )
        for key, part in opponent.parts()
        if (state := now.state.get(key))
    }
