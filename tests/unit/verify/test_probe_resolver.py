# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a resolver: each fault in words, and servers that are told apart, right and wrong ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.provision.dns64_synthesis import (
    DEVIATIONS,
    KEEPS_A_TTL,
    KEEPS_FAILURES,
    VALIDATORS_TOO,
    Synthesis,
    rule,
    serving,
)
from ansible_collections.ipv4aas.fleet.engine.provision.records import (
    AAAA,
    CNAME,
    NXDOMAIN,
    PTR,
    SERVFAIL,
    SOA,
    A,
    Question,
    Record,
    Response,
)
from ansible_collections.ipv4aas.fleet.engine.verify.probes import resolver
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Assignment, Resolver, Verdict

PREFIX = IPv6Network("2001:db8:64::/96")
PLAIN = (Synthesis(PREFIX),)
NAME, END = "www.example", "end.example"
CLIENT = str(samples.CUSTOMERS[1])
ALIAS = Record(NAME, CNAME, 60, END)
FOUR = Response(answer=(Record(NAME, A, 60, IPv4Address("192.0.2.1")),))
MADE = Record(NAME, AAAA, 60, IPv6Address("2001:db8:64::c000:201"))
REAL = Record(NAME, AAAA, 60, IPv6Address("2001:db8:5::1"))
CHAIN = Response(answer=(ALIAS, Record(END, A, 60, IPv4Address("192.0.2.1"))))
REVERSE = Question(IPv6Address("2001:db8:64::c000:201").reverse_pointer, PTR)
TARGET = "1.2.0.192.in-addr.arpa"
HOST = Record(TARGET, PTR, 60, NAME)


def of(*records: Record, **fields: Any) -> Response:
    return Response(answer=records, **fields)


def aaaa(told: Response, upstream: Response = Response(), a: Response = FOUR) -> resolver.Case:  # noqa: B008
    return resolver.Case(Question(NAME, AAAA), told, {(NAME, AAAA): upstream, (NAME, A): a})


def reverse(told: Response, target: Response) -> resolver.Case:
    return resolver.Case(REVERSE, told, {(TARGET, PTR): target})


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (aaaa(of(MADE)), []),
        (aaaa(of(replace(MADE, ttl=59))), []),
        (aaaa(of()), ["2001:db8:64::c000:201 is missing (RFC 6147 section 5.1.6)"]),
        (aaaa(of(MADE, REAL), of(REAL)), ["2001:db8:64::c000:201 is too much (RFC 6147 section 5.1.1)"]),
        (aaaa(of(REAL), of(REAL)), []),
        (
            aaaa(of(replace(MADE, ttl=61))),
            ["TTL 61 of 2001:db8:64::c000:201, at most 60 is right (RFC 6147 section 5.1.7)"],
        ),
        (
            aaaa(of(rcode=SERVFAIL), of(rcode=SERVFAIL)),
            ["SERVFAIL in place of NOERROR (RFC 6147 section 5.1.2)"],
        ),
        (aaaa(of(MADE), of(rcode=NXDOMAIN)), ["NOERROR in place of NXDOMAIN (RFC 6147 section 5.1.2)"]),
        (aaaa(of(rcode=9)), ["RCODE 9 in place of NOERROR (RFC 6147 section 5.1.6)"]),
        (aaaa(of(MADE, authentic=True)), ["AD says that it is authentic (RFC 6147 section 5.5)"]),
        (
            aaaa(of(MADE), a=CHAIN),
            [
                "the alias end.example of www.example is missing (RFC 6147 section 5.1.5)",
                "2001:db8:64::c000:201 of end.example is missing (RFC 6147 section 5.1.6)",
                "2001:db8:64::c000:201 is too much (RFC 6147 section 5.1.6)",
            ],
        ),
        (aaaa(of(ALIAS, replace(MADE, name=END)), a=CHAIN), []),
    ],
)
def test_what_differs_in_words(case: resolver.Case, words: list[str]) -> None:
    assert case.differences(PLAIN) == [f"{NAME} AAAA: {each}" for each in words]


