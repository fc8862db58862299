# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions and responses of DNS as values (RFC 1035 section 4): what a DNS64 decides by, no octets."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

A, CNAME, SOA, PTR, AAAA, DNAME = 1, 5, 6, 12, 28, 39
KINDS = {A: "A", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", AAAA: "AAAA", DNAME: "DNAME"}
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
RCODES = {NOERROR: "NOERROR", SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN", 5: "REFUSED"}
MAX_TTL = (1 << 31) - 1  # RFC 2181 section 8


@dataclass(frozen=True, slots=True)
class Question:
    """A question of class IN; names are in lower case and without the dot at the end."""

    name: str
    kind: int
    dnssec_ok: bool = False  # DO (RFC 3225)
    checking_disabled: bool = False  # CD (RFC 4035 section 3.2.2)

    def __str__(self) -> str:
        bits = " with CD and DO" if self.dnssec_ok and self.checking_disabled else ""
        return f"{self.name} {KINDS[self.kind]}{bits}"


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record of class IN; ``ttl`` in seconds."""

    name: str
    kind: int
    ttl: int
    # Address of A and AAAA, name of CNAME, DNAME and PTR, of SOA the field MINIMUM.
    data: IPv4Address | IPv6Address | str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a server says. A name that others stand for has their chain in ``answer``, before its end."""

    rcode: int = NOERROR
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = False  # AA
    authentic: bool = False  # AD
    bogus: bool = False  # whoever validates found that it cannot be true; no bit of a message

    def of(self, kind: int) -> tuple[Record, ...]:
        """Records of one type in the answer."""
        return tuple(record for record in self.answer if record.kind == kind)

    @property
    def negative_ttl(self) -> int | None:
        """Seconds for which it holds that there is nothing; None without an SOA.

        The TTL of the SOA itself: who makes the answer has regarded its field MINIMUM (RFC 2308 section 3).
        """
        return min((record.ttl for record in self.authority if record.kind == SOA), default=None)
