"""A discriminator as the parts see it, and the only place where input gradients are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.utils._pytree import tree_leaves

from ..devices import borrowed
from ..errors import InputError, check_whole, unknown
from .batch import Batch, in_parts
from .labels import given_to, label_parameter, wrapped_in
from .networks import Gives, bare_network, opened, unwrapped
from .output import Output, Weigh, as_output, check_weigh, in_one, shared, widened
from .taps import tapped

SPECTRAL = (_SpectralNorm, SpectralNorm)  # both of torch's

Of: TypeAlias = Literal["logit", "probability", "sum"]
Forward: TypeAlias = Callable[[Batch], Output]
Auxiliary: TypeAlias = Callable[[Tensor, bool], Tensor]  # (input, as in training) -> output
Call: TypeAlias = Callable[[Any, Batch], Any]  # (network, batch) -> what it returns


class Scored(NamedTuple):
    """A batch, the critic's outputs and their gradient function: one forward serves loss, penalties and probes."""

    batch: Batch
    logits: Tensor  # (n,)
    features: Mapping[str, Tensor]
    pull: Callable[[Tensor], tuple[Tensor, ...]]  # cotangent of the scores -> ((n, *shape),)
    logit_map: Tensor | None = None  # (n, k), where a sample has several logits
    share: Tensor | None = None  # (k,), what each of them counts; None: all alike

    @property
    def scores(self) -> Tensor:
        """The input of an adversarial loss: the map (n, k) where there is one, else the logits (n,)."""
        return self.logits if self.logit_map is None else self.logit_map

    def input_gradient(self, of: Of = "logit") -> Tensor:
        """grad_v d(v), grad_v D(v) = D (1 - D) grad_v d(v) with D = sigmoid(d), or that of the sum of a map's logits.

        (n, dim), differentiable. d is the sample's logit, the weighted mean of its map. "sum" is what public code of
        patch discriminators uses: k times the gradient for a map of k equal shares, and the same as "logit" for one
        logit.
        """
        scores, share = self.scores, self.share
        cotangent = torch.ones_like(scores)
        if of != "sum" and scores.ndim == 2:
            cotangent = cotangent / scores.shape[1] if share is None else cotangent * share
        (gradient,) = self.pull(cotangent)
        gradient = widened(gradient.flatten(1))  # what is made of it squares and sums, which half precision cannot
        if of == "probability":
            probability = torch.sigmoid(self.logits)
            gradient = gradient * (probability * (1.0 - probability)).unsqueeze(1)
        return gradient


@contextmanager
def resting_hooks(hooks: Sequence[dict[int, Any]]) -> Iterator[None]:
    """Without hooks on outputs: they wait for the backward pass of the step, which an input gradient is not."""
    before = [dict(each) for each in hooks]
    for each in hooks:
        each.clear()
    try:
        yield
    finally:
        for each, own in zip(hooks, before, strict=True):
            each.update(own)


def written_over() -> InputError:
    """The error for a discriminator whose forward overwrites its input."""
    return InputError(
        "expected a discriminator that leaves its input unchanged, got one that overwrites it: use inplace=False in "
        "its first layer, and x = x * 2 instead of x *= 2"
    )


