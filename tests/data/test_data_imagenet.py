"""Tiny ImageNet in its own layout and ImageNet as class folders: found by name, read, decoded once, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import pictures
from steadygan.data import imagenet64, tiny_imagenet
from steadygan.data.images import decoder
from steadygan.errors import InputError


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STEADYGAN_DATA", str(tmp_path / "data"))


def test_tiny_imagenet_as_it_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of `val` come from its table; by name, by path, by the folder around it; decoded once."""
    place = pictures.tiny_imagenet(tmp_path / "data" / "tiny-imagenet-200")
    source = tiny_imagenet(flip=True)
    assert (source.name, source.shape, source.size, source.flip) == ("tiny_imagenet", (3, 64, 64), 200, True)
    assert source.label is not None
    assert source.label.tolist() == [*range(200)]
    assert source.held_out is not None
    assert source.held_out_label is not None
    assert source.held_out_label.tolist() == [199, 0, 7]
    assert "part" in source.licence
    assert "agreement with its authors" in source.licence
    monkeypatch.setattr(decoder, "decode", None)  # what was decoded is found again
    for path in (place, tmp_path / "data", str(place)):
        assert torch.equal(tiny_imagenet(path).read(torch.arange(5)), source.read(torch.arange(5)))


def test_imagenet_from_class_folders(tmp_path: Path) -> None:
    pictures.photographs(tmp_path / "data" / "imagenet64" / "train", classes=3, each=2, size=80)
    pictures.photographs(tmp_path / "data" / "imagenet64" / "val", classes=3, each=1, size=70)
    source = imagenet64()
    assert (source.name, source.shape, source.size, source.classes) == ("imagenet64", (3, 64, 64), 6, 3)
    assert source.held_out_label is not None
    assert source.held_out_label.tolist() == [0, 1, 2]
    assert imagenet64(tmp_path / "data" / "imagenet64" / "val").size == 3


@pytest.mark.parametrize(("build", "said"), [
    (tiny_imagenet, "expected Tiny ImageNet in .*, got neither tiny-imagenet-200 nor tiny-imagenet-200.zip there: "),
    (imagenet64, "expected ImageNet in .*, got neither imagenet64 nor imagenet64.zip there: put class folders"),
    (lambda: tiny_imagenet("elsewhere"), "expected Tiny ImageNet at 'elsewhere', found nothing there: check the path"),
    (lambda: tiny_imagenet(Path("few")), "expected the 200 class folders of Tiny ImageNet in 'few', got 3: name the"),
    (lambda: imagenet64("few/class000"), "expected class folders of ImageNet, got images without classes in 'few/cla"),
])  # fmt: skip
def test_what_is_not_there(build: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures.photographs(tmp_path / "few", classes=3, each=1, size=64)
    with pytest.raises(InputError, match=said) as caught:
        build()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