@pytest.mark.parametrize(
    ("told", "target", "words"),
    [
        (of(Record(REVERSE.name, CNAME, 600, TARGET), HOST), of(HOST), ""),
        (of(Record(REVERSE.name, PTR, 600, "anything.example")), of(HOST), ""),
        (of(Record(REVERSE.name, PTR, 600, "anything.example")), of(rcode=NXDOMAIN), ""),
        (of(rcode=NXDOMAIN), of(rcode=NXDOMAIN), ""),
        (of(rcode=NXDOMAIN), of(HOST), "NXDOMAIN in place of NOERROR"),
        (of(), of(HOST), "the alias 1.2.0.192.in-addr.arpa of"),
        (of(Record(REVERSE.name, CNAME, 600, "2.2.0.192.in-addr.arpa")), of(), "the alias 1.2.0.192"),
    ],
)
def test_both_ways_of_naming_a_synthesised_address(told: Response, target: Response, words: str) -> None:
    """An answer of its own, or an alias of the name of the IPv4 address (RFC 6147 section 5.3.1)."""
    found = reverse(told, target).differences(PLAIN)
    assert not found if not words else words in found[0] and "section 5.3.1" in found[0]


def test_the_fewest_deviations_explain_an_answer() -> None:
    failed = aaaa(of(rcode=SERVFAIL), of(rcode=SERVFAIL))
    assert failed.explained(PLAIN, (KEEPS_A_TTL, KEEPS_FAILURES)) == (KEEPS_FAILURES,)
    assert failed.explained(PLAIN, (KEEPS_A_TTL, VALIDATORS_TOO)) is None
    assert aaaa(of(MADE)).explained(PLAIN, tuple(DEVIATIONS)) == ()
    wrong = aaaa(of(replace(MADE, data=IPv6Address("2001:db8:64::c000:209"))), of(rcode=SERVFAIL))
    assert wrong.explained(PLAIN, tuple(DEVIATIONS)) is None


SERVICE = samples.resolver_service()
EMPTY = of(authority=(Record("example", SOA, 60, 60),), authoritative=True)
DNS = {
    ("four.example", A): of(Record("four.example", A, 60, IPv4Address("192.0.2.1"))),
    ("four.example", AAAA): EMPTY,
    ("both.example", A): of(Record("both.example", A, 60, IPv4Address("192.0.2.2"))),
    ("both.example", AAAA): of(Record("both.example", AAAA, 60, IPv6Address("2001:db8:5::2"))),
    ("failing.example", A): of(Record("failing.example", A, 60, IPv4Address("192.0.2.3"))),
    ("failing.example", AAAA): of(rcode=SERVFAIL),
}
NAMES = ["Four.example.", "both.example", "failing.example"]
Told = Callable[[Question, Response], Response]


@dataclass
class Network:
    """A resolver at r and a server without DNS64 at u; ``twist`` changes what the resolver tells."""

    twist: Told = lambda question, told: told
    deviations: Collection[str] = ()
    asked: list[tuple[str, Question]] = field(default_factory=list)

    async def ask(self, server: str, question: Question) -> Response:
        self.asked.append((server, question))
        if server == "u":
            return self._known(question.name, question.kind)
        synthesise = serving((SERVICE,), IPv6Address(CLIENT))
        told = rule(question, self._known, synthesise, self.deviations).response
        return self.twist(question, told)

    def _known(self, name: str, kind: int) -> Response:
        return DNS.get((name, kind), of(rcode=NXDOMAIN))


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """judge(network, upstream="u", known=()) -> the verdict."""

    def run(network: Network, upstream: str | None = "u", known: tuple[str, ...] = ()) -> Verdict:
        monkeypatch.setattr(resolver, "ask", network.ask)
        monkeypatch.setattr(resolver, "own_address", lambda _address: CLIENT)
        task = Assignment(
            service=SERVICE,
            references=(),
            token="",
            resolver=Resolver(name="dns1", services=(SERVICE,), deviations=known),
        )
        more = {"address": "r", "names": NAMES, "upstream": upstream}
        return asyncio.run(resolver.check(task, more))

    return run


