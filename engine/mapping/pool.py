# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 addresses and ports that a session gateway (AFTR, PLAT, NAT64) gives to its subscribers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What may be given, and how (RFC 6888, RFC 7422)."""

    ipv4: tuple[IPv4Network, ...]
    first_port: int = 1024  # below: nobody's (RFC 6888 section 3, RFC 7422 R)
    ports_per_subscriber: int = 0  # quota (RFC 6888 REQ-4); 0 = none
    block_size: int = 0  # ports are drawn in blocks of this many, one log record a block; 0 = one by one
    deterministic: bool = False  # blocks follow from the subscriber's number (RFC 7422), no log
    hold_down: int = 120  # seconds before a freed port is given again (RFC 6888 REQ-8)
    subscriber_prefix_len: int = 64  # what makes a subscriber of IPv6 addresses (RFC 7785 subscriber-mask)
