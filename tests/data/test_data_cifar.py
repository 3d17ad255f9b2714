"""CIFAR: the authors' batches only with their checksums, image files of the same shape, and no pickle unseen."""

import hashlib
import pickle
import tarfile
from io import BytesIO
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from steadygan.data.sets.cifar import cifar10, cifar100
from steadygan.errors import InputError

NAMES = [f"kind{i}" for i in range(10)]


def batch(count, seed, key="labels"):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    return {"data": pixels, key: [(seed + i) % 10 for i in range(count)]}


CONTENT = {
    **{f"data_batch_{i}": pickle.dumps(batch(4, i)) for i in range(1, 6)},
    "test_batch": pickle.dumps(batch(6, 9)),
    "batches.meta": pickle.dumps({"label_names": NAMES}),
}
FINE = [f"fine{i:02d}" for i in range(100)]
CONTENT100 = {
    "train": pickle.dumps(batch(8, 1, "fine_labels")),
    "test": pickle.dumps(batch(3, 2, "fine_labels")),
    "meta": pickle.dumps({"fine_label_names": FINE}),
}


def checksum(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def write(folder, content=CONTENT, inner="cifar-10-batches-py"):
    (folder / inner).mkdir(parents=True)
    for name, data in content.items():
        (folder / inner / name).write_bytes(data)
    return folder


def packed(content=CONTENT, inner="cifar-10-batches-py"):
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(f"{inner}/{name}")
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    return out.getvalue()


ARCHIVE = packed()


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    """Torchvision with the checksums of the tiny batches, no network, and nothing outside of the test's own folder."""
    for theirs, content, train, test, meta in (
        (datasets.CIFAR10, CONTENT, [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"], "batches.meta"),
        (datasets.CIFAR100, CONTENT100, ["train"], ["test"], "meta"),
    ):
        monkeypatch.setattr(theirs, "train_list", [[name, checksum(content[name])] for name in train])
        monkeypatch.setattr(theirs, "test_list", [[name, checksum(content[name])] for name in test])
        monkeypatch.setattr(theirs, "meta", {**theirs.meta, "filename": meta, "md5": checksum(content[meta])})
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", checksum(ARCHIVE))

    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", offline)
    monkeypatch.delenv("STEADYGAN_DATA", raising=False)
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


def refusal(load, *arguments):
    with pytest.raises(InputError) as caught:
        load(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    return message


def expected_pixels(*seeds, count=4):
    return torch.cat([torch.from_numpy(batch(count, seed)["data"]).view(-1, 3, 32, 32) for seed in seeds])


def test_the_batches_as_they_are(tmp_path):
    source = cifar10(write(tmp_path / "here"), flip=True, workers=1)
    assert torch.equal(source.train, expected_pixels(1, 2, 3, 4, 5))
    assert torch.equal(source.held_out, expected_pixels(9, count=6))
    assert source.train.is_contiguous()
    assert source.train.dtype == source.held_out.dtype == torch.uint8
    assert source.label.tolist() == [(seed + i) % 10 for seed in range(1, 6) for i in range(4)]
    assert source.held_out_label.tolist() == [9, 0, 1, 2, 3, 4]
    assert source.name == "cifar10"
    assert source.shape == (3, 32, 32)
    assert source.image
    assert source.classes == 10
    assert source.class_names == tuple(NAMES)
    assert not source.nearest_classes
    assert source.flip
    assert source.workers == 1
    assert "no licence" in source.licence
    assert source.notes == ()


def test_a_hundred_classes(tmp_path):
    source = cifar100(write(tmp_path / "here", CONTENT100, "cifar-100-python"))
    assert source.name == "cifar100"
    assert source.size == 8
    assert source.classes == 100
    assert source.class_names == tuple(FINE)
    assert source.held_out.shape == (3, 3, 32, 32)


def test_the_inner_folder_and_where_data_lie(monkeypatch, tmp_path, root):
    assert cifar10(write(tmp_path / "here") / "cifar-10-batches-py").size == 20
    monkeypatch.setenv("STEADYGAN_DATA", str(tmp_path / "here"))
    assert cifar10().size == 20
    monkeypatch.delenv("STEADYGAN_DATA")
    write(root)
    assert cifar10().size == 20


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("an unchecked pickle was opened",))


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_no_pickle_is_opened_but_the_published_one(tmp_path, name):
    write(tmp_path / "here", {**CONTENT, name: pickle.dumps(Evil())})
    message = refusal(cifar10, tmp_path / "here")
    assert "checksums" in message
    assert "cifar-10-python.tar.gz" in message
    assert str(tmp_path / "here" / "cifar-10-batches-py") in message


def test_missing_batches(tmp_path):
    write(tmp_path / "here", {name: data for name, data in CONTENT.items() if name != "data_batch_3"})
    assert "missing" in refusal(cifar10, tmp_path / "here")


@pytest.mark.parametrize("give", ["folder", "file", "environment"])
def test_the_archive_is_unpacked_beside_itself_once(monkeypatch, tmp_path, give):
    here = tmp_path / "here"
    here.mkdir()
    (here / "cifar-10-python.tar.gz").write_bytes(ARCHIVE)
    if give == "environment":
        monkeypatch.setenv("STEADYGAN_DATA", str(here))
    path = {"folder": here, "file": here / "cifar-10-python.tar.gz", "environment": None}[give]
    assert cifar10(path).size == 20
    assert (here / "cifar-10-batches-py" / "test_batch").is_file()
    (here / "cifar-10-python.tar.gz").write_bytes(b"no longer needed")
    assert cifar10(path).size == 20


def test_an_archive_that_is_not_the_published_one_is_not_unpacked(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    (here / "cifar-10-python.tar.gz").write_bytes(packed({**CONTENT, "test_batch": pickle.dumps(Evil())}))
    message = refusal(cifar10, here)
    assert "with the published checksum, got another one" in message
    assert not (here / "cifar-10-batches-py").exists()


def test_an_archive_where_nothing_may_be_written(monkeypatch, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    (here / "cifar-10-python.tar.gz").write_bytes(ARCHIVE)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    assert "unpack it where you can write" in refusal(cifar10, here)


def test_no_network(root):
    message = refusal(cifar10)
    for said in ("downloading CIFAR-10", "no network", str(root), "cifar-10-python.tar.gz", "--data"):
        assert said in message
    assert "cifar-100-python" in refusal(cifar100)
    assert [entry.name for entry in root.iterdir() if not entry.name.endswith(".lock")] == []


def test_a_download(monkeypatch, root, capsys):
    def download(url, into, filename, md5):
        assert md5 == checksum(ARCHIVE)
        print("chatter")
        write(Path(into))

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", download)
    told = []
    assert cifar10(progress=lambda *said: told.append(said)).size == 20
    assert told == [("downloading CIFAR-10", 0, 1), ("downloading CIFAR-10", 1, 1)]
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(datasets.CIFAR10, "download", lambda _: pytest.fail("downloaded again"))
    assert cifar10().size == 20


def test_nothing_is_downloaded_into_a_folder_that_was_given(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.CIFAR10, "download", lambda _: pytest.fail("downloaded"))
    (tmp_path / "here").mkdir()
    message = refusal(cifar10, tmp_path / "here")
    assert "cifar-10-batches-py" in message
    assert "leave it out to download" in message
    assert "nothing there" in refusal(cifar10, tmp_path / "nowhere")
