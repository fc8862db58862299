# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session log of a gateway: who had which outside ports from when to when (RFC 6888 section 4, RFC 6908).

One record a port block where ports are given in blocks, one a binding otherwise. Destinations are never
in it (RFC 6888 REQ-12).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

ALL_PROTOCOLS = 0

BLOCK_ASSIGNED, BLOCK_RELEASED = "block_assigned", "block_released"  # RFC 8158 events 16 and 17
PORT_ASSIGNED, PORT_RELEASED = "port_assigned", "port_released"  # RFC 8158 events 10 and 11


class Record(NamedTuple):
    """One change. `time` is in seconds, of the clock that the writer of the log keeps."""

    time: float
    event: str
    realm: int  # of a block: first address of the subscriber's prefix; of a port: the softwire or IPv6 host
    protocol: int  # IP protocol number, or ALL_PROTOCOLS
    outside: int
    first_port: int
    last_port: int


Log = Callable[[Record], None]


def to_line(record: Record) -> str:
    """One line of JSON, addresses as text."""
    values = record._asdict()
    values |= {"realm": str(IPv6Address(record.realm)), "outside": str(IPv4Address(record.outside))}
    return json.dumps(values, separators=(",", ":"))


def from_line(line: str) -> Record:
    """Inverse of to_line(). Raises ValueError for a line that is none."""
    try:
        values = json.loads(line)
        values |= {"realm": int(IPv6Address(values["realm"])), "outside": int(IPv4Address(values["outside"]))}
        return Record(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a record of a session log: {line.strip()!r}") from error
