"""From the user's module to a `Critic`: shapes checked, labels passed, buffers kept where they must not move."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .errors import InputError, unknown
from .rng import borrowed
from .taps import tapped
from .types import Batch, Critic, Output
from .types.scoring import HALF, widened


def wrap_model(model: Callable[..., Any], couples_samples: bool | None = None, layers: Sequence[str] = ()) -> Critic:
    """The critic behind `types.critic`."""
    if isinstance(model, Critic):
        return model if couples_samples is None else replace(model, couples_samples=couples_samples)
    if couples_samples is None:
        couples_samples = looks_coupled(model)
    labelled, taps = takes_label(model), tapped(model, layers)

    def judged(batch: Batch) -> Output:
        result = model(batch.x, label=batch.label) if labelled else model(batch.x)
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
    return Critic(forward, couples_samples, untracked=untracked if has_buffers else None, auxiliaries=auxiliaries)


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
    else:
        logits, features = result, {}
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the discriminator must return a tensor of logits, but returned {type(logits).__name__}: return x -> (n,)"
        )
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits.squeeze(1)
    if logits.ndim != 1 or logits.shape[0] != n:
        raise InputError(
            f"the discriminator must return one logit per sample, shape ({n},) or ({n}, 1), but returned "
            f"{tuple(logits.shape)}: end it with a layer of one output"
        )
    if any(value.dtype in HALF for value in features.values()):
        features = {key: widened(value) for key, value in features.items()}
    return Output(widened(logits), features)


def takes_label(model: Callable[..., Any]) -> bool:
    """Whether the model's forward has a parameter named `label`."""
    target = model.forward if isinstance(model, nn.Module) else model
    try:
        return "label" in inspect.signature(target).parameters
    except (TypeError, ValueError):  # built-ins have no signature
        return False


def needs_label(model: Callable[..., Any]) -> bool:
    """Whether the model's forward cannot be called without a `label`."""
    target = model.forward if isinstance(model, nn.Module) else model
    try:
        found = inspect.signature(target).parameters.get("label")
    except (TypeError, ValueError):
        return False
    return found is not None and found.default is inspect.Parameter.empty


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
