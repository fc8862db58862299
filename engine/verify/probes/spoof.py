# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that no honest edge sends: raw IPv6 from an edge's own seat, to be dropped by the gateway."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ...mapping.portset import psid_of
from ...techniques.service import Service
from . import wire
from .control import UDP_PORT
from .endpoint import new_cookie
from .model import Assignment, Verdict, judged

PACKETS = 10  # of each case


class Forgery(NamedTuple):
    """One lie. The counter is what the gateway has to count it under."""

    case: str
    outer: IPv6Address
    inner: tuple[str, int]
    counter: str


def forgeries(service: Service) -> Iterator[Forgery]:
    """What this customer could try, derived from its service (RFC 7597 section 8.1)."""
    own = service.customer
    address, port = str(own.ipv4.network_address), own.ports.nth(0)
    yield Forgery(
        "another customer's IPv4 address", own.address, (_neighbour(own.ipv4[0]), port), "drop_spoofed_source"
    )
    if own.ports.shared:
        yield Forgery(
            "a port of another port set",
            own.address,
            (address, _foreign_port(service)),
            "drop_spoofed_source",
        )
    if own.ports.shared and own.ports.offset:
        yield Forgery(
            "a port that nobody owns (A = 0)",
            own.address,
            (address, (1 << (16 - own.ports.offset)) - 1),
            "drop_spoofed_source",
        )
    outside = IPv6Address(int(own.address) ^ 1 << 95)
    yield Forgery("an IPv6 source outside the domain", outside, (address, port), "drop_no_rule")


def _neighbour(address: IPv4Address) -> str:
    return str(IPv4Address(int(address) ^ 1))


def _foreign_port(service: Service) -> int:
    ports = service.customer.ports
    step = 1 << ports.m
    port = ports.nth(0) ^ step
    assert psid_of(port, ports.offset, ports.psid_len) != ports.psid
    return port


def send(task: Assignment) -> Verdict:
    """Send them; whether they were dropped is told by the gateways' counters and the reference host."""
    reference = str(task.references[0])
    sent: list[dict[str, object]] = []
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for forgery in forgeries(task.service):
            cookies = [new_cookie() for _ in range(PACKETS)]
            for number, cookie in enumerate(cookies):
                payload = wire.udp(forgery.inner, (reference, UDP_PORT), wire.labelled(cookie, 100))
                inner = wire.ipv4(wire.UDP, forgery.inner[0], reference, payload, ident=number + 1)
                packet = wire.ipv6(forgery.outer, task.service.gateway_address, inner)
                raw.sendto(packet, (str(task.service.gateway_address), 0))
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
