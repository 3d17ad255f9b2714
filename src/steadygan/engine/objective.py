"""The whole algebra: two pure functions from critics and batches to an objective. Nothing else knows maths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..types import Batch, Critic, Now, Opponent, Scored, Term
from ..types.parts import as_term, as_terms


class Sides(NamedTuple):
    """How many real and fake samples a critic is shown at a time: N and M."""

    real: int
    fake: int


def d_objective(
    opponents: Mapping[str, Opponent],
    critics: Mapping[str, Critic],
    real: Batch,
    fake: Batch,
    now: Now,
    sides: Sides,
) -> tuple[Tensor, tuple[dict[str, Tensor], dict[str, Any]]]:
    """sum over opponents of weight * (loss + method + penalty terms), each term a weighted mean over its samples.

    `real` and `fake` hold at least what the most demanding opponent draws. Returns the objective, then the detached
    means per opponent (`<name>/loss`, `<name>/method/<term>`, `<name>/penalty/<name>`) and the parts' next states.
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

        terms: dict[str, Term] = {
            f"loss/{key}": term
            for key, term in as_terms(o.loss.d(scored_real.logits, scored_fake.logits), "the loss's d").items()
        }
        for key, term in as_terms(method.d_terms(critic, scored_real, scored_fake), "the method's d_terms").items():
            terms[key if key.startswith("loss/") else f"method/{key}"] = term
        for penalty in o.penalties:
            terms[f"penalty/{penalty.name}"] = as_term(penalty(critic, scored_real, scored_fake), penalty)

        means = {key: term.value.mean() for key, term in terms.items()}
        weighted = {key: times(term.weight, means[key]) for key, term in terms.items() if term.weight is not None}
        objectives.append(times(o.weight, total(weighted.values())))
        statistics |= summary(name, means, weighted)
        states[name] = next_states(resting, here, means)
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
) -> tuple[Tensor, dict[str, Tensor]]:
    """sum over opponents of weight * (generator loss + method terms); reals are scored as constants, where wanted.

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

        real_logits = None if scored_real is None else scored_real.logits
        own = as_terms(o.loss.g(scored_fake.logits, real_logits), "the loss's g")
        terms = {f"loss/{key}": term for key, term in own.items()}
        for key, term in as_terms(method.g_terms(critic, scored_real, scored_fake), "the method's g_terms").items():
            terms[key if key.startswith("loss/") else f"method/{key}"] = term

        means = {key: term.value.mean() for key, term in terms.items()}
        weighted = {key: times(term.weight, means[key]) for key, term in terms.items() if term.weight is not None}
        objectives.append(times(o.weight, total(weighted.values())))
        statistics |= summary(name, means, weighted)
    return total(objectives), statistics


def constant(critic: Critic, batch: Batch) -> Scored:
    """The batch scored without a way back."""
    logits, features = critic.constant(batch)
    return Scored(batch, logits, features, lambda _: (torch.zeros_like(batch.x),))


def times(weight: Tensor | float, value: Tensor) -> Tensor:
    """weight * value, without the operation where the weight is the number 1."""
    return value if isinstance(weight, float) and weight == 1.0 else weight * value


def total(values: Iterable[Tensor]) -> Tensor:
    """The sum of at least one scalar."""
    first, *rest = values
    for value in rest:
        first = first + value
    return first


def summary(name: str, means: Mapping[str, Tensor], weighted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is logged of an opponent's terms: the adversarial loss in one, everything else by its own name.

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
