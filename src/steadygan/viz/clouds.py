"""Parts of the pictures of samples: the choice of snapshots, the critic's surface, clouds of points, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..display.glimpse import FAKE, REAL
from .canvas import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array: TypeAlias = NDArray[Any]
Box: TypeAlias = tuple[float, float, float, float]  # xmin, xmax, ymin, ymax


class Snapshot(NamedTuple):
    """Generated points at one iteration and the critic's logits on a grid; a plain tuple in this order also works."""

    iteration: int
    points: Array  # (m, 2)
    surface: Array | None = None  # (rows, columns) of logits, row 0 at ymin
    extent: Sequence[float] | None = None  # xmin, xmax, ymin, ymax of the surface
    slope: Array | None = None  # (rows, columns, 2) of grad log sigmoid(d) on the same extent


def snapshot(path: Path, least: int = 2) -> Snapshot | None:
    """The points of a file that a run saved, with the critic's surface and slopes where they can be drawn.

    None for a file that cannot be read, or whose points have fewer columns than `least`.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            points = np.asarray(arrays["points"], dtype=np.float64)
            surface, extent, slope = (arrays.get(key) for key in ("surface", "extent", "slope"))
    except Exception:  # a damaged file raises whatever its bytes lead to
        return None
    if points.ndim != 2 or points.shape[1] < least:
        return None
    whole = surface is not None and extent is not None and surface.ndim == 2 and np.isfinite(extent).all()
    if not whole or extent is None or extent.shape != (4,):
        return Snapshot(int(path.stem), points)
    drawable = slope is not None and slope.ndim == 3 and slope.shape[2] == 2 and slope.size > 0
    return Snapshot(int(path.stem), points, surface, [float(edge) for edge in extent], slope if drawable else None)


def capped(slope: Array) -> Array:
    """Arrows (..., 2) in units of the 95th percentile of their lengths, to which longer ones are cut; 0 if not finite.

    With the longest as the unit, one steep place would hide all others.
    """
    slope = np.asarray(slope, dtype=np.float64)
    finite = np.isfinite(slope[..., 0]) & np.isfinite(slope[..., 1])
    slope = np.where(finite[..., None], slope, 0.0)
    length = np.hypot(slope[..., 0], slope[..., 1])
    usual = float(np.percentile(length[finite], 95)) if finite.any() else 0.0
    return slope / np.maximum(length, usual)[..., None] if usual > 0.0 else np.zeros_like(slope)


def pick_panels(iterations: Sequence[int], most: int = 6) -> list[int]:
    """Positions of at most `most` of the sorted `iterations`, first and last among them, the rest even in log scale.

    Training changes most at the start: of 0, 1,000 ... 40,000 six panels show 0, 1,000, 3,000, 6,000, 16,000, 40,000.
    """
    count = len(iterations)
    if count <= most:
        return list(range(count))
    start = 1 if iterations[0] <= 0 else 0  # zero has no logarithm: it keeps a panel of its own
    free = most - start
    if free < 2:
        return [0, count - 1][-most:] if most > 0 else []
    scale = np.log(np.asarray(iterations[start:], dtype=np.float64))
    picked = [start]
    for step, target in enumerate(np.linspace(scale[0], scale[-1], free)[1:-1], start=1):
        first, last = picked[-1] + 1, count - (free - step)  # leave one for each panel still to come
        nearest = int(np.abs(scale[first - start : last - start + 1] - target).argmin())
        picked.append(first + nearest)
    return [0] * start + picked + [count - 1]


def view(real: Array, shown: Sequence[Snapshot]) -> Box:
    """What every panel shows: the union of the surfaces' extents, or the real points with a margin."""
    extents = np.array([s.extent for s in shown if s.extent is not None], dtype=np.float64).reshape(-1, 4)
    if len(extents):
        low, high = extents.min(0), extents.max(0)
        return float(low[0]), float(high[1]), float(low[2]), float(high[3])
    (xmin, xmax), (ymin, ymax) = (column_limits(column, 0.25) for column in np.asarray(real).T)
    return xmin, xmax, ymin, ymax


