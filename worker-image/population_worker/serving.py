"""A small HTTP server with low latency on the standard library: keep-alive, TLS, one thread each.

Shared by the two ports of a worker.
"""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import ssl
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HANDSHAKE_SECONDS = 10.0
_NOT_WORTH_A_TRACEBACK = (ssl.SSLError, ConnectionError, TimeoutError)


class Handler(BaseHTTPRequestHandler):
    """Answers go out in one segment, without Nagle's delay, and without a log line."""

    protocol_version = "HTTP/1.1"
    server_version = "population-worker"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: the head and the body leave together
    timeout = 600  # seconds for which an idle connection is kept

    def respond(self, status: HTTPStatus, body: bytes, content_type: str, **headers: str) -> None:
        """Write a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        """Say "100 Continue" at once: the client waits for it."""
        is_expected = super().handle_expect_100()
        self.wfile.flush()
        return is_expected

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the program's output is the user's."""


class Server(ThreadingHTTPServer):
    """Serves from the moment it is made until `close`; the handshake is each connection's own."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, host: str, port: int, handler: type[Handler], tls: ssl.SSLContext | None = None
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._tls = tls
        self._closing = False
        super().__init__((host, port), handler)
        # A forked child (a data loader's worker) that outlives us must not hold on to the port.
        os.register_at_fork(after_in_child=self.socket.close)
        self._thread = threading.Thread(target=self._serve, name=handler.__name__, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop to listen; connections end with the process."""
        self._closing = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread: nothing polls
        self._thread.join()
        self.server_close()

    def _serve(self) -> None:
        while not self._closing:
            self.handle_request()

    def server_bind(self) -> None:
        """Bind without asking the DNS for our name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, in the connection's thread, and answer its requests."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_HANDSHAKE_SECONDS)
        with contextlib.closing(self._tls.wrap_socket(request, server_side=True)) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show our own mistakes, not those of who connects."""
        if not isinstance(sys.exception(), _NOT_WORTH_A_TRACEBACK):
            super().handle_error(request, client_address)
