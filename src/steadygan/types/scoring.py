"""A discriminator as the parts see it, and the only place where input gradients come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from .batch import Batch, Output

Of: TypeAlias = Literal["logit", "probability"]
Forward: TypeAlias = Callable[[Batch], Output]
Auxiliary: TypeAlias = Callable[[Tensor, bool], Tensor]  # (input, as in training) -> output

HALF = (torch.bfloat16, torch.float16)


def widened(x: Tensor) -> Tensor:
    """A tensor of half precision (bf16, float16) in float32; any other as it is."""
    return x.float() if x.dtype in HALF else x


class Scored(NamedTuple):
    """A batch, what the critic said of it, and the way back: one forward serves loss, penalties and probes."""

    batch: Batch
    logits: Tensor  # (n,)
    features: Mapping[str, Tensor]
    pull: Callable[[Tensor], tuple[Tensor, ...]]  # cotangent (n,) -> ((n, *shape),)

    def input_gradient(self, of: Of = "logit") -> Tensor:
        """grad_v d(v), or grad_v D(v) = D (1 - D) grad_v d(v) with D = sigmoid(d); (n, dim), differentiable."""
        (gradient,) = self.pull(torch.ones_like(self.logits))
        gradient = widened(gradient.flatten(1))  # what is made of it squares and sums, which half precision cannot
        if of == "probability":
            probability = torch.sigmoid(self.logits)
            gradient = gradient * (probability * (1.0 - probability)).unsqueeze(1)
        return gradient


@dataclass(frozen=True)
class Critic:
    """A discriminator as the parts see it: a callable from `Batch` to `Output`, whoever takes the gradients.

    couples_samples: one sample's logit depends on the others (batch norm, minibatch discrimination).
    functional: input gradients come from `torch.func.vjp` (stacked or compiled steps) instead of autograd in place.
    untracked: a forward that leaves buffers as they were; `forward` itself when there are none.
    ranked: the forward of samples that are only ranked, which may be less exact; `untracked` when there is none.
    auxiliaries: further networks that are trained with D, by name (a denoiser of its features).
    """

    forward: Forward
    couples_samples: bool = False
    functional: bool = False
    untracked: Forward | None = None
    ranked: Forward | None = None
    auxiliaries: Mapping[str, Auxiliary] = field(default_factory=dict)

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
        """Logits and features as constants: no graph, no buffer moved; coupled samples go in parts of `chunk`."""
        return self._constant(self.untracked or self.forward, batch, chunk)

    def rank(self, batch: Batch, chunk: int | None = None) -> Tensor:
        """Logits (n,) by which samples are only ranked: constants as of `constant`, from the forward for that."""
        return self._constant(self.ranked or self.untracked or self.forward, batch, chunk).logits

    def _constant(self, forward: Forward, batch: Batch, chunk: int | None) -> Output:
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
        ranked = None if self.ranked is None else change(self.ranked)
        return replace(self, forward=change(self.forward), untracked=untracked, ranked=ranked)


def critic(model: Callable[..., Any], couples_samples: bool | None = None, layers: Sequence[str] = ()) -> Critic:
    """Wraps a module or function x -> logits, (n,) or (n, 1), as a `Critic`.

    The model may also return `Output`, or (logits, features); a module whose forward has a `label` parameter is given
    the labels. couples_samples: None takes it from the module (batch norm, or an attribute of that name). layers:
    sub-modules whose outputs are features, too, under their names.
    Raises InputError when it does not return one logit per sample, and for a layer that is not there.
    """
    from ..critics import wrap_model

    return wrap_model(model, couples_samples, layers)
