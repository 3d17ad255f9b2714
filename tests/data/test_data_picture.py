"""One image file to bytes: kinds, transparency, orientation, sizes, and what is no image."""

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from steadygan.data.images.picture import UnreadableError, decode

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 12), dtype=np.uint8)
RGB = RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(width, height, depth=8, colour=2, body=b""):
    """A PNG of that header and any body."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_come_back_exactly(kind, options):
    data = encoded(RGB, kind, **options)
    found = decode(data, None, None)
    assert (found.size, found.grey, found.transparent) == ((12, 12), False, False)
    np.testing.assert_array_equal(decode(data, None, 3).pixels, RGB.transpose(2, 0, 1))


def test_jpeg_comes_back_nearly():
    flat = np.full((16, 16, 3), (200, 100, 50), dtype=np.uint8)
    pixels = decode(encoded(flat, "JPEG", quality=95), None, 3).pixels
    assert np.abs(pixels.astype(int) - flat.transpose(2, 0, 1)).max() <= 3


def test_grey_and_colour_become_each_other():
    assert decode(encoded(GREY), None, None).grey
    np.testing.assert_array_equal(decode(encoded(GREY), None, 1).pixels, GREY[None])
    np.testing.assert_array_equal(decode(encoded(GREY), None, 3).pixels, np.stack([GREY] * 3))
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode(encoded(RGB), None, 1).pixels[0] - luma).max() <= 1.0


def test_one_bit_is_grey():
    data = encoded(Image.fromarray(GREY > 127))
    assert decode(data, None, None).grey
    np.testing.assert_array_equal(decode(data, None, 1).pixels[0], np.where(GREY > 127, 255, 0))


def test_sixteen_bits_are_divided_by_257_and_never_clipped():
    deep = np.arange(144, dtype=np.uint16).reshape(12, 12) * 458 + 40  # up to 65,534
    data = encoded(deep)
    found = decode(data, None, None)
    assert found.deep
    assert found.grey
    np.testing.assert_array_equal(decode(data, None, 1).pixels[0], np.round(deep / 257))
    np.testing.assert_array_equal(decode(encoded(GREY.astype(np.uint16) * 257), None, 1).pixels[0], GREY)


def test_a_palette_is_colour():
    image = Image.fromarray(RGB).quantize(256)
    data = encoded(image)
    assert not decode(data, None, None).grey
    np.testing.assert_array_equal(decode(data, None, 3).pixels, np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_cmyk_is_colour():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert not decode(data, None, None).grey
    red = decode(data, None, 3).pixels
    assert red[0].min() > 240
    assert red[1:].max() < 15


ALPHA = RNG.integers(0, 256, (12, 12), dtype=np.uint8)


def over_white(colour):
    a = ALPHA / 255.0
    return colour * (a if colour.ndim == 2 else a[..., None]) + 255 * (1 - (a if colour.ndim == 2 else a[..., None]))


def test_transparency_is_laid_over_white():
    data = encoded(Image.fromarray(np.dstack([RGB, ALPHA])))
    assert decode(data, None, None).transparent
    assert not decode(data, None, None).grey
    assert np.abs(decode(data, None, 3).pixels - over_white(RGB.astype(float)).transpose(2, 0, 1)).max() <= 1.0


def test_grey_transparency_is_laid_over_white():
    data = encoded(Image.fromarray(np.dstack([GREY, ALPHA])))
    assert decode(data, None, None).transparent
    assert decode(data, None, None).grey
    assert np.abs(decode(data, None, 1).pixels[0] - over_white(GREY.astype(float))).max() <= 1.0


def test_a_transparent_colour_is_white():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 4, 8))
    data = encoded(image, transparency=0)  # red is not there
    assert decode(data, None, None).transparent
    pixels = decode(data, None, 3).pixels
    assert (pixels[:, :, :4] == 255).all()
    assert (pixels[:, 0, 5] == (0, 0, 255)).all()
    data = encoded(np.full((8, 8, 3), 7, dtype=np.uint8), transparency=(7, 7, 7))
    assert decode(data, None, None).transparent
    assert (decode(data, None, 3).pixels == 255).all()
    assert (decode(encoded(np.full((8, 8), 7, dtype=np.uint8), transparency=7), None, 1).pixels == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda x: x),
        (2, np.fliplr),
        (3, lambda x: np.rot90(x, 2)),
        (4, np.flipud),
        (5, lambda x: x.transpose(1, 0, 2)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: np.rot90(x, 2).transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
def test_orientation(kind, orientation, upright):
    """The first row and column of what was stored are where EXIF 2.3, table of tag 0x0112, says."""
    flat = RNG.integers(0, 256, (2, 2, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}[kind]
    pixels = decode(encoded(flat, kind, exif=exif, **options), None, 3).pixels.transpose(1, 2, 0)
    assert np.abs(pixels.astype(int) - upright(flat)).max() <= 4


@pytest.mark.parametrize("note", [b"Exif\0\0MM\0*garbage of all kinds", b"no TIFF", b"II*\0"])
def test_a_damaged_note_of_orientation_does_not_cost_the_image(note):
    data = encoded(RGB, exif=note)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(decode(data, None, 3).pixels, RGB.transpose(2, 0, 1))


def test_animations_give_their_first_frame():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decode(data, None, None).animated
        assert (decode(data, None, 3).pixels[:, 3, 3] == (255, 0, 0)).all()
    assert not decode(encoded(RGB), None, None).animated


def test_the_first_picture_of_a_phone_s_pair_is_an_ordinary_one():
    pair = BytesIO()
    first, second = (Image.fromarray(np.full((16, 16, 3), value, dtype=np.uint8)) for value in (200, 10))
    first.save(pair, "MPO", save_all=True, append_images=[second])
    found = decode(pair.getvalue(), None, None)
    assert not found.animated
    assert (found.pixels == 200).all()


def test_the_central_square_is_kept():
    wide = np.zeros((10, 31, 3), dtype=np.uint8)
    wide[:, 10:20] = 200  # columns 10 to 19 of 31
    np.testing.assert_array_equal(decode(encoded(wide), 10, 3).pixels, np.full((3, 10, 10), 200))
    tall = np.ascontiguousarray(wide.transpose(1, 0, 2))
    np.testing.assert_array_equal(
        decode(encoded(tall), 20, 3).pixels, np.full((3, 20, 20), 200)
    )  # nothing beside it bleeds in


def lanczos(length, size):
    """Pillow's documented filter: a windowed sinc of 3 lobes, stretched by the factor, normalised."""
    factor = length / size
    centre = (np.arange(size) + 0.5) * factor
    at = (np.arange(length) + 0.5 - centre[:, None]) / max(factor, 1.0)
    weight = np.where(np.abs(at) < 3, np.sinc(at) * np.sinc(at / 3), 0.0)
    return weight / weight.sum(1, keepdims=True)


