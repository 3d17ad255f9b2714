"""Looks at a run from outside, between two iterations: nothing here changes a bit of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..critics import evaluating, kept_buffers
from ..diagnostics.gradients import generator_slopes, gradient_figures, norms_of
from ..diagnostics.probe import active_units, dead_discriminator
from ..rng import borrowed
from ..types import Batch, Now, Opponent, cat
from .draws import Latent, drawn
from .eager import Eager
from .needs import noise_of, shown_shape
from .sampling import CHUNK, generate, label_chunks, latents

if TYPE_CHECKING:
    from ..data import Source

PROBE = 512  # samples of the gradient probe
SHOWN = 1000  # points kept for the evolution strip
SURFACE = 64  # points per side of the critic's surface
GRID = 100  # images kept for a grid
COLUMNS = 10


def scale_for(shape: tuple[int, ...]) -> int:
    """How large a pixel is drawn, so that 10 images side by side are about 600 pixels wide."""
    return max(1, round(64 / max(shape[1:])))


Evaluate = Callable[[Tensor], Mapping[str, float]]


def parts(batch: Batch, size: int) -> tuple[Batch, ...]:
    """As many parts of this size as the batch fills; all of it for 0, and where it fills none."""
    whole = batch.size // size if size else 0
    return batch.split(*[size] * whole, batch.size - size * whole)[:whole] if whole else (batch,)


class Probes:
    """Gradient figures, dead discriminators, evaluation and snapshots, from latents and reals of their own."""

    def __init__(
        self,
        executor: Eager,
        source: Source,
        latent: Latent,
        seed: int,
        device: torch.device,
        evaluate: Evaluate | None,
        prior: Tensor | None = None,
    ) -> None:
        self.executor, self.source, self.evaluate, self.device = executor, source, evaluate, device
        self.n = int(getattr(evaluate, "n", 10_000))
        drawn = max(self.n, PROBE, SHOWN)
        self._z = latents(latent, drawn, seed + 1, device)
        self._label: Tensor | None = None
        if prior is not None:
            self._label = torch.cat([*islice(label_chunks(prior, seed + 1), self._z.shape[0] // CHUNK)])
            self._columns = torch.arange(self._z.shape[0], device=device) % COLUMNS % (int(prior.max()) + 1)
        generator = torch.Generator(device).manual_seed(seed + 2)
        self.real = source.fresh(SHOWN, generator)
        self._training = self._training_samples(generator)
        self._seed = seed + 3

    def _training_samples(self, generator: torch.Generator) -> Batch:
        """Training samples for the gradient probe: what D is trained on, not what is held out."""
        size = self.source.size
        if size is None:
            return Batch(self.source.fresh(PROBE, generator))
        found = self.source.at(torch.randint(size, (PROBE,), generator=generator, device=generator.device))
        return found if self._label is not None else Batch(found.x)

    def look(self, iteration: int) -> tuple[dict[str, float], dict[str, str]]:
        """What G receives per sample from its opponents, and why each dead opponent counts as dead."""
        record: dict[str, float] = {}
        dead: dict[str, str] = {}
        received: list[Tensor] = []
        with self._undisturbed():
            y = self.executor.made(self._z[:PROBE], None if self._label is None else self._label[:PROBE])
            y = Batch(y.x.detach(), y.label)
            for name, resting in self.executor.opponents.items():
                opponent = self._at(name, resting, iteration)
                method, critic = opponent.method, self.executor.critics[name]
                whole = method.raw(PROBE // method.raw(1))  # packing shows whole groups only
                fake, real = (method.present(batch.first(whole)) for batch in (y, self._training))
                together = critic.couples_samples or opponent.needs_real()  # as many at a time as in training
                pairs = zip(
                    *(parts(batch, self.executor.sides.fake if together else 0) for batch in (fake, real)), strict=True
                )
                found = [generator_slopes(critic, opponent.loss, one, other, method) for one, other in pairs]
                own, slope = (torch.cat(each) for each in zip(*found, strict=True))
                received.append(opponent.weight * own)
                figures = gradient_figures(norms_of(slope))
                if not record:
                    record = {"d_gradient_mean": figures["mean"], "d_gradient_max": figures["max"]}
                shown = cat(real.first(real.size // 2), fake.first(fake.size // 2))
                active = active_units(self.executor.networks[name], shown.x, shown.label)
                reason = dead_discriminator(figures["mean"], active)
                if reason is not None:
                    dead[name] = reason
            alike = [each for each in received if each.shape == received[0].shape]  # packs have another shape
            total = torch.stack(alike).sum(0) if len(alike) > 1 else alike[0]
            record |= {f"gradient_{key}": value for key, value in gradient_figures(norms_of(total)).items()}
        return record, dead

    def _at(self, name: str, opponent: Opponent, iteration: int) -> Opponent:
        """The opponent of a G step at this iteration, with random numbers of the probe's own."""
        resting = opponent.without_penalties()
        generator = torch.Generator(self.device).manual_seed(self._seed)
        draws = noise_of(resting, self.executor.sides, shown_shape(resting, self.source.shape))
        dtype = self._z.dtype
        noise = {
            part: {key: drawn(draw, generator, dtype) for key, draw in sorted(own.items())}
            for part, own in draws.items()
        }
        state = self.executor.parts.get(name, {})
        return resting.at(Now(torch.tensor(iteration, device=self.device), state, noise))

    def samples(self, n: int, label: Tensor | None = None) -> Tensor:
        """The first n samples of the probe's latents, from the average when there is one."""
        executor = self.executor
        network = executor.G if executor.average is None else executor.average.network
        label = self._label if label is None else label
        upto = -(-n // CHUNK) * CHUNK
        with borrowed(self._seed, self.device):
            return generate(network, self._z[:upto], n, None if label is None else label[:upto])

    def metrics(self) -> dict[str, float]:
        """What the evaluator says of the samples."""
        if self.evaluate is None:
            return {}
        samples = self.samples(self.n)
        with borrowed(self._seed, self.device):  # an evaluator may draw, too
            return dict(self.evaluate(samples))

    def snapshot(self, folder: Path, iteration: int) -> Path | None:
        """Keeps samples for the figures: points with the critic's surface, or a grid of images from fixed latents.

        Returns the picture, if one was made. A conditional generator's columns are classes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        shape = self.source.shape
        if self.source.image:
            from ..viz.images import image_grid

            images = self.samples(GRID, None if self._label is None else self._columns)
            path = folder / f"{iteration:09d}.png"
            image_grid(images.float().cpu().numpy(), path, COLUMNS, scale_for(shape))
            return path
        if len(shape) == 1:
            arrays: dict[str, Any] = {"points": self.source.restore(self.samples(SHOWN)).float().cpu().numpy()}
            if shape == (2,):
                arrays |= self._surface()
            np.savez(folder / f"{iteration:09d}.npz", **arrays)
        return None

    def _surface(self) -> dict[str, Any]:
        """The first critic's logits on a square around the real data, where it judges single samples."""
        name, opponent = next(iter(self.executor.opponents.items()))
        if opponent.method.raw(1) != 1 or self.executor.critics[name].couples_samples:
            return {}
        low, high = self.real.amin(0), self.real.amax(0)
        margin = torch.where(high > low, 0.25 * (high - low), 0.25)  # a constant coordinate still has a width
        low, high = low - margin, high + margin
        xs, ys = (
            torch.linspace(float(a), float(b), SURFACE, device=self.device) for a, b in zip(low, high, strict=True)
        )
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(-1, 2).to(self.real.dtype)
        with self._undisturbed():
            logits = self.executor.critics[name].constant(Batch(grid)).logits
        corners = self.source.restore(torch.stack([low, high])).float().cpu().numpy()
        return {
            "surface": logits.reshape(SURFACE, SURFACE).float().cpu().numpy(),
            "extent": np.array([corners[0, 0], corners[1, 0], corners[0, 1], corners[1, 1]], dtype=np.float32),
        }

    def _undisturbed(self) -> ExitStack:
        """Buffers and torch's global generators stay as they are."""
        stack = ExitStack()
        stack.enter_context(borrowed(self._seed, self.device))
        for network in self.executor.networks.values():
            stack.enter_context(kept_buffers(network))
            stack.enter_context(evaluating(network))
        return stack
