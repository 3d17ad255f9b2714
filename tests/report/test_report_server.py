"""The report while a run trains: open to this machine alone, one line that says where, and an end on request."""

import http.client
import os
import signal
import socket
import threading

import pytest
from runs_made import points, run

import steadygan as sg
from steadygan.errors import InputError
from steadygan.reporting.server import PageServer, follow

LIVE = ("connect-src", "data-state", "sessionStorage", 'method: "HEAD"', "location.reload")


@pytest.fixture
def served():
    """(*folders) -> a server of their page, on a port of its own."""
    servers = []

    def serve(*folders):
        server = PageServer(folders, 0)
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


def test_the_page_is_that_of_the_file_and_what_follows_it(tmp_path, served):
    folder = points(run(tmp_path / "a"))
    file = sg.report(folder, tmp_path / "page.html").read_text(encoding="utf-8")
    status, headers, body = ask(served(folder))
    live = body.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    followed = set(live.splitlines())
    lost = [line for line in file.splitlines() if line not in followed]
    assert [line.split()[0] for line in lost] == ["<html", "<meta", "<a", "<footer"]
    assert 'download="evolution.gif"' in lost[2]  # a page that is made again and again holds no film
    policy = next(line for line in file.splitlines() if "Content-Security-Policy" in line)
    assert policy.replace("'unsafe-inline'\">", "'unsafe-inline'; connect-src 'self'\">") in live
    for words in LIVE:
        assert words in live
        assert words not in file


def test_what_is_answered_and_what_is_refused(tmp_path, served):
    server = served(run(tmp_path / "a"))
    assert server.socket.getsockname()[0] == "127.0.0.1"
    state = server.page()[0]
    assert f'data-state="{state}"'.encode() in ask(server)[2]
    for path in ("/", "/?again"):
        whole, head = ask(server, path), ask(server, path, "HEAD")
        assert (whole[0], head[0], head[2]) == (200, 200, b"")
        assert int(head[1]["Content-Length"]) == len(whole[2]) > 0
        assert whole[1]["ETag"] == head[1]["ETag"] == f'"{state}"'
    refused = [("GET", path, 404) for path in ("/state", "/../a/metrics.jsonl", "/metrics.jsonl", "/x", "/%73tate")]
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
    for path in ("/", "/nothing"):
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
        expected = f"expected a free port, got {port}, which is in use: choose another with --port"
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
