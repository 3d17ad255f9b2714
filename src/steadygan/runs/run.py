"""The result of a run: networks, settings, records; in memory or loaded from its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..config.data import DATA
from ..data.source import decoded, glimpse_of, restored
from ..data.user import as_condition
from ..devices import choose_device, plain_modes
from ..display.card import Card, Shown
from ..display.glimpse import MOST, POINTS, Glimpse
from ..display.sentence import sentence, standing
from ..errors import CollapseError, InputError, NonFiniteError, calling, check_number, check_whole
from ..files import read_json, regular
from ..latents import CHUNK, Latent, chunks, generate, label_chunks, normal_latent, rows, truncated
from ..metrics import Protocol
from ..metrics.summary import short
from ..models.build import NoGenerator, generator_of, networks
from ..quantities import tone
from ..types import Batch
from ..types.batch import form_of, leaves, mapped, places_of
from ..types.labels import Conditions, occurring, spans
from . import checkpoint
from .checkpoint import DTYPES, Meta, TrainState, load_network
from .folder import RunFolder
from .records import read_records, times
from .shipped import Shipped, fetched, shipped_at

# Called as (run, iteration, record) at every tick. One with a function `notice(line)` learns what will take its time
# before the first iteration, one with a function `finish(run)` that a call of `fit` has ended, well or not.
Callback: TypeAlias = Callable[["Run", int, dict[str, Any]], None]


class Run(Shown):
    """A trained GAN: `G` is the average if there is one, `G_live` the trained network, `D` its opponent(s).

    For a discriminator trained alone, both are a `models.NoGenerator`, and there is nothing to sample.
    `settings` and `metrics` (one record per tick) are plain data; `events` are the log lines meant for the user.
    """

    def __init__(
        self,
        *,
        path: Path | None,
        G: nn.Module,
        G_live: nn.Module,
        D: nn.Module | Mapping[str, nn.Module],
        latent: Latent,
        settings: dict[str, Any],
        metrics: list[dict[str, Any]],
        equilibrium: tuple[float | None, float | None] = (None, None),
        units: tuple[Tensor, Tensor] | None = None,
        device: torch.device | None = None,
        prior: Tensor | None = None,
        data: dict[str, Any] | None = None,
        latent_dim: int | None = None,
        network_settings: dict[str, Any] | None = None,
    ) -> None:
        self.path, self.G, self.G_live, self.D = path, G, G_live, D
        self.settings, self.metrics, self.equilibrium = settings, metrics, equilibrium
        self.device = device or torch.device("cpu")
        self.data = data or {}
        self.latent_dim, self.network_settings = latent_dim, network_settings
        self.iteration = 0
        self.wall_time = 0.0  # seconds of training
        self.iterations_per_second = 0.0
        self.events: list[str] = []
        self.notes: list[str] = []  # how it is executed
        self.modes: int | None = None  # known to be in the data
        self.behind: Tensor | None = None  # some real samples, in the data's units
        self.beside = 1  # runs of its stack that are still training, itself included
        self.failure: NonFiniteError | CollapseError | None = None  # what it stopped at
        self.protocol = ""
        self.protocols: dict[str, Protocol] = {}  # of each figure
        self.reference: dict[str, float] = {}  # what real data gets
        self.conditions: Conditions | None = None  # for which samples are made, while the data are at hand
        self._latent, self._units, self._prior = latent, units, prior

    def _card(self, picture: bool) -> Card:
        name = self.settings.get("recipe", self.data.get("name", "data"))
        where = "" if self.path is None else f" in {self.path}"
        failure = "" if self.failure is None else f"stopped: {self.failure}"
        lines = [failure or sentence(self.metrics, self.modes), self._next()]
        title = f"Run {name}, seed {self.settings.get('seed', 0)}: {self.iteration:,} iterations{where}"
        rows = short(self.metrics, self.reference, self.modes)
        told = tone(*standing(self.metrics)) if self.metrics else ""
        return Card(title, lines, rows, self._glimpse() if picture else None, told)

    def _next(self) -> str:
        """What can be done with it."""
        report = "" if self.path is None else f", sg.report({str(self.path)!r})"
        return "" if isinstance(self.G, NoGenerator) else f"more: run.sample(8), run.metrics{report}"

    def _glimpse(self) -> Glimpse | None:
        """A few samples to be drawn small, where there are some that can be."""
        image = bool(self.data.get("image"))
        try:
            made = self.sample(MOST if image else POINTS)
        except (InputError, RuntimeError):  # no generator, or latents of one's own
            return None
        real = None if image else self.behind
        if real is None and not image and self.path is not None:
            with suppress(Exception), np.load(regular(RunFolder(self.path).real)) as arrays:  # damaged: it raises all
                real = torch.from_numpy(arrays["points"])
        return glimpse_of(made, image, real if real is None else real[:POINTS])

    @property
    def conditional(self) -> bool:
        """Whether G takes a class beside z."""
        return self._prior is not None

    @property
    def classes(self) -> int | None:
        """Number of classes of a conditional G, else None."""
        return None if self._prior is None else max(int(self._prior.max()) + 1, len(self.data.get("class_names", ())))

    @property
    def units(self) -> tuple[Tensor, Tensor] | None:
        """(offset, scale), where samples in the data's units are G(z) * scale + offset; None where G gives them."""
        return self._units

    def sample(
        self,
        n: int,
        seed: int = 0,
        weights: Literal["ema", "live"] = "ema",
        label: int | None = None,
        truncation: float | None = None,
        interpolate: int | None = None,
        given: Any = None,
    ) -> Tensor:
        """n samples (n, *shape) in the data's units; the first 8 of `sample(64, s)` are `sample(8, s)`.

        For conditions, as many as are asked for are made at once, so that the two are equal up to rounding.
        See `stream` for the arguments and the errors.
        """
        return torch.cat([batch.x for batch in self.stream(n, seed, weights, label, truncation, interpolate, given)])

    def stream(
        self,
        n: int,
        seed: int = 0,
        weights: Literal["ema", "live"] = "ema",
        label: int | None = None,
        truncation: float | None = None,
        interpolate: int | None = None,
        given: Any = None,
    ) -> Iterator[Batch]:
        """n samples, up to 256 at a time, with the classes and conditions for which they were made.

        weights: "ema" for the average (the live network where there is none), "live" for the network as trained.
        label: the class of all samples; None draws classes with the frequencies of the training data.
        truncation: z from a normal distribution truncated at +- this number. interpolate: rows of this many, each
        from one latent to another along a great circle. given: conditions, as many as one likes, for which samples are
        made in turns; by default those of held-out data, or of the training data, while the run is in memory.
        Raises InputError for n below 1, conditions that are missing or have no use, other weights, a class that does
        not exist, latents that are not normal, or a run without a generator.
        """
        self.check_generates()
        check_whole("n", n, 1)
        if weights not in ("ema", "live"):
            raise InputError(f"weights must be 'ema' or 'live', not {weights!r}")
        self._check_classes(label)
        if self.latent_dim is None and (truncation is not None or interpolate is not None):
            raise InputError("this run draws latents with its own function: truncate or interpolate there")
        conditions = self.asked(given, label)
        if conditions is not None and (interpolate is not None or (truncation is not None and not self.latent_dim)):
            what = "truncation" if interpolate is None else "interpolate"
            raise InputError(f"expected no {what}, because this run's samples are made for conditions: leave it out")
        z = chunks(self._latent, seed, self.device)
        classes: Iterator[Tensor] | None = None
        if self._prior is not None:
            classes = label_chunks(self._prior.to(self.device), seed)
            if label is not None:
                classes = repeat(self._all_of(label, CHUNK))
        if truncation is not None:
            bound = truncation
            check_number("truncation", bound, 0, above=True)
            z = (truncated(part, bound) for part in z)
        if conditions is not None:
            return self._for_conditions(conditions, n, z, self.G if weights == "ema" else self.G_live)
        if interpolate is not None:
            check_whole("interpolate", interpolate, 2)
            pairs: Iterator[tuple[Tensor, Tensor | None]] = rows(z, classes, interpolate)
        else:
            pairs = zip(z, classes if classes is not None else repeat(None), strict=False)
        return self._generated(pairs, n, self.G if weights == "ema" else self.G_live)

    def asked(self, given: Any, label: int | None = None) -> Conditions | None:
        """What samples are made for, where G takes conditions."""
        kept, described = self.conditions, self.data.get("given")
        if described is None and kept is None:
            if given is not None:
                raise InputError("expected no conditions, because this run's data have none, got some: leave them out")
            return None
        if given is None:
            if kept is None:
                raise InputError(
                    f"expected conditions, which G takes, got none, and the data are not at hand: pass given= with "
                    f"{described}, such as run.sample(8, given=x)"
                )
            return kept if label is None else replace(kept, label=self._all_of(label, kept.size))
        if self.conditional and label is None:
            raise InputError("expected label= beside given=, as this run's generator takes classes, got none: pass one")
        given = mapped(as_condition, given)
        form, first = form_of(given), next(iter(leaves(given)), None)
        count = 0 if first is None or not first.ndim else first.shape[0]
        if not count or (described is not None and places_of(form) != places_of(described)):
            got = f"{form} for {count}" if first is not None else "none"
            raise InputError(f"expected conditions of the form {described}, one or more, got {got}: pass such")
        Batch(torch.empty(count), None, given).check()
        dtype = next(self.G.parameters()).dtype
        read = partial(decoded, device=self.device, dtype=dtype, numbers=True)
        return Conditions(None if label is None else self._all_of(label, count), given, read)

    def _all_of(self, label: int, count: int) -> Tensor:
        return torch.full((count,), label, dtype=torch.int64, device=self.device)

    def _for_conditions(self, asked: Conditions, n: int, z: Iterator[Tensor], network: nn.Module) -> Iterator[Batch]:
        """Samples for conditions in their order, from the first on again after the last."""
        for first, part in zip(range(0, n, CHUNK), z, strict=False):
            count = min(CHUNK, n - first)
            label, given = asked.at(torch.arange(first, first + count, device=self.device) % asked.size)
            with calling(f"G cannot take conditions of the form {form_of(given)}", "pass those of its training"):
                x = generate(network, part[:count], count, label, given)
            yield Batch(x if self._units is None else restored(x, *self._units), label, given)

    def check_generates(self) -> None:
        """Raises InputError where a discriminator was trained alone."""
        if isinstance(self.G, NoGenerator):
            raise InputError(
                "expected a run with a generator, got a discriminator trained alone on fixed fakes: train a G with it"
            )

    def _generated(self, pairs: Iterator[tuple[Tensor, Tensor | None]], n: int, network: nn.Module) -> Iterator[Batch]:
        done = 0
        while done < n:
            z, label = next(pairs)
            count = min(z.shape[0], n - done)
            x = generate(network, z, count, label)
            if self._units is not None:
                x = restored(x, *self._units)
            yield Batch(x, None if label is None else label[:count])
            done += count

    def _check_classes(self, label: int | None) -> None:
        if label is None:
            return
        classes = self.classes
        if classes is None or self._prior is None:
            raise InputError(
                f"expected no label, because this run's generator has no classes, got {label}: leave it out"
            )
        known = occurring(self._prior)
        if isinstance(label, bool) or not isinstance(label, int) or label not in known:
            which = f"from 0 to {classes - 1}" if len(known) == classes else f"among those of the data, {spans(known)}"
            raise InputError(f"expected a label {which}, got {label!r}: choose one of the classes")


