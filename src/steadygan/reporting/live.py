"""The report while a run trains: served to this machine alone, on the loopback address."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from ..errors import InputError
from .folders import awaited
from .latest import Latest

ADDRESS = "127.0.0.1"
PORT = 8765
HOSTS = frozenset({ADDRESS, "localhost"})
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest stands in the page; this one a page cannot say
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def follow(words: Sequence[str | Path], port: int, say: Callable[[str], None]) -> None:
    """Serves the report on the runs that `words` mean until SIGINT or SIGTERM; `say` is told where, once it can be had.

    port: 0 takes any that is free. Raises InputError for a folder without a run, and for a port that cannot be used.
    """
    count = len(awaited(words))
    with Server(port) as server:
        server.latest = Latest(words)
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            say(f"following {count} run{'s' * (count > 1)} at {server.address} , stop with Ctrl+C")
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            with suppress(KeyboardInterrupt):
                server.latest.close()
            signal.signal(signal.SIGTERM, before)


class Server(ThreadingHTTPServer):
    """Answers on one port of the loopback address; `latest` is what it serves.

    Raises InputError for a port that is in use or may not be used.
    """

    latest: Latest
    allow_reuse_address = os.name == "posix"  # elsewhere that means to share a port that another program listens on

    def __init__(self, port: int) -> None:
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
            raise InputError(f"expected a free port, got {port} which is {why}: choose another with --port") from None

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def server_bind(self) -> None:
        """Binds; the base class would also ask for the host's name, on some machines over the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of browsers that went away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of / (the page) and /state (which page that is, as JSON); nothing else."""

    server: Server
    server_version, sys_version = "steadygan", ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    timeout = 30  # seconds without a word

    def parse_request(self) -> bool:
        """Refuses other names than this machine's: a page from elsewhere may have its name lead here."""
        if not super().parse_request():
            return False
        hosts = self.headers.get_all("Host", [])
        name, _, port = hosts[0].lower().partition(":") if len(hosts) == 1 else ("", "", "")
        if name in HOSTS and (port == "" or port.isdecimal()):
            return True
        self.send_error(HTTPStatus.FORBIDDEN, f"Expected the host {ADDRESS} or localhost")
        return False

    def do_GET(self) -> None:
        """The whole answer."""
        self._answer(whole=True)

    def do_HEAD(self) -> None:
        """Its headers."""
        self._answer(whole=False)

    def _answer(self, whole: bool) -> None:
        path = self.path.partition("?")[0]
        if path not in ("/", "/state"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        page = self.server.latest.page()
        kind, content = "text/html; charset=utf-8", page.html
        if path == "/state":
            kind, content = "application/json", json.dumps({"page": page.state, "note": page.note}).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if whole:
            shutil.copyfileobj(BytesIO(content), self.wfile)  # in pieces: the timeout is that of one

    def end_headers(self) -> None:
        """Adds what every answer carries, refusals too."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, the name is the base class's
        """Keeps the terminal to the one line that says where the page is."""
