# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name by which hosts learn the prefix of a DNS64 (RFC 7050, RFC 8880)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from ..mapping.rfc6052 import LENGTHS, Embedding, prefix_problem

WELL_KNOWN_NAME = "ipv4only.arpa"
WELL_KNOWN_ADDRESSES = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))
_WELL_KNOWN = tuple(int(address) for address in WELL_KNOWN_ADDRESSES)


def well_known_answers(prefix: IPv6Network) -> tuple[IPv6Address, ...]:
    """AAAA records of ipv4only.arpa behind a DNS64 with this prefix."""
    embedding = Embedding(prefix)
    return tuple(IPv6Address(embedding.embed(address)) for address in _WELL_KNOWN)


def discover(answers: Iterable[IPv6Address]) -> tuple[IPv6Network, ...]:
    """Prefixes that AAAA records of ipv4only.arpa tell, one for each that tells one (RFC 7050 section 3)."""
    found = (_prefix_of(answer) for answer in answers)
    return tuple(prefix for prefix in found if prefix is not None)


def _prefix_of(answer: IPv6Address) -> IPv6Network | None:
    """The prefix in which a record stands for a well-known address; None where none or several would do."""
    candidates = [
        prefix
        for prefix in (IPv6Network((int(answer), length), strict=False) for length in LENGTHS)
        if prefix_problem(prefix) is None and _stands_for_well_known(prefix, int(answer))
    ]
    return candidates[0] if len(candidates) == 1 else None


def _stands_for_well_known(prefix: IPv6Network, answer: int) -> bool:
    embedding = Embedding(prefix)
    return any(embedding.embed(address) == answer for address in _WELL_KNOWN)
