# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a DNS64 has to answer (RFC 6147 section 5), from what the DNS says and from its settings.

A well-known prefix is used for every address, also for those that RFC 6052 section 3.1 keeps out of it:
example 7.1 of RFC 6147 does so, and translators drop such packets. ``Dns64.private`` keeps them out here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..mapping.rfc6052 import Embedding
from ..techniques.service import Dns64, Service
from .dns64 import WELL_KNOWN_ADDRESSES, WELL_KNOWN_NAME, well_known_answers
from .records import (
    AAAA,
    CNAME,
    DNAME,
    MAX_TTL,
    NOERROR,
    NXDOMAIN,
    PTR,
    SERVFAIL,
    A,
    Question,
    Record,
    Response,
)

TTL_WITHOUT_SOA = 600  # seconds, RFC 6147 section 5.1.7

_IP6_ARPA = re.compile(r"(?:[0-9a-f]\.){32}ip6\.arpa")

# What the DNS says of a name and a type without any synthesis, None where nobody answers in time.
Upstream = Callable[[str, int], Response | None]

KEEPS_FAILURES = "keeps_failures"
KEEPS_A_TTL = "keeps_a_ttl"
UNCAPPED_EXCLUDED = "uncapped_ttl_of_excluded"
EXCLUDES_FOR_VALIDATORS = "excludes_for_validators"
VALIDATORS_TOO = "synthesises_for_validators"
# What servers are known to do otherwise: name in features.yml -> where the rule is, and what they do.
DEVIATIONS = {
    KEEPS_FAILURES: (
        "RFC 6147 section 5.1.2",
        "AAAA queries that fail, as with SERVFAIL, are not synthesised",
    ),
    KEEPS_A_TTL: (
        "RFC 6147 section 5.1.7",
        "The TTL of a synthesised record is that of the A record, whatever an SOA says, without a cap",
    ),
    UNCAPPED_EXCLUDED: (
        "RFC 6147 section 5.1.7",
        "The TTL of what is synthesised in place of excluded AAAA records is not capped at 600 s",
    ),
    EXCLUDES_FOR_VALIDATORS: (
        "RFC 6147 section 5.5",
        "Excluded AAAA records are taken out of answers to queries with CD and DO too",
    ),
    VALIDATORS_TOO: (
        "RFC 6147 section 5.5",
        "Queries with CD and DO are synthesised too where the zone is not signed",
    ),
}


def deviation_words(name: str) -> str:
    """A deviation, for people."""
    section, words = DEVIATIONS[name]
    return f"{words} ({section} says otherwise)"


@dataclass(frozen=True, slots=True)
class Synthesis:
    """One prefix, and which records it is for. Raises PrefixError for one that RFC 6052 does not allow."""

    prefix: IPv6Network
    dns64: Dns64 = field(default_factory=Dns64)

    @property
    def embedding(self) -> Embedding:
        """Where the prefix has IPv4 addresses."""
        return Embedding(self.prefix)

    def address(self, ipv4: IPv4Address) -> IPv6Address:
        """The address that stands for one of IPv4."""
        return IPv6Address(self.embedding.embed(int(ipv4)))

    def records(self, a: Record, cap: int) -> Iterator[Record]:
        """The AAAA record in place of an A record; none where the address is private."""
        assert isinstance(a.data, IPv4Address)
        if not _within(a.data, self.dns64.private):
            yield Record(a.name, AAAA, min(a.ttl, cap), self.address(a.data))


@dataclass(frozen=True, slots=True)
class Ruling:
    """The response that is due, and the place of the standard that says so."""

    response: Response
    section: str
    synthesised: bool = False


def serving(services: Iterable[Service], client: IPv4Address | IPv6Address) -> tuple[Synthesis, ...]:
    """What a resolver with these services synthesises for a client."""
    return tuple(
        Synthesis(service.translation_prefix, service.dns64)
        for service in services
        if service.translation_prefix is not None
        and service.dns64 is not None
        and (not service.dns64.clients or _within(client, service.dns64.clients))
    )


def rule(
    question: Question,
    upstream: Upstream,
    syntheses: Sequence[Synthesis],
    deviations: Collection[str] = (),
) -> Ruling:
    """What is due to a client for whom a server has ``syntheses``, with those of DEVIATIONS that it has."""
    if not syntheses:
        return _as_any_other(question, upstream)
    due = _ruling(question, upstream, syntheses, deviations)
    if question.dnssec_ok:
        return due
    return replace(due, response=replace(due.response, authentic=False))  # section 5.5, item 1


def _ruling(
    question: Question, upstream: Upstream, syntheses: Sequence[Synthesis], deviations: Collection[str]
) -> Ruling:
    if (own := _own(question, syntheses)) is not None:
        return Ruling(Response(answer=own), "RFC 8880 section 7")
    if question.kind == AAAA:
        return _aaaa(question, upstream, syntheses, deviations)
    if question.kind == PTR and (target := _mapped_name(question.name, syntheses)):
        return _reverse(question, upstream, target)
    return _as_any_other(question, upstream)


