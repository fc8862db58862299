# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session log (packet/natlog.py) says: who had which ports from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from ..packet.natlog import BLOCK_ASSIGNED, BLOCK_RELEASED, PORT_ASSIGNED, PORT_RELEASED, Record, from_line
from ..problem import Problem, Refused

_ASSIGNED = (BLOCK_ASSIGNED, PORT_ASSIGNED)
_EVENTS = (*_ASSIGNED, BLOCK_RELEASED, PORT_RELEASED)
_RIGHT = "a line of a session log; see docs/trace.md"
_Key = tuple[int, int, int, int, int]  # realm, outside, first and last port, protocol
_MANY = 20  # faults that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Ports that a subscriber had: a block, or the one of a binding."""

    realm: IPv6Address  # of a block the first address of the subscriber's prefix, else the very host
    ipv4: IPv4Address
    first_port: int
    last_port: int
    protocol: int  # IP protocol number, 0 for all
    since: datetime
    until: datetime | None  # None: not released

    def holds(self, moment: datetime) -> bool:
        """Whether it was the subscriber's then."""
        return self.since <= moment and (self.until is None or moment < self.until)

    def subscriber(self, prefix_len: int) -> IPv6Network:
        """The subscriber's prefix, in the length that makes subscribers of the pool."""
        return IPv6Network((self.realm, prefix_len), strict=False)


def read_log(lines: Iterable[str], place: str) -> tuple[Lease, ...]:
    """The leases that a log tells of. Raises Refused for lines that are none.

    A release without an assignment is of a lease that is older than the log: it is held from the first
    line on.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                records.append(_record(line))
            except (ValueError, TypeError) as error:
                problems.append(Problem(f"{place}:{number}", str(error), _RIGHT))
    if problems:
        raise Refused(problems[:_MANY])
    return tuple(_leases(sorted(records, key=lambda record: record.time)))


def _record(line: str) -> Record:
    record = from_line(line)
    if record.event not in _EVENTS:
        raise ValueError(f"event {record.event} is unknown")
    if not 0 <= record.first_port <= record.last_port <= 0xFFFF:
        raise ValueError(f"{record.first_port} to {record.last_port} are no ports")
    if not isinstance(record.time, (int, float)):
        raise TypeError(f"time {record.time!r} is not in seconds")
    return record


def _leases(records: list[Record]) -> Iterator[Lease]:
    held: dict[_Key, float] = {}
    for record in records:
        key = (record.realm, record.outside, record.first_port, record.last_port, record.protocol)
        if record.event in _ASSIGNED:
            held.setdefault(key, record.time)
        else:
            yield _lease(key, held.pop(key, records[0].time), record.time)
    for key, since in held.items():
        yield _lease(key, since, None)


def _lease(key: _Key, since: float, until: float | None) -> Lease:
    realm, outside, first, last, protocol = key
    return Lease(
        realm=IPv6Address(realm),
        ipv4=IPv4Address(outside),
        first_port=first,
        last_port=last,
        protocol=protocol,
        since=datetime.fromtimestamp(since, UTC),
        until=None if until is None else datetime.fromtimestamp(until, UTC),
    )


def moment(text: str) -> datetime:
    """A time with its zone, as ISO 8601. Raises ValueError for one without zone, and for none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time") from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return found
