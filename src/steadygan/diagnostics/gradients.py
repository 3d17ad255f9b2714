"""The gradients that the generator receives from its critic: the papers' sign of a coming collapse."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from ..devices import borrowed
from ..errors import InputError
from ..types import Batch, Critic, Loss, Method, Output, Scored
from ..types import critic as as_critic
from ..types.batch import in_parts
from ..types.output import in_one
from ..types.parts import loss_terms
from .units import HiddenUnits


def gradient_figures(norms: Tensor) -> dict[str, float]:
    """Size and unevenness of gradient norms (n,) [tao2020].

    Returns mean, max, max_over_mean and top1_share, the share of the sum held by the largest 1 % (at least one). If all
    norms are 0, they count as even: max_over_mean is 1, top1_share that of equal norms. Non-finite norms give
    non-finite figures. Raises InputError when there are none.
    """
    norms = norms.detach().flatten().to("cpu", torch.float64)
    n = norms.shape[0]
    if n == 0:
        raise InputError("expected at least one gradient norm, got none: measure one sample or more")
    top = -(-n // 100)
    mean, largest = float(norms.mean()), float(norms.max())
    if mean == 0.0:
        return {"mean": 0.0, "max": 0.0, "max_over_mean": 1.0, "top1_share": top / n}
    return {
        "mean": mean,
        "max": largest,
        "max_over_mean": float(norms.max() / norms.mean()),
        "top1_share": float(norms.topk(top).values.sum() / norms.sum()),
    }


def generator_gradient(
    critic: Critic | Callable[..., Any],
    loss: Loss,
    fake: Batch,
    real: Batch | None = None,
    method: Method | None = None,
) -> tuple[Tensor, Tensor]:
    """The norms ||grad_y L_G(y)|| and ||grad_y d(y)|| of each sample, both (n,), without a graph [tao2020].

    L_G is the sum over the terms of the loss, and of the method if given, of weight * sum_i value_i. For the
    nonsaturating loss the first norm is sigmoid(-d(y)) ||grad d(y)||. A term with more values than fakes (cyclic pairs)
    counts as n times its mean. `real` is for losses and methods that compare with real samples, which are constants
    here. No parameter receives a gradient; buffers, grad mode and random state are left unchanged, and dropout acts as
    if seeded with 0. Raises InputError when there are no fakes, no terms, or no reals for a loss or method that needs
    them.
    """
    sight = sight_of(critic, loss, fake, real, method)
    return norms_of(sight.received), norms_of(sight.slope)


class Sight(NamedTuple):
    """One look at a critic: the gradients that G receives, and D's scores of both sides, without a graph."""

    received: Tensor  # (n, numbers of a sample): grad_y L_G(y)
    slope: Tensor  # the same of d(y)
    fake: Output
    real: Output | None
    fake_hidden: Tensor | None  # (n, numbers): the last hidden layer's output
    real_hidden: Tensor | None


