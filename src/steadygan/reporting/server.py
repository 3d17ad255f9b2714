"""The report while runs train: a page rebuilt when their files change, served to this machine only."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socketserver import TCPServer
from threading import Lock
from time import monotonic
from typing import Any

from ..errors import InputError
from ..runs.folder import RunFolder
from ..runs.history import history, run_folders
from .groups import grouped

ADDRESS, PORT = "127.0.0.1", 8765
HOSTS = frozenset({ADDRESS, "localhost"})
PAUSE = 5.0  # seconds from one page to the next at least
SHARE = 0.1  # of the time, at most, that making pages takes: the run needs the machine
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest stands in the page; this one a page cannot say
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def follow(words: Sequence[str | Path], port: int, say: Callable[[str], None], real: bool = False) -> None:
    """Serves the report on the runs `words` until SIGINT or SIGTERM; `say` is called with its address once it is up.

    port: 0 takes any free port; real: see `report`. Raises InputError for a folder without a run, and for a port that
    cannot be used.
    """
    count = len(run_folders(words, begun=True)[0])
    with PageServer(words, port, real) as server:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            say(f"following {count} run{'s' * (count > 1)} at {server.address} , stop with Ctrl+C")
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            with suppress(
                KeyboardInterrupt
            ):  # no page is half made, in a thread of its own, while the interpreter ends
                server.lock.acquire(timeout=10)
            signal.signal(signal.SIGTERM, before)


class PageServer(ThreadingHTTPServer):
    """Serves the page of some runs on one port of the loopback address, as current as its limits allow.

    Raises InputError for a port that is in use or not permitted.
    """

    allow_reuse_address = os.name == "posix"  # elsewhere that means to share a port that another program listens on

    def __init__(self, words: Sequence[str | Path], port: int, real: bool = False) -> None:
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else f"not available ({error.strerror})"
            raise InputError(f"expected a free port, got {port}, which is {why}: choose another with --port") from None
        self.words, self.real = words, real
        self.lock = Lock()
        self._has_records = False
        self._page = "", b""  # a word that is another one for another page, and the page
        self._renew()
        self._due = monotonic() + PAUSE  # imports took most of the first one's time

    @property
    def address(self) -> str:
        """The URL for a browser."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def page(self) -> tuple[str, bytes]:
        """The state of the runs and their page, rebuilt if it is due; if that fails, the last good one."""
        with self.lock:
            began = monotonic()
            if began >= self._due and self._renew():
                self._due = monotonic() + max(PAUSE, (monotonic() - began) / SHARE)
            return self._page

    def _renew(self) -> bool:
        """Whether a page was tried: not where no file has changed."""
        from . import page as pages  # imports much, which a port that is taken need not wait for

        try:
            folders, _ = run_folders(self.words, begun=True)
            state = _state(folders)
            if state == self._page[0]:
                return False
            runs, notes = [], []
            for folder in folders:
                try:
                    runs.append(history(folder))
                except InputError:
                    notes.append(f"{folder} is left out: it holds no records yet")
            if runs or not self._has_records:
                page = pages.render(grouped(runs), notes, state, self.real) if runs else pages.waiting_page(folders)
                self._page = state, page.encode()
                self._has_records = bool(runs)
        except Exception:  # a half-written file raises whatever its bytes lead to
            return True
        return True

    def server_bind(self) -> None:
        """Binds; the base class would also look up the host's name, on some machines over the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores browsers that disconnect during an answer."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of /, with the state of the runs as ETag, and nothing else."""

    server: PageServer
    server_version, sys_version = "steadygan", ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    timeout = 30  # seconds without a word

    def parse_request(self) -> bool:
        """Refuses host names other than this machine's, as another site's name may resolve to it."""
        if not super().parse_request():
            return False
        hosts = self.headers.get_all("Host", [])
        name, _, port = hosts[0].lower().partition(":") if len(hosts) == 1 else ("", "", "")
        if name in HOSTS and (port == "" or port.isdecimal()):
            return True
        self.send_error(HTTPStatus.FORBIDDEN, f"Expected the host {ADDRESS} or localhost")
        return False

    def do_GET(self) -> None:
        """The page, or only its headers."""
        if self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        state, content = self.server.page()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{state}"')
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(BytesIO(content), self.wfile)  # in pieces: the timeout is that of one

    do_HEAD = do_GET  # noqa: N815, the name is the base class's

    def end_headers(self) -> None:
        """Adds the headers of every answer, refusals included."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, the name is the base class's
        """Keeps the terminal to the one line with the address."""


def _state(folders: Sequence[Path]) -> str:
    """A word that is another one when a file that a page tells of came, went, grew or was written anew."""
    files = [path for folder in folders for path in RunFolder(folder).contents()]
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return blake2b(repr(stamps).encode(), digest_size=8).hexdigest()
