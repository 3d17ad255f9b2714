"""A discriminator as the parts see it, and the only place where input gradients come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..devices import borrowed
from ..errors import InputError, unknown
from .batch import Batch, Output, in_one, in_parts
from .labels import label_parameter
from .networks import Gives, bare_network, opened
from .taps import tapped

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


def written_over() -> InputError:
    """The error for a discriminator whose forward changes the samples that it is given."""
    return InputError(
        "expected a discriminator that leaves its input as it is, got one that writes over it: use inplace=False in "
        "its first layer, and x = x * 2 in place of x *= 2"
    )


@dataclass(frozen=True)
class Critic:
    """A discriminator as the parts see it: a callable from `Batch` to `Output`, whoever takes the gradients.

    couples_samples: one sample's logit depends on the others (batch norm, minibatch discrimination).
    functional: input gradients come from `torch.func.vjp` (stacked or compiled steps) instead of autograd in place.
    untracked: a forward that leaves buffers as they were; `forward` itself when there are none.
    ranked: the forward of samples that are only ranked, which may be less exact; `untracked` when there is none.
    auxiliaries: further networks that are trained with D, by name (a denoiser of its features).
    meant: what looks like no logit is one.
    """

    forward: Forward
    couples_samples: bool = False
    functional: bool = False
    untracked: Forward | None = None
    ranked: Forward | None = None
    auxiliaries: Mapping[str, Auxiliary] = field(default_factory=dict)
    meant: bool = False

    def __call__(self, batch: Batch) -> Output:
        return self.forward(batch)

    def score(self, batch: Batch) -> Scored:
        """One forward whose input gradient can be taken later: the only place where input gradients come from."""
        if self.functional:
            return self._score_functional(batch)
        x = batch.x if batch.x.requires_grad else batch.x.detach().requires_grad_()
        batch = Batch(x, batch.label)
        try:
            logits, features = self.forward(batch)
        except RuntimeError as error:
            if "a leaf Variable that requires grad" not in str(error):
                raise
            raise written_over() from error

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
        whole = not self.couples_samples or chunk is None or chunk >= batch.size
        with torch.no_grad():
            logits, features = in_one([forward(part) for part in ((batch,) if whole else in_parts(batch, chunk or 0))])
        return Output(logits.detach(), {key: value.detach() for key, value in features.items()})

    def wrap(self, change: Callable[[Forward], Forward]) -> Critic:
        """The critic whose forwards are `change`d, gradients taken as before."""
        untracked = None if self.untracked is None else change(self.untracked)
        ranked = None if self.ranked is None else change(self.ranked)
        return replace(self, forward=change(self.forward), untracked=untracked, ranked=ranked)


def critic(
    model: Callable[..., Any],
    couples_samples: bool | None = None,
    layers: Sequence[str] = (),
    gives: Gives | None = None,
) -> Critic:
    """Wraps a module or function x -> logits, (n,) or (n, 1), as a `Critic`.

    The model may also return `Output`, or (logits, features by name). One with a parameter `label`, or a second
    positional one, is given the labels. couples_samples: None takes it from the module (batch norm, or an attribute of
    that name). layers: sub-modules whose outputs are features, too, under their names. gives: "probability" for a
    module that ends in `nn.Sigmoid`, whose input is read; "logit" says that what it returns is meant as it is.
    Raises InputError when it does not return one logit per sample, and for a layer that is not there.
    """
    if isinstance(model, Critic):
        return model if couples_samples is None else replace(model, couples_samples=couples_samples)
    model = opened(bare_network(model)) if gives == "probability" else bare_network(model)
    if couples_samples is None:
        couples_samples = looks_coupled(model)
    name, taps = label_parameter(model), tapped(model, layers)

    def judged(batch: Batch) -> Output:
        result = model(batch.x) if name is None else model(batch.x, **{name: batch.label})
        return as_output(result, batch.size)

    def forward(batch: Batch) -> Output:
        if taps is None:
            return judged(batch)
        with taps:
            return with_features(judged(batch), taps.collected())

    def untracked(batch: Batch) -> Output:
        with kept_buffers(model):
            return forward(batch)

    has_buffers = isinstance(model, nn.Module) and any(True for _ in model.buffers())
    auxiliaries = {name: partial(_apply, part) for name, part in auxiliaries_of(model).items()}
    quiet = untracked if has_buffers else None
    return Critic(forward, couples_samples, untracked=quiet, auxiliaries=auxiliaries, meant=gives == "logit")


def with_features(output: Output, more: Mapping[str, Tensor]) -> Output:
    """The output with further features, in float32 where they are of half precision."""
    return Output(output.logits, {**output.features, **{key: widened(value) for key, value in more.items()}})


def auxiliaries_of(model: Callable[..., Any]) -> dict[str, nn.Module]:
    """The further networks that a discriminator brings, those named in its attribute `auxiliaries`.

    Raises InputError for a name that is none of its own sub-modules'.
    """
    if not isinstance(model, nn.Module):
        return {}
    names = getattr(model, "auxiliaries", ())
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        return {}
    parts = dict(model.named_children())
    for name in names:
        if name not in parts:
            raise unknown("auxiliary network", name, parts)
    return {name: parts[name] for name in names}


def _apply(part: nn.Module, x: Tensor, training: bool) -> Tensor:
    if training:
        return part(x)  # type: ignore[no-any-return]
    with kept_buffers(part), evaluating(part):
        return part(x)  # type: ignore[no-any-return]


@contextmanager
def kept_modes(network: nn.Module) -> Iterator[None]:
    """Every module's own train or eval mode afterwards."""
    modes = [(part, part.training) for part in network.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside, every module's own mode afterwards."""
    with kept_modes(network):
        network.eval()
        yield


def as_output(result: Any, n: int) -> Output:
    """What a discriminator returned, as (n,) logits and features; raises InputError when it is not that.

    Half precision ends here: losses, penalties and methods compute with float32.
    """
    if isinstance(result, tuple) and len(result) == 2:
        logits, features = result
        if not isinstance(features, dict | Mapping):
            raise InputError(
                "the discriminator must return logits, or logits and features by name, but returned a pair with "
                f"{type(features).__name__}: return the logits alone, or Output(logits, {{'classes': the others}})"
            )
    else:
        logits, features = result, {}
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the discriminator must return a tensor of logits, but returned {type(logits).__name__}: return x -> (n,)"
        )
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits.squeeze(1)
    elif logits.ndim > 2 and logits.shape[1:].numel() == 1:
        logits = logits.flatten()
    if logits.ndim != 1 or logits.shape[0] != n:
        raise InputError(
            f"the discriminator must return one logit per sample, shape ({n},) or ({n}, 1), but returned "
            f"{tuple(logits.shape)}: end it with a layer of one output, or the mean over its places"
        )
    if not logits.is_floating_point():
        raise InputError(
            f"the discriminator must return logits as floats, but returned {logits.dtype}: do not convert them"
        )
    if any(value.dtype in HALF for value in features.values()):
        features = {key: widened(value) for key, value in features.items()}
    return Output(widened(logits), features)


