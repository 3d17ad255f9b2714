"""CIFAR as image files: folders and zips of 32 x 32 pictures in class folders, with or without test images."""

import zipfile
from io import BytesIO

import pytest
import torch
from PIL import Image
from test_data_cifar import NAMES, refusal

from steadygan.data.sets.cifar import cifar10, cifar100


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))


def image(value, form="PNG", size=(32, 32)):
    out = BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(out, form)
    return out.getvalue()


def as_folder(folder, names, each=2, size=(32, 32)):
    for i, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for j in range(each):
            (folder / name / f"{j}.png").write_bytes(image(10 * (i % 10) + j, size=size))
    return folder


def as_zip(file, names, each=2):
    with zipfile.ZipFile(file, "w") as archive:
        for i, name in enumerate(names):
            for j in range(each):
                archive.writestr(f"{name}/{j}.png", image(10 * (i % 10) + j))
    return file


def check_images(source, held_out):
    assert source.name == "cifar10"
    assert source.shape == (3, 32, 32)
    assert source.size == 20
    assert source.label.tolist() == [i for i in range(10) for _ in range(2)]
    assert source.train[2:4, 0, 5, 5].tolist() == [10, 11]
    assert source.class_names == tuple(NAMES)
    assert not source.nearest_classes
    assert "no licence" in source.licence
    assert any("not CIFAR-10's own pixels" in note for note in source.notes)
    if held_out:
        assert source.held_out.shape == (10, 3, 32, 32)
        assert source.held_out.dtype == torch.uint8
        assert source.held_out_label.tolist() == list(range(10))
    else:
        assert source.held_out is None


def test_a_folder_of_images(tmp_path):
    check_images(cifar10(as_folder(tmp_path / "mine", NAMES)), held_out=False)


def test_train_and_test_folders(tmp_path):
    as_folder(tmp_path / "mine" / "train", NAMES)
    as_folder(tmp_path / "mine" / "test", NAMES, each=1)
    check_images(cifar10(tmp_path / "mine"), held_out=True)
    check_images(cifar10(tmp_path / "mine" / "train"), held_out=True)


def test_train_and_test_zips(tmp_path):
    as_zip(tmp_path / "train.zip", NAMES)
    check_images(cifar10(tmp_path / "train.zip"), held_out=False)
    as_zip(tmp_path / "test.zip", NAMES, each=1)
    check_images(cifar10(tmp_path / "train.zip"), held_out=True)
    assert "held out: the 10 images of test.zip" in cifar10(tmp_path / "train.zip").notes
    check_images(cifar10(tmp_path), held_out=True)


def test_another_zip_has_no_test_images(tmp_path):
    as_zip(tmp_path / "test.zip", NAMES, each=1)
    check_images(cifar10(as_zip(tmp_path / "mine.zip", NAMES)), held_out=False)


def test_flip_and_workers_reach_the_images(tmp_path):
    source = cifar10(as_folder(tmp_path / "mine", NAMES), flip=True, workers=0)
    assert source.flip
    assert source.workers == 0


def test_a_class_called_train_is_no_split(tmp_path):
    names = sorted([*(f"fine{i:02d}" for i in range(99)), "train"])
    source = cifar100(as_folder(tmp_path / "mine", names, each=1))
    assert source.size == 100
    assert source.classes == 100
    assert source.class_names[-1] == "train"


@pytest.mark.parametrize(
    ("names", "said"), [(NAMES[:9], "got 9"), ([*NAMES, "more"], "got 11"), (NAMES[:1], "got none")]
)
def test_another_number_of_classes(tmp_path, names, said):
    message = refusal(cifar10, as_folder(tmp_path / "mine", names, each=1))
    assert "10 class folders" in message
    assert said in message


def test_test_images_of_other_classes(tmp_path):
    as_zip(tmp_path / "train.zip", NAMES)
    as_zip(tmp_path / "test.zip", NAMES[1:], each=1)
    assert "test.zip" in refusal(cifar10, tmp_path / "train.zip")


def test_a_folder_of_loose_images(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "0.png").write_bytes(image(0))
    assert "class folders" in refusal(cifar10, tmp_path / "mine")
