"""`steadygan report` as a user types it."""

import json
import os
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from steadygan.commands.diagnose import report
from steadygan.reporting import server

RECORDS = "".join(f'{{"iteration": {i}, "d_loss": 1.2, "g_loss": 0.8}}\n' for i in (0, 100, 200))


def made(folder, seed=0):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(RECORDS)
    (folder / "settings.json").write_text(json.dumps({"batch_size": 64, "seed": seed}))
    return folder


def asked(commands, folder, port):
    return commands(
        [
            ["report", "one"],
            ["report", "one", "far é"],
            ["report", "far é", "--out", "pages/é.html"],
            ["report", "nothing"],
            ["report", "one", "bare"],
            ["report", "one", "--out", "bare"],
            ["report", "one", "--follow", "--port", str(port)],
            ["report", "one", "--out", os.devnull],
        ],
        folder,
    )


def test_pages_and_refusals(tmp_path, commands):
    made(tmp_path / "one")
    for seed in (0, 1):
        made(tmp_path / f"far é/seed-{seed}", seed)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/settings.json").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one, several, named, missing, bare, folder, busy, device = asked(commands, tmp_path, port)
    for answer, place in ((one, "one/report.html"), (several, "report.html"), (named, "pages/é.html")):
        assert answer.code == 0, answer.err
        assert answer.out == f"report: {place}\n"
        assert (tmp_path / place).stat().st_size < 10_000_000
    assert (device.code, device.out, device.err) == (0, "", f"report: {os.devnull}\n")  # stdout may be the page
    assert missing.refused() == "expected a run in 'nothing', found no such folder: check the path"
    assert bare.refused().startswith("expected metrics.jsonl in 'bare', found none")
    assert folder.refused().startswith("expected a file for --out, got the folder 'bare'")
    assert busy.refused() == f"expected a free port, got {port}, which is in use: choose another with --port"


def test_what_is_missing_or_unknown_is_refused(tmp_path, commands):
    for answer in commands([["report"], ["report", "--fellow", "one"]], tmp_path):
        answer.refused()


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_run_is_followed_until_it_is_interrupted(tmp_path, surroundings):
    made(tmp_path / "one")
    command = [sys.executable, "-m", "steadygan", "report", "one", "--follow", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=surroundings, stdout=pipe, stderr=pipe, text=True) as process:
        line = process.stdout.readline()
        address = line.removeprefix("following 1 run at ").removesuffix(" , stop with Ctrl+C\n")
        with urlopen(address, timeout=60) as answer:
            assert b"Loss of D" in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["metrics.jsonl", "settings.json"]


@pytest.mark.parametrize(("port", "served"), [(None, 8765), (0, 0), (9000, 9000)])
def test_the_port_that_is_served(tmp_path, monkeypatch, port, served):
    followed = []
    monkeypatch.setattr(server, "follow", lambda *words: followed.append(words[:2]))
    assert report([tmp_path], None, follow=True, port=port) == 0
    assert followed == [([tmp_path], served)]
