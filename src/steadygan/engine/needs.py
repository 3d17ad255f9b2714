"""How many samples and random numbers a step needs, and which of them one of several processes takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Batch, Draw, Opponent, cat
from .objective import Sides

BLOCK = 100  # iterations
Noise: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Draw]]]  # opponent -> part -> name


@dataclass(frozen=True)
class Needs:
    """Number of samples drawn per step (before packing), and the parts' noise."""

    real_d: int
    fake_d: int
    real_g: int
    fake_g: int
    d_steps: int
    shares_batch: bool
    noise_d: Noise
    noise_g: Noise
    marks: tuple[tuple[int, ...], ...]  # of real_d, fake_d, real_g, fake_g: after how many samples a use of them ends

    @staticmethod
    def of(opponents: Mapping[str, Opponent], sides: Sides, shape: tuple[int, ...], d_steps: int) -> Needs:
        """The total needs of these opponents; several share the samples of the most demanding one."""
        d, g, wants_real = [], [], False
        noise_d: dict[str, Mapping[str, Mapping[str, Draw]]] = {}
        noise_g: dict[str, Mapping[str, Mapping[str, Draw]]] = {}
        for name, opponent in opponents.items():
            method = opponent.method
            d.append(tuple(map(method.raw, method.draws_d(*sides))))
            g.append(tuple(map(method.raw, method.draws_g(*sides))))
            wants_real = wants_real or opponent.needs_real()
            shown = shown_shape(opponent, shape)
            noise_d[name] = opponent.noise(*sides, shown)
            noise_g[name] = opponent.without_penalties().noise(*sides, shown)
        real_g = max(real for real, _ in g) if wants_real else 0
        real_d, fake_d, fake_g = max(real for real, _ in d), max(fake for _, fake in d), max(fake for _, fake in g)
        shares = any(part.shares_batch for opponent in opponents.values() for _, part in opponent.parts())
        if shares:  # what the G step shares is drawn for the D step, which may show fewer (fake-as-real)
            real_d, fake_d = max(real_d, real_g), max(fake_d, fake_g)
        meant = [min(fake_d, opponent.method.raw(sides.fake)) for opponent in opponents.values()]  # then candidates
        shared = (real_g, fake_g) if shares else (0, 0)
        marks = (
            (*(real for real, _ in d), shared[0], real_d),
            (*meant, *(fake for _, fake in d), shared[1], fake_d),
            (*(min(real, real_g) for real, _ in g), real_g),
            (*(fake for _, fake in g), fake_g),
        )
        return Needs(real_d, fake_d, real_g, fake_g, d_steps, shares, noise_d, noise_g, marks)


class Whole(NamedTuple):
    """The draws of one block, each tensor with a leading axis of steps."""

    numbers: Tensor  # (BLOCK,), int64
    z_d: Tensor
    z_g: Tensor
    noise_d: Mapping[str, Any]
    noise_g: Mapping[str, Any]
    asked_d: Tensor | None
    asked_g: Tensor | None
    real_d: Batch | None  # None where reals are read iteration by iteration
    real_g: Batch | None


Pieces: TypeAlias = tuple[slice, ...]  # of the samples of a step, one after the other
Places: TypeAlias = tuple[slice, ...]  # of a tensor's axes, behind the one of steps


@dataclass(frozen=True)
class Cut:
    """The part of each step's samples that one of several processes takes: `needs` are its own."""

    needs: Needs
    real_d: Pieces
    fake_d: Pieces
    real_g: Pieces
    fake_g: Pieces
    noise_d: Mapping[tuple[str, str, str], Places]
    noise_g: Mapping[tuple[str, str, str], Places]

    @staticmethod
    def of(whole: Needs, each: Sequence[Needs], rank: int) -> Cut:
        """Of process `rank`, where `each` are the needs of all; raises InputError where these do not make the whole."""

        def place(total: int, sizes: Sequence[int]) -> slice:
            if sum(sizes) != total:
                raise InputError(
                    f"expected samples that {len(each)} processes can divide, got {total} that a step needs at once: "
                    "choose batch_size, and the numbers of a method, as multiples of the processes"
                )
            start = sum(sizes[:rank])
            return slice(start, start + sizes[rank])

        def noise(key: Literal["noise_d", "noise_g"]) -> dict[tuple[str, str, str], Places]:
            found = {}
            for opponent, parts in getattr(whole, key).items():
                for part, draws in parts.items():
                    for name, draw in draws.items():
                        shapes = [getattr(own, key)[opponent][part][name].shape for own in each]
                        found[opponent, part, name] = tuple(
                            slice(None) if {*sizes} == {total} else place(total, sizes)
                            for total, sizes in zip(draw.shape, zip(*shapes, strict=True), strict=True)
                        )
            return found

        def pieces(which: int) -> Pieces:
            marks = [own.marks[which] for own in (whole, *each)]
            order = sorted(range(len(marks[0])), key=marks[0].__getitem__)
            found = []
            for before, i in zip([None, *order], order, strict=False):
                start = 0 if before is None else marks[0][before]
                total, *sizes = [own[i] - (0 if before is None else own[before]) for own in marks]
                own = place(total, sizes)
                found += [slice(start + own.start, start + own.stop)] if own.stop > own.start else []
            return tuple(found)

        real_d, fake_d, real_g, fake_g = map(pieces, range(4))
        return Cut(each[rank], real_d, fake_d, real_g, fake_g, noise("noise_d"), noise("noise_g"))

    def joined(self, parts: Sequence[Batch]) -> list[Batch]:
        """The reals of each step of an iteration, from the pieces in which they were read."""
        found, rest = [], [*parts]
        for pieces in [*[self.real_d] * self.needs.d_steps, *([self.real_g] if self.needs.real_g else [])]:
            found.append(cat(*rest[: len(pieces)]))
            rest = rest[len(pieces) :]
        return found

    def __call__(self, whole: Whole) -> Whole:
        """This part of all draws of a block."""

        def of(pieces: Pieces) -> Callable[[Tensor], Tensor]:
            def taken(x: Tensor) -> Tensor:
                return x[:, pieces[0]] if len(pieces) == 1 else torch.cat([x[:, own] for own in pieces], 1)

            return taken

        def noise(found: Mapping[str, Any], places: Mapping[tuple[str, str, str], Places]) -> dict[str, Any]:
            return {
                o: {p: {n: x[(slice(None), *places[o, p, n])] for n, x in own.items()} for p, own in parts.items()}
                for o, parts in found.items()
            }

        asked_d, asked_g, real_d, real_g = whole.asked_d, whole.asked_g, whole.real_d, whole.real_g
        return whole._replace(
            z_d=of(self.fake_d)(whole.z_d),
            z_g=of(self.fake_g)(whole.z_g),
            noise_d=noise(whole.noise_d, self.noise_d),
            noise_g=noise(whole.noise_g, self.noise_g),
            asked_d=None if asked_d is None else of(self.fake_d)(asked_d),
            asked_g=None if asked_g is None else of(self.fake_g)(asked_g),
            real_d=None if real_d is None else real_d.each(of(self.real_d)),
            real_g=None if real_g is None else real_g.each(of(self.real_g)),
        )


def shown_shape(opponent: Opponent, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one sample as this critic is shown it (packing widens it)."""
    probe = torch.empty(opponent.method.raw(1), *shape, device="meta")
    return tuple(opponent.method.present(Batch(probe)).x.shape[1:])
