# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A HTTPS server on loopback with a certificate of its own authority, which can fail on order.

What it answers is a subclass's business; what goes wrong is ordered as faults: before a request (nothing of
it is done), or after it (it is done, and nobody is told).
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CUT_BEFORE, CUT_AFTER, BROKEN_BEFORE, BROKEN_AFTER, HALF_ANSWER = (
    "cut before",
    "cut after",
    "500 before",
    "500 after",
    "half an answer",
)
FAULTS = (CUT_BEFORE, CUT_AFTER, BROKEN_BEFORE, BROKEN_AFTER, HALF_ANSWER)

Fault = Callable[[int, str, str], str]  # number, method and path of a request -> one of FAULTS, or ""


def certificate(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate, and a file with key and certificate of 127.0.0.1 that it signed."""
    now = datetime.datetime.now(datetime.UTC)

    def made(name: str, issuer: str, key: Any, signer: Any, *extensions: Any) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = x509.CertificateBuilder(
            issuer_name=named(issuer),
            subject_name=named(name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(hours=1),
            not_valid_after=now + datetime.timedelta(days=1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(signer, hashes.SHA256())

    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = made("authority", "authority", root, root, x509.BasicConstraints(ca=True, path_length=None))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    host = made("device", "authority", own, root, x509.SubjectAlternativeName([address]))
    pem = serialization.Encoding.PEM
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority_file, host_file = folder / "authority.pem", folder / "device.pem"
    authority_file.write_bytes(authority.public_bytes(pem))
    host_file.write_bytes(key + host.public_bytes(pem))
    return authority_file, host_file


class RestServer:
    """Answers on 127.0.0.1; ``answer`` of a subclass does what is asked."""

    def __init__(self, host_file: Path) -> None:
        self.requests: list[str] = []
        self.fault: Fault = lambda number, method, path: ""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(host_file)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                # A client that does not trust the certificate goes away.
                with contextlib.suppress(ssl.SSLError, OSError):
                    super().handle_one_request()

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

            def _any(self) -> None:
                outer._handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = _any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_port
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers."""
        raise NotImplementedError

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        with self._lock:
            number = len(self.requests)
            self.requests.append(f"{handler.command} {handler.path}")
            fault = self.fault(number, handler.command, handler.path)
            handler.close_connection = True
            if fault == CUT_BEFORE:
                return
            if fault == BROKEN_BEFORE:
                self._send(handler, 500, "<html>Internal Server Error</html>", {})
                return
            status, text, headers = self.answer(handler.command, handler.path, handler.headers, body)
            if fault == BROKEN_AFTER:
                status, text, headers = 500, "<html>Internal Server Error</html>", {}
            if fault != CUT_AFTER:
                self._send(handler, status, text, headers, half=fault == HALF_ANSWER)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        text: str,
        headers: dict[str, str],
        half: bool = False,
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        data = text.encode()
        handler.send_header("Content-Length", str(len(data) + (1000 if half else 0)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2] if half else data)
