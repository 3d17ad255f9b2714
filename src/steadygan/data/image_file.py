"""One image file: what its header says, and its pixels as bytes of one size and kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MOST_PIXELS = 89_478_485  # of one image: Pillow's own limit, above which it only warns
GREY = ("1", "L", "LA", "La")
ORIENTATION = 0x0112
TURNS = {  # EXIF's orientation: the transposition that undoes it
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
TURNED_BY = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}


class UnreadableError(ValueError):
    """Bytes that are no image, or not a whole one; the message says why, not which."""


class TooLargeError(ValueError):
    """An image of more pixels than anybody's photograph; the message is their number."""


@dataclass(frozen=True, slots=True)
class Header:
    """Size in pixels as stored, and what must be done to the image: found without decoding it."""

    width: int
    height: int
    grey: bool
    transparent: bool
    deep: bool  # 16 bits per grey pixel
    animated: bool


def header(data: bytes) -> Header:
    """What the first bytes of an image file, or all of it, say; raises `UnreadableError` and `TooLargeError`."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            deep = image.mode.startswith("I")
            found = Header(
                width,
                height,
                grey=deep or image.mode in GREY,
                transparent=image.has_transparency_data and not deep,
                deep=deep,
                animated=getattr(image, "is_animated", False),
            )
    except Image.DecompressionBombError as error:
        number = re.search(r"\d+", str(error))
        raise TooLargeError(f"{int(number[0]):,}" if number else "more") from None
    except Exception as error:  # Pillow's readers fail in as many ways as there are damaged files
        raise UnreadableError(reason(error)) from None
    if width * height > MOST_PIXELS:
        raise TooLargeError(f"{width * height:,}")
    return found


def decode(data: bytes, size: int | None, channels: int) -> NDArray[np.uint8]:
    """Pixels (channels, h, w) of a whole image file: upright, over white, the central square resized to `size`.

    size: None keeps the image as it is; resizing is Lanczos's, of 8-bit pixels. channels: 1 (luma) or 3. 16-bit grey
    is divided by 257, and of an animation the first frame is taken. Colour profiles are not applied. Raises
    `UnreadableError`.
    """
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if size is not None:
                image.draft(None, (2 * size, 2 * size))  # JPEG alone: half, quarter, eighth, never below these
            image.load()
            pixels = _kind(_upright(image), channels)
            if size is not None:
                side = min(pixels.size)
                left, top = (pixels.width - side) // 2, (pixels.height - side) // 2
                if pixels.width != pixels.height:
                    pixels = pixels.crop((left, top, left + side, top + side))
                if side != size:
                    pixels = pixels.resize((size, size), Image.Resampling.LANCZOS)
            array = np.asarray(pixels)
    except Exception as error:
        raise UnreadableError(reason(error)) from None
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def _upright(image: Image) -> Image:
    if TURNED_BY.isdisjoint(image.info):
        return image
    from PIL.Image import Transpose

    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a damaged note beside the pixels says nothing about them
        return image
    return image if turn is None else image.transpose(Transpose[turn])


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


def reason(error: Exception) -> str:
    """What Pillow said, as part of one line."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no JPEG, PNG, WebP or BMP"
    return " ".join(str(error).split())[:100] or type(error).__name__
