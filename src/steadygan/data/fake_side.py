"""Fixed fakes, shown with real data to a discriminator that is trained alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .source import Source
from .user import from_user


@dataclass(frozen=True, eq=False)
class FakeSide:
    """Draws fakes as a generator's latents are drawn: `side(n, generator)` gives n of them, (n, *shape).

    They follow from the generator's state alone, so that a resumed run meets the same ones.
    """

    source: Source

    def __call__(self, n: int, generator: torch.Generator) -> Tensor:
        """Those of a finite set in rounds, each once before any comes again; new ones of an unlimited source.

        Images of a source that flips are mirrored left to right in half of their visits.
        """
        size, device = self.source.size, generator.device
        if size is None:
            return self.source.fresh(n, generator)
        rounds = [torch.randperm(size, generator=generator, device=device) for _ in range(-(-n // size))]
        x = self.source.at(torch.cat(rounds)[:n] if rounds else torch.empty(0, dtype=torch.int64)).x
        if self.source.flip:
            coins = torch.rand(n, generator=generator, device=device) < 0.5
            x = torch.where(coins.to(x.device).view(-1, 1, 1, 1), x.flip(-1), x)
        return x


def fake_side(given: Any, real: Source) -> FakeSide:
    """The fakes that `from_user` makes of what is given, on the device, in the dtype and in the units of the real data.

    Labels do not come along. Raises InputError for samples of another shape, and for standardised data beside fakes
    that are no plain set of numbers.
    """
    source = from_user(given).to(real.device, real.dtype)
    if source.shape != real.shape:
        raise InputError(f"expected fakes of shape {real.shape}, like the data, got {source.shape}: use other fakes")
    return FakeSide(replace(in_units_of(source, real), label=None, held_out_label=None, class_names=()))


def in_units_of(source: Source, real: Source) -> Source:
    """Fakes in the user's units as the data are given to D: (x - offset) / scale, where these are standardised."""
    ours, theirs = (None if each.scale is None else each for each in (source, real))
    if ours is None and theirs is None:
        return source
    train = source.train
    if theirs is None or not isinstance(train, Tensor) or source.sampler is not None or source.held_out is not None:
        raise InputError(
            f"expected data {real.name!r} and fakes {source.name!r} in the same units, got only one standardised: "
            "standardise neither (data.standardise=false)"
        )
    assert real.offset is not None
    assert real.scale is not None
    numbers = ((source.restore(train) - real.offset) / real.scale).to(real.dtype)
    return replace(source, train=numbers, offset=real.offset, scale=real.scale)
