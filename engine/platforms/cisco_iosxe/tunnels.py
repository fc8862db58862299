# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DS-Lite: a tunnel interface is the B4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...techniques.service import EDGE, Service
from ..indented import Block
from ..naming import OURS
from .commands import tunnel_of
from .lines import need, values

OVERHEAD = 40  # octets of an IPv6 header
_DEFAULT_MTU = 1460  # of IPv4 in a tunnel over IPv6 of 1500 octets (RFC 2473 section 7)
_B4 = "192.0.0.2 255.255.255.248"  # RFC 6333 section 5.7
_COMMANDS = (
    "description",
    "ip address",
    "tunnel mode",
    "tunnel source",
    "tunnel destination",
    "ip mtu",
    "ip tcp adjust-mss",
)


def services(blocks: tuple[Block, ...], wanted: tuple[Service, ...]) -> Iterator[Service]:
    """The services of our tunnels. Raises ParseError for what is missing, unknown or out of range."""
    for block in blocks:
        name = tunnel_of(block)
        if name is not None:
            yield _service(block, name.removeprefix(f"{OURS}-"), wanted)


def _service(block: Block, name: str, wanted: tuple[Service, ...]) -> Service:
    found = values(block, _COMMANDS)
    for command, value in (("tunnel mode", "ipv6"), ("ip address", _B4)):
        leaf = need(found, command, block)
        if leaf.value != value:
            raise leaf.error(f"{leaf.value} is not {value}")
    need(found, "tunnel source", block)
    fields: dict[str, Any] = {
        "technique": "ds-lite",
        "role": EDGE,
        "gateway_address": need(found, "tunnel destination", block).ipv6(),
        "ipv6_mtu": OVERHEAD + (found["ip mtu"].integer(68, 65535) if "ip mtu" in found else _DEFAULT_MTU),
        "mss_clamp": found["ip tcp adjust-mss"].integer(1, 65535) if "ip tcp adjust-mss" in found else 0,
    }
    known = next((service for service in wanted if service.name == name), None)
    return replace(known, **fields) if known else Service(name=name, **fields)