@pytest.mark.parametrize("upstream", ["u", None, ""])
def test_the_rule_itself_passes(judge: Callable[..., Verdict], upstream: str | None) -> None:
    network = Network()
    verdict = judge(network, upstream)
    assert (verdict.verdict, verdict.cause, verdict.details["known_deviations"]) == ("pass", "", [])
    assert {server for server, _question in network.asked} == ({"r", "u"} if upstream else {"r"})


@pytest.mark.parametrize("deviation", [KEEPS_FAILURES, VALIDATORS_TOO])
@pytest.mark.parametrize("upstream", ["u", None])
def test_a_deviation_fails_unless_the_platform_is_known_for_it(
    judge: Callable[..., Verdict], deviation: str, upstream: str | None
) -> None:
    network = Network(deviations=(deviation,))
    verdict = judge(network, upstream)
    section, words = DEVIATIONS[deviation]
    assert verdict.verdict == "fail"
    assert section in verdict.cause
    verdict = judge(network, upstream, (deviation,))
    assert (verdict.verdict, verdict.cause) == ("pass", "")
    known = verdict.details["known_deviations"]
    assert known and all(each.endswith(f"known of its platform: {words}") for each in known)


def _beside(question: Question, told: Response) -> Response:
    """Makes up an address for who has one."""
    more = Record("both.example", AAAA, 1, IPv6Address("2001:db8:64::c000:202"))
    mine = (question.name, question.kind) == ("both.example", AAAA) and not question.dnssec_ok
    return replace(told, answer=(*told.answer, more)) if mine else told


def _nothing(question: Question, told: Response) -> Response:
    """No DNS64 at all."""
    return DNS.get((question.name, question.kind), of(rcode=NXDOMAIN))


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (_beside, "both.example AAAA: 2001:db8:64::c000:202 is too much (RFC 6147 section 5.1.1)"),
        (_nothing, "ipv4only.arpa A: NXDOMAIN in place of NOERROR (RFC 8880 section 7)"),
        (_nothing, "four.example AAAA: 2001:db8:64::c000:201 is missing (RFC 6147 section 5.1.6)"),
    ],
)
@pytest.mark.parametrize("upstream", ["u", None])
def test_faults_are_found_with_and_without_another_server(
    judge: Callable[..., Verdict], twist: Told, words: str, upstream: str | None
) -> None:
    verdict = judge(Network(twist=twist), upstream, tuple(DEVIATIONS))
    assert verdict.verdict == "fail"
    assert f"dns1: {words}" in verdict.cause


def test_a_record_that_changed_meanwhile_is_asked_for_again(judge: Callable[..., Verdict]) -> None:
    seen: list[Question] = []

    def once(question: Question, told: Response) -> Response:
        seen.append(question)
        first = question == Question("four.example", AAAA) and seen.count(question) == 1
        return replace(told, answer=tuple(replace(r, ttl=r.ttl + 9) for r in told.answer)) if first else told

    assert judge(Network(twist=once)).verdict == "pass"
    assert seen.count(Question("four.example", AAAA)) == 2


def test_what_is_left_of_an_soa_in_a_cache_bounds_nothing(
    judge: Callable[..., Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = of(authority=(Record("example", SOA, 5, 60),))
    network = Network(twist=lambda question, told: told if question.kind != AAAA else _longer(told))
    monkeypatch.setitem(DNS, ("four.example", AAAA), cached)
    assert judge(network).verdict == "pass"
    monkeypatch.setitem(DNS, ("four.example", AAAA), replace(cached, authoritative=True))
    assert "TTL 60 of 2001:db8:64::c000:201, at most 5 is right" in judge(network).cause


def _longer(told: Response) -> Response:
    return replace(told, answer=tuple(replace(record, ttl=max(record.ttl, 60)) for record in told.answer))
