"""Parts of ImageNet at 64 x 64 pixels, from class folders of image files that are decoded once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...config.data import Imagenet64, TinyImagenet
from ...errors import InputError
from ...places import data_root, given_place
from ..images.folder import folder
from ..samples import Progress
from ..source import DATA, Source

SIDE = 64
TINY_CLASSES = 200
LICENCE = "non-commercial research and educational use, by agreement with its authors"
TINY_LICENCE = f"that of ImageNet, of which it is a part: {LICENCE}"


@DATA.register("tiny_imagenet")
def tiny_imagenet(
    path: str | Path | None = TinyImagenet.path,
    flip: bool = TinyImagenet.flip,
    workers: int | None = TinyImagenet.workers,
    progress: Progress | None = None,
) -> Source:
    """100,000 photographs of 64 x 64 pixels in 200 classes; the 10,000 of `val` are held out [deng2009].

    path: the folder `tiny-imagenet-200` as it is published (train/<class>/images/*.JPEG, val/images/*.JPEG beside
    val/val_annotations.txt), a zip of it, or the folder that holds one of them. None looks into STEADYGAN_DATA, else
    into the cache folder. Raises InputError for data that are missing, broken or of another number of classes.
    """
    advice = "put the published folder or zip there, or name it with --data (or path=)"
    place = _found("Tiny ImageNet", "tiny-imagenet-200", path, advice)
    source = folder(place, size=SIDE, channels=3, flip=flip, workers=workers, progress=progress)
    if len(source.class_names) != TINY_CLASSES:
        raise InputError(
            f"expected the {TINY_CLASSES} class folders of Tiny ImageNet in {str(place)!r}, got "
            f"{len(source.class_names) or 'none'}: name the folder that holds its train and val, or use data=folder"
        )
    return replace(source, name="tiny_imagenet", licence=TINY_LICENCE)


@DATA.register("imagenet64")
def imagenet64(
    path: str | Path | None = Imagenet64.path,
    flip: bool = Imagenet64.flip,
    workers: int | None = Imagenet64.workers,
    progress: Progress | None = None,
) -> Source:
    """ImageNet at 64 x 64 pixels from class folders of images of any size, cropped and resized once [deng2009].

    path: a folder or zip of class folders, or one with `train` of them beside `val`, which is then held out; or the
    folder that holds `imagenet64` or `imagenet64.zip`. None looks into STEADYGAN_DATA, else into the cache folder.
    Raises InputError for data that are missing or broken, and without classes.
    """
    advice = (
        "put class folders of images there (train/<class>/*.JPEG, val/), or name their folder with --data (or path=)"
    )
    place = _found("ImageNet", "imagenet64", path, advice)
    source = folder(place, size=SIDE, channels=3, flip=flip, workers=workers, progress=progress)
    if not source.class_names:
        got = f"images without classes in {str(place)!r}"
        raise InputError(
            f"expected class folders of ImageNet, got {got}: sort them into class folders, or use data=folder"
        )
    return replace(source, name="imagenet64", licence=LICENCE)


def _found(title: str, name: str, path: str | Path | None, advice: str) -> Path:
    """The folder or zip `name` below `path`, or `path` itself; None as a path is the folder of data sets."""
    place = data_root() if path is None else given_place(path, title)
    inner = next((inner for inner in (place / name, place / f"{name}.zip") if inner.exists()), None)
    if inner is None and path is None:
        raise InputError(f"expected {title} in {str(place)!r}, got neither {name} nor {name}.zip there: {advice}")
    return inner or place
