# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators ping a node's own IPv6 address (RFC 4443 section 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..packet import icmp, ipv6
from ..packet.buffer import Packet, complete
from .work import Link, Work

if TYPE_CHECKING:
    from .base import Node


def completed(outer: ipv6.Outer, packet: Packet) -> ipv6.Outer:
    """A message with its checksum: one from this host's own kernel may come without."""
    if packet.offload is None or not packet.offload.needs_csum:
        return outer
    data = bytearray(outer.data)
    complete(data, packet.offload)
    return outer._replace(data=bytes(data))


def answer(node: Node, outer: ipv6.Outer, work: Work) -> None:
    """Send the reply, from the address that was asked."""
    work.events.append("echo_answered")
    body, mtu, own = icmp.echo_reply6(outer), node.service.ipv6_mtu, outer.destination
    if ipv6.HEADER + len(body) <= mtu:
        head = ipv6.write(0, len(body), ipv6.ICMPV6, own, outer.source)
        work.outputs.append((Packet(head + body), Link.SOFTWIRE))
        return
    ident = node.rng.getrandbits(32)
    for piece in ipv6.fragments(body, ipv6.ICMPV6, mtu, ident, 0, own, outer.source):
        work.outputs.append((Packet(piece), Link.SOFTWIRE))
