"""A first pass over images that decodes none of them: their sizes and kinds, and what must be done to each."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from .entries import Entry, Listing, shown
from .image_file import MOST_PIXELS, Header, TooLargeError, UnreadableError, header
from .samples import Progress

HEAD = 64 * 1024  # bytes that hold most headers
SMALLEST = 8  # pixels of a side: where the networks begin
STRIDE = 500  # images between two reports

Size = tuple[int, int]


@dataclass(frozen=True)
class Survey:
    """Headers of `images`, in their order."""

    name: str
    images: Sequence[Entry]
    headers: Sequence[Header]

    @property
    def sizes(self) -> dict[Size, str]:
        """Every size (width, height), smallest area first, and the first image that has it."""
        first: dict[Size, str] = {}
        for entry, found in zip(self.images, self.headers, strict=True):
            first.setdefault((found.width, found.height), shown(entry.path))
        return dict(sorted(first.items(), key=lambda item: (item[0][0] * item[0][1], item[0])))

    @property
    def mean_pixels(self) -> float:
        """Pixels of an image, on average."""
        return sum(found.width * found.height for found in self.headers) / len(self.headers)


@dataclass(frozen=True)
class Plan:
    """What is done to every image: `size` None leaves it as it is; `side` and `channels` are what comes out.

    found, done: what was there and what is made of it, as parts of a sentence.
    """

    size: int | None
    side: int
    channels: int
    found: str
    done: tuple[str, ...]


def survey(listing: Listing, images: Sequence[Entry], progress: Progress | None) -> Survey:
    """Reads the header of every image; raises InputError that names those that are broken or far too large."""
    from PIL.Image import DecompressionBombWarning

    name, headers, broken = shown(listing.name), list[Header](), list[tuple[str, str]]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DecompressionBombWarning)  # the limit here is an error
        for i, entry in enumerate(images):
            if progress is not None and i % STRIDE == 0:
                progress(f"checking {name}", i, len(images))
            try:
                headers.append(_header(listing, entry))
            except UnreadableError as error:
                broken.append((shown(entry.path), str(error)))
            except TooLargeError as error:
                raise InputError(
                    f"expected images of at most {MOST_PIXELS:,} pixels in {name}, got {error} in {shown(entry.path)}: "
                    "make it smaller or remove it"
                ) from None
    if broken:
        first, why = broken[0]
        raise InputError(
            f"expected only whole images in {name}, got {len(broken):,} of {len(images):,} broken "
            f"(first: {first}: {why}): mend or remove {'it' if len(broken) == 1 else 'them'}"
        )
    if progress is not None:
        progress(f"checking {name}", len(images), len(images))
    return Survey(name, images, headers)


def plan(seen: Survey, size: int | None, channels: int | None) -> Plan:
    """What to do to every image of `seen` so that all come out alike; raises InputError when a setting must say."""
    sizes = seen.sizes
    smallest, largest = next(iter(sizes)), next(reversed(sizes))
    side = size
    if side is None:
        if len(sizes) > 1:
            raise InputError(
                f"expected images of one square size in {seen.name}, got {len(sizes):,} sizes from "
                f"{by(smallest)} ({sizes[smallest]}) to {by(largest)} ({sizes[largest]}): add size=64 where you "
                "train, or save them alike"
            )
        if smallest[0] != smallest[1]:
            raise InputError(
                f"expected square images in {seen.name}, got {by(smallest)} pixels: add size=64 where you train, or "
                "cut them"
            )
        side = smallest[0]
        if side < SMALLEST:
            raise InputError(
                f"expected images of at least {SMALLEST} x {SMALLEST} pixels in {seen.name}, got {by(smallest)}: "
                "use larger ones, or add size=8"
            )
    kept = list(sizes) == [(side, side)]
    kind = _channels(seen) if channels is None else channels
    found = f"of {by(smallest)}" if len(sizes) == 1 else f"of {len(sizes):,} sizes ({by(smallest)} to {by(largest)})"
    return Plan(None if kept else side, side, kind, found, _done(seen, side, kind))


def by(size: Size) -> str:
    """A size in pixels for a message: width x height."""
    return f"{size[0]:,} x {size[1]:,}"


def _header(listing: Listing, entry: Entry) -> Header:
    try:
        return header(listing.read(entry, HEAD))
    except UnreadableError:
        if entry.size <= HEAD:
            raise
    return header(listing.read(entry, None))


def _channels(seen: Survey) -> int:
    grey = [found.grey for found in seen.headers]
    count = sum(grey)
    if count in (0, len(grey)):
        return 1 if count else 3
    few = count <= len(grey) - count
    first = shown(seen.images[grey.index(few)].path)
    raise InputError(
        f"expected images of one kind, got {count if few else len(grey) - count:,} {'grey' if few else 'colour'} "
        f"among {len(grey):,} (first: {first}): add channels=3 or channels=1 "
        "where you train, or save them alike"
    )


def _done(seen: Survey, side: int, channels: int) -> tuple[str, ...]:
    count: Counter[str] = Counter()
    for found in seen.headers:
        count["enlarged"] += min(found.width, found.height) < side
        count["grey"] += found.grey and channels == 3
        count["colour"] += not found.grey and channels == 1
        count["transparent"] += found.transparent
        count["deep"] += found.deep
        count["animated"] += found.animated
    said = (
        ("enlarged", "is enlarged", "are enlarged"),
        ("grey", "grey one is made RGB", "grey ones are made RGB"),
        ("colour", "in colour is made grey", "in colour are made grey"),
        ("transparent", "transparent one is laid over white", "transparent ones are laid over white"),
        ("deep", "of 16 bits is divided by 257", "of 16 bits are divided by 257"),
        ("animated", "animated one gives its first frame", "animated ones give their first frame"),
    )
    return tuple(f"{count[key]:,} {one if count[key] == 1 else many}" for key, one, many in said if count[key])