def meta_of(run: Run) -> dict[str, Any]:
    """What a checkpoint holds beside the state, so that `load` needs nothing else."""
    units = {} if run.units is None else {"offset": run.units[0].cpu(), "scale": run.units[1].cpu()}
    return {
        "latent_dim": run.latent_dim,
        "equilibrium": list(run.equilibrium),
        "protocol": run.protocol,
        "protocols": {name: protocol.plain() for name, protocol in run.protocols.items()},
        "reference": run.reference,
        "networks": run.network_settings,
        "units": units,
        "data": run.data["digest"],
        "about": run.data,
    }


@plain_modes()
def load(path: str | Path, G: nn.Module | None = None, D: Any = None, device: str = "auto") -> Run:
    """Loads a run from its folder, at its newest checkpoint.

    The networks of a recipe's run are built from its settings; your own modules are passed as `G` and `D` (a
    module, or a mapping of them), in their untrained form. The folder of an export is a run without a D and without
    records, for sampling; so is the generator at `hf://owner/name`, fetched from the Hugging Face Hub, and, if there is
    no such folder, one that is shipped under a recipe's name, such as showcase/mnist. Raises InputError when the
    folder holds no run.
    """
    path = fetched(path)
    folder = RunFolder(Path(path))
    if not folder.settings.exists():
        if (generator := shipped_at(path)) is not None:
            return _of_card(generator, choose_device(device), G)
        raise InputError(f"{path} holds no run (no settings.json): use the folder that train printed")
    newest = folder.newest
    if newest is None:
        raise InputError(f"{path} holds no checkpoint yet: start or continue it with --resume")
    content = checkpoint.read(newest)
    state: TrainState = content["state"]
    meta: Meta = content["meta"]
    settings = read_json(folder.settings)
    where = choose_device(device)
    if G is None and "recipe" not in settings and settings.get("fakes") is not None:
        G = NoGenerator()
    if G is None or D is None:
        if "recipe" not in settings:
            raise InputError(f"{path} was trained with your own modules: pass them to load(path, G=..., D=...)")
        built_g, built_d = networks(meta.networks or {})
        G, D = G or built_g, D or built_d
    D = deepcopy(D)
    opponents: dict[str, nn.Module] = dict(D) if isinstance(D, Mapping) else {"D": D}
    live, average = deepcopy(G), deepcopy(G)
    for network in (live, average, *opponents.values()):
        network.to(dtype=DTYPES[meta.plan.dtype])
    load_network(live, state.networks["G"], "G")
    if state.ema:
        load_network(average, state.ema, "the average of G")
    for name, network in opponents.items():
        load_network(network, state.networks.get(name, {}), name)
    for network in (live, average, *opponents.values()):
        network.to(where).eval().requires_grad_(False)
    dim, data, counts = meta.latent_dim, dict(content.get("about", {})), meta.about.class_counts
    run = Run(
        path=Path(path),
        G=average if state.ema else live,
        G_live=live,
        D=opponents if isinstance(D, Mapping) else D,
        latent=_no_latent if dim is None else normal_latent(dim, next(live.parameters()).dtype),
        settings=settings,
        metrics=read_records(folder.metrics),
        equilibrium=meta.equilibrium,
        units=(meta.units["offset"], meta.units["scale"]) if meta.units else None,
        device=where,
        prior=None if counts is None else torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
        data=data,
        latent_dim=dim,
        network_settings=meta.networks,
    )
    run.iteration = int(state.iteration)
    run.wall_time, run.iterations_per_second = times(folder.timing)
    run.protocol, run.protocols, run.reference = meta.protocol, meta.protocols, meta.reference
    known = DATA.known.get(str(data.get("name")))
    run.modes = getattr(known, "modes", None) or (None if counts is None else len(counts))
    return run


