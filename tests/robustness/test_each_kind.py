"""The kinds of bad input that attacks found, one by one: a line of what is wrong, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steadygan import cli
from steadygan.commands import sample
from steadygan.errors import InputError, check_whole, shortened, unknown
from steadygan.files import holds_images, read_json
from steadygan.places import given_place
from steadygan.runs.interventions import interventions
from steadygan.runs.log import Log
from steadygan.runs.records import read_records, times, unreadable


def refusal(call: Callable[..., Any], *given: Any) -> str:
    with pytest.raises(InputError) as error:
        call(*given)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_long_words_are_cut_and_what_steers_a_terminal_is_written_out() -> None:
    assert shortened("expected a name, got 'ä b'") == "expected a name, got 'ä b'"
    assert shortened(f"got {1500 * 'x'}: drop it") == f"got {150 * 'x'}...{99 * 'x'}: drop it"
    assert len(shortened(2000 * "x y ")) < 1100
    assert shortened("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert str(InputError(f"got {1500 * 'x'}")) == f"got {150 * 'x'}...{100 * 'x'}"


def test_of_many_names_the_nearest_are_told_and_where_all_are() -> None:
    names = [f"ring{i}/far" for i in range(40)]
    told = str(unknown("recipe", "ring8/fra", names))
    assert told.startswith("unknown recipe 'ring8/fra': did you mean 'ring8/far'? known: ring8/far, ")
    assert told.endswith(", ... (40 in all; steadygan recipes '*' lists all)")
    assert told.count("/far,") == 5


def test_a_machine_counts_so_far() -> None:
    assert "must be a whole number of at most 9,223,372,036,854,775,807" in refusal(check_whole, "seed", 2**64, 0)
    assert "seed must be a whole number" in refusal(check_whole, "seed", 10**5000, 0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[" * 100_000, "RecursionError"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "RecursionError"),
        (b'{"a": ' + b"9" * 5000 + b"}", "ValueError"),
        (b"\xff\xfe{}", "UnicodeDecodeError"),
    ],
)
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(content)
    assert f"{file} is not a readable JSON file ({told})" in refusal(read_json, file)


def test_a_mark_before_json_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "settings.json") == {"a": 1}


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "settings.npz"
    os.mkfifo(pipe)
    told = f"expected a file at {pipe}, found a pipe, socket or device: save its content as a file"
    assert refusal(read_json, pipe) == told
    assert "found a pipe, socket or device" in refusal(given_place, pipe, "images")
    assert not holds_images(pipe)
    assert read_records(pipe) == []


def test_of_a_record_values_that_are_none_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    right = {"iteration": 4, "d_loss": 1.5, "verdict": "good", "reason": "near", "final": True}
    wrong = [None, 3, [], {"iteration": None}, {"iteration": -1}, {"iteration": 2.5}, {"iteration": 10**400}]
    mixed = right | {"iteration": 5, "g_loss": [1], "modes": 10**400, "balance": None, "verdict": 7, "energy": "near"}
    file.write_text("\n".join(map(json.dumps, [right, *wrong, mixed])) + '\n{"iteration": 6, "d_l', encoding="utf-8")
    assert read_records(file) == [right, {"iteration": 5, "d_loss": 1.5, "reason": "near", "final": True}]
    assert unreadable(file) == len(wrong)
    file.write_text(json.dumps({"iteration": 1, "verdict": "\x1b[2J"}), encoding="utf-8")
    assert read_records(file) == [{"iteration": 1, "verdict": "\\x1b[2J"}]


def test_times_are_those_told_last(tmp_path: Path) -> None:
    file = tmp_path / "timing.jsonl"
    assert times(file) == (0.0, 0.0)
    told = [{"iteration": 2, "seconds": 1.5, "iterations_per_second": 3.0}, {"iteration": 4, "seconds": 2.5}]
    file.write_text("\n".join(map(json.dumps, [*told, {"iteration": 5, "seconds": "x"}])), encoding="utf-8")
    assert (times(file), times(file, 3)) == ((2.5, 0.0), (1.5, 3.0))


@pytest.mark.parametrize(
    ("content", "told"),
    [("3", "it holds int"), ("[3]", "expected settings of its own"), ('[{"iteration": "x"}]', "iteration: expected")],
)
def test_roll_backs_are_typed(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "interventions.json").write_text(content, encoding="utf-8")
    assert told in refusal(interventions, tmp_path / "interventions.json")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_too_little_memory_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "application", full)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith("error: expected the command to fit into memory, got ")


def test_a_full_disk_is_told_before_samples_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    run: Any = SimpleNamespace(data={"shape": [3, 32, 32], "image": True})
    sample.check_room(("npz", tmp_path / "a.npz"), 300_000, run)
    told = refusal(sample.check_room, ("npz", tmp_path / "below" / "a.npz"), 400_000, run)
    assert "expected disk space for 400,000 samples at" in told
    assert "1.2 GB or more, found 1.0 GB: lower -n" in told
    sample.check_room(("zip", tmp_path / "a.zip"), 400_000, run)


def test_a_notebooks_backend_is_not_asked_for(tmp_path: Path) -> None:
    """In a process of its own: where it is not there, matplotlib's import fails half-way and cannot be repeated."""
    drawn = (
        "from steadygan.viz.canvas import canvas\n"
        f"with canvas({str(tmp_path / 'a.png')!r}, 2, 2) as figure: figure.subplots().plot([1, 2])\n"
        "import os; print(os.environ['MPLBACKEND'])"
    )
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    done = subprocess.run([sys.executable, "-c", drawn], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == environment["MPLBACKEND"]
    assert (tmp_path / "a.png").stat().st_size > 0


def test_what_cannot_be_drawn_is_one_line() -> None:
    log = Log(None)
    with log.lenient("no figures were drawn", 7):
        raise RuntimeError("no\nfonts")
    with log.lenient("no figures were drawn", 7, InputError):
        raise InputError("cannot write it")
    assert log.events == ["no figures were drawn: no fonts", "no figures were drawn: cannot write it"]
    with pytest.raises(InputError), log.lenient("no samples were kept", 7):
        raise InputError("cannot write it")