@pytest.mark.parametrize("size", [8, 20])
def test_resizing_is_lanczos(size):
    smooth = (127 + 60 * np.sin(np.arange(16) / 3)[:, None] + 60 * np.cos(np.arange(16) / 4)).astype(np.uint8)
    wanted = lanczos(16, size) @ smooth @ lanczos(16, size).T
    assert np.abs(decode(encoded(smooth), size, 1).pixels[0] - wanted).max() < 1.6


def test_the_draft_of_a_jpeg_is_at_least_twice_as_large_as_the_target(monkeypatch):
    seen = []
    original = Image.Image.crop
    monkeypatch.setattr(Image.Image, "crop", lambda self, box: seen.append(self.size) or original(self, box))
    data = encoded(np.zeros((333, 400, 3), dtype=np.uint8), "JPEG")
    for size in (8, 40, 41, 83, 84, 166, 300, 500):
        assert decode(data, size, 3).pixels.shape == (3, size, size)
    assert seen == [(50, 42), (100, 84), (100, 84), (200, 167), (400, 333), (400, 333), (400, 333), (400, 333)]


def test_a_bomb_is_known_by_its_header():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableError, match="89,478,485"):
            decode(png(20_000, 20_000), 8, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnreadableError, match="89,478,485"):
            decode(png(89_478_486, 1), 8, 3)
        with pytest.raises(UnreadableError):  # small enough, but nothing in it
            decode(png(89_478_485, 1), 8, 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", encoded(RGB, "GIF")])
def test_what_is_no_image(data):
    with pytest.raises(UnreadableError) as caught:
        decode(data, None, 3)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


def test_a_truncated_image_is_no_image():
    for kind in ("PNG", "JPEG", "BMP"):
        data = encoded(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)[:-600]
        with pytest.raises(UnreadableError):
            decode(data, None, 3)
