"""Random numbers and real samples of a run, drawn outside the step in blocks of iterations.

The stream is defined once, whatever executes the steps: block number b is drawn in one go from the run's generator
(latents of the D steps, latents of the G step, the parts' noise by name, the fakes' labels, then the reals where they
are unlimited), and a run stopped inside a block draws that block again from the generator's state at its start. Which
training samples an iteration sees follows from its number alone. That is what makes resuming exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..data import Stream
from ..data.loader import Loader
from ..latents import Latent, labels
from ..types import Batch, Draw
from ..types.batch import leaves
from .needs import BLOCK, Cut, Needs, Noise, Whole

AT_ONCE = 2**20  # numbers: a block's reals up to so many are read in one go, larger ones iteration by iteration


class Step(NamedTuple):
    """The input of one step of one player."""

    real: Batch | None
    z: Tensor
    noise: Mapping[str, Any]
    asked: Tensor | None = None  # of the fakes: classes or, for data with conditions, rows of `types.labels.Conditions`


class Iteration(NamedTuple):
    """The input of one iteration: some D steps, then a G step."""

    number: Tensor  # (), int64
    d: tuple[Step, ...]
    g: Step


class Iterations:
    """The iterations of one block; large batches of reals are read when their iteration is requested."""

    def __init__(self, iterations: Sequence[Iteration], reals: Callable[[int], list[Batch | None]] | None) -> None:
        self._iterations, self._reals = iterations, reals

    def __len__(self) -> int:
        return len(self._iterations)

    def __getitem__(self, index: int) -> Iteration:
        iteration = self._iterations[index]
        if self._reals is None:
            return iteration
        *d, g = self._reals(index)
        steps = tuple(step._replace(real=real) for step, real in zip(iteration.d, d, strict=True))
        return iteration._replace(d=steps, g=iteration.g._replace(real=g))


class Draws:
    """Blocks of iterations, drawn from `generator`; `start` is its state at the start of the current block.

    prior: labels (n,) of the training samples, from which the fakes' labels are drawn. None where G uses no classes;
    the reals then come without labels, too. Where the data have conditions, fakes are made for those of the reals of
    their step, one by one, and further ones for others at random. cut: the part that this process takes of draws that
    are the same in all of them; `needs` are then those of the whole.
    """

    def __init__(
        self,
        needs: Needs,
        stream: Stream,
        latent: Latent,
        generator: torch.Generator,
        prior: Tensor | None = None,
        cut: Cut | None = None,
    ) -> None:
        self.whole_needs, self.needs, self.cut = needs, needs if cut is None else cut.needs, cut
        self.stream, self.latent, self.generator, self.prior = stream, latent, generator, prior
        self.start = generator.get_state()
        self._current: int | None = None  # the block drawn last
        self._block: Iterations | None = None
        self._loader = Loader(stream, stream.source.workers) if stream.source.workers and stream.sampler else None
        self._next = -1  # the iteration whose reals the loader gives next

    def restore(self, start: Tensor) -> None:
        """Goes back to the start of a block."""
        self.generator.set_state(start)
        self.start, self._current, self._block = start.clone(), None, None
        self.close()

    def close(self) -> None:
        """Stops the processes that read ahead; they restart when needed."""
        if self._loader is not None:
            self._loader.close()

    def beginning(self, number: int) -> Tensor:
        """The generator's state from which block `number`, the current or the next one, is drawn."""
        current = self._current is None or self._current == number
        return self.start if current else self.generator.get_state()

    def block(self, number: int) -> Iterations:
        """The iterations of block `number`; blocks are requested in order, the current one any number of times."""
        if self._block is None or self._current != number:
            self._block = Iterations(split(self.whole(number), self.needs), self.reals_of(number))
        return self._block

    def whole(self, number: int) -> Whole:
        """All draws of block `number`, the current or the next one, in one piece."""
        if self._current == number:
            self.generator.set_state(self.start)
        self.start, self._current, self._block = self.generator.get_state(), number, None
        needs, device = self.whole_needs, self.generator.device
        steps = BLOCK * needs.d_steps
        z_d = _steps(self.latent(steps * needs.fake_d, self.generator), steps)
        z_g = _steps(self.latent(BLOCK * needs.fake_g, self.generator), BLOCK)
        noise_d = self._noise(needs.noise_d, steps, z_d.dtype)
        noise_g = self._noise(needs.noise_g, BLOCK, z_d.dtype)
        first = number * BLOCK * (needs.d_steps * needs.real_d + needs.real_g)
        asked_d = self._asked(first, steps, needs.fake_d, needs.real_d)
        asked_g = self._asked(first + steps * needs.real_d, BLOCK, needs.fake_g, needs.real_g)
        real_d, real_g = self._block_of_reals(number)
        numbers = torch.arange(number * BLOCK, (number + 1) * BLOCK, device=device)
        whole = Whole(numbers, z_d, z_g, noise_d, noise_g, asked_d, asked_g, real_d, real_g)
        return whole if self.cut is None else self.cut(whole)

    def reals_of(self, number: int) -> Callable[[int], list[Batch | None]] | None:
        """A function that reads the reals of an iteration of block `number`; None where the block holds them."""
        return None if self._at_once else lambda i: self._reals(number * BLOCK + i)

    @property
    def _at_once(self) -> bool:
        """Whether reals are read block by block: they are drawn from the run's generator, or they are small."""
        needs, source = self.whole_needs, self.stream.source
        each = torch.Size(source.shape).numel() + sum(leaf[0].numel() for leaf in leaves(source.given))
        size = BLOCK * (needs.d_steps * needs.real_d + needs.real_g) * each
        return self.stream.sampler is None or (self._loader is None and size <= AT_ONCE)

    def _block_of_reals(self, number: int) -> tuple[Batch | None, Batch | None]:
        needs = self.whole_needs
        if not self._at_once:
            return None, None
        steps = BLOCK * needs.d_steps
        first = number * BLOCK * (needs.d_steps * needs.real_d + needs.real_g)
        real_d = self._told(self.stream.take(first, steps * needs.real_d, self.generator))
        real_g = None
        if needs.real_g:
            taken = self.stream.take(first + steps * needs.real_d, BLOCK * needs.real_g, self.generator)
            real_g = in_steps(self._told(taken), BLOCK)
        return in_steps(real_d, steps), real_g

    def requests(self, iteration: int) -> list[tuple[int, int]]:
        """Where the reals of an iteration stand in the stream, (start, count): its D steps' ones, then its G step's.

        A block holds those of all its D steps, then those of its G steps. Of several processes, each asks for its own.
        """
        needs, cut = self.whole_needs, self.cut
        block, i = divmod(iteration, BLOCK)
        first = block * BLOCK * (needs.d_steps * needs.real_d + needs.real_g)
        asked = [(first + (i * needs.d_steps + j) * needs.real_d, needs.real_d) for j in range(needs.d_steps)]
        if needs.real_g:
            asked.append((first + BLOCK * needs.d_steps * needs.real_d + i * needs.real_g, needs.real_g))
        if cut is None:
            return asked
        places = [*[cut.real_d] * needs.d_steps, cut.real_g]
        return [
            (at + own.start, own.stop - own.start)
            for (at, _), pieces in zip(asked, places, strict=False)
            for own in pieces
        ]

    def _reals(self, iteration: int) -> list[Batch | None]:
        """The reals of an iteration, read now or by workers before."""
        loader = self._loader
        if loader is not None and not loader.reading:
            loader.begin(request for later in count(iteration) for request in self.requests(later))
            self._next = iteration
        ahead = loader is not None and self._next == iteration
        take = loader.take if loader is not None and ahead else self.stream.take
        parts = [self._told(take(*request)) for request in self.requests(iteration)]
        reals: list[Batch | None] = [*(parts if self.cut is None else self.cut.joined(parts))]
        self._next += ahead
        if not self.needs.real_g:
            reals.append(None)
        if self.needs.shares_batch:
            reals[-1] = _shared(reals[self.needs.d_steps - 1], self.needs.real_g)
        return reals

    def _told(self, real: Batch) -> Batch:
        """The reals with what the fakes have, too: with classes or without."""
        return real if self.prior is not None else real._replace(label=None)

    def _asked(self, first: int, steps: int, each: int, beside: int) -> Tensor | None:
        """What the fakes of some steps are made for, (steps, each): classes, or rows of the data's conditions.

        `beside` reals of each step stand in the stream from `first` on: fake i is made for real i.
        """
        source = self.stream.source
        if source.given is None:
            return None if self.prior is None else labels(self.prior, steps * each, self.generator).view(steps, each)
        rows = self.stream.rows(first, steps * beside).view(steps, beside)[:, :each]
        more = steps * (each - rows.shape[1])
        others = torch.randint(source.size or 0, (more,), generator=self.generator, device=rows.device)
        return torch.cat([rows, others.view(steps, -1)], 1) if more else rows

    def _noise(self, noise: Noise, steps: int, dtype: torch.dtype) -> dict[str, dict[str, dict[str, Tensor]]]:
        """Opponent -> part -> name -> tensor (steps, *shape)."""
        found: dict[str, dict[str, dict[str, Tensor]]] = {}
        for opponent, parts in noise.items():
            for part, draws in parts.items():
                for name, draw in draws.items():
                    several = Draw((steps, *draw.shape), draw.kind)
                    found.setdefault(opponent, {}).setdefault(part, {})[name] = several.numbers(
                        dtype, self.generator.device, self.generator
                    )
        return found


