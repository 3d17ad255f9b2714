"""Which images are for training, which are held out, and of which class each is: read from their paths alone."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from .listing import ANNOTATIONS, Entry, Listing, several, shown

HELD_OUT = ("val", "valid", "validation", "test")  # beside train, the first of them that is there
MOST_HELD_OUT = 10_000


@dataclass(frozen=True)
class Split:
    """Training or held-out images and the class of each, a place in `Layout.class_names`; None without classes."""

    entries: tuple[Entry, ...]
    label: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Layout:
    """Training images, images kept from training (at most 10,000), classes by name, and notes for the user."""

    train: Split
    held_out: Split | None
    class_names: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All images that are used."""
        return self.train.entries + (self.held_out.entries if self.held_out else ())


def arrange(listing: Listing) -> Layout:
    """Sorts the images of a folder or zip into training and held-out ones, and these into classes.

    A folder around everything is stripped. `train` beside `val`, `valid`, `validation` or `test` is a split; class
    folders are those of the first level when all training images lie in one of at least two. Raises InputError when
    there is no image, and when the classes of the held-out images are not those of the training images.
    """
    if not listing.images:
        others = several(listing.others, "other file") if listing.others else "no files"
        raise InputError(
            f"expected images (.jpg, .jpeg, .png, .webp, .bmp) in {shown(listing.name)}, got {others}: check the path"
        )
    root = _root(listing.images)
    tops: dict[str, list[Entry]] = {}
    for entry in listing.images:
        inner = entry.parts[root:]
        tops.setdefault(inner[0] if len(inner) > 1 else "", []).append(entry)
    folders = {top.lower(): top for top in tops if top}
    held = next((name for name in HELD_OUT if name in folders), None)
    if "train" not in folders or held is None:
        entries = listing.images
        if folders.keys() == {"train"} and len(tops) == 1:  # a training set without any other
            root += 1
        train, names, remark = _classes(entries, root)
        return Layout(train, None, names, remark)
    train, names, remark = _classes(tuple(tops[folders["train"]]), root + 1)
    kept = tuple(tops[folders[held]])
    unused = len(listing.images) - len(train.entries) - len(kept)
    if unused:
        remark += (f"{several(unused, 'image')} outside {folders['train']}/ and {folders[held]}/ left out",)
    label = _held_out_label(listing, kept, root + 1, names) if names else None
    if len(kept) > MOST_HELD_OUT:
        remark += (f"{MOST_HELD_OUT:,} of {len(kept):,} held-out images, evenly spaced, are used",)
        chosen = [i * len(kept) // MOST_HELD_OUT for i in range(MOST_HELD_OUT)]
        kept = tuple(kept[i] for i in chosen)
        label = None if label is None else tuple(label[i] for i in chosen)
    return Layout(train, Split(kept, label), names, remark)


def _root(images: tuple[Entry, ...]) -> int:
    """1 when all images lie in one folder, else 0."""
    first = images[0].parts[0]
    return int(all(len(entry.parts) > 1 and entry.parts[0] == first for entry in images))


def _classes(entries: tuple[Entry, ...], depth: int) -> tuple[Split, tuple[str, ...], tuple[str, ...]]:
    tops = [entry.parts[depth] if len(entry.parts) > depth + 1 else None for entry in entries]
    names = tuple(sorted({top for top in tops if top is not None}))
    loose = tops.count(None)
    if len(names) < 2 or loose:
        remark = f"no classes, with {several(loose, 'image')} outside its {several(len(names), 'folder')}"
        return Split(entries), (), (remark,) if len(names) > 1 else ()
    number = {name: i for i, name in enumerate(names)}
    return Split(entries, tuple(number[top] for top in tops if top is not None)), names, ()


def _held_out_label(
    listing: Listing, entries: tuple[Entry, ...], depth: int, names: tuple[str, ...]
) -> tuple[int, ...] | None:
    number = {name: i for i, name in enumerate(names)}
    top = entries[0].parts[:depth]
    for entry in listing.annotations:
        if entry.parts[:-1] == top:
            return _annotated(listing, entry, entries, number)
    classes = [entry.parts[depth] if len(entry.parts) > depth + 1 else "" for entry in entries]
    if not any(name in number for name in classes):
        return None
    for entry, name in zip(entries, classes, strict=True):
        if name not in number:
            wanted = f"held-out images in the {len(names)} class folders of the training images"
            advice = "move it, or add its class to the training images"
            raise InputError(f"expected {wanted}, got {shown(entry.path)}: {advice}")
    return tuple(number[name] for name in classes)


def _annotated(listing: Listing, table: Entry, entries: tuple[Entry, ...], number: dict[str, int]) -> tuple[int, ...]:
    """Classes from lines of: name of the image, tab, class, and more that is not needed."""
    lines = listing.read(table).decode("utf-8", errors="replace").splitlines()
    classes = dict(line.split("\t")[:2] for line in lines if line.count("\t"))
    label = []
    for entry in entries:
        name = classes.get(entry.parts[-1])
        if name not in number:
            said = "no line" if name is None else f"class {shown(name)!r}"
            wanted = f"in {ANNOTATIONS} one of the {len(number)} classes for {shown(entry.path)}"
            raise InputError(f"expected {wanted}, got {said}: fix the file")
        label.append(number[name])
    return tuple(label)
