# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Payloads that are known again wherever and however they arrive.

A packet is measured by the length it has over IPv4: a translator makes it longer or shorter.
"""

from __future__ import annotations

import hashlib

IPV4, TRANSPORT, LABEL = 20, 8, 12  # octets: header, UDP or ICMP header, magic and cookie
LINK_MTU = 1500  # octets: what an Ethernet carries; larger packets are cut by their sender
MAGIC = b"4aaS"


def filling(cookie: bytes, size: int) -> bytes:
    """``size`` octets that only this cookie and size have: what arrives is compared with it."""
    return hashlib.shake_128(cookie + size.to_bytes(4, "big")).digest(size)


def labelled(cookie: bytes, length: int) -> bytes:
    """Payload of an IPv4 packet of ``length`` octets in all."""
    return MAGIC + cookie + filling(cookie, length - IPV4 - TRANSPORT - LABEL)


def cookie_of(payload: bytes) -> bytes | None:
    """The cookie of a whole labelled payload; None where it is not one or was changed on its way."""
    cookie = payload[4:LABEL]
    if payload[:4] != MAGIC or payload[LABEL:] != filling(cookie, len(payload) - LABEL):
        return None
    return cookie


def length_of(payload: bytes) -> int:
    """Octets of the IPv4 packet with this payload, options not counted."""
    return IPV4 + TRANSPORT + len(payload)
