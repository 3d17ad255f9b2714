"""Samples as pixels within milliseconds, for pictures that are made during training: no matplotlib, no axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..display.glimpse import FAKE, REAL
from ..files import RESUME, beside
from .canvas import INK, QUIET
from .clouds import Array, Box, Snapshot, column_limits, logit_scale, share_outside, thin, view

Pixels = NDArray[np.uint8]
SIDE, HEAD = 432, 30  # pixels of the square that points are drawn in, and of the line above it
MOST = 1000  # points of each kind that are drawn
SHADES = ("#F0A870", "#F9DCC4", "#FFFFFF", "#C6DFF0", "#74B3DC")  # of D's logits, from fake to real
UNKNOWN = "#BBBBBB"  # where a logit is not finite
STEPS = 32  # shades of the ground: more would only make the file larger
BINS = 48  # of a histogram
FAR = 4 * SIDE  # pixels from the page's edge beyond which no ground begins or ends
OPAQUE = 0.45, 0.85  # of one real point, and of a generated one


def raster(
    shot: Snapshot, real: Array | None, scale: tuple[float, float] | None = None, box: Box | None = None
) -> Pixels:
    """One snapshot as a picture (`SIDE` + `HEAD`, `SIDE`, 3): generated points over real ones and D's surface.

    Points (n, d) are drawn by their first two columns, with one column as a histogram. scale: centre and half-width of
    the logits' colours; box: the region shown. By default both are those of this snapshot; pass the same for every
    frame of a film.
    """
    points = np.asarray(shot.points, dtype=np.float64)
    known = None if real is None else np.asarray(real, dtype=np.float64)
    if points.shape[1] == 1:
        page, outside = _histogram(points[:, 0], None if known is None else known[:, 0], box), 0.0
    else:
        flat = shot._replace(points=points[:, :2])
        known = None if known is None else known[:, :2]
        box = view(flat.points if known is None else known, [flat]) if box is None else box
        box = (*_axis(*box[:2]), *_axis(*box[2:]))
        scale = logit_scale([] if shot.surface is None else [shot.surface]) if scale is None else scale
        page = _ground(flat, box, scale)
        for cloud, colour, radius, opaque in ((known, REAL, 3.2, OPAQUE[0]), (flat.points, FAKE, 2.2, OPAQUE[1])):
            if cloud is not None:
                _stamp(page, thin(cloud, MOST), box, rgb(colour), radius, opaque)
        outside = share_outside(flat.points, box)
    told = f"iteration {shot.iteration:,}" + (f", {outside:.0%} outside" if outside >= 0.01 else "")
    return headed(page, told, (("generated", FAKE), *((("real", REAL),) if known is not None else ())))


def write_png(page: Pixels, path: Path) -> None:
    """Writes a page as a PNG file, completely or not at all; fast rather than small."""
    from PIL import Image

    with beside(path, advice=RESUME) as part:
        Image.fromarray(page).save(part, "PNG", compress_level=1)


def rgb(colour: str) -> Array:
    """#RRGGBB as three numbers from 0 to 255."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def _ground(shot: Snapshot, box: Box, scale: tuple[float, float]) -> Pixels:
    """D's logits in their colours with a line where it is undecided, white where nothing is known of them."""
    page = np.full((SIDE, SIDE, 3), 255, np.uint8)
    if shot.surface is None or shot.extent is None or shot.surface.ndim != 2 or not shot.surface.size:
        return page
    from PIL import Image

    centre, half = scale
    levels = np.clip((np.asarray(shot.surface, dtype=np.float64) - centre) / half, -1.0, 1.0)
    bad = ~np.isfinite(levels)
    left, right, bottom, top = _places(shot.extent, box)
    size = max(1, right - left), max(1, bottom - top)

    def grown(values: Array, how: Image.Resampling) -> Array:
        return np.asarray(Image.fromarray(values[::-1].astype(np.float32)).resize(size, how))

    large = grown(np.where(bad, 0.0, levels), Image.Resampling.BILINEAR)
    table = np.stack([np.interp(np.linspace(-1, 1, STEPS), np.linspace(-1, 1, 5), row) for row in _shades().T], 1)
    steps = ((large + 1.0) * (0.5 * (STEPS - 1)) + 0.5).astype(np.uint8)
    drawn: Pixels = np.take(np.round(table).astype(np.uint8), steps, axis=0)
    above = large > 0.0
    if 0.0 < above.mean() < 1.0:
        line = np.zeros_like(above)
        line[:-1] |= above[:-1] ^ above[1:]
        line[:, :-1] |= above[:, :-1] ^ above[:, 1:]
        drawn[line] = rgb(QUIET)
    if bad.any():
        drawn[grown(bad, Image.Resampling.NEAREST) > 0.5] = rgb(UNKNOWN)
    rows, columns = slice(max(0, top), min(SIDE, top + size[1])), slice(max(0, left), min(SIDE, left + size[0]))
    page[rows, columns] = drawn[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return page


def _shades() -> Array:
    return np.stack([rgb(shade) for shade in SHADES])


def _axis(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis, others where a damaged file gives none that can be drawn between."""
    width = high - low
    return (low, high) if 0.0 < width < np.inf and np.isfinite(SIDE * (abs(low) + abs(high)) / width) else (-1.0, 1.0)


def _places(extent: Sequence[float], box: Box) -> tuple[int, int, int, int]:
    """Left, right, bottom and top of an extent in the page's pixels, counted from its upper left corner."""
    wide, tall = box[1] - box[0], box[3] - box[2]
    across = [SIDE * (edge - box[0]) / wide for edge in extent[:2]]
    down = [SIDE * (box[3] - edge) / tall for edge in extent[2:]]
    left, right, bottom, top = (round(min(max(place, -FAR), FAR)) for place in (*across, *down))
    return left, right, bottom, top


def _stamp(page: Pixels, points: Array, box: Box, colour: Array, radius: float, opaque: float) -> None:
    """Draws discs; where many lie on one place less and less of what is below shines through."""
    low, high = np.array([box[0], box[2]]), np.array([box[1], box[3]])
    with np.errstate(over="ignore", invalid="ignore"):  # far out is outside
        places = np.round(SIDE * (points - low) / (high - low) - 0.5)
    places = places[((places >= 0) & (places < SIDE)).all(1)].astype(np.int64)
    reach = int(np.ceil(radius))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    covers = np.clip(radius + 0.5 - np.hypot(dx, dy), 0.0, 1.0)  # of a pixel at the disc's edge, a part
    x, y = places[:, :1] + dx, (SIDE - 1 - places[:, 1:]) + dy
    inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
    hidden = np.log1p(-opaque * np.broadcast_to(covers, x.shape)[inside])
    total = np.bincount((y * SIDE + x)[inside], weights=hidden, minlength=SIDE * SIDE)
    drawn = np.flatnonzero(total)
    through, flat = np.exp(total[drawn])[:, None], page.reshape(-1, 3)
    flat[drawn] = np.round(flat[drawn] * through + colour * (1.0 - through))


def _histogram(fake: Array, real: Array | None, box: Box | None) -> Pixels:
    """Densities along one axis: real filled, generated as an outline."""
    low, high = _axis(*(column_limits(fake if real is None else real, 0.25) if box is None else box[:2]))
    bins = np.linspace(low, high, BINS + 1)
    rows = [(real, REAL, True), (fake, FAKE, False)][real is None :]
    shares = [np.histogram(row[np.isfinite(row)], bins)[0] / max(1, len(row)) for row, _, _ in rows if row is not None]
    highest = max(1e-12, *(float(share.max()) for share in shares))
    page, width = np.full((SIDE, SIDE, 3), 255, np.uint8), SIDE // BINS
    for share, (_, colour, filled) in zip(shares, rows, strict=True):
        tops = (SIDE - 1 - np.round(0.92 * (SIDE - 1) * share / highest)).astype(np.int64)
        before = SIDE - 1
        for i, top in enumerate(tops.tolist()):
            columns = slice(i * width, (i + 1) * width)
            if filled:
                page[top:, columns] = 255.0 + OPAQUE[0] * (rgb(colour) - 255.0)
            else:
                page[top : top + 2, columns] = rgb(colour)
                page[min(before, top) : max(before, top) + 2, columns.start : columns.start + 2] = rgb(colour)
            before = top
    return page


def headed(page: Pixels, told: str, legend: Sequence[tuple[str, str]] = ()) -> Pixels:
    """A page (height, width, 3) in a frame, below a line of text with names and colours at its right end."""
    from PIL import Image, ImageDraw, ImageFont

    width = page.shape[1]
    line = Image.new("RGB", (width, HEAD), "white")
    pen, font = ImageDraw.Draw(line), ImageFont.load_default(14)
    pen.text((8, HEAD // 2), told, INK, font, anchor="lm")
    x = width - 8.0
    for name, colour in legend:
        pen.text((x, HEAD // 2), name, INK, font, anchor="rm")
        x -= pen.textlength(name, font) + 12
        pen.ellipse((x - 4, HEAD // 2 - 4, x + 4, HEAD // 2 + 4), colour)
        x -= 16
    framed: Pixels = np.concatenate([np.asarray(line), page])
    framed[HEAD, :] = framed[-1, :] = framed[HEAD:, 0] = framed[HEAD:, -1] = 204
    return framed


def film(pages: Sequence[Pixels], colours: int = 64, last: int = 2000, each: int = 350) -> bytes:
    """Pages of equal size as a looping GIF; each page lasts `each` milliseconds, the last one `last`."""
    from io import BytesIO

    from PIL import Image

    frames = [Image.fromarray(page).quantize(colours, dither=Image.Dither.NONE) for page in pages]
    held, content = [each] * (len(frames) - 1) + [last], BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=held, loop=0)
    return content.getvalue()
