"""What a training loop of one's own gives to the monitor: samples checked and kept, a critic that stays as it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..devices import borrowed
from ..errors import InputError, calling
from ..types import Batch, Critic, Output
from ..types import critic as as_critic
from ..types.critic import as_output, evaluating, looks_coupled, takes_label
from .indicators import PAIRS


def checked(name: str, given: Tensor | Batch, shape: tuple[int, ...] | None) -> Batch:
    """Samples of this shape, without a graph."""
    x, label = given if isinstance(given, Batch) else Batch(given)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"expected {name} samples as a tensor of floats, got {kind}: convert them")
    if x.ndim < 2 or x.shape[0] == 0 or (shape is not None and x.shape[1:] != shape):
        wanted = "*shape" if shape is None else ", ".join(map(str, shape))
        raise InputError(
            f"expected {name} samples (n >= 1, {wanted}), got {tuple(x.shape)}: pass samples of the shape of the first "
            "real ones, or another monitor for another shape"
        )
    if label is not None and label.shape[:1] != x.shape[:1]:
        raise InputError(f"expected one label per {name} sample, {x.shape[0]}, got {tuple(label.shape)}: pass others")
    return Batch(x.detach(), None if label is None else label.detach())


def number(name: str, loss: Tensor | float) -> Tensor:
    """A loss as a lone number, without a graph."""
    value = loss.detach() if isinstance(loss, Tensor) else loss
    if isinstance(value, bool) or not isinstance(value, Tensor | float | int):
        raise InputError(f"expected {name} as one number, got {type(loss).__name__}: pass its mean")
    value = torch.as_tensor(value)
    if value.numel() != 1:
        raise InputError(f"expected {name} as one number, got {tuple(value.shape)}: pass its mean")
    return value.reshape(()).clone()


def try_call(D: nn.Module | Callable[..., Any], batch: Batch) -> None:
    """Calls D with the samples, and changes nothing; a D that cannot take them is told in one line."""
    told = f"D cannot take samples of shape {tuple(batch.x.shape[1:])}"
    with (
        calling(told, "pass what it is trained on"),
        torch.no_grad(),
        borrowed(0, batch.x.device),
        evaluating(D if isinstance(D, nn.Module) else nn.Identity()),
    ):
        resting(D).constant(in_its_precision(D, batch))


def check_call(D: Callable[..., Any], *batches: Batch) -> None:
    """Refuses a D that wants more than samples, and labels where there are some."""
    if not callable(D):
        raise InputError(f"expected D as a module or a function of x, got {type(D).__name__}: pass the discriminator")
    told = {"label": None} if takes_label(D) and all(batch.label is not None for batch in batches) else {}
    try:
        inspect.signature(D.forward if isinstance(D, nn.Module) else D).bind(None, **told)
    except TypeError as error:
        raise InputError(
            f"expected a D to be called as D(x), or as D(x, label=...) with samples as Batch(x, label), got one with a "
            f"{error}: pass labels, or a function of x"
        ) from None
    except ValueError:  # built-ins have no signature
        return


def resting(D: nn.Module | Callable[..., Any]) -> Critic:
    """D with constants for weights and copies of its buffers: nothing of it gathers a gradient or moves."""
    if not isinstance(D, nn.Module):
        return as_critic(D)
    buffers = {name: buffer.clone() for name, buffer in D.named_buffers()}
    tensors = {name: parameter.detach() for name, parameter in D.named_parameters()} | buffers
    labelled = takes_label(D)

    def forward(batch: Batch) -> Output:
        told = {"label": batch.label} if labelled else {}
        return as_output(functional_call(D, tensors, (batch.x,), told), batch.size)

    return Critic(forward, couples_samples=looks_coupled(D))


def in_its_precision(D: nn.Module | Callable[..., Any], batch: Batch) -> Batch:
    """Samples in D's own precision: under autocast, fakes may come in another."""
    weights = D.parameters() if isinstance(D, nn.Module) else ()
    first = next((each for each in weights if each.is_floating_point()), None)
    return batch if first is None or not batch.x.is_floating_point() else Batch(batch.x.to(first.dtype), batch.label)


def last(batch: Batch) -> Batch:
    """A copy of the last ones, as many as are looked at."""
    return Batch(batch.x[-PAIRS:].clone(), None if batch.label is None else batch.label[-PAIRS:].clone())


def beside(batch: Batch, like: Tensor) -> Batch:
    """On the device and in the precision of others: a state that was put back may lie elsewhere."""
    return Batch(batch.x.to(like), None if batch.label is None else batch.label.to(like.device))