def sight_of(
    critic: Critic | Callable[..., Any],
    loss: Loss,
    fake: Batch,
    real: Batch | None = None,
    method: Method | None = None,
    units: HiddenUnits | None = None,
) -> Sight:
    """One forward per side, with the gradients of `generator_gradient`; units: the hidden units to observe."""
    if fake.size == 0:
        raise InputError("expected at least one fake to take gradients at, got none: draw some")
    if loss.needs_real and real is None:
        raise InputError(f"expected real samples for the loss {loss.name or type(loss).__name__}, got none: pass real=")
    if method is not None and method.needs_real and real is None:
        raise InputError(f"expected real samples for the method {method.name}, got none: pass real=")
    judge = as_critic(critic, layers=() if method is None else method.layers)
    forward = judge.untracked or judge.forward
    watched = units if units is not None else HiddenUnits(None)
    with borrowed(0, fake.x.device):
        output, reference, real_hidden = None, None, None
        if real is not None:
            output, real_hidden = _constants(judge, real, fake.size, watched)
            reference = _scored(real, output)
        with torch.enable_grad():
            y = fake._replace(x=fake.x.detach().clone().requires_grad_())
            watched.begin()
            # batch norm saves its buffers for the way back, and autograd would refuse ones that were put back in place
            kept = saved_tensors_hooks(lambda saved: saved.detach().clone(), lambda saved: saved)
            with nullcontext() if judge.untracked is None else kept:
                said = forward(y)
                judged = _scored(y, said)
                fake_hidden = watched.features()
                watched.end()
                further = {} if method is None else method.g_terms(judge, reference, judged)
            own = loss_terms(
                loss.g(judged.scores, None if reference is None else reference.scores), judged, "the loss's g"
            )
            terms = (*own.values(), *further.values())
            if all(weight is None for _, weight in terms):
                raise InputError("expected a loss with terms, or a method that adds some, got neither: pass method=")
            parts = [fake.size * (weight * value.mean()) for value, weight in terms if weight is not None]
            total = torch.stack(parts).sum()
            slope = _slopes(judged.logits.sum(), y.x)
            if further or judge.couples_samples or judged.scores is not judged.logits:
                received = _slopes(total, y.x)
            else:  # each fake's own logit is all that the loss knows of it: one way back through D will do
                received = _gradient(total, judged.logits).unsqueeze(1) * slope
    return Sight(received, slope, said.constant(), output, fake_hidden, real_hidden)


def log_slopes(critic: Critic, x: Tensor) -> Tensor:
    """grad log sigmoid(d(x)) at samples x (n, *shape), as rows (n, numbers): which way D asks fakes to move
    [thanhtung2019]."""
    forward = critic.untracked or critic.forward
    with borrowed(0, x.device), torch.enable_grad():
        y = Batch(x.detach().clone().requires_grad_())
        return _slopes(functional.logsigmoid(forward(y).logits).sum(), y.x)


def norms_of(slopes: Tensor) -> Tensor:
    """The norm of each row of slopes (n, dim)."""
    norms: Tensor = torch.linalg.vector_norm(slopes, dim=1)
    return norms


def slope_to_scale(slope: Tensor, x: Tensor, logits: Tensor) -> float | None:
    """E |grad d(y) . (x_i - x_j)| / E |d(x_i) - d(x_j)|: D's slope at the fakes against its own scale between reals.

    slope (m, dim), reals x (n, dim) and their logits (n,); i and j are pairs of the first and second half. It is 1 for
    a D that is linear, however steep and whatever the dimension, and far above 1 where D is steep at the fakes and flat
    between the reals, as one is that has memorised them. Infinite where only the denominator is 0, None where both are,
    or for fewer than two reals.
    """
    half = len(x) // 2
    if not half or slope.shape[1:] != x.shape[1:]:
        return None
    found = float((slope.float() @ (x[:half] - x[half : 2 * half]).float().T).abs().mean())
    scale = float((logits[:half] - logits[half : 2 * half]).abs().double().mean())
    if math.isnan(found) or math.isnan(scale):
        return math.nan
    return found / scale if scale > 0.0 else None if found == 0.0 else math.inf


