"""Images that are decoded once: what lies in the cache folder, when it is made, and when it is not believed."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_data_folder import CLASSED, noise, prepared_folders, refusal, write
from test_data_picture import encoded

from steadygan.data.images import decoder
from steadygan.data.images.folder import folder


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The folder in which decoded images are kept."""
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def mine(tmp_path):
    return lambda files: write(tmp_path / "mine", files)


@pytest.fixture
def counted(monkeypatch):
    calls = []
    original = decoder.decode
    monkeypatch.setattr(decoder, "decode", lambda *given, **more: calls.append(given[1:]) or original(*given, **more))
    return calls


def test_the_second_time_nothing_is_decoded(mine, monkeypatch, counted):
    first = folder(mine(CLASSED))
    assert len(counted) == 7  # the first once more, for its size
    monkeypatch.setattr(decoder, "decode", None)
    again = folder(mine({}))
    assert torch.equal(first.train, again.train)
    assert torch.equal(first.label, again.label)
    assert (again.digest, again.notes, again.class_names) == (first.digest, first.notes, first.class_names)


def test_other_settings_and_other_content_are_decoded(mine, kept, counted):
    path = mine(CLASSED)
    for count, settings in enumerate(({}, {"size": 9}, {"channels": 1}, {"size": 9, "flip": True})):
        folder(path, **settings)
        assert len(prepared_folders(kept)) == min(count, 2) + 1
    folder(mine({"cat/0.png": noise(8, 8, 3)}))
    assert len(prepared_folders(kept)) == 4
    os.utime(path / "cat/1.png", ns=(1, 1))
    folder(path)
    assert len(prepared_folders(kept)) == 5
    (path / "cat/1.png").rename(path / "cat/9.png")
    folder(path)
    assert len(prepared_folders(kept)) == 6


def test_a_zip_is_known_by_its_content_wherever_it_lies(mine, tmp_path, kept, counted):
    packed = shutil.make_archive(str(tmp_path / "a"), "zip", mine(CLASSED))
    folder(packed)
    shutil.copy(packed, tmp_path / "b.zip")
    os.utime(tmp_path / "b.zip", (1, 1))
    assert folder(tmp_path / "b.zip").notes == ("b: 6 images of 8 x 8, 2 classes",)
    assert len(prepared_folders(kept)) == 1
    assert len(counted) == 7


def test_a_build_that_is_stopped_leaves_nothing(mine, kept):
    def stop(what, done, total):
        if what.startswith("decoding") and done == total:
            raise KeyboardInterrupt

    path = mine(CLASSED)
    with pytest.raises(KeyboardInterrupt):
        folder(path, progress=stop)
    assert not prepared_folders(kept)
    assert folder(path).size == 6


def test_what_a_killed_build_left_is_not_taken_for_whole(mine, kept):
    path = mine(CLASSED)
    folder(path)
    (whole,) = prepared_folders(kept)
    wanted = (whole / "train.u8").read_bytes()
    whole.rename(whole.with_name(f"{whole.name}.part"))
    (kept / f"{whole.name}.part" / "train.u8").write_bytes(b"half")
    assert folder(path).train.numpy().tobytes() == wanted
    assert prepared_folders(kept) == [whole]


def test_a_damaged_copy_is_named(mine, kept):
    path = mine(CLASSED)
    folder(path)
    (whole,) = prepared_folders(kept)
    content = bytearray((whole / "train.u8").read_bytes())
    content[700] ^= 4
    (whole / "train.u8").write_bytes(bytes(content))
    assert str(whole) in refusal(path)
    (whole / "train.u8").write_bytes(bytes(content[:-1]))
    assert "1,151 of 1,152 bytes" in refusal(path)
    shutil.rmtree(whole)
    assert folder(path).size == 6


def test_what_lies_there(mine, kept):
    source = folder(mine({"train/a/1.png": noise(8, 8), "train/b/1.png": noise(8, 8), "val/a/1.png": noise(8, 8)}))
    (whole,) = prepared_folders(kept)
    assert sorted(file.name for file in whole.iterdir()) == [
        "card.json", "held_out.u8", "held_out_label.npy", "train.u8", "train_label.npy",
    ]  # fmt: skip
    assert (whole / "train.u8").read_bytes() == source.train.numpy().tobytes()
    assert np.load(whole / "held_out_label.npy").tolist() == [0]


def test_no_room(mine, kept, monkeypatch):
    monkeypatch.setattr(decoder.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert "free space" in refusal(mine(CLASSED))
    assert not prepared_folders(kept)


def test_progress_counts(mine, monkeypatch):
    monkeypatch.setattr(decoder, "MOST", 4)
    calls = []
    folder(mine(CLASSED), progress=lambda *said: calls.append(said))
    assert calls == [("decoding mine", done, 6) for done in (0, 4, 6)]


def test_threads_and_blocks_change_nothing(mine, monkeypatch, kept):
    path = mine(CLASSED)
    wanted = folder(path).train
    shutil.rmtree(kept)
    monkeypatch.setattr(decoder, "THREADED", 0)
    monkeypatch.setattr(decoder.os, "cpu_count", lambda: 3)
    monkeypatch.setattr(decoder, "MOST", 2)
    assert torch.equal(folder(path).train, wanted)
    shutil.rmtree(kept)
    truncated = encoded(noise(8, 8, 3))
    assert "cat/7.png" in refusal(mine({"cat/7.png": truncated[:100]}))


def test_workers_keep_the_images_in_the_file(mine):
    source = folder(mine(CLASSED), workers=1)
    assert source.workers == 1
    assert not isinstance(source.train, torch.Tensor)
    index = torch.tensor([5, 0, 0])
    assert torch.equal(source.train.read(index), folder(mine({})).train[index])
