# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that no honest edge sends: raw IPv6 from an edge's own seat, to be dropped by the gateway."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ...mapping.rfc6052 import Embedding
from ...techniques.planes import plane_of
from . import label, wire4, wire6
from .control import UDP_PORT
from .endpoint import new_cookie
from .model import Assignment, Verdict, judged
from .wire import UDP, udp

PACKETS = 10  # of each case
IPIP = 4
PORT = 40000  # source port, where any would do
# Global, and nobody's whom a laboratory or an AFTR's customer could be (RFC 5737).
STRANGER = "192.0.2.77"


class Forgery(NamedTuple):
    """One lie. The counter is what the gateway has to count it under."""

    case: str
    outer: IPv6Address
    inner: tuple[str, int]
    counter: str


def forgeries(task: Assignment) -> Iterator[Forgery]:
    """What this customer could try, derived from its service."""
    row = task.row
    if row.mapping == "session":
        yield from (_translated if row.carriage == "translation" else _tunnelled)(task)
    else:
        yield from _BY_MAPPING[row.mapping](task)


def _of_port_set(task: Assignment) -> Iterator[Forgery]:
    """RFC 7597 section 8.1, RFC 7599 section 8.3, RFC 7596 section 6.2."""
    own = task.service.customer
    address, port = str(own.ipv4.network_address), own.ports.nth(0)
    if task.row.carriage == "encapsulation":  # translated, there is no other source than the IPv6 one
        yield Forgery(
            *("another customer's IPv4 address", own.address, (_neighbour(address), port)),
            "drop_spoofed_source",
        )
    if own.ports.shared:
        foreign = (address, port ^ 1 << own.ports.m)
        yield Forgery("a port of another port set", own.address, foreign, "drop_spoofed_source")
    if own.ports.shared and own.ports.offset:
        nobodys = (address, (1 << (16 - own.ports.offset)) - 1)
        yield Forgery("a port that nobody owns (A = 0)", own.address, nobodys, "drop_spoofed_source")
    unknown = "drop_no_rule" if task.row.mapping == "rule" else "drop_no_binding"
    yield Forgery("an IPv6 source outside the domain", _outside(own.address), (address, port), unknown)


def _tunnelled(task: Assignment) -> Iterator[Forgery]:
    """RFC 6333 section 11."""
    softwire = task.service.softwire_address
    yield Forgery("an inner source that is not private", softwire, (STRANGER, PORT), "drop_spoofed_source")


def _translated(task: Assignment) -> Iterator[Forgery]:
    """RFC 6146 section 3.5: an IPv6 source inside the prefix would go round for ever."""
    inside = IPv6Address(_embedding(task).embed(int(IPv4Address(STRANGER))))
    yield Forgery(
        "an IPv6 source inside the translation prefix", inside, (STRANGER, PORT), "drop_softwire_source"
    )


def _of_plane(task: Assignment) -> Iterator[Forgery]:
    """A source of another plane, and one that is not the inner one."""
    plane, own = plane_of(task.service), str(task.service.inside[0][10])
    other = replace(plane, plane_id=plane.plane_id ^ 1)
    yield Forgery(
        "a source of another plane",
        IPv6Address(other.address(int(IPv4Address(own)))),
        (own, PORT),
        "drop_other_plane",
    )
    yield Forgery(
        *("an inner source that is not the outer one", IPv6Address(plane.address(int(IPv4Address(own))))),
        *((_neighbour(own), PORT), "drop_spoofed_source"),
    )


_BY_MAPPING: dict[str, Callable[[Assignment], Iterator[Forgery]]] = {
    "rule": _of_port_set,
    "binding": _of_port_set,
    "plane": _of_plane,
    "plane-table": _of_plane,
}


def _outside(address: IPv6Address) -> IPv6Address:
    return IPv6Address(int(address) ^ 1 << 95)


def _neighbour(address: str) -> str:
    return str(IPv4Address(int(IPv4Address(address)) ^ 1))


def _embedding(task: Assignment) -> Embedding:
    assert task.service.translation_prefix is not None
    return Embedding(task.service.translation_prefix)


def forged(task: Assignment, forgery: Forgery, reference: str, cookie: bytes) -> tuple[str, bytes]:
    """IPv6 destination and packet of one forgery."""
    payload = label.labelled(cookie, 100)
    outer = str(forgery.outer)
    if task.row.carriage == "translation":
        to = str(IPv6Address(_embedding(task).embed(int(IPv4Address(reference)))))
        return to, wire6.ipv6(UDP, outer, to, udp((outer, forgery.inner[1]), (to, UDP_PORT), payload))
    datagram = udp(forgery.inner, (reference, UDP_PORT), payload)
    inner = wire4.ipv4(UDP, forgery.inner[0], reference, datagram, ident=1)
    to = str(_far_end(task, reference))
    return to, wire6.ipv6(IPIP, outer, to, inner)


def _far_end(task: Assignment, reference: str) -> IPv6Address:
    """Where the tunnel to the internet ends."""
    if task.row.napt == "nowhere":
        return IPv6Address(plane_of(task.service).address(int(IPv4Address(reference))))
    return task.service.border_address


def send(task: Assignment) -> Verdict:
    """Send them; whether they were dropped is told by the gateways' counters and the reference host."""
    reference = str(task.references[0])
    sent: list[dict[str, object]] = []
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for forgery in forgeries(task):
            cookies = [new_cookie() for _ in range(PACKETS)]
            for cookie in cookies:
                to, packet = forged(task, forgery, reference, cookie)
                raw.sendto(packet, (to, 0))
            sent.append(
                {
                    "case": forgery.case,
                    "outer_source": str(forgery.outer),
                    "inner_source": f"{forgery.inner[0]}:{forgery.inner[1]}",
                    "counter": forgery.counter,
                    "cookies": [cookie.hex() for cookie in cookies],
                }
            )
    return judged("spoof", [], {"sent": sent})
