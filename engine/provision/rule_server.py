# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule server of HB46PP: answers GET requests of customers' routers from the file of platform hb46pp.

``rule_server.py --table FILE --address ADDRESS --port PORT``. Who asks is told by the IPv6 source address
(section 3.3). The table is read anew where the file has changed; one that cannot be read leaves the old one.
TLS and names are the business of whatever stands before it.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = dict[str, Any]
_NEVER = -1
# Seconds that a request may take.
_PATIENCE = 10


class Table:
    """Answers by the longest prefix of customers that an address is in."""

    def __init__(self, file: Path) -> None:
        self._file, self._read_at = file, _NEVER
        self._by_length: dict[int, dict[int, Answer]] = {}
        self._lengths: list[int] = []

    def find(self, address: IPv6Address) -> Answer | None:
        """The answer for a customer, None for somebody else."""
        self._refresh()
        for length in self._lengths:
            found = self._by_length[length].get(int(address) >> (128 - length))
            if found is not None:
                return found
        return None

    def _refresh(self) -> None:
        try:
            changed_at = self._file.stat().st_mtime_ns
            if changed_at == self._read_at:
                return
            entries = json.loads(self._file.read_text("utf-8"))
            table: dict[int, dict[int, Answer]] = {}
            for entry in entries:
                for text, answer in entry["answers"].items():
                    prefix = IPv6Network(text)
                    of_length = table.setdefault(prefix.prefixlen, {})
                    of_length[int(prefix.network_address) >> (128 - prefix.prefixlen)] = answer
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"{self._file}: {error}; the old table stays", file=sys.stderr, flush=True)
            return
        self._by_length, self._lengths, self._read_at = table, sorted(table, reverse=True), changed_at


def reply(table: Table, source: str, target: str) -> tuple[HTTPStatus, Answer | None]:
    """Status and answer to a request. ``source`` is an address, ``target`` path and query of the URL."""
    try:
        answer = table.find(IPv6Address(source.partition("%")[0]))
    except ValueError:
        return HTTPStatus.FORBIDDEN, None  # IPv4: section 3.3 asks for IPv6
    if answer is None:
        return HTTPStatus.FORBIDDEN, None
    # Whether a parameter is known does not matter; one is needed, what the router supports.
    given = parse_qs(urlsplit(target).query).get("capability")
    if not given:
        return HTTPStatus.BAD_REQUEST, None
    return HTTPStatus.OK, _for(answer, set(given[0].split(",")))


def _for(answer: Answer, capabilities: set[str]) -> Answer:
    """The answer without the techniques that a router does not support; with none left, an empty order."""
    dropped = [word for word in answer["order"] if word not in capabilities]
    kept = {key: value for key, value in answer.items() if key not in dropped}
    return kept | {"order": [word for word in answer["order"] if word in capabilities]}


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "ipv4aas"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_GET(self) -> None:
        status, answer = reply(self.server.table, self.client_address[0], self.path)
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the query may hold a token or a password of the customer."""


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def __init__(self, address: str, port: int, table: Table) -> None:
        self.table = table
        super().__init__((address, port), _Handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description="rule server of HB46PP")
    parser.add_argument("--table", type=Path, required=True, help="file of the platform hb46pp")
    parser.add_argument("--address", default="::", help="IPv6 address to listen on")
    parser.add_argument("--port", type=int, default=80)
    given = parser.parse_args(arguments)
    with _Server(given.address, given.port, Table(given.table)) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
