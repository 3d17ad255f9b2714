"""The report while a run trains: as new as its files, open to this machine alone, and never without a page."""

import http.client
import json
import os
import signal
import socket
import threading
import time

import pytest
from runs_made import points, run

import steadygan as sg
from steadygan.errors import InputError
from steadygan.reporting import page as pages
from steadygan.reporting.folders import awaited, found
from steadygan.reporting.latest import PAUSE, SHARE, Latest
from steadygan.reporting.live import Server, follow

LIVE = ("connect-src", "data-state", "sessionStorage", 'fetch("state")', "location.reload")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def served():
    """(folders, clock) -> a server of their page, on a port of its own."""
    servers = []

    def serve(*folders, clock=time.monotonic):
        server = Server(0)
        server.latest = Latest(folders, clock)
        servers.append((server, threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})))
        servers[-1][1].start()
        return server

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(server, path="/", method="GET", headers=None):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def grown(folder, iteration, **columns):
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"iteration": iteration, **columns}) + "\n")


def longer(path):
    """Within one tick of the file system's clock."""
    before = path.stat().st_mtime_ns
    path.write_text("xyz", encoding="utf-8")
    os.utime(path, ns=(before, before))


def test_the_page_is_that_of_the_file_and_what_follows_it(tmp_path, served):
    folder = points(run(tmp_path / "a"))
    file = sg.report(folder, tmp_path / "page.html").read_text(encoding="utf-8")
    status, headers, body = ask(served(folder))
    live = body.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    followed = set(live.splitlines())
    lost = [line for line in file.splitlines() if line not in followed]
    assert [line.split()[0] for line in lost] == ["<html", "<meta", "<footer"]
    policy = next(line for line in file.splitlines() if "Content-Security-Policy" in line)
    assert policy.replace("'unsafe-inline'\">", "'unsafe-inline'; connect-src 'self'\">") in live
    for words in LIVE:
        assert words in live
        assert words not in file


