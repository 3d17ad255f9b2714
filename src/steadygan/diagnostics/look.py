"""One look at a GAN: what G receives, how D scores both sides, and where the fakes lie among the real samples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..devices import borrowed
from ..errors import InputError, calling
from ..metrics.coverage import over_coverage
from ..types import Batch, Critic, Loss, Method, Output
from ..types import critic as as_critic
from ..types.batch import in_parts
from ..types.critic import Called, evaluating, looks_coupled
from ..types.labels import given_to, label_parameter
from ..types.networks import check_logits
from ..types.output import as_output, in_one
from .gradients import Sight, gradient_figures, norms_of, sight_of, slope_to_scale
from .norms import non_finite
from .outputs import head_figures, output_figures
from .units import HiddenUnits, dead_discriminator
from .yardstick import Yardstick, diversity

PAIRS = 256  # samples of each side of which all pairs are looked at
OF_G = (  # what G receives, where its fakes lie and how far apart: figures that are not D's
    *("gradient_mean", "gradient_max", "gradient_max_over_mean", "gradient_top1_share"),
    *("close_pairs", "most_on_one_real", "nearest_share", "duplicates", "batch_coverage", "batch_balance"),
    *("diversity", "batch_distance", "feature_diversity", "over_coverage", "class_agreement"),
    *("served", "covered", "quality", "quality_error"),
)
FEATURES = 128  # the same of D's features, which change from look to look


@dataclass(frozen=True)
class Subject:
    """One discriminator under inspection: its hidden units are those of `network`, `weight` is that of its terms.

    together, alone: how many samples it receives at once, when both sides or only one are scored; 0: all. A remainder
    is dropped or, with `rest`, passed as a smaller part. If there are fewer reals than fakes, they are repeated.
    """

    critic: Critic
    loss: Loss
    network: Any
    method: Method | None = None
    weight: float = 1.0
    together: int = 0
    alone: int = 0
    rest: bool = False

    @property
    def unit(self) -> int:
        """How many samples it takes as one."""
        return (1 if self.method is None else self.method.raw(1)) * self.critic.pack

    def sight(self, fake: Batch, real: Batch, units: HiddenUnits) -> Sight:
        """Its view of both sides, part by part."""
        y, x = self.presented(fake), self.presented(real)
        again = self.together > 0 and x.size < y.size
        reals = x if not again else x.take(torch.arange(y.size, device=x.x.device) % x.size)
        pairs = zip(self._parts(y, self.together), self._parts(reals, self.together), strict=True)
        sight = joined([sight_of(self.critic, self.loss, one, other, self.method, units) for one, other in pairs])
        if not again or sight.real is None:
            return sight
        hidden = None if sight.real_hidden is None else sight.real_hidden[: x.size]
        return sight._replace(real=sight.real.first(x.size), real_hidden=hidden)

    def logits(self, batch: Batch) -> Tensor:
        """Its logits for samples of one side alone."""
        parts = self._parts(self.presented(batch), self.alone)
        return torch.cat([self.critic.constant(part).logits for part in parts])

    def presented(self, batch: Batch) -> Batch:
        """Whole groups only."""
        method, pack = self.method or Method(), self.critic.pack
        count = batch.size // self.unit * pack
        return self.critic.shown(method.present(batch.first(method.raw(count))))

    def _parts(self, batch: Batch, size: int) -> tuple[Batch, ...]:
        parts = in_parts(batch, size or batch.size)
        return parts if self.rest or not size or batch.size < size else parts[: batch.size // size]


class Look(NamedTuple):
    """The figures, why each dead discriminator counts as dead, and the first one's view of both sides."""

    figures: dict[str, float]
    dead: dict[str, str]
    sight: Sight


