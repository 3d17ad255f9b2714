"""Results appear whole or not at all, whatever stops the writing."""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from steadygan.errors import InputError
from steadygan.files import added, beside

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
STOPS = [KeyboardInterrupt(), ZeroDivisionError(), FULL]


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def stopped(writing: AbstractContextManager[Path], stop: BaseException) -> None:
    """Begins to write, and is stopped."""
    with writing as part:
        (part / "b" if part.is_dir() else part).write_text("half")
        raise stop


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "new" / "a.txt"
    with beside(place) as part:
        part.write_text("one")
        assert part.parent == place.parent
        assert not place.exists()
    assert tree(tmp_path) == {"new/a.txt": "one"}
    with beside(place) as part:
        part.write_text("two")
        assert place.read_text() == "one"
    assert tree(tmp_path) == {"new/a.txt": "two"}


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_takes_its_place_at_the_end(tmp_path: Path, empty: bool) -> None:
    place = tmp_path / "a"
    if empty:
        place.mkdir()
    with beside(place, folder=True) as part:
        (part / "b").mkdir()
        (part / "b" / "c").write_text("one")
        assert tree(place) == {}
    assert tree(tmp_path) == {"a/b/c": "one"}


def test_a_folder_that_was_filled_meanwhile_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.mkdir()

    def crossed() -> None:
        with beside(place, folder=True) as part:
            (part / "mine").write_text("one")
            (place / "theirs").write_text("two")

    with pytest.raises(InputError, match=f"cannot write {place}: .*choose another --out"):
        crossed()
    assert tree(tmp_path) == {"a/theirs": "two"}


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: type(stop).__name__)
@pytest.mark.parametrize("there", [False, True])
def test_what_stops_it_leaves_what_was_there(tmp_path: Path, stop: BaseException, there: bool) -> None:
    place = tmp_path / "a"
    if there:
        place.write_text("old")
    before = tree(tmp_path)
    with pytest.raises(InputError if stop is FULL else type(stop)) as error:
        stopped(beside(place), stop)
    assert tree(tmp_path) == before
    if stop is FULL:
        assert str(error.value).startswith(f"cannot write {place}: No space left on device: free some space")


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: type(stop).__name__)
@pytest.mark.parametrize("write", [lambda path: beside(path, folder=True), added])
def test_nothing_is_left_of_a_folder_that_was_stopped(tmp_path: Path, stop: BaseException, write) -> None:
    with pytest.raises(InputError if stop is FULL else type(stop)):
        stopped(write(tmp_path / "a"), stop)
    assert list(tmp_path.iterdir()) == []


def test_files_are_added_to_a_folder_all_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "new" / "a"
    for text in ("one", "two"):
        with added(place) as part:
            (part / "mine").write_text(text)
            (part / "other").write_text(text)
            assert text not in tree(place).values()
        before = {} if text == "one" else {"new/a/theirs": "3"}
        assert tree(tmp_path) == before | {"new/a/mine": text, "new/a/other": text}
        (place / "theirs").write_text("3")


def test_a_file_is_no_folder_to_add_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    with pytest.raises(InputError, match=r"expected a folder at .*a, found a file: choose another --out"):
        added(tmp_path / "a").__enter__()
    with pytest.raises(InputError, match=r"cannot write .*: (Not a directory|File exists)"):
        beside(tmp_path / "a" / "b" / "c").__enter__()
    assert tree(tmp_path) == {"a": "one"}


@pytest.mark.parametrize("there", [False, True])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "far" / "a.txt", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to(target)
    with beside(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert tree(tmp_path) == {"far/a.txt": "new", "link": "new"}


def test_a_link_to_a_folder_is_written_into(tmp_path: Path) -> None:
    far, link = tmp_path / "far", tmp_path / "link"
    far.mkdir()
    link.symlink_to(far)
    with beside(link, folder=True) as part:
        (part / "a").write_text("new")
    with added(link) as part:
        (part / "b").write_text("new")
    assert link.is_symlink()
    assert tree(far) == {"a": "new", "b": "new"}


def write(path: Path, text: str = "new", **how: bool) -> None:
    with beside(path, **how) as part:
        part.write_text(text)


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=f"cannot write {pipe}: No such device or address: .* choose another --out"):
        write(pipe)  # nobody would ever read it
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe)
    assert os.read(reader, 99) == b"new"
    os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert pipe.is_fifo()


def test_a_device_is_written_into() -> None:
    write(Path(os.devnull))
    assert Path(os.devnull).is_char_device()
    if Path("/dev/full").exists():
        with pytest.raises(InputError, match="cannot write /dev/full: No space left on device"):
            write(Path("/dev/full"))


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no such links here")
def test_a_file_behind_a_redirection_is_named(tmp_path: Path) -> None:
    """Renamed over, it would lose what the shell still writes to it."""
    place = tmp_path / "a"
    with place.open("w") as file, pytest.raises(InputError, match=f"a link to {place}: name that file itself"):
        write(Path(f"/dev/fd/{file.fileno()}"))
    assert tree(tmp_path) == {"a": ""}


def test_what_is_no_file_or_may_not_be_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"expected a file to write at .*, found a folder: choose another --out"):
        write(tmp_path)
    place = tmp_path / "a"
    place.write_text("old")
    with pytest.raises(InputError, match=r"expected a new or empty folder at .*, found a file: choose another --out"):
        write(place, folder=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=f"cannot write {place}: Permission denied"):
        write(place)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a").mkdir()
    with pytest.raises(InputError, match="found a folder"), added(tmp_path / "new") as part:
        (part / "a").write_text("new")
    assert tree(tmp_path) == {"a": "old"}


def test_what_killed_processes_left_of_it_goes(tmp_path: Path) -> None:
    own, alive, other = ".a.99999999.part", ".a.1.part", ".b.99999999.part"
    (tmp_path / own).mkdir()
    (tmp_path / f".a.{os.getpid()}.part").mkdir()  # in a container, numbers come again
    for name in (alive, other, ".a.x.part", ".a.999999999999999999999.part"):
        (tmp_path / name).touch()
    before = {path.name for path in tmp_path.iterdir()} - {own, f".a.{os.getpid()}.part"}
    write(tmp_path / "a")
    assert {path.name for path in tmp_path.iterdir()} == before | {"a"}
