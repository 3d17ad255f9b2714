"""The run's folder: one owner, one run, logs that can be cut back, files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from elsewhere import hold, process
from steadygan.errors import InputError
from steadygan.files import read_json, write_json, write_text
from steadygan.runs.folder import RunFolder
from steadygan.runs.records import read_records
from steadygan.runs.settings import changed, check_same, check_settings
from tiny import small_g, trainer


def filled(path: Path, settings: object = None) -> RunFolder:
    folder = RunFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    if settings is not None:
        folder.settings.write_text(json.dumps(settings))
    return folder


def message(call, *arguments) -> str:
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


class TestLock:
    def test_makes_the_folder_and_can_be_taken_again(self, tmp_path):
        folder = RunFolder(tmp_path / "a" / "b")
        for _ in range(2):
            folder.acquire()
            assert (tmp_path / "a" / "b").is_dir()
            folder.release()
            assert not (tmp_path / "a" / "b").exists()  # nothing came to be in it
        folder.acquire()
        folder.settings.touch()
        folder.release()
        assert folder.settings.exists()

    def test_one_owner_in_one_process(self, tmp_path):
        first, second = RunFolder(tmp_path), RunFolder(tmp_path)
        first.acquire()
        told = message(second.acquire)
        assert told == f"{tmp_path} is in use by another process: wait for it, or choose another --out"
        first.release()
        second.acquire()
        second.release()

    def test_another_process_holds_it_until_it_is_killed(self, tmp_path):
        folder = RunFolder(tmp_path)
        with process(hold, tmp_path) as (_, connection):
            assert connection.recv() == "held"
            assert "in use by another process" in message(folder.acquire)
        folder.acquire()
        folder.release()

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "file").touch()
        told = message(RunFolder(tmp_path / "file").acquire)
        assert told == f"cannot use {tmp_path / 'file'} as a run folder: File exists: choose another --out"
        assert "Not a directory" in message(RunFolder(tmp_path / "file" / "run").acquire)


class TestFree:
    """A folder in which there is no run, but something else, is never begun in."""

    @pytest.mark.parametrize("name", ["log.txt", "samples/000000000.npz", ".env", "checkpoints/000000000.pt", ".a.1"])
    def test_others_are_in_the_way(self, tmp_path, name):
        for each in (name, "x/a", "y", "z"):
            (tmp_path / each).parent.mkdir(exist_ok=True)
            (tmp_path / each).touch()
        names = sorted({name.split("/")[0], "x", "y", "z"})
        told = message(trainer(tmp_path, resume=True).fit, 1)
        assert told == (
            f"expected a new or empty folder, or a run, at {tmp_path}, found {', '.join(names[:3])} and 1 more: choose "
            "another --out"
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == names

    def test_a_lock_of_somebody_else(self, tmp_path):
        (tmp_path / ".lock").write_text("mine")
        assert "found .lock" in message(RunFolder(tmp_path).acquire)
        assert (tmp_path / ".lock").read_text() == "mine"

    def test_what_a_run_leaves_that_was_killed_at_once(self, tmp_path):
        for name in (".lock", ".settings.json.99999999.part"):
            (tmp_path / name).touch()
        trainer(tmp_path).fit(1)
        assert not [*tmp_path.rglob("*.part")]

    def test_half_written_files_go_when_the_folder_is_taken(self, tmp_path):
        folder = filled(tmp_path, {"seed": 1})
        theirs = tmp_path / ".mine.99999999.part"
        theirs.touch()
        for where, name in ((folder.checkpoints, "000000030.pt"), (folder.samples, "000000030.npz")):
            where.mkdir()
            (where / f".{name}.99999999.part").touch()
            (where / f".{name}.1.part").touch()  # a process that is there
        folder.acquire()
        folder.release()
        left = sorted(path.name for path in tmp_path.rglob("*.part"))
        assert left == [".000000030.npz.1.part", ".000000030.pt.1.part", theirs.name]


class TestCheck:
    SETTINGS: ClassVar[dict[str, Any]] = {
        "seed": 1,
        "loss": {"name": "hinge"},
        "penalty": {"r1": {"weight": 1.0}},
        "device": "cpu",
        "threads": 1,
    }

    def test_an_empty_folder_has_no_run(self, tmp_path):
        for resume in (False, True):
            assert check_settings(RunFolder(tmp_path), self.SETTINGS, resume) is None

    def test_a_run_is_there_already(self, tmp_path):
        told = message(check_settings, filled(tmp_path, self.SETTINGS), self.SETTINGS, False)
        assert told == f"{tmp_path} already holds a run: continue it with --resume, or choose another folder with --out"

    def test_a_checkpoint_alone_is_a_run(self, tmp_path):
        folder = filled(tmp_path)
        folder.checkpoints.mkdir()
        (folder.checkpoints / "000000000.pt").touch()
        assert "already holds a run" in message(check_settings, folder, self.SETTINGS, False)

    def test_the_newest_checkpoint(self, tmp_path):
        folder = filled(tmp_path, self.SETTINGS)
        folder.checkpoints.mkdir()
        for name in ("000000000.pt", "000000100.pt"):
            (folder.checkpoints / name).touch()
        assert check_settings(folder, self.SETTINGS, True) == folder.checkpoints / "000000100.pt"

    def test_settings_without_a_checkpoint_start(self, tmp_path):
        assert check_settings(filled(tmp_path, self.SETTINGS), self.SETTINGS, True) is None

    def test_changed_settings_are_listed(self, tmp_path):
        now = {
            "seed": 2,
            "loss": {"name": "hinge"},
            "penalty": {"r1": {"weight": 2.0}, "r2": {"weight": 1.0}},
            "device": "cuda",
            "threads": 2,
        }
        told = message(check_settings, filled(tmp_path, self.SETTINGS), now, True)
        assert told == (
            f"{tmp_path} was trained with other settings: penalty.r1.weight: 1.0 in the run, 2.0 now; "
            "penalty.r2.weight: absent in the run, 1.0 now; seed: 1 in the run, 2 now: "
            "resume with the same settings, or choose another --out"
        )

    def test_where_a_run_is_done_is_not_compared(self, tmp_path):
        now = self.SETTINGS | {"device": "cuda", "threads": 8}
        assert check_settings(filled(tmp_path, self.SETTINGS), now, True) is None

    def test_settings_are_compared_as_json(self, tmp_path):
        """A tuple is written as a list; that is no change."""
        folder = filled(tmp_path, {"betas": [0.5, 0.9], "n": {"1": 2}})
        assert check_settings(folder, {"betas": (0.5, 0.9), "n": {1: 2}}, True) is None

    @pytest.mark.parametrize(("text", "told"), [("{half", "not a readable JSON file"), ("[1]", "holds list")])
    def test_settings_that_are_none(self, tmp_path, text, told):
        folder = filled(tmp_path)
        folder.settings.write_text(text)
        assert told in message(check_settings, folder, self.SETTINGS, True)
        assert told in message(read_json, folder.settings)

    def test_settings_that_are_binary(self, tmp_path):
        (tmp_path / "settings.json").write_bytes(b"\xff\xfe\x00{")
        assert "not a readable JSON file" in message(read_json, tmp_path / "settings.json")


def test_differences():
    old, new = {"a": {"b": 1, "c": {}}, "d": None}, {"a": {"b": 1.0, "c": {}}, "d": 0}
    assert changed(old, old) == []
    assert changed(old, new) == [("d", None, 0)]
    folder = RunFolder(Path("runs/a"))
    check_same(folder, old, old)
    assert "runs/a was trained with other settings: d: None in the run, 0 now: resume" in message(
        check_same, folder, old, new
    )


class TestCutBack:
    def records(self, *iterations: int, **more: object) -> str:
        return "".join(json.dumps({"iteration": i, "x": 1 / 3} | more) + "\n" for i in iterations)

    def test_forgets_what_came_after(self, tmp_path):
        folder = filled(tmp_path)
        folder.metrics.write_text(self.records(0, 20, 40) + self.records(50, final=True) + self.records(60))
        folder.timing.write_text(self.records(0, 20, 40, 60, seconds=1.0))
        folder.samples.mkdir()
        for name in ("000000020.npz", "000000040.png", "000000060.npz", "notes.txt"):
            (folder.samples / name).touch()
        folder.cut_back(50)
        assert folder.metrics.read_text() == self.records(0, 20, 40)
        assert folder.timing.read_text() == self.records(0, 20, 40, seconds=1.0)
        assert sorted(p.name for p in folder.samples.iterdir()) == ["000000020.npz", "000000040.png", "notes.txt"]

    def test_forgets_the_samples_of_a_closing_record(self, tmp_path):
        """A run that had gone on would have drawn none there."""
        folder = filled(tmp_path)
        folder.metrics.write_text(self.records(0) + self.records(30, final=True))
        folder.samples.mkdir()
        (folder.samples / "000000030.npz").touch()
        folder.cut_back(30)
        assert folder.metrics.read_text() == self.records(0)
        assert list(folder.samples.iterdir()) == []

    def test_a_line_cut_off_by_a_kill(self, tmp_path):
        folder = filled(tmp_path)
        whole = self.records(0, 20)
        folder.metrics.write_text(whole + '{"iteration": 40, "x": 0.33')
        assert [r["iteration"] for r in read_records(folder.metrics)] == [0, 20]
        folder.cut_back(1000)
        assert folder.metrics.read_text() == whole

    def test_a_whole_last_line_without_its_end(self, tmp_path):
        folder = filled(tmp_path)
        folder.metrics.write_text(self.records(0, 20).rstrip())
        folder.cut_back(1000)
        assert folder.metrics.read_text() == self.records(0, 20)

    @pytest.mark.parametrize("garbage", [b"\0\0\0", b'{"iteration": 20, "\xc3\xff', b"\n"])
    def test_what_a_power_cut_leaves(self, tmp_path, garbage):
        folder = filled(tmp_path)
        folder.metrics.write_bytes(self.records(0).encode() + garbage)
        folder.cut_back(1000)
        assert folder.metrics.read_text() == self.records(0)

    @pytest.mark.parametrize("garbage", ['{"iteration": 10, "x"', "12", "[1, 2]", '{"x": 1.0}'])
    def test_what_comes_after_a_broken_line_is_read(self, tmp_path, garbage):
        folder = filled(tmp_path)
        folder.metrics.write_text(f"{self.records(0)}{garbage}\n{self.records(20)}")
        assert [r["iteration"] for r in read_records(folder.metrics)] == [0, 20]

    def test_nothing_there(self, tmp_path):
        folder = filled(tmp_path)
        folder.cut_back(10)
        assert folder.metrics.read_text() == ""
        assert read_records(tmp_path / "none.jsonl") == []

    def test_clear_removes_what_never_reached_a_checkpoint(self, tmp_path):
        folder = filled(tmp_path, {"seed": 1})
        for path in (folder.metrics, folder.timing, folder.log):
            path.touch()
        own = "samples/000000020.npz", "figures/losses.png", "events/events.out.tfevents.1.host"
        theirs = {"samples/me.npz", "samples/7.png", "figures/me.png", "events/me", "checkpoints/1.pt", "me.txt"}
        for name in (*own, *theirs):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        for _ in range(2):
            folder.clear()
            left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
            assert left == theirs | {"settings.json"}
        assert folder.saved == []


class TestWriting:
    def test_in_one_piece(self, tmp_path):
        write_json(tmp_path / "a.json", {"x": [1, 2.5, None], "name": "é"})
        assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None], "name": "é"}
        assert [p.name for p in tmp_path.iterdir()] == ["a.json"]

    def test_a_full_disk_leaves_the_old_content(self, tmp_path, monkeypatch):
        path = tmp_path / "metrics.jsonl"
        path.write_text("old\n")
        plain = Path.write_text

        def full(self, text, *args, **more):
            plain(self, text[:3], *args, **more)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_text", full)
        told = message(write_text, path, "new content\n")
        assert told == f"cannot write {path}: No space left on device: free some space and continue with --resume"
        assert path.read_text() == "old\n"
        assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]

    def test_into_a_folder_that_is_gone(self, tmp_path):
        assert "No such file" in message(write_text, tmp_path / "gone" / "a.txt", "x")


def test_a_run_that_could_not_start_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="the generator must return samples"):
        trainer(tmp_path / "run", G=small_g(2, 5)).fit(3)
    assert not (tmp_path / "run").exists()
    trainer(tmp_path / "run").fit(3)
    assert (tmp_path / "run" / "settings.json").exists()
