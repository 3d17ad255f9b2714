"""Prepared folders: whole or not there, made once, and never trusted without a look."""

import errno
import json
import os
import threading
import zlib

import pytest
from filelock import FileLock

from steadygan.data import cache
from steadygan.data.cache import cached
from steadygan.errors import InputError


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache" / "images" / "0a1b"


def builder(content=b"pixels" * 100, fails=None):
    def build(part):
        build.calls += 1
        (part / "train.u8").write_bytes(content)
        if fails is not None:
            raise fails
        return {"shape": (1, 2, 3), "notes": ["é"]}

    build.calls = 0
    return build


def refusal(place, build):
    with pytest.raises(InputError) as caught:
        cached(place, build)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected")
    assert ", got " in message
    return message


def names(place):
    return sorted(file.name for file in place.parent.iterdir())


def test_a_folder_is_made_once_and_its_card_comes_back(place):
    build = builder()
    for _ in range(3):
        card = cached(place, build)
        assert (card["shape"], card["notes"], card["format"]) == ([1, 2, 3], ["é"], cache.FORMAT)
        assert card["files"] == {"train.u8": [600, [zlib.crc32(b"pixels" * 100)]]}
    assert build.calls == 1
    assert names(place) == ["0a1b", "0a1b.lock"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("x"), InputError("expected y, got z")])
def test_a_build_that_ends_early_leaves_nothing(place, error):
    with pytest.raises(type(error)):
        cached(place, builder(fails=error))
    assert names(place) == ["0a1b.lock"]
    assert cached(place, builder())["shape"] == [1, 2, 3]


def test_what_killed_builds_left_is_never_used_and_goes_away(place):
    for name in ("0a1b.part", "other.part", "living.part"):
        (place.parent / name).mkdir(parents=True)
        (place.parent / name / "train.u8").write_bytes(b"half")
    with FileLock(place.with_name("living.lock")):
        cached(place, builder())
    assert names(place) == ["0a1b", "0a1b.lock", "living.lock", "living.part", "other.lock"]
    assert (place / "train.u8").read_bytes() == b"pixels" * 100


@pytest.mark.parametrize("at", [0, 299, 599])
def test_one_flipped_byte_is_noticed(place, at):
    cached(place, builder())
    content = bytearray((place / "train.u8").read_bytes())
    content[at] ^= 1
    (place / "train.u8").write_bytes(bytes(content))
    message = refusal(place, builder())
    assert str(place) in message
    assert "train.u8" in message
    assert "delete that folder" in message


def test_a_truncated_and_a_missing_file_are_noticed(place):
    cached(place, builder())
    with (place / "train.u8").open("r+b") as file:
        file.truncate(100)
    assert "100 of 600 bytes in train.u8" in refusal(place, builder())
    (place / "train.u8").unlink()
    assert "train.u8" in refusal(place, builder())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "not json", '{"check": 1}', '{"check": 1, "format": 1, "files": {}}', "null", "\udcff"]
)
def test_a_damaged_card_is_noticed(place, text):
    cached(place, builder())
    (place / "card.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "card.json" in refusal(place, builder())
    (place / "card.json").unlink()
    assert "card.json" in refusal(place, builder())


def test_a_changed_card_is_noticed(place):
    cached(place, builder())
    card = json.loads((place / "card.json").read_text())
    (place / "card.json").write_text(json.dumps(card | {"shape": [1, 3, 2]}))
    assert "another card.json" in refusal(place, builder())


def test_large_files_are_checked_at_both_ends(place, monkeypatch):
    monkeypatch.setattr(cache, "BLOCK", 100)
    content = bytes(range(250))
    card = cached(place, builder(content))
    assert card["files"]["train.u8"][1] == [zlib.crc32(content[i : i + 100]) for i in (0, 100, 200)]
    monkeypatch.setattr(cache, "CHECKED", 249)
    other = place.with_name("other")
    card = cached(other, builder(content))
    assert card["files"]["train.u8"][1] == [zlib.crc32(content[:100]), zlib.crc32(content[200:])]
    with (other / "train.u8").open("r+b") as file:
        file.seek(249)
        file.write(b"?")
    assert "train.u8" in refusal(other, builder(content))


def test_an_empty_file_is_a_file(place):
    assert cached(place, builder(b""))["files"] == {"train.u8": [0, []]}


def test_a_full_disk_and_a_folder_without_rights(place, monkeypatch):
    assert "a full disk" in refusal(place, builder(fails=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert names(place) == ["0a1b.lock"]
    assert "STEADYGAN_CACHE" in refusal(place, builder(fails=OSError(errno.EACCES, "Permission denied")))
    place.parent.joinpath("file").write_text("")
    assert "STEADYGAN_CACHE" in refusal(place.parent / "file" / "0a1b", builder())


def test_two_at_once_build_once(place):
    began, go, said = threading.Event(), threading.Event(), threading.Event()
    first, second = builder(), builder()
    cards = {}

    def slow(part):
        began.set()
        assert go.wait(20)
        return first(part)

    def told(what, done, total):
        assert "waiting for another process" in what
        said.set()

    threads = [threading.Thread(target=lambda: cards.update(a=cached(place, slow)))]
    threads[0].start()
    assert began.wait(20)
    threads.append(threading.Thread(target=lambda: cards.update(b=cached(place, second, told))))
    threads[1].start()
    assert said.wait(20)
    go.set()
    for thread in threads:
        thread.join(20)
    assert cards["a"] == cards["b"]
    assert (first.calls, second.calls) == (1, 0)
