"""A small picture of a few samples: braille dots and half blocks for a terminal, SVG and PNG for a page; no numpy."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from struct import pack
from typing import TypeAlias

Point: TypeAlias = Sequence[float]  # two numbers
Colour: TypeAlias = tuple[int, int, int]  # 0..255
Image: TypeAlias = Sequence[Sequence[Colour]]  # rows of pixels
Span: TypeAlias = tuple[str, str]  # text and its style, "" for none

# Told apart with any colour vision [wong2011]; real is always blue, fake always vermilion.
REAL, FAKE = "#0072B2", "#D55E00"
BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # dots of a cell, from above, left and right
MARGIN = 0.08  # of the real data's extent, on each side
LEAST = 16  # pixels per side below which an image is not made smaller
SIDE = 160  # units of an SVG
MOST, POINTS = 16, 500  # images and points of a glimpse


@dataclass(frozen=True)
class Glimpse:
    """A few fakes in the plane with real points behind them, or a few fake images; or a PNG of either."""

    points: Sequence[Point] = ()
    real: Sequence[Point] = ()
    images: Sequence[Image] = ()
    file: bytes = b""  # a PNG, for pages alone

    def text(self, width: int, height: int, colours: bool = True) -> list[list[Span]]:
        """At most `height` lines of at most `width` characters each; none where there is too little room."""
        return self._blocks(width, height, colours) if self.images else self._dots(width, height, colours)

    def html(self) -> str:
        """The same for a page, in one element."""
        return self._html

    @cached_property
    def _html(self) -> str:
        if self.images or self.file:
            data = b64encode(self.file or png(sheet(self.images, 8))).decode("ascii")
            style = "image-rendering:pixelated;height:9em;max-width:100%"
            return f'<img alt="samples" style="{style}" src="data:image/png;base64,{data}">'
        left, top, wide, tall = box(self.real or self.points)
        paths = []
        for cloud, colour in ((self.real, REAL), (self.points, FAKE)):
            places = (((x - left) / wide * SIDE, (top - y) / tall * SIDE) for x, y in finite(cloud))
            d = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in places if 0 <= x <= SIDE and 0 <= y <= SIDE)
            paths.append(f'<path d="{d}" stroke="{colour}" stroke-width="2.4" stroke-linecap="round" opacity=".6"/>')
        style = "height:9em;border:1px solid currentColor;border-radius:4px"
        return f'<svg viewBox="0 0 {SIDE} {SIDE}" style="{style}" role="img">{"".join(paths)}</svg>'

    def _dots(self, width: int, height: int, colours: bool) -> list[list[Span]]:
        """Each cell shows the fakes in it, or the real points where no fake is: what is lost is seen in blue."""
        height = min(height, width // 2)
        if height < 2 or not finite(self.real or self.points):
            return []
        left, top, wide, tall = box(self.real or self.points)
        cells: list[dict[tuple[int, int], int]] = []
        for cloud in (self.points, self.real):
            found: dict[tuple[int, int], int] = {}
            for x, y in finite(cloud):
                column, row = (x - left) / wide * 4 * height, (top - y) / tall * 4 * height
                if 0 <= column < 4 * height and 0 <= row < 4 * height:
                    place = int(row) // 4, int(column) // 2
                    found[place] = found.get(place, 0) | BRAILLE[int(row) % 4][int(column) % 2]
            cells.append(found)
        fakes, reals = cells
        lines: list[list[Span]] = []
        for row in range(height):
            line: list[Span] = []
            for column in range(2 * height):
                place = row, column
                bits, style = (fakes[place], FAKE) if place in fakes else (reals.get(place, 0), REAL)
                if style == REAL and not colours:
                    bits = 0  # nothing would tell it from a fake
                line.append((chr(0x2800 + bits), style if colours and bits else ""))
            lines.append(line)
        return lines

    def _blocks(self, width: int, height: int, colours: bool) -> list[list[Span]]:
        """Two pixels in each character; where there are no colours, what is brighter than half is drawn."""
        tall, wide = len(self.images[0]), len(self.images[0][0])
        factor = max(1, wide // LEAST, -(-tall // (2 * height)) if height > 0 else tall)
        across = -(-wide // factor)
        count = min(len(self.images), (width + 1) // (across + 1))
        if count < 1 or height < 2:
            return []
        small = [shrunk(image, factor) for image in self.images[:count]]
        lines: list[list[Span]] = []
        for row in range(0, len(small[0]), 2):
            line: list[Span] = []
            for each in small:
                line += [(" ", "")] if line else []
                below = each[row + 1] if row + 1 < len(each) else [None] * across
                line += [half_block(above, under, colours) for above, under in zip(each[row], below, strict=True)]
            lines.append(line)
        return lines


def half_block(above: Colour, below: Colour | None, colours: bool) -> Span:
    """One character that shows two pixels, one above the other."""
    if not colours:
        lit = sum(above) > 382, below is not None and sum(below) > 382
        return {(True, True): "█", (True, False): "▀", (False, True): "▄"}.get(lit, " "), ""
    ground = "" if below is None else f" on rgb({below[0]},{below[1]},{below[2]})"
    return "▀", f"rgb({above[0]},{above[1]},{above[2]}){ground}"


def shrunk(image: Image, factor: int) -> list[list[Colour]]:
    """Means of squares of `factor` x `factor` pixels, narrower ones at the far edges."""
    if factor == 1:
        return [[*row] for row in image]
    made = []
    for top in range(0, len(image), factor):
        rows = image[top : top + factor]
        line = []
        for left in range(0, len(image[0]), factor):
            pixels = [pixel for row in rows for pixel in row[left : left + factor]]
            red, green, blue = (sum(each) // len(pixels) for each in zip(*pixels, strict=True))
            line.append((red, green, blue))
        made.append(line)
    return made


def finite(points: Iterable[Point]) -> list[tuple[float, float]]:
    """The points with two finite coordinates."""
    return [(x, y) for x, y in points if isfinite(x) and isfinite(y)]


def box(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Left, top, width and height of what is drawn: the points and a margin."""
    known = finite(points) or [(0.0, 0.0)]
    sides = []
    for values in zip(*known, strict=True):
        low, high = min(values), max(values)
        margin = MARGIN * (high - low) or max(1.0, abs(high)) * MARGIN
        sides.append((low - margin, high + margin))
    (left, right), (bottom, top) = sides
    return left, top, right - left, top - bottom


def sheet(images: Sequence[Image], columns: int) -> list[list[Colour]]:
    """Images in rows with a white pixel between them; the last row is padded with white."""
    white = (255, 255, 255)
    tall, wide = len(images[0]), len(images[0][0])
    page: list[list[Colour]] = []
    for first in range(0, len(images), columns):
        shown = images[first : first + columns]
        if page:
            page.append([white] * len(page[0]))
        for row in range(tall):
            line: list[Colour] = []
            for column in range(min(columns, len(images))):
                line += [white] if column else []
                line += shown[column][row] if column < len(shown) else [white] * wide
            page.append(line)
    return page


def png(page: Sequence[Sequence[Colour]]) -> bytes:
    """A page of pixels as a PNG file, 8 bits of red, green and blue."""

    def chunks() -> Iterator[bytes]:
        rows = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in page)
        header = pack(">IIBBBBB", len(page[0]), len(page), 8, 2, 0, 0, 0)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
            yield pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks())