def split(whole: Whole, needs: Needs, axis: int = 0) -> list[Iteration]:
    """A block's iterations, as views; `axis` of a step's tensors counts samples (1 behind an axis of members)."""
    steps = BLOCK * needs.d_steps
    d = _unbound(whole.real_d, whole.z_d, whole.noise_d, whole.asked_d, steps)
    g = _unbound(whole.real_g, whole.z_g, whole.noise_g, whole.asked_g, BLOCK)
    iterations = []
    for i, number in enumerate(whole.numbers.unbind()):
        own = tuple(d[i * needs.d_steps : (i + 1) * needs.d_steps])
        last = g[i]
        if needs.shares_batch:
            real, z, asked = own[-1].real, own[-1].z, own[-1].asked
            asked = None if asked is None else asked.narrow(axis, 0, needs.fake_g)
            last = Step(_shared(real, needs.real_g, axis), z.narrow(axis, 0, needs.fake_g), last.noise, asked)
        iterations.append(Iteration(number, own, last))
    return iterations


def _unbound(real: Batch | None, z: Tensor, noise: Mapping[str, Any], asked: Tensor | None, steps: int) -> list[Step]:
    reals: Sequence[Batch | None] = [None] * steps
    if real is not None:
        reals = [real.each(lambda tensor, i=i: tensor[i]) for i in range(steps)]  # type: ignore[misc]
    each = [None] * steps if asked is None else asked.unbind()
    noises: list[dict[str, Any]] = [{} for _ in range(steps)]
    for opponent, parts in noise.items():
        for part, draws in parts.items():
            for name, values in draws.items():
                for step, value in zip(noises, values.unbind(), strict=True):
                    step.setdefault(opponent, {}).setdefault(part, {})[name] = value
    return [Step(*step) for step in zip(reals, z.unbind(), noises, each, strict=True)]


def _shared(real: Batch | None, count: int, axis: int = 0) -> Batch | None:
    """The reals of a G step that uses the D step's batch: the first `count`, or all if it requests none."""
    if real is None or not count:
        return real
    return real.each(lambda tensor: tensor.narrow(axis, 0, count))


def _steps(x: Tensor, steps: int) -> Tensor:
    return x.view(steps, x.shape[0] // steps, *x.shape[1:])


def in_steps(batch: Batch, steps: int) -> Batch:
    """A batch cut into equal steps along a new first axis."""
    return batch.each(lambda tensor: _steps(tensor, steps))
