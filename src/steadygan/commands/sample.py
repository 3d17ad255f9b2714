"""`steadygan sample`: samples from a run, into a file of the kind its name asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..config import saved
from ..errors import InputError, unknown
from .console import stdout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..engine.run import Run

    Samples = NDArray[np.floating]

FORMATS = (".npz", ".npy", ".csv", ".png")


def sample(folder: Path, n: int, out: Path | None, seed: int, weights: str) -> int:
    """Draws n samples and writes them; with the same seed, a longer draw begins like a shorter one."""
    kind = _weights(weights)
    path = folder / f"drawn-{n}-seed-{seed}.npz" if out is None else out
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"expected --out to end in {', '.join(FORMATS)}, got '{path}': rename it")
    _check_run(folder)
    from ..engine.run import load

    run = load(folder)
    drawn = run.sample(n, seed, kind).cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, drawn, run)
    averaged = kind == "ema" and run.G is not run.G_live
    origin = f"iteration {run.iteration:,}, {'EMA' if averaged else 'live'} weights, seed {seed}"
    stdout().print(f"{n:,} samples of {folder} ({origin}): {path}")
    return 0


def _weights(name: str) -> Literal["ema", "live"]:
    if name not in ("ema", "live"):
        raise unknown("weights", name, ("ema", "live"))
    return "ema" if name == "ema" else "live"


def _check_run(folder: Path) -> None:
    """Says before torch is imported that there is no run, and which ones are near."""
    if saved(folder) is not None:
        return
    near = sorted(str(path.parent) for path in folder.glob("*/settings.json")) if folder.is_dir() else []
    hint = f"did you mean {near[0]}?" if near else "give the folder that train printed"
    raise InputError(f"{folder} holds no run (no settings.json): {hint}")


def _write(path: Path, drawn: Samples, run: Run) -> None:
    """Writes beside and renames, so that a full disk leaves no half a file."""
    import numpy as np

    beside = path.with_name(f".{path.stem}.part{path.suffix}")
    writers: dict[str, Callable[[], Any]] = {
        ".npz": lambda: np.savez(beside, samples=drawn),
        ".npy": lambda: np.save(beside, drawn),
        ".csv": lambda: np.savetxt(
            beside, drawn.reshape(len(drawn), -1), delimiter=",", fmt=f"%.{np.finfo(drawn.dtype).precision + 3}g"
        ),
        ".png": lambda: _draw(beside, drawn, run),
    }
    try:
        writers[path.suffix.lower()]()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _draw(path: Path, drawn: Samples, run: Run) -> None:
    """Images as a grid, points beside real ones."""
    from ..config import Settings
    from ..recipes.build import source
    from ..viz.samples import evolution_strip, image_grid, scatter_matrix

    data = source(Settings.check(run.settings))
    if data.image_shape is not None:
        image_grid(drawn.reshape(-1, *data.image_shape), path)
        return
    import torch

    real = data.restore(data.fresh(max(1000, len(drawn)), torch.Generator().manual_seed(0)))
    title = str(run.settings["recipe"])
    if data.shape == (2,):
        evolution_strip(real.numpy(), [(run.iteration, drawn, None, None)], path, title)
    else:
        scatter_matrix(real.numpy(), drawn, path, title)
