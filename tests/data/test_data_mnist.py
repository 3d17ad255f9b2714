"""MNIST: found wherever it is usually kept, downloaded when it is not, and one line when neither works."""

import gzip
import socket
import struct
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.datasets import MNIST

from steadygan.data import Source
from steadygan.data.sets.mnist import FILES, mnist
from steadygan.errors import InputError

FORMS = {
    "torchvision's": lambda name: name,
    "packed": lambda name: f"{name}.gz",
    "with a dot": lambda name: name.replace("-idx", ".idx"),
    "with a dot, packed": lambda name: f"{name.replace('-idx', '.idx')}.gz",
}


def idx(tensor):
    return struct.pack(f">BBBB{tensor.ndim}I", 0, 0, 8, tensor.ndim, *tensor.shape) + tensor.numpy().tobytes()


def digits(count, start=0):
    label = (torch.arange(start, start + count) % 10).to(torch.uint8)
    pixels = torch.arange(count).view(-1, 1, 1) + torch.arange(784).view(1, 28, 28)
    return (pixels % 256).to(torch.uint8), label


TRAIN, TEST = digits(20), digits(7, start=3)
CONTENT = dict(zip(FILES, (*TRAIN, *TEST), strict=True))


def write(folder, form=FORMS["torchvision's"], names=FILES):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        content = idx(CONTENT[name])
        (folder / form(name)).write_bytes(gzip.compress(content, 1) if form(name).endswith(".gz") else content)
    return folder


def refusal(*arguments, **keywords):
    with pytest.raises(InputError) as caught:
        mnist(*arguments, **keywords)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    return message


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    """No test looks outside its own folder or into the network."""
    monkeypatch.delenv("STEADYGAN_DATA", raising=False)
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))

    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    return tmp_path / "cache" / "data"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("place", [".", "MNIST/raw", "mnist", "raw"])
def test_every_usual_place_and_name(tmp_path, form, place):
    write(tmp_path / "here" / place, form)
    source = mnist(tmp_path / "here")
    assert torch.equal(source.train, TRAIN[0].unsqueeze(1))
    assert torch.equal(source.held_out, TEST[0].unsqueeze(1))
    assert source.label.tolist() == TRAIN[1].tolist()
    assert source.held_out_label.tolist() == TEST[1].tolist()


def test_what_the_source_says_of_itself(tmp_path):
    source = mnist(str(write(tmp_path)), flip=True, workers=2)
    assert isinstance(source, Source)
    assert source.name == "mnist"
    assert source.shape == (1, 28, 28)
    assert source.train.dtype == source.held_out.dtype == torch.uint8
    assert source.label.dtype == source.held_out_label.dtype == torch.int64
    assert source.image
    assert source.classes == 10
    assert source.class_names == tuple("0123456789")
    assert source.nearest_classes
    assert source.flip
    assert source.workers == 2
    assert "CC BY-SA 3.0" in source.licence


def test_pixels_become_numbers_between_minus_one_and_one(tmp_path):
    x = mnist(write(tmp_path)).at(torch.arange(20)).x
    torch.testing.assert_close(x, TRAIN[0].unsqueeze(1).float() / 127.5 - 1)
    assert float(x.min()) == -1.0
    assert float(x.max()) == 1.0


def test_a_set_of_another_size_is_said(tmp_path):
    assert "60000 training and 10000 test images, these files 20 and 7" in mnist(write(tmp_path)).notes[0]


def test_the_environment_and_the_cache(monkeypatch, tmp_path, root):
    write(root / "MNIST" / "raw", names=FILES)
    assert mnist().size == 20
    monkeypatch.setenv("STEADYGAN_DATA", str(tmp_path / "sets"))
    refusal()  # the variable says where, nobody looks any further
    write(tmp_path / "sets" / "mnist")
    assert mnist().size == 20


def test_a_path_wins_over_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("STEADYGAN_DATA", str(tmp_path / "nothing"))
    assert mnist(write(tmp_path / "here")).size == 20


def test_the_folder_with_most_of_the_files_counts(tmp_path):
    write(tmp_path, names=FILES[:1])
    write(tmp_path / "raw")
    assert mnist(tmp_path).size == 20


def test_a_missing_path_and_a_file(tmp_path):
    assert "nothing there" in refusal(tmp_path / "nothing")
    file = write(tmp_path) / FILES[0]
    assert "name its folder" in refusal(file)


def test_a_folder_without_any_of_the_files_is_not_filled(monkeypatch, tmp_path):
    monkeypatch.setattr(MNIST, "download", lambda _: pytest.fail("downloaded into the user's folder"))
    message = refusal(tmp_path)
    assert "none of them" in message
    for name in FILES:
        assert name in message


def test_half_of_the_files(tmp_path):
    message = refusal(write(tmp_path, names=FILES[:2]))
    assert f"only {FILES[0]}, {FILES[1]}" in message
    assert f"put {FILES[2]}, {FILES[3]} there" in message
    assert str(tmp_path) in message


def test_half_of_the_files_where_data_lie_are_not_downloaded_over(monkeypatch, root):
    monkeypatch.setattr(MNIST, "download", lambda _: pytest.fail("downloaded"))
    write(root, names=FILES[:2])
    assert FILES[2] in refusal()


def test_no_network(root):
    message = refusal()
    assert "downloading MNIST" in message
    assert "no network" in message
    assert str(root) in message
    assert "--data" in message
    for name in FILES:
        assert f"{name}.gz" in message
    assert [entry.name for entry in root.iterdir() if not entry.name.endswith(".lock")] == []  # nothing half-made


def test_a_download_is_made_once_and_whole(monkeypatch, root, capsys):
    calls = []

    def download(url, download_root, filename, md5):
        calls.append(filename)
        assert md5
        print("chatter")
        write(Path(download_root), names=[filename.removesuffix(".gz")])

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", download)
    told = []
    before = socket.getdefaulttimeout()
    first = mnist(progress=lambda *said: told.append(said))
    assert socket.getdefaulttimeout() == before
    assert torch.equal(first.train, mnist().train)
    assert calls == [f"{name}.gz" for name in FILES]
    assert told == [("downloading MNIST", 0, 1), ("downloading MNIST", 1, 1)]
    assert capsys.readouterr().out == ""
    assert sorted(file.name for file in (root / "MNIST" / "raw").iterdir()) == sorted(FILES)


def test_a_folder_where_nothing_may_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEADYGAN_DATA", str(tmp_path / "file" / "below"))
    assert "--data" in refusal()


def test_damaged_files_are_named(tmp_path):
    write(tmp_path, FORMS["packed"])
    file = tmp_path / f"{FILES[2]}.gz"
    file.write_bytes(file.read_bytes()[:-20])
    assert file.name in refusal(tmp_path)


def test_images_of_another_size_and_classes_beyond_nine(tmp_path):
    write(tmp_path)
    (tmp_path / FILES[0]).write_bytes(idx(torch.zeros(20, 32, 32, dtype=torch.uint8)))
    assert f"{FILES[0]}, got 32 x 32" in refusal(tmp_path)
    write(tmp_path)
    (tmp_path / FILES[3]).write_bytes(idx(torch.full((7,), 26, dtype=torch.uint8)))
    assert f"{FILES[3]}, got 26" in refusal(tmp_path)


def test_labels_of_another_part(tmp_path):
    write(tmp_path)
    (tmp_path / FILES[1]).write_bytes(idx(TEST[1]))
    assert "20 images" in refusal(tmp_path)