def _as_any_other(question: Question, upstream: Upstream) -> Ruling:
    return Ruling(_asked(upstream, question.name, question.kind), "RFC 6147 section 5.3.3")


def _aaaa(
    question: Question, upstream: Upstream, syntheses: Sequence[Synthesis], deviations: Collection[str]
) -> Ruling:
    found = _asked(upstream, question.name, AAAA)
    usable = tuple(record for record in found.answer if not _excluded(record, syntheses))
    removed = len(usable) < len(found.answer)
    rest = replace(found, answer=usable, authentic=found.authentic and not removed)
    if question.checking_disabled and question.dnssec_ok and VALIDATORS_TOO not in deviations:
        return Ruling(rest if EXCLUDES_FOR_VALIDATORS in deviations else found, "RFC 6147 section 5.5")
    if found.bogus:
        return Ruling(Response(rcode=SERVFAIL), "RFC 6147 section 5.5")
    if found.rcode == NXDOMAIN or (found.rcode != NOERROR and KEEPS_FAILURES in deviations):
        return Ruling(found, "RFC 6147 section 5.1.2")
    if rest.of(AAAA):
        return Ruling(rest, f"RFC 6147 section {'5.1.4' if removed else '5.1.1'}")
    a = _asked(upstream, question.name, A)
    if a.bogus:
        return Ruling(Response(rcode=SERVFAIL), "RFC 6147 section 5.5")
    cap = found.negative_ttl
    if KEEPS_A_TTL in deviations or (removed and UNCAPPED_EXCLUDED in deviations):
        cap = MAX_TTL
    elif cap is None:
        cap = TTL_WITHOUT_SOA
    made = tuple(made for record in a.answer for made in _in_place(record, cap, syntheses))
    if not any(record.kind == AAAA for record in made):
        # What is empty is told as it was; there is nothing to tell of a failure.
        basis = rest if (found.rcode, a.rcode) == (NOERROR, NOERROR) else replace(a, answer=made)
        return Ruling(basis, "RFC 6147 section 5.1.6")
    authentic = found.authentic and a.authentic
    why = "5.1.2" if found.rcode else "5.1.4" if removed else "5.1.6"
    return Ruling(replace(a, answer=made, authentic=authentic), f"RFC 6147 section {why}", synthesised=True)


def _in_place(record: Record, cap: int, syntheses: Sequence[Synthesis]) -> Iterator[Record]:
    """What an answer has in place of a record of the answer to A: chains stay (section 5.1.5)."""
    if record.kind == A:
        for synthesis in syntheses:
            yield from synthesis.records(record, cap)
    elif record.kind in (CNAME, DNAME):
        yield record


def _excluded(record: Record, syntheses: Sequence[Synthesis]) -> bool:
    """Whether it is an AAAA record that no client may be told (section 5.1.4)."""
    return isinstance(record.data, IPv6Address) and any(
        _within(record.data, synthesis.dns64.exclude) for synthesis in syntheses
    )


def _own(question: Question, syntheses: Sequence[Synthesis]) -> tuple[Record, ...] | None:
    """The answer to a name that a DNS64 asks nobody for (RFC 8880 section 7), None for other names."""
    made = [address for synthesis in syntheses for address in well_known_answers(synthesis.prefix)]
    addresses: tuple[IPv4Address | IPv6Address, ...] = (*WELL_KNOWN_ADDRESSES, *made)
    told: Sequence[IPv4Address | IPv6Address | str]
    if question.name == WELL_KNOWN_NAME and question.kind in (A, AAAA):
        told = WELL_KNOWN_ADDRESSES if question.kind == A else made
    elif question.kind == PTR and question.name in {address.reverse_pointer for address in addresses}:
        told = [WELL_KNOWN_NAME]
    else:
        return None
    return tuple(Record(question.name, question.kind, MAX_TTL, data) for data in told)


def _mapped_name(name: str, syntheses: Sequence[Synthesis]) -> str | None:
    """The name in in-addr.arpa for one of a prefix in ip6.arpa (section 5.3.1), None for others."""
    if _IP6_ARPA.fullmatch(name) is None:
        return None
    address = int(name.removesuffix(".ip6.arpa")[::-2], 16)
    for synthesis in syntheses:
        if address in synthesis.embedding:
            return IPv4Address(synthesis.embedding.extract(address)).reverse_pointer
    return None


def _reverse(question: Question, upstream: Upstream, target: str) -> Ruling:
    found = _asked(upstream, target, PTR)
    alias = Record(question.name, CNAME, TTL_WITHOUT_SOA, target)
    return Ruling(replace(found, answer=(alias, *found.answer), authentic=False), "RFC 6147 section 5.3.1")


def _asked(upstream: Upstream, name: str, kind: int) -> Response:
    """The answer; none in time is a failure (section 5.1.3)."""
    return upstream(name, kind) or Response(rcode=SERVFAIL)


def _within(
    address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network] | Iterable[IPv6Network]
) -> bool:
    return any(address in network for network in networks)
