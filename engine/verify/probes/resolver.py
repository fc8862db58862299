# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a resolver answers as RFC 6147 and the plan say: what it tells beside what is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from itertools import combinations
from typing import Any

from ...provision.dns64 import WELL_KNOWN_ADDRESSES, WELL_KNOWN_NAME
from ...provision.dns64_synthesis import DEVIATIONS, Ruling, Synthesis, rule, serving
from ...provision.records import (
    AAAA,
    CNAME,
    DNAME,
    MAX_TTL,
    PTR,
    RCODES,
    SOA,
    A,
    Question,
    Record,
    Response,
)
from .dns import ask
from .endpoint import own_address
from .model import Assignment, Verdict, judged, not_applicable

Known = Mapping[tuple[str, int], Response]  # what the DNS says, by name and type

CHAINS, TTL, AUTHENTIC = (f"RFC 6147 section {section}" for section in ("5.1.5", "5.1.7", "5.5"))


@dataclass(frozen=True, slots=True)
class Case:
    """A question, what was told, and what the DNS says that it has to be made of."""

    question: Question
    told: Response
    known: Known

    def differences(self, syntheses: Sequence[Synthesis], deviations: Iterable[str] = ()) -> list[str]:
        """What is told otherwise than it is due, each with the place of the standard."""
        due = rule(
            self.question,
            lambda name, kind: self.known.get((name, kind)),
            syntheses,
            frozenset(deviations),
        )
        return [f"{self.question}: {words} ({section})" for words, section in _between(self, due)]

    def explained(self, syntheses: Sequence[Synthesis], deviations: Sequence[str]) -> tuple[str, ...] | None:
        """The fewest of the deviations with which nothing differs; None where something does with any."""
        for number in range(len(deviations) + 1):
            for some in combinations(deviations, number):
                if not self.differences(syntheses, some):
                    return some
        return None


def _between(case: Case, due: Ruling) -> Iterator[tuple[str, str]]:
    """Differences in words, and the place of the standard."""
    told, wanted, kind = case.told, due.response, case.question.kind
    chain = {_value(record) for record in told.answer if record.kind in (CNAME, DNAME)}
    if kind == PTR and wanted.of(CNAME) and not chain and (told.of(PTR) or not wanted.of(PTR)):
        return  # an answer of its own, the other of the two ways of section 5.3.1
    if told.rcode != wanted.rcode:
        yield f"{_rcode(told)} in place of {_rcode(wanted)}", due.section
        return
    for record in wanted.answer:
        if record.kind in (CNAME, DNAME) and _value(record) not in chain:
            section = due.section if kind == PTR else CHAINS
            yield f"the alias {record.data} of {record.name} is missing", section
    right = {_value(record): record for record in wanted.of(kind)}
    found = {_value(record): record for record in told.of(kind)}
    for value in [value for value in right if value not in found]:
        yield f"{_shown(case, right[value])} is missing", due.section
    for value, record in found.items():
        if value not in right:
            yield f"{_shown(case, record)} is too much", due.section
        elif due.synthesised and record.ttl > right[value].ttl:
            yield f"TTL {record.ttl} of {_shown(case, record)}, at most {right[value].ttl} is right", TTL
    if due.synthesised and told.authentic and not wanted.authentic:
        yield "AD says that it is authentic", AUTHENTIC


def _value(record: Record) -> tuple[str, object]:
    return record.name, record.data


def _shown(case: Case, record: Record) -> str:
    return str(record.data) + (f" of {record.name}" if record.name != case.question.name else "")