def looks_coupled(model: Callable[..., Any]) -> bool:
    """Whether a module has batch norm in train mode, or says itself that it couples samples."""
    if not isinstance(model, nn.Module):
        return bool(getattr(model, "couples_samples", False))
    aside = {id(part) for own in auxiliaries_of(model).values() for part in own.modules()}
    return any(
        (isinstance(part, _BatchNorm) and (part.training or not part.track_running_stats))
        or bool(getattr(part, "couples_samples", False))
        for part in model.modules()
        if id(part) not in aside
    )


@contextmanager
def kept_buffers(model: Callable[..., Any]) -> Iterator[None]:
    """Puts every buffer (batch norm's statistics, spectral norm's vectors) back as it was."""
    buffers = list(model.buffers()) if isinstance(model, nn.Module) else []
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)


def probe_coupling(model: Callable[..., Any], x: Tensor) -> bool:
    """Whether row 0 of the model's output changes when the other rows of `x` do: x (n >= 2, *shape)."""

    def first_row(samples: Tensor) -> Tensor:
        with borrowed(0, x.device), kept_buffers(model), torch.no_grad():  # dropout must not look like coupling
            result = model(samples)
        logits: Tensor = result[0] if isinstance(result, tuple) else result
        return logits[:1]

    other = x.clone()
    other[1:] = -2.0 * x[1:].flip(0) + 1.0
    return not torch.allclose(first_row(x), first_row(other), rtol=1e-4, atol=1e-5)
