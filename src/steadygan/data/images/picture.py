"""One image file: its pixels as bytes of one size and kind, and what was done to it for that."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MOST_PIXELS = 89_478_485  # of one image: Pillow's own limit, above which it only warns
GREY = ("1", "L", "LA", "La")


class UnreadableError(ValueError):
    """Bytes that are no image, not a whole one, or far too many pixels; the message says why, not which."""


class Picture(NamedTuple):
    """Pixels (c, h, w) of an image file, and what the file held: its size as stored, and what was done to it."""

    pixels: NDArray[np.uint8]
    size: tuple[int, int]  # width, height
    grey: bool
    transparent: bool
    deep: bool  # 16 bits per grey pixel
    animated: bool


def decode(data: bytes, size: int | None, channels: int | None, header: bool = False) -> Picture:
    """The picture in a whole image file: upright, over white, the central square resized to `size`.

    size: None keeps the image as it is; resizing is Lanczos's, of 8-bit pixels. channels: 1 (luma) or 3; None: as it
    is. 16-bit grey is divided by 257, and of an animation the first frame is taken. Colour profiles are not applied.
    header: no pixels are decoded. Raises `UnreadableError`, of too many pixels before anything is decoded.
    """
    from PIL import Image, UnidentifiedImageError
    from PIL.ImageOps import exif_transpose

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            stored, deep = image.size, image.mode.startswith("I")
            if stored[0] * stored[1] > MOST_PIXELS:
                raise Image.DecompressionBombError
            grey = deep or image.mode in GREY
            transparent = image.has_transparency_data and not deep
            animated = getattr(image, "is_animated", False) and image.format != "MPO"  # a phone's, with a small copy
            if header:
                return Picture(np.empty((0, 0, 0), np.uint8), stored, grey, transparent, deep, animated)
            if size is not None:
                image.draft(None, (2 * size, 2 * size))  # JPEG alone: half, quarter, eighth, never below these
            image.load()
            with suppress(Exception):  # as the notes beside the pixels say; damaged ones say nothing
                exif_transpose(image, in_place=True)
            pixels = _kind(image, channels or (1 if grey else 3))
            if size is not None:
                side = min(pixels.size)
                left, top = (pixels.width - side) // 2, (pixels.height - side) // 2
                if pixels.width != pixels.height:
                    pixels = pixels.crop((left, top, left + side, top + side))
                if side != size:
                    pixels = pixels.resize((size, size), Image.Resampling.LANCZOS)
            array = _array(pixels)
    except Image.DecompressionBombError:
        raise UnreadableError(f"more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's readers fail in as many ways as there are damaged files
        unknown = isinstance(error, UnidentifiedImageError)
        raise UnreadableError("no JPEG, PNG, WebP or BMP file" if unknown else one_line(error)) from None
    return Picture(array, stored, grey, transparent, deep, animated)


def pixels_of(image: Image) -> NDArray[np.uint8]:
    """Pixels (c, h, w) of an image in hand, grey or RGB as it is, upright and over white, as those of a file."""
    from PIL.ImageOps import exif_transpose

    if image.mode == "F":
        raise ValueError("floating-point numbers (mode F)")
    image.load()
    with suppress(Exception):
        image = exif_transpose(image)
    return _array(_kind(image, 1 if image.mode.startswith("I") or image.mode in GREY else 3))


def _array(image: Image) -> NDArray[np.uint8]:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _kind(image: Image, channels: int) -> Image:
    """8 bits per channel, grey or RGB, whatever was transparent laid over white."""
    from PIL import Image

    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(layer, mask=layer.getchannel("A"))
    mode = "L" if channels == 1 else "RGB"
    if image.mode not in ("1", "L", "RGB"):  # a palette, CMYK
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)
