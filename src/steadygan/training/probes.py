"""What records hold: looks, evaluations and figures, taken without changing a bit of a run, and sums of its losses."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Source
from ..data.source import glimpse_of
from ..devices import borrowed
from ..diagnostics.gradients import Sight, log_slopes
from ..diagnostics.look import OF_G, PAIRS, Subject, take_look
from ..diagnostics.norms import ema_distance, parameter_norm
from ..diagnostics.outputs import off_equilibrium
from ..diagnostics.space import Space
from ..diagnostics.yardstick import Standard, Yardstick
from ..display.glimpse import MOST, Glimpse
from ..engine.executor import Eager
from ..engine.needs import shown_shape
from ..evaluation.evaluator import Evaluate
from ..files import beside
from ..latents import CHUNK, generate, label_chunks, latents
from ..runs import samples
from ..runs.folder import RunFolder
from ..types import Batch, Now, Opponent
from ..types.critic import evaluating, kept_buffers
from ..types.labels import occurring
from ..types.networks import like_probabilities
from ..viz import clouds, curves, images, scatter
from .setup import Setup

POINTS, IMAGES = 512, 64  # samples whose gradients are looked at
MADE = 128  # images of the average that are held against reals
SHOWN = 1000  # points kept for the evolution strip
SURFACE = 64  # points per side of the critic's surface
ARROWS = 20  # and of its slopes, as many as the papers draw


class Probes:
    """Looks, evaluations and snapshots of one run, from their own latents and reals."""

    def __init__(self, executor: Eager, setup: Setup, evaluate: Evaluate | None) -> None:
        self.executor, self.source, self.evaluate, self.device = executor, setup.source, evaluate, setup.device
        source, prior, seed, device = setup.source, setup.prior, setup.seed, setup.device
        self.n = int(getattr(evaluate, "n", 10_000))
        self._z = latents(setup.latent, max(self.n, SHOWN), seed + 1, device)
        self._columns: Tensor | None = None  # the classes of a grid of images
        self._label: Tensor | None = None  # classes, or rows of the conditions
        self._evaluated, self._classes = setup.evaluated, prior is not None
        if setup.conditions is not None and self._evaluated is not None:
            drawn = torch.Generator(device).manual_seed(seed + 1)
            self._label = setup.conditions.drawn(len(self._z), drawn)
            self._rows = self._evaluated.drawn(len(self._z), drawn)
        elif prior is not None:
            self._label = torch.cat([*islice(label_chunks(prior, seed + 1), self._z.shape[0] // CHUNK)])
            known = occurring(prior)
            self._columns = known[torch.arange(self._z.shape[0], device=device) % samples.COLUMNS % len(known)]
        generator = torch.Generator(device).manual_seed(seed + 2)
        self.real = source.fresh(SHOWN, generator)
        self._size = POINTS if len(source.shape) == 1 else IMAGES
        self._training = self._training_samples(max(self._size, PAIRS), generator)
        self._held_out = source.size is not None and (source.sampler is not None or source.held_out is not None)
        self._seed, self._looks, self._asks = seed + 3, setup.monitor is not None, True
        own = None if setup.monitor is None else setup.monitor.features
        self._space = Space.of(source) if own is None else Space.of_features(own)
        self._alone, self._optimum = setup.fakes is not None, setup.optimum

    def keep_real(self, folder: RunFolder) -> None:
        """Saves real points in the run's folder, so that it can be drawn without its data."""
        if len(self.source.shape) == 1:
            samples.keep_real(folder, self._points)

    @cached_property
    def _points(self) -> NDArray[Any]:
        """Real points in the user's units."""
        return in_units(self.source, self.real)

    def _training_samples(self, size: int, generator: torch.Generator) -> Batch:
        """What D is trained on, without held-out samples."""
        if self.source.size is None:
            return Batch(self.source.fresh(size, generator))
        found = self.source.at(torch.randint(self.source.size, (size,), generator=generator, device=generator.device))
        return found if self._classes else found._replace(label=None)

    @cached_property
    def standard(self) -> Standard:
        """The yardstick for the fakes."""
        label = None if self._training.label is None else self._training.label[:PAIRS]
        unseen = None if self.source.unseen is None else self.real[PAIRS : 2 * PAIRS]
        return Standard(Yardstick(self._training.x[:PAIRS], self.real[:PAIRS], self._space, label, unseen))

    def look(self, iteration: int, seen: Tensor | None = None) -> tuple[dict[str, float], dict[str, str]]:
        """The figures of a look, and why each dead opponent counts as dead; empty where looks are off.

        seen: the newest reals that D was trained on, which may differ from the first ones. Weights, buffers and random
        state are left unchanged.
        """
        if not self._looks:
            return {}, {}
        executor, label = self.executor, None if self._label is None else self._label[: self._size]
        changed = seen is not None and self.standard.renew(seen)
        yardstick = self.standard.yardstick
        with undisturbed(executor, self._seed, self.device):
            made = executor.made(self._z[: self._size], label)
            fake = made._replace(x=made.x.detach())
            subjects = {name: self._subject(name, own, iteration) for name, own in executor.opponents.items()}
            # real samples that D is not trained on, of classes that it need not be told
            held_out = Batch(self.real[: self._size]) if self._held_out and label is None else None
            training = self._training.first(self._size)
            look = take_look(subjects, fake, training, yardstick, held_out)
        self._say_where_squashed(subjects, look.sight)
        figures = {key: value for key, value in look.figures.items() if not (self._alone and key in OF_G)}
        figures |= {} if self._alone else {"weight_norm_g": parameter_norm(executor.G)}
        figures |= {"data_changed": 1.0} if changed else {}
        figures["weight_norm_d"] = parameter_norm(executor.networks[next(iter(subjects))])
        if executor.average is not None:
            own = yardstick.quality(self._made(executor.average.network, MADE if self.source.image else PAIRS))
            figures |= {f"average_{key}": value for key, value in own.items()}
            figures["ema_distance"] = ema_distance(executor.average.network, executor.G, figures.get("weight_norm_g"))
        return figures, look.dead

    def _say_where_squashed(self, subjects: Mapping[str, Subject], sight: Sight) -> None:
        """Warns once if the first opponent's scores are a squashed number that was only summed or scaled."""
        name, first = next(iter(subjects.items()))
        asked = self._asks and not first.loss.bounded and self.executor.opponents[name].gives is None
        if asked and sight.real is not None and like_probabilities(sight.real.logits, sight.fake.logits):
            self._asks = False
            warnings.warn(
                f"steadygan: all scores of {name} lie in [0, 1] and come close to both ends, as probabilities do; "
                "logits are expected: leave out what squashes them, end D with an nn.Sigmoid and set "
                "gives='probability', or set gives='logit' if it is intended",
                stacklevel=2,
            )

    def _subject(self, name: str, opponent: Opponent, iteration: int) -> Subject:
        """The opponent in a G step at this iteration, with random numbers of the probe's own.

        It receives as many samples at a time as in training, if they depend on each other.
        """
        executor, resting = self.executor, opponent.without_penalties()
        generator = torch.Generator(self.device).manual_seed(self._seed)
        draws = resting.noise(*executor.sides, shown_shape(resting, self.source.shape))
        noise = {
            part: {key: draw.numbers(self._z.dtype, generator.device, generator) for key, draw in sorted(own.items())}
            for part, own in draws.items()
        }
        state: Mapping[str, Mapping[str, Tensor]] = executor.parts.get(name, {})
        at = resting.at(Now(torch.tensor(iteration, device=self.device), state, noise))
        critic, chunk = executor.critics[name], executor.sides.fake
        return Subject(
            critic,
            at.loss,
            executor.networks[name],
            at.method,
            at.weight,
            together=chunk if critic.couples_samples or at.needs_real() else 0,
            alone=chunk if critic.couples_samples else 0,
        )

    def samples(self, n: int, label: Tensor | None = None) -> Tensor:
        """The first n samples of the probe's latents, from the average if there is one."""
        executor = self.executor
        network = executor.G if executor.average is None else executor.average.network
        return self._made(network, n, -(-n // CHUNK) * CHUNK, label)

    def _made(self, network: torch.nn.Module, n: int, upto: int | None = None, label: Tensor | None = None) -> Tensor:
        """The first n of the probe's fakes, of `upto` latents; of other classes, where `label` names them."""
        upto, given = upto or n, None
        label = self._label if label is None else label
        if self._evaluated is not None:
            label, given = self._evaluated.at(self._rows[:upto])
        label = None if label is None else label[:upto]
        with borrowed(self._seed, self.device):
            return generate(network, self._z[:upto], n, label, given)

    def metrics(self) -> dict[str, float]:
        """The evaluator's figures for the samples, and how far a D trained alone is from its optimum."""
        if self._optimum is not None:
            name = next(iter(self.executor.opponents))
            with undisturbed(self.executor, self._seed, self.device):
                return {"optimum_distance": self._optimum.distance(self.executor.critics[name])}
        if self.evaluate is None:
            return {}
        samples = self.samples(self.n)
        with borrowed(self._seed, self.device):  # an evaluator may draw, too
            return dict(self.evaluate(samples))

    def glimpse(self) -> Glimpse | None:
        """A few fakes for a small picture; None if they cannot be drawn."""
        if self._alone:
            return None
        source, executor = self.source, self.executor
        network = executor.G if executor.average is None else executor.average.network
        made, real = self._made(network, MOST if source.image else POINTS), self.real[:POINTS]
        return glimpse_of(made if source.image else source.restore(made), source.image, source.restore(real))

    def snapshot(self, folder: RunFolder, iteration: int) -> Callable[[], Path] | None:
        """Saves samples for the figures: points with the critic's surface, or a grid of images from fixed latents.

        Returns a function that draws them, where possible. The columns of a conditional generator's grid are classes.
        """
        shape = self.source.shape
        if self.source.image:
            made = self.samples(samples.COLUMNS**2, self._columns)
            return samples.image_samples(folder, iteration, made.float().cpu().numpy())
        if len(shape) != 1:
            folder.samples.mkdir(parents=True, exist_ok=True)
            return None
        points = in_units(self.source, self.samples(SHOWN))
        critic = self._surface() if shape == (2,) else {}
        return samples.point_samples(folder, iteration, points, self._points, critic)

    def _surface(self) -> dict[str, Any]:
        """The first critic's logits and slopes on a square around the real data, if it judges single samples."""
        name, opponent = next(iter(self.executor.opponents.items()))
        alone = self._evaluated is None and not self.executor.critics[name].couples_samples
        if opponent.method.raw(1) != 1 or not alone:
            return {}
        low, high = self.real.amin(0), self.real.amax(0)
        margin = torch.where(high > low, 0.25 * (high - low), 0.25)  # a constant coordinate still has a width
        low, high = low - margin, high + margin

        def grid(side: int) -> Tensor:
            xs, ys = (
                torch.linspace(float(a), float(b), side, device=self.device) for a, b in zip(low, high, strict=True)
            )
            return torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(-1, 2).to(self.real.dtype)

        critic = self.executor.critics[name]
        with undisturbed(self.executor, self._seed, self.device):
            logits = critic.constant(Batch(grid(SURFACE))).logits
            slope = log_slopes(critic, grid(ARROWS))
        scale = torch.ones(2) if self.source.scale is None else self.source.scale.cpu()
        corners = in_units(self.source, torch.stack([low, high]))
        return {
            "surface": logits.reshape(SURFACE, SURFACE).float().cpu().numpy(),
            "slope": (slope.reshape(ARROWS, ARROWS, 2).cpu() / scale).float().numpy(),  # per unit of the user's
            "extent": np.array([corners[0, 0], corners[1, 0], corners[0, 1], corners[1, 1]]),
        }

    def drawn(self, folder: RunFolder) -> bool:
        """Whether the run's last figure exists and is no older than its records."""
        last = folder.figures / ("evolution.png" if self.source.image or self.source.shape == (2,) else "samples.png")
        return last.exists() and last.stat().st_mtime_ns >= folder.metrics.stat().st_mtime_ns

    def draw(
        self,
        folder: RunFolder,
        records: list[dict[str, Any]],
        equilibrium: tuple[float | None, float | None],
        title: str,
    ) -> None:
        """Draws the run's figures: losses against equilibrium, gradient norms, metrics, then how samples developed."""
        figures, source = folder.figures, self.source
        figures.mkdir(exist_ok=True)
        curves.loss_curves(records, equilibrium, figures / "losses.png", title=title)
        curves.gradient_curves(records, figures / "gradients.png", title=title)
        curves.metric_curves(records, figures / "metrics.png", title=title)
        shots = [(int(path.stem), path) for path in folder.shots(".png" if source.image else ".npz")]
        if not shots:
            return
        if source.image:
            with beside(figures / "grid.png") as part:
                part.write_bytes(shots[-1][1].read_bytes())
            images.image_evolution(
                shots, source.shape[1], samples.scale_for(source.shape), figures / "evolution.png", title
            )
            return
        points = self._points
        if source.shape != (2,):
            with np.load(shots[-1][1]) as arrays:
                scatter.scatter_matrix(points, arrays["points"], figures / "samples.png", title, source.columns or None)
            return
        strip = [found for _, path in shots if (found := clouds.snapshot(path)) is not None]
        scatter.evolution_strip(points, strip, figures / "evolution.png", title, source.columns or None)


def in_units(source: Source, x: Tensor) -> NDArray[Any]:
    """Samples in the user's units: float64 if these are, else float32."""
    x = source.restore(x).cpu()
    return (x if x.dtype == torch.float64 else x.float()).numpy()


def undisturbed(executor: Eager, seed: int, device: torch.device) -> ExitStack:
    """Leaves buffers and torch's global generators unchanged; networks are in eval mode inside."""
    stack = ExitStack()
    stack.enter_context(borrowed(seed, device))
    for network in executor.networks.values():
        stack.enter_context(kept_buffers(network))
        stack.enter_context(evaluating(network))
    return stack


class Sums:
    """(sum, count) in float64 of every statistic of the opponents' steps; `squares`: of the losses' squares, too."""

    def __init__(self, opponents: Mapping[str, Opponent], squares: bool) -> None:
        self.opponents, self.squares = opponents, squares
        self.state: dict[str, Tensor] = {}  # as a checkpoint holds it

    def add(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Adds statistics one by one, so that the sums do not depend on where the segments were cut."""
        sums = {key: value.tolist() for key, value in self.state.items()}
        for row in rows:
            squared = self._squared(row) if self.squares else {}
            for key, value in {**row, **squared}.items():
                total, count = sums.get(key, (0.0, 0.0))
                sums[key] = [total + value, count + 1.0]
        self.state = {key: torch.tensor(value, dtype=torch.float64) for key, value in sums.items()}

    def losses(self, equilibrium: tuple[float | None, float | None]) -> dict[str, float]:
        """Means since the last tick: d_loss and g_loss without penalties, then every other term by name."""
        means = {key: float(value[0] / value[1]) for key, value in self.state.items()}
        losses = self.weighted(means)
        for key, level in zip(("d", "g"), equilibrium, strict=True):
            mean, square = losses.get(f"{key}_loss"), means.pop(f"{key}_loss squared", None)
            if mean is not None and square is not None:
                losses[f"{key}_loss_std"] = math.sqrt(max(0.0, square - mean * mean))
            off = off_equilibrium(mean, level)
            if off is not None:
                losses[f"{key}_off"] = off
            norm = means.pop(f"{key.upper()}/gradients", None)
            if norm is not None:
                losses[f"gradient_norm_{key}"] = norm
            for name in self.opponents:
                means.pop(f"{key}/{name}/loss", None)
        lone = len(self.opponents) == 1
        return losses | {(_of_a_lone_one(key) if lone else key): value for key, value in means.items()}

    def weighted(self, terms: Mapping[str, float]) -> dict[str, float]:
        """Each player's loss without penalties, the weighted sum over the opponents."""
        losses = {}
        for player, key in (("d", "d_loss"), ("g", "g_loss")):
            known = ((o.weight, terms.get(f"{player}/{name}/loss")) for name, o in self.opponents.items())
            weighted = [weight * value for weight, value in known if value is not None]
            if weighted:
                losses[key] = sum(weighted)
        return losses

    def _squared(self, row: Mapping[str, float]) -> dict[str, float]:
        """The squares of an iteration's losses: their means tell how much they go up and down."""
        return {f"{key} squared": value * value for key, value in self.weighted(row).items()}


def _of_a_lone_one(key: str) -> str:
    """`d/D/penalty/r1` as `penalty/r1`, `g/D/method/x` as `g/method/x`: a method may name both players' terms alike."""
    player, _, term = key.split("/", 2)
    return term if player == "d" else f"g/{term}"
