"""Small pictures: every dot and pixel where it belongs."""

from __future__ import annotations

import io
import math
import re
from base64 import b64decode

import numpy as np
import pytest
import torch
from PIL import Image

from steadygan.data.source import glimpse_of
from steadygan.display.glimpse import FAKE, REAL, Glimpse, box, png, sheet, shrunk

SQUARE = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def dots(bits: str) -> int:
    """The number of dots in a braille character."""
    return (ord(bits) - 0x2800).bit_count()


def test_each_point_is_a_dot_where_it_lies() -> None:
    """Of 4 x 4 dots per two characters' row: the corners of a square are the corners of the picture."""
    lines = Glimpse(points=SQUARE).text(80, 4)
    assert [len(line) for line in lines] == [8, 8, 8, 8]
    cells = {(row, column): text for row, line in enumerate(lines) for column, (text, _) in enumerate(line)}
    lit = {place for place, text in cells.items() if text != "\u2800"}
    assert lit == {(0, 0), (0, 7), (3, 0), (3, 7)}
    # 16 dots a side, 1/1.16 of them between the points: the first is dot 1 of 0..15, the last dot 14
    assert cells[0, 0] == chr(0x2800 | 0x10)  # second row, right column
    assert cells[3, 7] == chr(0x2800 | 0x04)  # third row, left column


@pytest.mark.parametrize("n", [10, 100])
def test_no_point_is_lost_or_made(n: int) -> None:
    """Points on a diagonal of as many dots: one dot each."""
    side = 4 * 25
    line = [(i + 0.5, i + 0.5) for i in range(side)][:: side // n]
    frame = [(0.0, 0.0), (float(side), float(side))]
    drawn = Glimpse(points=line, real=frame).text(80, 25)
    left, _, wide, _ = box(frame)
    places = {math.floor((x - left) / wide * side) for x, _ in line}
    assert sum(dots(text) for row in drawn for text, style in row if style == FAKE) == len(places)


def test_real_points_are_seen_where_no_fake_is() -> None:
    """What is lost is blue; without colours it is left out, as it would be taken for fakes."""
    glimpse = Glimpse(points=SQUARE[:2], real=SQUARE)
    coloured = [style for line in glimpse.text(80, 4) for text, style in line if text != "\u2800"]
    assert sorted(coloured) == sorted([FAKE, FAKE, REAL, REAL])
    plain = [text for line in glimpse.text(80, 4, colours=False) for text, _ in line if text != "\u2800"]
    assert len(plain) == 2


def test_points_far_away_and_not_finite_are_no_error() -> None:
    glimpse = Glimpse(points=[(1e9, 0.0), (math.nan, 0.0), (0.5, math.inf)], real=SQUARE)
    styles = {style for line in glimpse.text(80, 4) for _, style in line}
    assert FAKE not in styles
    assert "nan" not in glimpse.html()
    alone = Glimpse(points=[(2.0, 3.0)]).text(80, 4)
    assert sum(dots(text) for line in alone for text, _ in line) == 1
    assert Glimpse(points=[(math.nan, 1.0)]).text(80, 4) == []


@pytest.mark.parametrize(("width", "height"), [(80, 1), (3, 10), (0, 0)])
def test_too_little_room_is_no_picture(width: int, height: int) -> None:
    assert Glimpse(points=SQUARE).text(width, height) == []
    assert Glimpse(images=[[[WHITE] * 28] * 28]).text(min(width, 5), height) == []


def test_two_pixels_make_a_character() -> None:
    image = [[BLACK, WHITE], [WHITE, WHITE], [(10, 20, 30), BLACK]]
    lines = Glimpse(images=[image]).text(80, 10)
    assert lines == [
        [("▀", "rgb(0,0,0) on rgb(255,255,255)"), ("▀", "rgb(255,255,255) on rgb(255,255,255)")],
        [("▀", "rgb(10,20,30)"), ("▀", "rgb(0,0,0)")],
    ]
    plain = Glimpse(images=[image]).text(80, 10, colours=False)
    assert ["".join(text for text, _ in line) for line in plain] == ["▄█", "  "]


@pytest.mark.parametrize("width", [20, 80, 120])
def test_images_stand_side_by_side_as_many_as_fit(width: int) -> None:
    """28 pixels become 14: five images of 14 and gaps fit 80 columns."""
    lines = Glimpse(images=[[[WHITE] * 28] * 28] * 16).text(width, 10)
    assert len(lines) == 7
    count = (width + 1) // 15
    assert {len(line) for line in lines} == {15 * count - 1}


def test_squares_become_their_means() -> None:
    image = [[(0, 0, 0), (8, 0, 4), (1, 1, 1)], [(4, 0, 4), (0, 8, 4), (3, 3, 3)]]
    assert shrunk(image, 2) == [[(3, 2, 3), (2, 2, 2)]]
    assert shrunk(image, 1) == image


def test_a_page_of_pixels_is_a_png_file() -> None:
    images = [[[(10 * k, 0, 255)] * 3] * 2 for k in range(5)]
    page = sheet(images, columns=2)
    read = np.asarray(Image.open(io.BytesIO(png(page))))
    assert read.shape == (2 * 3 + 2, 2 * 3 + 1, 3)
    assert read.tolist() == [[[*pixel] for pixel in row] for row in page]
    assert (read[0, 0] == [0, 0, 255]).all()
    assert (read[0, 4] == [10, 0, 255]).all()
    assert (read[3:5, :3] == [20, 0, 255]).all()
    assert (read[2] == 255).all()
    assert (read[6:, 4:] == 255).all()  # the last row is not full


def test_a_page_shows_points_and_images() -> None:
    svg = Glimpse(points=SQUARE[:1], real=SQUARE).html()
    assert len(re.findall(r"M\d+ \d+h0", svg)) == 5
    assert svg.index(REAL) < svg.index(FAKE)  # fakes on top
    html = Glimpse(images=[[[BLACK] * 4] * 4] * 3).html()
    data = re.search(r"base64,([^\"]+)", html)
    assert data is not None
    assert Image.open(io.BytesIO(b64decode(data[1]))).size == (3 * 4 + 2, 4)


def test_samples_become_a_glimpse() -> None:
    points = torch.tensor([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]])
    assert glimpse_of(points, False) == Glimpse(points=[[1.0, 2.0], [3.0, 4.0]], real=[])
    assert glimpse_of(points[:, :1], False) is None
    grey = torch.tensor([[[[-1.0, 1.0], [0.0, math.nan]]]])
    found = glimpse_of(grey, True)
    assert found is not None
    assert [[[*pixel] for pixel in row] for row in found.images[0]] == [
        [[0] * 3, [255] * 3],
        [[128] * 3, [213, 94, 0]],  # not finite: vermilion
    ]
    large = glimpse_of(torch.zeros(1, 3, 256, 130), True)
    assert large is not None
    assert (len(large.images[0]), len(large.images[0][0])) == (64, 33)