def _of_card(found: Shipped, device: torch.device, own: nn.Module | None) -> Run:
    """The run of a generator that was kept without it: its own module, or one built from the card."""
    from safetensors.torch import load as tensors

    card, bounds, counts = found.card, None, None
    with found.reading():
        dtype, output = DTYPES[card["latent"]["dtype"]], card["output"]
        saved = {
            key: value.to(dtype) if value.is_floating_point() else value
            for key, value in tensors(found.weights()).items()
        }
        if own is None and card["network"] is None:
            raise InputError(f"{found.name} was trained with your own modules: pass G to load(path, G=...)")
        network = generator_of(card["network"]) if own is None else deepcopy(own)
        load_network(network.to(dtype), saved, "G")
        network.to(device).eval().requires_grad_(False)
        data: dict[str, Any] = {**card["data"], "image": output["kind"].startswith("images")}
        if (units := card.get("units")) is not None:
            kind = DTYPES[output["dtype"]]
            bounds = torch.tensor(units["offset"], dtype=kind), torch.tensor(units["scale"], dtype=kind)
        if (classes := card.get("classes")) is not None:
            counts = list(classes["training_samples"] or [1] * classes["count"])
            data |= {"class_names": classes["names"], "class_counts": counts}
        dim = card["latent"]["dim"]
        run = Run(
            path=None,
            G=network,
            G_live=network,
            D={},
            latent=normal_latent(dim, dtype),
            settings=card["settings"],
            metrics=[],
            units=bounds,
            device=device,
            prior=None if counts is None else torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
            data=data,
            latent_dim=dim,
            network_settings=None if card["network"] is None else {"generator": card["network"]},
        )
        run.iteration, run.protocol = card["iteration"], card["metrics"]["protocol"]
    return run


def _no_latent(n: int, generator: torch.Generator) -> Tensor:
    raise InputError("this run drew latents with its own function: call run.G(z) with your latents")