def test_what_is_answered_and_what_is_refused(tmp_path, served):
    server = served(run(tmp_path / "a"))
    assert server.socket.getsockname()[0] == "127.0.0.1"
    state = json.loads(ask(server, "/state")[2])
    assert state == {"page": server.latest.page().state, "note": ""}
    assert f'data-state="{state["page"]}"'.encode() in ask(server)[2]
    for path in ("/", "/state", "/?again"):
        whole, head = ask(server, path), ask(server, path, "HEAD")
        assert (whole[0], head[0], head[2]) == (200, 200, b"")
        assert int(head[1]["Content-Length"]) == len(whole[2]) > 0
    refused = [("GET", path, 404) for path in ("/state/", "/../a/metrics.jsonl", "/metrics.jsonl", "/x", "/%73tate")]
    refused += [(method, "/", 501) for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH")]
    for method, path, status in refused:
        answer = ask(server, path, method)
        assert (answer[0], answer[1]["Cache-Control"]) == (status, "no-store")
        assert b"record" not in answer[2]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:9999", 200),  # a tunnel's other end
        ("LocalHost:1", 200),
        ("evil.example", 403),
        ("evil.example:8765", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8765", 403),
        ("localhost:8765.evil.example", 403),
        ("0.0.0.0:8765", 403),
        ("", 403),
    ],
)
def test_a_name_from_elsewhere_is_refused(tmp_path, served, host, status):
    server = served(run(tmp_path / "a"))
    for path in ("/", "/state", "/nothing"):
        answer = ask(server, path, headers={"Host": host})
        assert answer[0] == (status if path != "/nothing" or status == 403 else 404)
        assert answer[1]["Cache-Control"] == "no-store"
        assert answer[1]["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert ask(server, method="POST", headers={"Host": host})[0] == (501 if status == 200 else 403)


def said_to(server, request):
    """All that is answered to a request as it stands."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(request.encode())
        with connection.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize("lines", ["", "Host: localhost\r\nHost: evil.example\r\n"])
def test_a_request_without_one_host_is_refused(tmp_path, served, lines):
    answer = said_to(served(run(tmp_path / "a")), f"GET / HTTP/1.0\r\n{lines}\r\n")
    assert b" 403 " in answer.split(b"\r\n")[0]


def test_a_head_ends_with_its_headers(tmp_path, served):
    answer = said_to(served(run(tmp_path / "a")), "HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[1:] == (b"\r\n\r\n", b"")


def test_a_page_is_made_when_files_change_and_not_too_often(tmp_path, clock, monkeypatch):
    made = []
    monkeypatch.setattr(pages, "render", lambda *words: made.append(words) or f"page {len(made)}")
    folder = run(tmp_path / "a")
    latest = Latest([folder], clock)
    first = latest.page()
    clock.now += 100 * PAUSE
    assert latest.page() == first
    (folder / "report.html").write_text("x")  # nothing that a page tells of
    assert latest.page() == first
    grown(folder, 500, d_loss=1.0)
    second = latest.page()
    assert (second.html, second.state != first.state) == (b"page 2", True)
    for change in (
        lambda: (folder / "log.txt").write_text("x", encoding="utf-8"),
        lambda: points(folder, iterations=(500,)),
        lambda: os.utime(folder / "samples/000000500.npz", (1, 1)),  # of the same size
        lambda: longer(folder / "log.txt"),
        lambda: (folder / "checkpoints/000000400.pt").unlink(),
    ):
        before = latest.page()
        change()
        clock.now += PAUSE - 0.01
        assert latest.page() == before
        clock.now += 0.02
        assert latest.page().state not in (before.state, first.state)
    assert len(made) == 7


def test_pages_take_a_tenth_of_the_time_at_most(tmp_path, clock, monkeypatch):
    def slow(*_):
        clock.now += 3.0
        return "slow"

    folder = run(tmp_path / "a")
    latest = Latest([folder], clock)
    monkeypatch.setattr(pages, "render", slow)
    clock.now += PAUSE
    grown(folder, 500)
    second = latest.page()
    grown(folder, 600)
    clock.now += 3.0 / SHARE - 0.01
    assert latest.page() == second
    clock.now += 0.02
    assert latest.page() != second


def test_what_fails_keeps_the_last_good_page(tmp_path, clock, monkeypatch):
    folder = run(tmp_path / "a")
    latest = Latest([folder], clock)
    good = latest.page()
    with monkeypatch.context() as broken:
        broken.setattr(pages, "render", lambda *_: 1 / 0)
        grown(folder, 500, d_loss=1.0)
        clock.now += PAUSE
        kept = latest.page()
    assert (kept.state, kept.html) == (good.state, good.html)  # its state too: else browsers open it on and on
    assert kept.note == "No newer page could be made yet (ZeroDivisionError: division by zero)."
    clock.now += PAUSE
    assert latest.page().state != good.state
    assert latest.page().note == ""
    settings = (folder / "settings.json").rename(tmp_path / "settings.json")
    clock.now += PAUSE
    with monkeypatch.context() as broken:
        broken.setattr(pages, "render", lambda *_: 1 / 0)
        assert latest.page().note
    settings.rename(folder / "settings.json")  # as it was: there is nothing newer
    clock.now += PAUSE
    again = latest.page()
    assert again.note == ""
    for spoil in (lambda: (folder / "metrics.jsonl").write_text("{"), lambda: folder.rename(tmp_path / "b")):
        spoil()
        clock.now += PAUSE
        assert latest.page().html == again.html
        assert "InputError: expected" in latest.page().note


def test_a_run_that_begins_is_waited_for(tmp_path, clock):
    folder = tmp_path / "<b>"
    folder.mkdir()
    (folder / ".lock").touch()
    latest = Latest([folder], clock)
    for name, content in (("settings.json", "{}"), ("metrics.jsonl", ""), ("metrics.jsonl", '{"iter')):
        html = latest.page().html.decode()
        assert "Waiting for the first record" in html
        assert f"{tmp_path}/&lt;b&gt;" in html.replace(os.sep, "/")
        assert f'data-state="{latest.page().state}"' in html
        assert "connect-src 'self'" in html
        (folder / name).write_text(content, encoding="utf-8")
        clock.now += PAUSE
    (folder / "metrics.jsonl").write_text('{"iteration": 0, "modes": 1}\n', encoding="utf-8")
    assert "Modes found" in latest.page().html.decode()


def test_seeds_join_when_they_have_records(tmp_path, clock):
    run(tmp_path / "far/seed-0")
    for seed in (1, 2):
        (tmp_path / f"far/seed-{seed}").mkdir()
        (tmp_path / f"far/seed-{seed}/settings.json").write_text("{}", encoding="utf-8")
    (tmp_path / "far/seed-2/metrics.jsonl").touch()
    latest = Latest([tmp_path / "far"], clock)
    told = [f"{tmp_path / 'far' / name} is left out: it holds no records yet" for name in ("seed-1", "seed-2")]
    for words in told:
        assert words in latest.page().html.decode()
    grown(tmp_path / "far/seed-1", 0, modes=1)
    run(tmp_path / "far/seed-3", seed=3)
    clock.now += PAUSE
    html = latest.page().html.decode()
    assert [words in html for words in told] == [False, True]
    assert "2 seeds" in html


def test_a_run_is_itself_whatever_lies_in_its_folder(tmp_path):
    folder = run(tmp_path / "a")
    run(folder / "seed-0", recipe="ring8/far")
    assert awaited([folder, tmp_path / "a/../a"]) == found([folder])[0] == [folder]


@pytest.mark.parametrize(
    ("name", "words"), [("none", "found no such folder"), ("other", "found no metrics.jsonl"), ("file", "got the file")]
)
def test_what_cannot_become_a_run_is_refused(tmp_path, name, words):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").touch()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=words):
        follow([tmp_path / name], 0, print)


def test_a_port_in_use_is_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        expected = f"expected a free port, got {port} which is in use: choose another with --port"
        with pytest.raises(InputError, match=f"^{expected}$"):
            follow([run(tmp_path / "a")], port, print)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_and_handlers_are_as_before(tmp_path, number):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    said = []

    def say(line):
        said.append(line)
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()

    for seed in (0, 1):
        run(tmp_path / f"seed-{seed}", seed=seed)
    follow([tmp_path], 0, say)
    address = said[0].removeprefix("following 2 runs at ").removesuffix(" , stop with Ctrl+C")
    port = int(address.removeprefix("http://127.0.0.1:").removesuffix("/"))
    assert len(said) == 1
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