@dataclass(frozen=True)
class Critic:
    """A discriminator as the parts see it: a callable from `Batch` to `Output`, however gradients are computed.

    couples_samples: one sample's logit depends on the others (batch norm, minibatch discrimination). functional: input
    gradients come from `torch.func.vjp` (stacked or compiled steps) instead of in-place autograd. untracked: a forward
    that leaves buffers unchanged; None means `forward`. ranked: a forward, possibly less exact, for samples that are
    only ranked; None means `untracked`. auxiliaries: further networks trained with D, by name (such as a denoiser of
    its features). meant: the output is a logit, even if it does not look like one. pack: how many samples it takes as
    one; `shown` joins them. network: the module inside, None for a function. hooks: those that a wrapper put on the
    outputs of the last forward.
    """

    forward: Forward
    couples_samples: bool = False
    functional: bool = False
    untracked: Forward | None = None
    ranked: Forward | None = None
    auxiliaries: Mapping[str, Auxiliary] = field(default_factory=dict)
    meant: bool = False
    pack: int = 1
    network: nn.Module | None = field(default=None, repr=False)
    hooks: list[dict[int, Any]] = field(default_factory=list, repr=False, compare=False)

    def shown(self, batch: Batch) -> Batch:
        """Samples in the form that it takes: (n, *shape), or (n / pack, pack, *shape).

        Raises InputError unless there is one label or condition per sample, and for samples that do not fill the last
        pack.
        """
        if self.pack == 1:
            return batch.check()
        n, left = batch.check().size, batch.size % self.pack
        if left:
            got = f"{n}, which leaves {left} over: pass {n - left or self.pack}"
            raise InputError(f"expected samples in packs of {self.pack}, got {got}")
        return batch.each(lambda tensor: tensor.reshape(n // self.pack, self.pack, *tensor.shape[1:]))

    def __call__(self, batch: Batch) -> Output:
        return self.forward(batch)

    def score(self, batch: Batch) -> Scored:
        """One forward whose input gradient can be taken later: the only place where input gradients come from."""
        if self.functional:
            return self._score_functional(batch)
        x = batch.x if batch.x.requires_grad else batch.x.detach().requires_grad_()
        batch = batch._replace(x=x)
        try:
            output = self.forward(batch)
        except RuntimeError as error:
            if "a leaf Variable that requires grad" not in str(error):
                raise
            raise written_over() from error
        scores, hooks = output.scores, [*self.hooks]

        def pull(cotangent: Tensor) -> tuple[Tensor, ...]:
            if not scores.requires_grad:  # a critic that ignores its input, or one called under no_grad
                return (torch.zeros_like(x),)
            with resting_hooks(hooks):
                found = torch.autograd.grad(scores, x, cotangent, create_graph=True, allow_unused=True)[0]
            return (torch.zeros_like(x) if found is None else found,)

        return Scored(batch, output.logits, output.features, pull, output.logit_map, output.share)

    def _score_functional(self, batch: Batch) -> Scored:
        def run(x: Tensor) -> tuple[Tensor, tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]:
            output = self.forward(batch._replace(x=x))
            return output.scores, (output.features, {} if output.share is None else {"share": output.share})

        scores, pull, (features, more) = torch.func.vjp(run, batch.x, has_aux=True)  # type: ignore[misc]
        share = more.get("share")
        logit_map = None if scores.ndim == 1 else scores
        return Scored(batch, shared(scores, share), features, pull, logit_map, share)

    def constant(self, batch: Batch, chunk: int | None = None) -> Output:
        """Logits and features without a graph or buffer updates; coupled samples are passed in parts of `chunk`."""
        return self._constant(self.untracked or self.forward, batch, chunk)

    def rank(self, batch: Batch, chunk: int | None = None) -> Tensor:
        """Logits (n,) for ranking samples only: constants as in `constant`, from the `ranked` forward."""
        return self._constant(self.ranked or self.untracked or self.forward, batch, chunk).logits

    def _constant(self, forward: Forward, batch: Batch, chunk: int | None) -> Output:
        whole = not self.couples_samples or chunk is None or chunk >= batch.size
        with torch.no_grad():
            output = in_one([forward(part) for part in ((batch,) if whole else in_parts(batch, chunk or 0))])
        return output.constant()

    def wrap(self, change: Callable[[Forward], Forward]) -> Critic:
        """The critic with each of its forwards `change`d; gradients are taken as before."""
        untracked = None if self.untracked is None else change(self.untracked)
        ranked = None if self.ranked is None else change(self.ranked)
        return replace(self, forward=change(self.forward), untracked=untracked, ranked=ranked)


def critic(
    model: Callable[..., Any],
    couples_samples: bool | None = None,
    layers: Sequence[str] = (),
    gives: Gives | None = None,
    *,
    call: Call | None = None,
    weigh: Weigh | None = None,
    pack: int = 1,
) -> Critic:
    """Wraps a discriminator, a module or function x -> logits, as a `Critic`.

    Logits are (n,), (n, 1), a map (n, ...) with k per sample, or a list or mapping of such heads. Each head may be a
    pair with features by name, or a list of features that ends with the logits. A sample's logit is the mean of its
    map; for several heads, the mean over heads, or weighted by `weigh` (by name or in order, with sum 1). Public code
    usually adds heads: its loss is then larger than ours by the number of heads.

    Labels are passed to a parameter `label`, or to the second positional one. Conditions are passed by the names of a
    mapping, as `given`, or second.

    call: how D is called with a `Batch`, such as `lambda D, batch: D(batch.x, batch.given["text"])[0]`.
    couples_samples: None takes it from the module (batch norm, or an attribute of that name). layers: sub-modules whose
    outputs become features under their names. gives: "probability" for a module that ends in `nn.Sigmoid`, whose input
    is then used; "logit" if its output is intended as it is; None or "auto" decides by itself. pack: how many samples D
    joins by itself into one logit. Raises InputError when D does not return logits of each sample, for weights that do
    not match the heads, and for an unknown layer.
    """
    if isinstance(model, Critic):
        return model if couples_samples is None else replace(model, couples_samples=couples_samples)
    if gives not in (None, *get_args(Gives)):
        raise unknown("gives", str(gives), get_args(Gives))
    gives = None if gives == "auto" else gives
    check_whole("pack", pack, 1)
    if weigh is not None:
        check_weigh(weigh)
    model = opened(bare_network(model)) if gives == "probability" else bare_network(model)
    if couples_samples is None:
        couples_samples = looks_coupled(model)
    taps, result = tapped(unwrapped(model), layers), calling(model, call)
    is_wrapped, hooks = wrapped_in(model) is not None, list[dict[int, Any]]()

    def judged(batch: Batch) -> Output:
        n = batch.size
        if pack > 1:
            batch = batch.each(lambda tensor: tensor.flatten(0, 1))
        told = result(batch)
        if is_wrapped:
            hooks[:] = [own for own in (getattr(each, "_backward_hooks", None) for each in tree_leaves(told)) if own]
        return as_output(told, n, weigh)

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
    network = model if isinstance(model, nn.Module) else None
    meant = gives == "logit"
    return Critic(forward, couples_samples, False, quiet, None, auxiliaries, meant, pack, network, hooks)


def calling(model: Callable[..., Any], call: Call | None = None) -> Callable[[Batch], Any]:
    """The model as a function of a batch; passes classes and conditions where the model takes them."""
    if call is not None:
        return partial(call, model)
    name = label_parameter(model)

    def called(batch: Batch) -> Any:
        if batch.given is None:
            return model(batch.x) if name is None else model(batch.x, **{name: batch.label})
        more = given_to(model, batch.given)
        if name is not None and batch.label is not None:
            more = {name: batch.label, **more}
        return model(batch.x, **more)

    return called


class Called(nn.Module):
    """A network as a module of batches, called as `calling` does, for which other weights can be substituted."""

    def __init__(self, network: nn.Module, call: Call | None = None) -> None:
        super().__init__()
        self.network, self.result = network, calling(network, call)

    def forward(self, batch: Batch) -> Any:
        return self.result(batch)

    def with_weights(self, tensors: Mapping[str, Tensor]) -> Callable[[Batch], Any]:
        """The same with these parameters and buffers, by their names in the network, in place of its own."""
        own = {f"network.{key}": value for key, value in tensors.items()}
        return lambda batch: functional_call(self, own, (batch,))


def with_features(output: Output, more: Mapping[str, Tensor]) -> Output:
    """The output with further features, in float32 where they are in half precision."""
    return output._replace(features={**output.features, **{key: widened(value) for key, value in more.items()}})


def auxiliaries_of(model: Callable[..., Any]) -> dict[str, nn.Module]:
    """The further networks of a discriminator, those named in its attribute `auxiliaries`.

    Raises InputError for a name that is not one of its sub-modules.
    """
    network = unwrapped(model)
    if not isinstance(network, nn.Module):
        return {}
    names = getattr(network, "auxiliaries", ())
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        return {}
    parts = dict(network.named_children())
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
def kept_modes(network: nn.Module) -> Iterator[bool]:
    """Restores every module's train or eval mode afterwards; yields whether any is in train mode."""
    modes = [(part, part.training) for part in network.modules()]
    try:
        yield any(mode for _, mode in modes)
    finally:
        for part, mode in modes:
            if part.training != mode:  # a module sets nothing fast
                part.training = mode


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; restores every module's own mode afterwards."""
    with kept_modes(network) as training:
        if training:
            network.eval()
        yield


def looks_coupled(model: Callable[..., Any]) -> bool:
    """Whether a module has batch norm in train mode, or declares that it couples samples."""
    if not isinstance(model, nn.Module):
        return bool(getattr(model, "couples_samples", False))
    aside = {id(part) for own in auxiliaries_of(model).values() for part in own.modules()}
    return any(
        (isinstance(part, _BatchNorm) and (part.training or not part.track_running_stats))
        or bool(getattr(part, "couples_samples", False))
        for part in model.modules()
        if id(part) not in aside
    )


def varying(model: Callable[..., Any]) -> str | None:
    """What makes two forwards of the same samples differ in a module or `Critic`; None if nothing does.

    That is active dropout, or torch's spectral norm, which re-estimates a weight's norm in every forward in train mode.
    """
    network = model.network if isinstance(model, Critic) else model
    for part in network.modules() if isinstance(network, nn.Module) else ():
        if isinstance(part, _DropoutNd) and part.training and part.p > 0:
            return "dropout"
        if part.training and any(isinstance(each, SPECTRAL) for each in (part, *part._forward_pre_hooks.values())):
            return "torch's spectral norm"
    return None


@contextmanager
def kept_buffers(model: Callable[..., Any]) -> Iterator[None]:
    """Restores every buffer (batch norm's statistics, spectral norm's vectors) afterwards."""
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