def take_look(
    subjects: Mapping[str, Subject],
    fake: Batch,
    real: Batch,
    yardstick: Yardstick,
    held_out: Batch | None = None,
    placed: Tensor | None = None,
    aligned: bool = True,
) -> Look:
    """The figures of a GAN for fakes of G and training samples; of several discriminators the first is described.

    yardstick: compares `PAIRS` of the fakes with real samples. held_out: real samples that D is not trained on. placed:
    compared instead of `fake`; aligned: they are the same samples, so that it can be measured whether D rates
    over-covered places lower. steepness = mean ||grad_y d(y)|| times the reals' mean distance. separation/HEAD: of each
    of D's heads. gradient_*: what G receives from all discriminators that are shown samples of one shape.
    """
    figures: dict[str, float] = {}
    dead: dict[str, str] = {}
    received: list[Tensor] = []
    first: Sight | None = None
    for name, subject in subjects.items():
        with HiddenUnits(subject.network) as units:
            sight = subject.sight(fake, real, units)
        received.append(subject.weight * sight.received)
        slopes, active = gradient_figures(norms_of(sight.slope)), units.active()
        reason = dead_discriminator(slopes["mean"], active)
        if reason is not None:
            dead[name] = reason
        if first is None:
            first = sight
            spare = None if held_out is None else subject.logits(held_out)
            alone = aligned and subject.unit == 1
            figures = {"d_gradient_mean": slopes["mean"], "d_gradient_max": slopes["max"], "dead_units": 1.0 - active}
            where = fake.x if placed is None else placed
            figures |= _described(sight, slopes["mean"], where, yardstick, spare, alone)
            assert sight.real is not None
            shown = subject.presented(real).x.flatten(1)[:PAIRS]
            count = min(len(shown), len(sight.real.logits))  # parts of a batch's size may leave some over
            scale = slope_to_scale(sight.slope, shown[:count], sight.real.logits[:count])
            figures |= {} if scale is None else {"slope_to_scale": scale}
            if fake.label is not None:
                agreement = yardstick.agreement(fake.x[:PAIRS], fake.label[:PAIRS])
                figures |= {} if agreement is None else {"class_agreement": agreement}
    assert first is not None
    alike = [each for each in received if each.shape == received[0].shape]  # packs have another shape
    total = torch.stack(alike).sum(0) if len(alike) > 1 else alike[0]
    figures |= {f"gradient_{key}": value for key, value in gradient_figures(norms_of(total)).items()}
    figures["non_finite"] += float(non_finite(total))
    return Look(figures, dead, first)


def _described(
    sight: Sight, slope: float, fake: Tensor, yardstick: Yardstick, held_out: Tensor | None, alone: bool
) -> dict[str, float]:
    """What D's outputs and features say, and where the fakes lie; alone: each logit is of one fake."""
    assert sight.real is not None
    figures = output_figures(sight.real.logits, sight.fake.logits, held_out) | head_figures(sight.real, sight.fake)
    figures["non_finite"] = float(non_finite(sight.real.logits, sight.fake.logits, fake))
    if sight.fake_hidden is not None and sight.real_hidden is not None:
        try:
            figures["feature_diversity"] = diversity(sight.fake_hidden[:FEATURES], sight.real_hidden[:FEATURES])
        except InputError:  # D's features of all reals are alike: `dead_units` tells
            figures["feature_diversity"] = 0.0
    held, cells = yardstick.figures(fake[:PAIRS])
    figures |= held
    figures["steepness"] = slope * yardstick.spread
    if cells is not None and alone:
        n = min(cells.shape[0], sight.fake.logits.shape[0])  # parts of a batch's size may leave some fakes over
        cells = cells[:n]
        rho = over_coverage(sight.fake.logits[:n], cells, torch.ones(int(cells.max()) + 1))
        figures |= {} if rho is None else {"over_coverage": rho}
    return figures


def joined(sights: Sequence[Sight]) -> Sight:
    """Combines sights of parts into one."""
    if len(sights) == 1:
        return sights[0]
    received, slope, fakes, reals, *hidden = zip(*sights, strict=True)
    fake, real = in_one(fakes), in_one(reals) if None not in reals else None
    units = (torch.cat(side) if side[0] is not None else None for side in hidden)
    return Sight(torch.cat(received), torch.cat(slope), fake, real, *units)


def inside(D: nn.Module | Callable[..., Any]) -> nn.Module:
    """The module that D is, or that its `Critic` calls; an empty one where there is none."""
    network = D.network if isinstance(D, Critic) else D
    return network if isinstance(network, nn.Module) else nn.Identity()


