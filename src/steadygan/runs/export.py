"""A generator for use without steadygan: its weights, a program that makes samples, and a card that describes it."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from .. import __version__
from ..devices import borrowed, plain_modes
from ..errors import InputError, first_line
from ..files import added, read_json
from ..metrics.summary import At, final_and_best
from ..types.batch import mapped
from ..types.critic import evaluating
from ..types.labels import Conditions, label_parameter, made_for
from .run import Run
from .shipped import CARD, FILES, PROGRAM, WEIGHTS

FORMAT = 1
TOLERANCE = 1e-6  # of the largest number, or of 1
COMPARED = (1, 5)  # sizes of batches


class Generator(nn.Module):
    """z, or z and label, to samples in the data's units."""

    offset: Tensor | None
    scale: Tensor | None

    def __init__(self, G: nn.Module, units: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.G, self.name = G, label_parameter(G)
        offset, scale = units or (None, None)
        self.register_buffer("offset", offset)
        self.register_buffer("scale", scale)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.in_units(self.G(z) if label is None or self.name is None else self.G(z, **{self.name: label}))

    def in_units(self, x: Tensor) -> Tensor:
        """Samples in the data's units."""
        return x if self.scale is None or self.offset is None else x * self.scale + self.offset


class Conditional(Generator):
    """z and conditions to samples in the data's units."""

    def forward(self, z: Tensor, given: Any) -> Tensor:  # type: ignore[override]
        return self.in_units(made_for(self.G, z, None, given))


class Translator(Generator):
    """Conditions alone to samples in the data's units."""

    def forward(self, given: Any) -> Tensor:  # type: ignore[override]
        return self.in_units(made_for(self.G, torch.empty(1, 0), None, given))


@plain_modes()
def export(run: Run, out: str | Path, weights: Literal["ema", "live"] = "ema", *, given: Any = None) -> dict[str, Any]:
    """Writes generator.safetensors, generator.pt2 and card.json to the folder `out`, and returns the card.

    weights: as in `Run.stream`. The program takes z (n, latent_dim), of a conditional run label (n,) int64 too, or z
    and conditions, or these alone where G has no latents, for any n, and gives samples in the data's units, as G does:
    this is checked before anything is in place, with the conditions `given`, or those of the data while the run is in
    memory. Raises InputError for a run without a generator, for custom latents, for conditions that are missing or come
    with classes, and for a network that torch.export cannot export.
    """
    if weights not in ("ema", "live"):
        raise InputError(f"weights must be 'ema' or 'live', not {weights!r}")
    run.check_generates()
    place, dim = Path(out), run.latent_dim
    _check_free(place)
    if dim is None:
        raise InputError("expected normal latents, got a function of this run's own: save run.G.state_dict() yourself")
    network = deepcopy(run.G if weights == "ema" else run.G_live).cpu().requires_grad_(False)
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    units = None
    if run.units is not None:
        offset, scale = (part.to("cpu", torch.promote_types(part.dtype, dtype)) for part in run.units)
        units = offset, scale
    asked = run.asked(given)
    kind = Generator if asked is None else Conditional if dim else Translator
    model = kind(network, units).eval()
    tensors = {name: value.detach().contiguous().clone() for name, value in network.state_dict().items()}
    inputs = [_inputs(run, dim, dtype, n, asked) for n in COMPARED]
    card = _card(run, model, "live" if run.G is run.G_live else weights, inputs[0], dtype)

    from safetensors.torch import save

    said = {key: str(card[key]) for key in ("name", "iteration", "weights", "steadygan")}
    program = _program(model, inputs[-1])
    with added(place) as part:
        (part / WEIGHTS).write_bytes(save(tensors, {"format": "pt", **said}))
        (part / PROGRAM).write_bytes(program)
        _compare(part / PROGRAM, model, inputs)
        (part / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def _check_free(place: Path) -> None:
    """Raises InputError where files of these names are there that no export left."""
    there = [name for name in FILES if (place / name).exists()]
    with suppress(InputError):
        if "steadygan" in read_json(place / CARD):
            return
    if there:
        raise InputError(
            f"expected no {there[0]} but an older export's in {place}, found another: choose another --out"
        )


def _inputs(run: Run, dim: int, dtype: torch.dtype, n: int, asked: Conditions | None) -> tuple[Any, ...]:
    """(z,), (z, label), (z, given) or (given,) for n samples."""
    z = torch.randn(n, dim, generator=torch.Generator().manual_seed(n), dtype=dtype)
    if asked is not None:
        label, given = asked.at(torch.arange(n, device=run.device) % asked.size)
        if label is not None and run.conditional:
            raise InputError(
                "expected a generator of conditions without classes, got one of both: save run.G.state_dict() yourself"
            )
        given = mapped(lambda leaf: leaf.cpu(), given)
        return (z, given) if dim else (given,)
    return (z,) if run.classes is None else (z, torch.arange(n) % run.classes)


def _program(model: Generator, inputs: tuple[Any, ...]) -> bytes:
    """The .pt2 file: the model for batches of any size."""
    n = torch.export.Dim("n")
    shapes = tree_map(lambda _: {0: n}, inputs)
    content = BytesIO()
    try:
        with borrowed(0), torch.no_grad():
            torch.export.save(torch.export.export(model, inputs, dynamic_shapes=shapes), content)
    except Exception as error:  # whatever a forward of the user's does to torch's tracing
        raise InputError(
            f"expected a generator that torch.export can export, got one it cannot ({first_line(error)}): make "
            "its forward independent of values and batch size, or save run.G.state_dict() yourself"
        ) from error
    return content.getvalue()


def _compare(path: Path, model: Generator, inputs: list[tuple[Any, ...]]) -> None:
    """Raises InputError unless the program on disk gives what the model gives, for every size of batch."""
    program = torch.export.load(path).module()
    for given in inputs:
        with borrowed(0), torch.no_grad():
            found = program(*given)
        with borrowed(0), evaluating(model):
            wanted = model(*given)
        most = float(wanted.abs().nan_to_num(0.0, 0.0, 0.0).max())
        if not torch.allclose(found, wanted, rtol=0.0, atol=TOLERANCE * max(1.0, most), equal_nan=True):
            apart = float((found - wanted).abs().max())
            raise InputError(
                f"expected the program to return what G returns, got numbers that differ by {apart:.3g}: "
                "leave random numbers and state out of its forward"
            )


def _card(run: Run, model: Generator, weights: str, inputs: tuple[Any, ...], kind: torch.dtype) -> dict[str, Any]:
    network, image, data = model.G, bool(run.data.get("image", False)), run.data
    with borrowed(0), torch.no_grad(), evaluating(model):
        shape = [*model(*inputs).shape[1:]]
    name = run.settings.get("recipe") or (run.path.resolve().name if run.path is not None else data.get("name", "G"))
    settings, parts, dtype = run.network_settings, [*network.named_modules()], str(kind).removeprefix("torch.")
    bounded = isinstance(parts[-1][1], nn.Tanh)  # modules stand in the order in which they act, if they are a sequence
    return {
        "format": FORMAT,
        "name": str(name),
        "steadygan": __version__,
        "torch": str(torch.__version__),
        "iteration": run.iteration,
        "weights": weights,
        "parameters": sum(p.numel() for p in network.parameters()),
        "latent": {"dim": run.latent_dim, "distribution": "standard normal", "dtype": dtype},
        "output": {
            "kind": "images (n, c, h, w)" if image else "samples in the data's units",
            "shape": shape,
            "dtype": dtype if run.units is None else str(torch.promote_types(kind, run.units[0].dtype))[6:],
            "range": [-1.0, 1.0] if image and bounded else None,
        },
        "units": None if run.units is None else {"offset": run.units[0].tolist(), "scale": run.units[1].tolist()},
        "classes": None
        if run.classes is None
        else {
            "count": run.classes,
            "names": list(data.get("class_names", ())),
            "training_samples": data.get("class_counts"),
        },
        "network": None if settings is None else settings["generator"],
        "layers": {key: _layer(part) for key, part in parts if not [*part.children()]},
        "data": {key: data.get(key) for key in ("name", "shape", "size", "digest", "licence")},
        "metrics": _metrics(run),
        "settings": run.settings,
        "load": _load(_called(run, dtype, isinstance(model, Conditional | Translator)), shape, image, bounded),
    }


def _layer(part: nn.Module) -> str:
    """Its repr under the name of torch's class, where ours only adds to it."""
    own = type(part)
    theirs = next((kind for kind in own.__mro__ if kind.__module__.startswith("torch.nn")), own)
    return repr(part).replace(f"{own.__name__}(", f"{theirs.__name__}(", 1)


def _metrics(run: Run) -> dict[str, Any]:
    """Every figure at the end and at its best; the best alone would hide a collapse."""

    def told(at: At) -> dict[str, Any]:
        return {"value": at.value if isfinite(at.value) else str(at.value), "iteration": at.iteration}

    return {
        "protocol": run.protocol,
        "weights": "live" if run.G is run.G_live else "ema",
        "figures": {
            row.key: {"final": told(row.final), "best": told(row.best)}
            | ({} if row.peak is None else {"peak": told(row.peak)})
            for row in final_and_best(run.metrics)
        },
    }


def _called(run: Run, dtype: str, given: bool) -> str:
    """What the program is called with, for 8 samples."""
    z = f"torch.randn(8, {run.latent_dim}{'' if dtype == 'float32' else f', dtype=torch.{dtype}'})"
    if given:
        return f"{z}, given" if run.latent_dim else "given"
    return z if run.classes is None else f"{z}, torch.zeros(8, dtype=torch.int64)"


def _load(call: str, shape: list[int], image: bool, bounded: bool) -> list[str]:
    """How to load it, in three lines."""
    pixels = f"{'values in [-1, 1]' if bounded else 'clamp to [-1, 1]'}, pixel = floor((x + 1) * 127.5 + 0.5)"
    what = pixels if image else "in the data's units"
    return [
        f'import torch; G = torch.export.load("{PROGRAM}").module()',
        f"x = G({call})  # (8, {', '.join(map(str, shape))}), {what}",
        f'weights = safetensors.torch.load_file("{WEIGHTS}")  # alone: the state dict of `layers`, before any `units`',
    ]