def column_limits(values: Array, margin: float) -> tuple[float, float]:
    """Lowest and highest finite value, widened by `margin` of their distance on either side."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    widen = margin * (high - low) if high > low else max(abs(low), 1.0) * margin
    return low - widen, high + widen


def logit_scale(surfaces: Sequence[Array]) -> tuple[float, float]:
    """Centre and half-width of the colour scale: 0 where logits of both signs occur, else the median logit.

    The half-width is the 95th percentile of all panels, so that far corners do not wash out the middle.
    """
    finite = [values[np.isfinite(values)] for values in (np.asarray(s, dtype=np.float64) for s in surfaces)]
    values = np.concatenate(finite) if finite else np.zeros(0)
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [1, 99])
    centre = 0.0 if low <= 0.0 <= high else float(np.median(values))
    return centre, max(float(np.percentile(np.abs(values - centre), 95)), 1e-6)


def draw_surface(axes: Axes, surface: Array, extent: Sequence[float], centre: float, half: float) -> Any:
    """The logits as pale blue (real) to pale orange (fake), with a line where the critic is undecided."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("fake-real", ["#F0A870", "#F9DCC4", "#FFFFFF", "#C6DFF0", "#74B3DC"])
    masked = np.ma.masked_invalid(np.asarray(surface, dtype=np.float64))
    left, right, bottom, top = (float(edge) for edge in extent)
    image = axes.imshow(
        masked,
        extent=(left, right, bottom, top),
        origin="lower",
        cmap=shades.with_extremes(bad="#BBBBBB"),
        vmin=centre - half,
        vmax=centre + half,
        interpolation="bilinear",
        zorder=0,
    )
    rows, columns = masked.shape
    if masked.count() and masked.min() < centre < masked.max() and masked.max() - masked.min() > 0.1 * half:
        x, y = np.linspace(left, right, columns), np.linspace(bottom, top, rows)
        axes.contour(x, y, masked, levels=[centre], colors=INK, linewidths=0.6, alpha=0.7, zorder=1)
    return image


def draw_clouds(axes: Axes, real: Array, fake: Array, most: int) -> None:
    """Real points as blue discs, generated ones as smaller vermilion discs on top; at most `most` of each."""
    real, fake = thin(real, most), thin(fake, most)
    size, alpha = (34.0, 0.55) if len(real) <= 300 else (22.0, 0.3)
    for (x, y), s, colour, a, label in ((real.T, size, REAL, alpha, "real"), (fake.T, 5.0, FAKE, 0.75, "generated")):
        axes.scatter(x, y, s=s, c=colour, alpha=a, label=label, linewidths=0.0, rasterized=True)


def thin(points: Array, most: int) -> Array:
    """At most `most` finite points, evenly picked: more would only darken the same places."""
    points = np.asarray(points, dtype=np.float64)
    points = points[np.isfinite(points).all(1)]
    if len(points) <= most:
        return points
    return points[np.linspace(0, len(points) - 1, most).astype(np.int64)]


def share_outside(points: Array, box: Box) -> float:
    """Share of the points that a panel does not show, including non-finite ones."""
    x, y = np.asarray(points, dtype=np.float64).T
    xmin, xmax, ymin, ymax = box
    inside = (x >= xmin) & (x <= xmax) & (y >= ymin) & (y <= ymax)
    return float(1.0 - inside.mean()) if len(x) else 0.0


def draw_histogram(axes: Axes, real: Array, fake: Array, limits: tuple[float, float]) -> None:
    """Densities of one column, real filled and generated as an outline; no scale, the areas are one."""
    bins = np.linspace(*limits, 41).tolist()
    real, fake = (v[np.isfinite(v) & (v >= limits[0]) & (v <= limits[1])] for v in (real, fake))
    if real.size:
        axes.hist(real, bins=bins, density=True, histtype="stepfilled", color=REAL, alpha=0.35)
    if fake.size:
        axes.hist(fake, bins=bins, density=True, histtype="step", color=FAKE, linewidth=1.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