def checked(name: str, given: Tensor | Batch, shape: tuple[int, ...] | None) -> Batch:
    """Samples of this shape, without a graph."""
    x, label, more = given if isinstance(given, Batch) else Batch(given)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"expected {name} samples as a tensor of floats, got {kind}: convert them")
    if x.ndim < 2 or x.shape[0] == 0 or (shape is not None and x.shape[1:] != shape):
        wanted = "*shape" if shape is None else ", ".join(map(str, shape))
        raise InputError(
            f"expected {name} samples (n >= 1, {wanted}), got {tuple(x.shape)}: pass samples with the shape of the "
            "first real ones, or use another monitor"
        )
    if label is not None and label.shape[:1] != x.shape[:1]:
        raise InputError(f"expected one label per {name} sample, {x.shape[0]}, got {tuple(label.shape)}: pass (n,)")
    return Batch(x, label, more).check().each(Tensor.detach)


def number(name: str, loss: Tensor | float) -> Tensor:
    """A loss as a single number, without a graph."""
    value = loss.detach() if isinstance(loss, Tensor) else loss
    if isinstance(value, bool) or not isinstance(value, Tensor | float | int):
        raise InputError(f"expected {name} as one number, got {type(loss).__name__}: pass its mean")
    value = torch.as_tensor(value)
    if value.numel() != 1:
        raise InputError(f"expected {name} as one number, got {tuple(value.shape)}: pass its mean")
    return value.reshape(()).clone()


def try_call(D: nn.Module | Callable[..., Any], batch: Batch) -> None:
    """Calls D with the samples, changing nothing; reports in one line if D cannot take them."""
    told = f"D cannot take samples of shape {tuple(batch.x.shape[1:])}"
    with (
        calling(told, "pass what it is trained on"),
        torch.inference_mode(False),
        torch.enable_grad(),
        borrowed(0, batch.x.device),
        evaluating(inside(D)),
    ):
        judge = resting(D)
        whole = batch.first(batch.size // judge.pack * judge.pack)
        if not whole.size:
            raise InputError(f"expected at least a pack of {judge.pack} samples, got {batch.size}: pass more")
        logits = judge.score(judge.shown(in_its_precision(D, whole))).logits
        if not judge.meant:
            check_logits(logits, "D")


def check_call(D: Callable[..., Any], *batches: Batch) -> None:
    """Refuses a D that needs more than samples, with the labels and conditions that all of them have."""
    if isinstance(D, Critic):
        return
    if not callable(D):
        raise InputError(f"expected D as a module or a function of x, got {type(D).__name__}: pass the discriminator")
    name = label_parameter(D)
    told: dict[str, Any] = {}
    if name is not None and all(batch.label is not None for batch in batches):
        told[name] = None
    if all(batch.given is not None for batch in batches):
        told |= given_to(D, batches[0].given)
    try:
        inspect.signature(D.forward if isinstance(D, nn.Module) else D).bind(None, **told)
    except TypeError as error:
        raise InputError(
            f"expected a D to be called as D(x), or as D(x, label=...) with samples as Batch(x, label), got one with a "
            f"{error}: pass labels or conditions, Batch(x, label, given), or a function of x"
        ) from None
    except ValueError:  # built-ins have no signature
        return


def resting(D: nn.Module | Callable[..., Any]) -> Critic:
    """D with constant weights and copies of its buffers, so that no gradient accumulates and no buffer changes."""
    if not isinstance(D, nn.Module):
        return as_critic(D)
    buffers = {name: buffer.clone() for name, buffer in D.named_buffers()}
    tensors = {name: parameter.detach() for name, parameter in D.named_parameters()} | buffers
    result = Called(D).with_weights(tensors)

    def forward(batch: Batch) -> Output:
        return as_output(result(batch), batch.size)

    return Critic(forward, couples_samples=looks_coupled(D))


def in_its_precision(D: nn.Module | Callable[..., Any], batch: Batch) -> Batch:
    """A copy of samples in D's own precision: under autocast, fakes may have another."""
    first = next((each for each in inside(D).parameters() if each.is_floating_point()), None)
    return batch._replace(x=batch.x.to(batch.x.dtype if first is None else first.dtype, copy=True))
