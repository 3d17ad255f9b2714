"""The samples of a run as they developed: points over the critic's surface, or grids of images, few and small."""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from io import BytesIO
from math import ceil, log10
from pathlib import Path
from typing import Any

import numpy as np

from ..runs.folder import RunFolder
from ..runs.history import RunHistory, real_points
from ..viz.clouds import (
    Array,
    Snapshot,
    capped,
    logit_scale,
    share_outside,
    snapshot,
    thin,
    view,
)
from .charts import rounded
from .evolution import picked

POINTS = 500  # of each kind that a panel shows
FRAMES = 24  # of one run
BUDGET = 3_000_000  # bytes that all samples of a page may take
LARGE = 60_000  # bytes of a grid, above which it is compressed with loss
WIDEST = 640  # pixels of such a grid
LEVELS = 255  # steps of the surface's logits


def shots(run: RunHistory, budget: int, real: bool = False) -> dict[str, Any] | None:
    """The data that the page needs to show a run's samples, in at most about `budget` bytes; None without samples.

    real: see `real_points`.
    """
    for suffix, read in ((".npz", partial(_points, asked=real)), (".png", _images)):
        files = RunFolder(run.path).shots(suffix)
        if files and (found := read(run, files, budget)) is not None:
            return found
    return None


def _points(run: RunHistory, files: list[Path], budget: int, asked: bool) -> dict[str, Any] | None:
    each = 14 * POINTS + 7_000  # bytes of a frame, about
    chosen = picked(files, min(FRAMES, max(2, budget // each)))
    read = [shot for path in chosen if (shot := snapshot(path)) is not None]
    if not read:
        return None
    columns = read[0].points.shape[1]
    shown = [shot._replace(points=shot.points[:, :2]) for shot in read if shot.points.shape[1] == columns]
    real = real_points(run.path, run.settings, POINTS, asked)
    real = None if real is None or real.shape[1:] != (columns,) else thin(real[:, :2], POINTS)
    everything = real if real is not None else np.concatenate([shot.points for shot in shown])
    box = view(everything, shown)
    centre, half = logit_scale([shot.surface for shot in shown if shot.surface is not None])
    return {
        "kind": "points",
        "axes": ["x1 (data units)", "x2 (data units)"],
        "columns": columns,
        "box": list(box),
        "centre": float(f"{centre:.4g}"),
        "half": float(f"{half:.4g}"),
        "real": None if real is None else _flat(real, box),
        "frames": [_frame(shot, box, centre, half) for shot in shown],
        "of": len(files),
    }


def _frame(shot: Snapshot, box: tuple[float, float, float, float], centre: float, half: float) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "iteration": shot.iteration,
        "points": _flat(thin(shot.points, POINTS), box),
        "outside": round(share_outside(shot.points, box), 3),
    }
    if shot.surface is not None and shot.extent is not None:
        frame |= {"surface": _levels(shot.surface, centre, half), "shape": list(shot.surface.shape)}
        frame["extent"] = list(shot.extent)
        if shot.slope is not None:
            frame |= {"arrows": _arrows(shot.slope), "grid": list(shot.slope.shape[:2])}
    return frame


def _arrows(slope: Array) -> str:
    """(u, v) as bytes -127 to 127, row by row."""
    return b64encode(np.round(127.0 * capped(slope)).astype(np.int8).tobytes()).decode("ascii")


def _levels(surface: Array, centre: float, half: float) -> str:
    """Logits from centre - half to centre + half as bytes 0 to 254, row by row; 255 is what is not finite."""
    scaled = (np.asarray(surface, dtype=np.float64) - centre) / half
    finite = np.isfinite(scaled)
    steps = np.round((np.clip(np.where(finite, scaled, 0.0), -1.0, 1.0) + 1.0) / 2.0 * (LEVELS - 1))
    return b64encode(np.where(finite, steps, LEVELS).astype(np.uint8).tobytes()).decode("ascii")


def _flat(points: Array, box: tuple[float, float, float, float]) -> list[float | None]:
    """x, y, x, y, ... with four digits, and as many more as the box lies farther from 0 than it is wide."""
    far = max(max(abs(low), abs(high)) / max(high - low, 1e-300) for low, high in (box[:2], box[2:]))
    return rounded(np.asarray(points, dtype=np.float64).ravel(), 4 + max(0, min(13, ceil(log10(max(far, 1.0))))))


def _images(run: RunHistory, files: list[Path], budget: int) -> dict[str, Any] | None:
    known = next(((path, uri) for path in reversed(files) if (uri := _uri(path)) is not None), None)
    if known is None:
        return None
    last, uri = known
    frames = [{"iteration": int(last.stem), "uri": uri}]
    spent = len(uri)
    for path in picked(files[: files.index(last) + 1], min(FRAMES, budget // len(uri)))[:-1]:
        found = _uri(path)
        if found is not None and spent + len(found) <= 1.5 * budget:  # early grids are noise, which takes more
            spent += len(found)
            frames.append({"iteration": int(path.stem), "uri": found})
    return {"kind": "images", "frames": sorted(frames, key=lambda frame: frame["iteration"]), "of": len(files)}


def _uri(path: Path) -> str | None:
    """The picture as a data URI, as it is where it is small; None for a file that is no picture."""
    try:
        content = path.read_bytes()
        from PIL import Image

        with Image.open(BytesIO(content)) as image:
            image.load()
            if image.format == "PNG" and len(content) <= LARGE:
                return f"data:image/png;base64,{b64encode(content).decode('ascii')}"
            picture = image.convert("RGB")
            if picture.width > WIDEST:
                size = WIDEST, max(1, round(picture.height * WIDEST / picture.width))
                picture = picture.resize(size, Image.Resampling.LANCZOS)
            small = BytesIO()
            picture.save(small, "WEBP", quality=80, method=4)
    except Exception:
        return None
    return f"data:image/webp;base64,{b64encode(small.getvalue()).decode('ascii')}"
