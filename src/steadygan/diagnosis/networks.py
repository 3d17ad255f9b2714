"""One look at a GAN that was trained elsewhere: all indicators that need no history, and what they say."""

from __future__ import annotations

from copy import deepcopy
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data import Source, from_user
from ..devices import borrowed, choose_device
from ..diagnostics.equilibrium import off_equilibrium
from ..diagnostics.gradients import Sight, gradient_figures, look, norms_of
from ..diagnostics.hidden import HiddenUnits
from ..diagnostics.indicators import PAIRS, indicators, joined
from ..diagnostics.single import judge_once
from ..diagnostics.weights import non_finite, parameter_norm
from ..diagnostics.yardstick import Yardstick
from ..errors import InputError, calling, check_whole
from ..latents import Latent, generate, label_chunks, latents, normal_latent
from ..losses import NonSaturating
from ..types import Batch, Loss, Now, Terms
from ..types import critic as as_critic
from ..types.critic import evaluating, kept_buffers, needs_label, takes_label
from .found import Diagnosis, calm

TOGETHER = 128  # samples that D meets at once
FITTING = "pass networks, latents and data that belong together"
LEAST = 4  # training samples: two to compare with, and two that show what is normal


def diagnose(
    G: nn.Module,
    D: nn.Module,
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
    """What is the matter with a GAN, from one look: `diagnose(G, D, data, latent_dim=64)` [tao2020].

    G: z -> sample, D: sample -> logit (n,) or (n, 1), both looked at in eval mode. data: what D was trained on, as
    `Trainer` takes it; held_out: the same of real samples it was not trained on, else the data's own where it has
    some. latent_dim: z ~ N(0, I) of that size; or latent(n, generator) -> z of your own. loss: what both minimise, the
    nonsaturating loss unless given. n: fakes, and real samples of either kind at most. device: "auto" is where G is.

    Networks, buffers, modes, gradients and random state stay as they were. How figures change is not seen: a fall from
    an earlier, better state shows in a run alone. Raises InputError for modules, latents or samples that do not fit.
    """
    for name, network in (("G", G), ("D", D)):
        if not isinstance(network, nn.Module):
            raise InputError(f"expected {name} as a torch.nn.Module, got {type(network).__name__}: pass the network")
    if (latent_dim is None) == (latent is None):
        raise InputError("expected either latent_dim (normal z of that size) or latent (n, generator -> z): give one")
    check_whole("n", n, LEAST)
    check_whole("seed", seed, 0)
    if latent_dim is not None:
        check_whole("latent_dim", latent_dim, 1)
    first = next((p for p in chain(G.parameters(), G.buffers()) if p.is_floating_point()), torch.zeros(()))
    where = first.device if device == "auto" else choose_device(device)
    G, D = _there(G, where), _there(D, where)
    source = from_user(data)
    notes = () if source is data else source.notes
    source = source.to(where, first.dtype)
    draw = latent if latent is not None else normal_latent(latent_dim or 0, first.dtype)
    loss = loss or NonSaturating()
    now = Now(torch.zeros((), dtype=torch.int64, device=where), loss.initial_state(), {})
    with borrowed(seed, where), torch.enable_grad():
        fake = _fakes(G, draw, n, seed, _labels(G, D, source, n, seed), source)
        shown = _shown(source, held_out, n, seed, fake.label is not None)
        figures, real = _figures(D, loss.at(now), fake, shown)
    figures |= {"weight_norm_g": parameter_norm(G), "weight_norm_d": parameter_norm(D)}
    level = loss.equilibrium[0]
    found = judge_once(figures, free=level is None or level == 0.0)
    return Diagnosis(
        verdict=found.verdict,
        reason=found.reason or calm(found.verdict, figures),
        evidence=found.evidence,
        advice=found.advice,
        figures=figures,
        real=real,
        notes=tuple(notes),
    )


class Shown(NamedTuple):
    """Training samples, and other real ones that show what is normal."""

    training: Batch
    fresh: Tensor
    held_out: bool  # whether `fresh` are samples that D was not trained on, of no class that it must be told


def _shown(source: Source, held_out: Any, n: int, seed: int, labelled: bool) -> Shown:
    generator = torch.Generator(source.device).manual_seed(seed + 2)
    others: Tensor | None = None
    if held_out is not None:
        own = from_user(held_out)
        if own.shape != source.shape:
            raise InputError(
                f"expected held-out samples of shape {source.shape}, as the data's, got {own.shape}: pass others"
            )
        others = own.to(source.device, source.dtype).some(n, seed)
        others = own.to(source.device, source.dtype).fresh(n, generator) if others is None else others
        if len(others) < 2:
            raise InputError("expected two held-out samples or more, got one: leave it out, or pass others")
    elif source.unseen is not None:
        others = source.unseen(n, generator)
    size = source.size
    if size is None:
        training = Batch(source.fresh(n, generator))
        return Shown(training, source.fresh(n, generator) if others is None else others, held_out is not None)
    if size < LEAST:
        raise InputError(f"expected at least {LEAST} training samples, got {size}: pass the data that D was trained on")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed + 2))
    count = min(n, size) if others is not None else min(n, size // 2)
    training = source.at(order[:count])
    if others is None:  # all there is was trained on: the rest of it shows what is normal
        return Shown(_told(training, labelled), source.at(order[count : count + n]).x, False)
    return Shown(_told(training, labelled), others, not labelled)


def _told(batch: Batch, labelled: bool) -> Batch:
    return batch if labelled else Batch(batch.x)


def _figures(D: nn.Module, loss: Loss, fake: Batch, shown: Shown) -> tuple[dict[str, float], dict[str, float]]:
    """The indicators, and what real samples get of them."""
    yardstick = Yardstick(shown.training.x[:PAIRS], shown.fresh[:PAIRS])
    spare = None
    with kept_buffers(D), evaluating(D), calling(f"D cannot take samples of shape {tuple(fake.x.shape[1:])}", FITTING):
        with HiddenUnits(D) as units:
            sight = _sight(D, loss, fake, shown.training, units)
        if shown.held_out:
            parts = [as_critic(D).constant(Batch(part)).logits for part in torch.split(shown.fresh, TOGETHER)]
            spare = torch.cat(parts)
    assert sight.real is not None
    figures = _losses(loss, sight.real.logits, sight.fake.logits)
    figures |= indicators(sight, fake.x, units.active(), yardstick, spare)
    figures |= {f"gradient_{key}": value for key, value in gradient_figures(norms_of(sight.received)).items()}
    figures["non_finite"] += float(non_finite(sight.received))
    own = dict(yardstick.own)
    if "batch_distance" in own:  # fakes are told theirs less this
        own["batch_distance"] = 0.0
    return figures, own


def _sight(D: nn.Module, loss: Loss, fake: Batch, real: Batch, units: HiddenUnits) -> Sight:
    """Part by part; where there are fewer reals than fakes, they come again."""
    again = torch.arange(fake.size, device=real.x.device) % real.size
    reals = Batch(real.x[again], None if real.label is None else real.label[again])
    sizes = [len(part) for part in torch.split(again, TOGETHER)]
    pairs = zip(fake.split(*sizes), reals.split(*sizes), strict=True)
    sight = joined([look(D, loss, one, other, units=units) for one, other in pairs])
    if sight.real is None or real.size >= fake.size:
        return sight
    once = sight.real._replace(logits=sight.real.logits[: real.size])
    hidden = None if sight.real_hidden is None else sight.real_hidden[: real.size]
    return sight._replace(real=once, real_hidden=hidden)


def _losses(loss: Loss, real: Tensor, fake: Tensor) -> dict[str, float]:
    """Of both players, and how far they are off their equilibria."""
    figures: dict[str, float] = {}
    count = min(len(real), len(fake))  # some losses want as many of both
    real, fake = real[:count], fake[:count]
    for player, terms, level in zip("dg", (loss.d(real, fake), loss.g(fake, real)), loss.equilibrium, strict=True):
        own = _sum(terms)
        off = off_equilibrium(own, level)
        figures |= {f"{player}_loss": own} | ({} if off is None else {f"{player}_off": off})
    return figures


def _sum(terms: Terms) -> float:
    return sum(float((weight * value).mean()) for value, weight in terms.values() if weight is not None)


def _fakes(G: nn.Module, latent: Latent, n: int, seed: int, label: Tensor | None, source: Source) -> Batch:
    with calling("latent cannot be drawn", FITTING):
        z = latents(latent, n, seed + 1, source.device)
    with calling(f"G cannot take latents of shape {tuple(z.shape[1:])}", FITTING):
        made = generate(G, z, n, label)
    if tuple(made.shape) != (n, *source.shape):
        raise InputError(
            f"expected G to return samples of shape {source.shape}, as the data's, got {tuple(made.shape[1:])}: pass "
            "the data that it was trained on"
        )
    return Batch(made, None if label is None else label[:n])


def _labels(G: nn.Module, D: nn.Module, source: Source, n: int, seed: int) -> Tensor | None:
    """Classes of the fakes, in whole chunks of latents and as frequent as in the data; None where G knows none."""
    wanting = needs_label(G) or needs_label(D)
    if source.label is None or not takes_label(G):
        if wanting:
            raise InputError("expected classes for a network that takes labels, got none: pass data with labels")
        return None
    prior = source.label.sort().values.to(source.device)
    parts: list[Tensor] = []
    for part in label_chunks(prior, seed + 1):
        parts.append(part)
        if sum(map(len, parts)) >= n:
            break
    return torch.cat(parts)


def _there(network: nn.Module, where: torch.device) -> nn.Module:
    """The network itself where it is there, else a copy."""
    tensors = chain(network.parameters(), network.buffers())
    return network if all(tensor.device == where for tensor in tensors) else deepcopy(network).to(where)