def term_figures(terms: Mapping[str, Tensor | float], at: Iterable[Tensor]) -> dict[str, float]:
    """What each term of G's loss contributes to the gradient of the parameters `at`, of which G has several jobs.

    pull/NAME = ||grad L_NAME||; adv_share = ||grad L_adv|| / sum_k ||grad L_k||, as the adaptive weight of tokenizers
    compares them [esser2021]; adv_agreement = the cosine between the gradient of `adv` and that of all other terms,
    below 0 where they work against each other. A share or cosine is absent where its denominator is 0. A term without a
    graph, or that does not reach `at`, pulls with 0. Raises InputError when no term is called adv or none reaches `at`,
    for terms that are not single numbers, and for graphs that are gone.
    """
    if not isinstance(terms, Mapping):
        got = f"{type(terms).__name__}: name them"
        raise InputError(f"expected terms by name, such as {{'adv': ..., 'rec': ...}}, got {got}")
    if "adv" not in terms:
        raise InputError(
            f"expected terms with the adversarial one as 'adv', got {', '.join(terms) or 'none'}: name it so"
        )
    parameters = [each for each in at if each.requires_grad]
    if not parameters:
        raise InputError("expected at= with a layer or weight of G that is trained, got none: pass G's last layer")
    found = {name: _pull(name, term, parameters) for name, term in terms.items()}
    if all(pull is None for pull in found.values()):
        raise InputError(
            "expected a term with a gradient at at=, got none: pass losses with their graph, and a used layer"
        )
    nothing = torch.zeros(sum(each.numel() for each in parameters), dtype=torch.float64)
    pulls = {name: nothing if pull is None else pull for name, pull in found.items()}
    sizes = {name: float(pull.norm()) for name, pull in pulls.items()}
    others = torch.stack(
        [pull for name, pull in pulls.items() if name != "adv"] or [torch.zeros_like(pulls["adv"])]
    ).sum(0)
    whole, both = sum(sizes.values()), sizes["adv"] * float(others.norm())
    told = {f"pull/{name}": size for name, size in sizes.items()}
    told |= {"adv_share": sizes["adv"] / whole} if whole else {}
    return told | ({"adv_agreement": float(pulls["adv"] @ others) / both} if both else {})


def _pull(name: str, term: Tensor | float, parameters: list[Tensor]) -> Tensor | None:
    """The gradient of a term, in one row; None where there is none."""
    if not isinstance(term, Tensor | float | int) or isinstance(term, bool):
        raise InputError(f"expected terms[{name!r}] as one number, got {type(term).__name__}: pass its mean")
    if isinstance(term, Tensor) and term.numel() != 1:
        raise InputError(f"expected terms[{name!r}] as one number, got {tuple(term.shape)}: pass its mean")
    if not isinstance(term, Tensor) or not term.requires_grad:
        return None
    try:
        found = torch.autograd.grad(term.sum(), parameters, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "second time" not in str(error) and "inplace" not in str(error):
            raise
        raise InputError(
            f"expected terms[{name!r}] before its backward pass, got one whose graph is gone or whose weights have "
            "changed: call observe before backward and step"
        ) from None
    if all(own is None for own in found):
        return None
    rows = (torch.zeros_like(p) if own is None else own for own, p in zip(found, parameters, strict=True))
    return torch.cat([own.detach().flatten().to("cpu", torch.float64) for own in rows])


def weights_of(at: Any, G: nn.Module | None) -> Sequence[Tensor]:
    """The parameters meant by a module, a tensor, or several of them; by default G's last weight with two axes."""
    if at is None and G is not None:
        return [p for p in G.parameters() if p.ndim > 1 and p.requires_grad][-1:]
    if isinstance(at, nn.Module):
        return [*at.parameters()]
    if isinstance(at, Tensor):
        return [at]
    if isinstance(at, Iterable) and not isinstance(at, str | Mapping):
        return [each for part in at for each in weights_of(part, None)]
    raise InputError(f"expected at= with a layer or weight of G, got {type(at).__name__}: pass G's last layer")


def _constants(judge: Critic, batch: Batch, chunk: int, watched: HiddenUnits) -> tuple[Output, Tensor | None]:
    """`Critic.constant`, and the hidden features: of every part, where coupled samples go in parts of `chunk`."""
    outputs, hidden = [], []
    for part in in_parts(batch, chunk) if judge.couples_samples and chunk < batch.size else (batch,):
        watched.begin()
        outputs.append(judge.constant(part))
        hidden.append(watched.features())
    known = [each for each in hidden if each is not None]
    return in_one(outputs), torch.cat(known) if known else None


def _scored(batch: Batch, output: Output) -> Scored:
    return Scored(batch, output.logits, output.features, lambda _: (), output.logit_map, output.share)


def _slopes(total: Tensor, y: Tensor) -> Tensor:
    return _gradient(total, y).flatten(1)


def _gradient(total: Tensor, y: Tensor) -> Tensor:
    found = None
    if total.requires_grad and y.requires_grad:  # a critic that ignores its input has no graph
        (found,) = torch.autograd.grad(total, y, retain_graph=True, allow_unused=True)
    return torch.zeros_like(y) if found is None else found