def _rcode(response: Response) -> str:
    return RCODES.get(response.rcode, f"RCODE {response.rcode}")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Asks a resolver, and a server that synthesises nothing where there is one to ask."""

    address: str
    upstream: str | None
    syntheses: tuple[Synthesis, ...]

    async def cases(self, name: str) -> list[Case]:
        """All that a name is asked for. Raises NoAnswer."""
        name = name.lower().rstrip(".")
        found = []
        if self.upstream:
            question = Question(name, A)
            beside = await ask(self.upstream, question)
            found.append(Case(question, await ask(self.address, question), {(name, A): beside}))
        # Before what is made of it: TTLs of a cache run down.
        a = await ask(self.address, Question(name, A))
        for dnssec in (False, True):
            question = Question(name, AAAA, dnssec_ok=dnssec, checking_disabled=dnssec)
            told = await ask(self.address, question)
            found.append(Case(question, told, {(name, A): a, (name, AAAA): await self._beside(name, told)}))
        return found + [
            await self._reverse(record.data) for record in a.of(A)[:1] if isinstance(record.data, IPv4Address)
        ]

    async def well_known(self) -> list[Case]:
        """The name by which hosts learn the prefix, and that of its addresses. Raises NoAnswer."""
        asked = [Question(WELL_KNOWN_NAME, kind) for kind in (A, AAAA)]
        cases = [Case(question, await ask(self.address, question), {}) for question in asked]
        return [*cases, *[await self._reverse(address) for address in WELL_KNOWN_ADDRESSES]]

    async def _reverse(self, ipv4: IPv4Address) -> Case:
        made = self.syntheses[0].address(ipv4)
        question, target = Question(made.reverse_pointer, PTR), Question(ipv4.reverse_pointer, PTR)
        told = await ask(self.address, question)
        return Case(question, told, {(target.name, PTR): await ask(self.address, target)})

    async def _beside(self, name: str, told: Response) -> Response:
        """What the DNS says to AAAA; where nobody can be asked, what the answer lets one conclude."""
        if self.upstream:
            beside = await ask(self.upstream, Question(name, AAAA))
            return beside if beside.authoritative else _lasting(beside)
        rest = tuple(record for record in told.answer if not self._is_made(record))
        unknown = Record(name, SOA, MAX_TTL, MAX_TTL)
        return replace(told, answer=rest, authority=(unknown,))

    def _is_made(self, record: Record) -> bool:
        return record.kind == AAAA and any(record.data in one.prefix for one in self.syntheses)


def _lasting(cached: Response) -> Response:
    """A cache tells what is left of an SOA's TTL; its MINIMUM bounds what it was (RFC 2308 section 3)."""
    soas = [(record, record.data) for record in cached.authority if isinstance(record.data, int)]
    return replace(cached, authority=tuple(replace(soa, ttl=minimum) for soa, minimum in soas))


async def check(task: Assignment, more: dict[str, Any]) -> Verdict:
    """Ask the resolver at ``address`` for ``names``, beside the server ``upstream`` where it is given."""
    resolver = task.resolver
    if resolver is None:
        return not_applicable("dns64", "no resolver of the plan was named")
    client = ip_address(own_address(more["address"]))
    syntheses = serving(resolver.services, client)
    if not syntheses:
        return not_applicable("dns64", f"{resolver.name} synthesises for others, not for {client}")
    inquiry = Inquiry(more["address"], more.get("upstream") or None, syntheses)
    causes, known, count = [], [], 0
    for name in (None, *more.get("names", [])):
        for case in await _settled(inquiry, name, resolver.deviations):
            count += 1
            differences = case.differences(syntheses)
            explained = case.explained(syntheses, resolver.deviations)
            if explained is None:
                causes += differences
            else:
                words = "; ".join(DEVIATIONS[name][1] for name in explained)
                known += [f"{difference}: known of its platform: {words}" for difference in differences]
    details = {"resolver": resolver.name, "questions": count, "known_deviations": known}
    return judged("dns64", [f"{resolver.name}: {cause}" for cause in causes], details)


async def _settled(inquiry: Inquiry, name: str | None, deviations: Sequence[str]) -> list[Case]:
    """The cases of a name, of the well-known one without; asked again where a record changed meanwhile."""
    for _try in range(2):
        cases = await (inquiry.cases(name) if name else inquiry.well_known())
        if all(case.explained(inquiry.syntheses, deviations) is not None for case in cases):
            break
    return cases
