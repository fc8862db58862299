# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a DNS64 has to answer (RFC 6147 section 5): the shared vectors, each rule, and what always holds."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import LENGTHS, Embedding
from ansible_collections.ipv4aas.fleet.engine.provision.dns64 import discover
from ansible_collections.ipv4aas.fleet.engine.provision.dns64_synthesis import (
    EXCLUDES_FOR_VALIDATORS,
    KEEPS_A_TTL,
    KEEPS_FAILURES,
    TTL_WITHOUT_SOA,
    UNCAPPED_EXCLUDED,
    VALIDATORS_TOO,
    Synthesis,
    rule,
    serving,
)
from ansible_collections.ipv4aas.fleet.engine.provision.records import (
    AAAA,
    CNAME,
    DNAME,
    MAX_TTL,
    NOERROR,
    NXDOMAIN,
    PTR,
    SERVFAIL,
    SOA,
    A,
    Question,
    Record,
    Response,
)
from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER, Dns64, Service
from hypothesis import given
from hypothesis import strategies as st

ROWS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "dns64_pref64.json").read_text())[
    "vectors"
]
NAME = "h2.example.com"
PREF64 = IPv6Network("2001:db8:64::/96")
PLAIN = (Synthesis(PREF64),)
QUESTION = Question(NAME, AAAA)
VALIDATOR = replace(QUESTION, dnssec_ok=True, checking_disabled=True)


def rows(start):
    found = [pytest.param(row, id=row["id"]) for row in ROWS if row["id"].startswith(start)]
    assert found
    return found


def address_records(*addresses, ttl=3600, name=NAME):
    made = map(ip_address, addresses)
    return tuple(Record(name, A if address.version == 4 else AAAA, ttl, address) for address in made)


def soa(ttl, minimum):
    return (Record("example.com", SOA, ttl, minimum),)


def told(**answers):
    """An upstream that has these responses to A, AAAA and PTR, and no answer to others."""
    kinds = {"a": A, "aaaa": AAAA, "ptr": PTR}
    known = {kinds[kind]: response for kind, response in answers.items()}
    return lambda name, kind: known.get(kind)


FOUR = Response(answer=address_records("192.0.2.1"))
EMPTY = Response(authority=soa(900, 900))
MADE = Embedding(PREF64).embed(int(IPv4Address("192.0.2.1")))


def values(ruling):
    return [str(record.data) for record in ruling.response.of(AAAA)]


def of_row(row, deviations=()):
    asked = row["input"]
    a, aaaa = (address_records(*asked[kind], ttl=asked.get("attl", 3600)) for kind in ("a", "aaaa"))
    upstream = told(a=Response(answer=a), aaaa=Response(rcode=asked.get("rcode", NOERROR), answer=aaaa))
    return rule(QUESTION, upstream, (Synthesis(IPv6Network(asked["pref64"])),), deviations)


@pytest.mark.parametrize("row", rows("dns64-"))
def test_vectors(row):
    found, expect = of_row(row), row["expect"]
    assert found.response.rcode == expect.get("rcode", NOERROR)
    if "synth" in expect:
        assert found.synthesised is expect["synth"]
    if "aaaa" in expect:
        assert [record.data for record in found.response.of(AAAA)] == list(map(IPv6Address, expect["aaaa"]))
    if "ttl" in expect:
        assert {record.ttl for record in found.response.of(AAAA)} == {expect["ttl"]}


@pytest.mark.parametrize(
    ("deviation", "row", "rcode", "ttls"),
    [
        (KEEPS_FAILURES, "dns64-servfail", SERVFAIL, []),
        (KEEPS_A_TTL, "dns64-ttl-nosoa", NOERROR, [3600]),
        (UNCAPPED_EXCLUDED, None, NOERROR, []),
        (EXCLUDES_FOR_VALIDATORS, None, NOERROR, []),
        (VALIDATORS_TOO, None, NOERROR, []),
    ],
)
def test_deviations_change_their_row_of_the_vectors_and_no_other(deviation, row, rcode, ttls):
    for param in rows("dns64-"):
        [each] = param.values
        found = of_row(each, (deviation,))
        if each["id"] == row:
            assert (found.response.rcode, [record.ttl for record in found.response.of(AAAA)]) == (rcode, ttls)
        else:
            assert values(found) == values(of_row(each))


@pytest.mark.parametrize("row", rows("pref64-disc"))
def test_the_well_known_name_tells_prefixes_as_the_vectors_do(row):
    wanted = dict.fromkeys(map(IPv6Network, row["expect"]["pref64"]))
    question = Question("ipv4only.arpa", AAAA)
    found = rule(question, _nobody, [Synthesis(prefix) for prefix in wanted])
    answers = [record.data for record in found.response.answer]
    assert dict.fromkeys(discover(answers)) == wanted
    assert set(map(IPv6Address, row["input"]["aaaa"])) <= set(answers)
    a = rule(replace(question, kind=A), _nobody, [Synthesis(prefix) for prefix in wanted]).response.of(A)
    assert [str(record.data) for record in a] == ["192.0.0.170", "192.0.0.171"]
    for address in (*answers, *(record.data for record in a)):
        pointer = rule(Question(address.reverse_pointer, PTR), _nobody, [Synthesis(p) for p in wanted])
        assert [record.data for record in pointer.response.answer] == ["ipv4only.arpa"]


@pytest.mark.parametrize("row", rows("ptr"))
def test_name_of_a_well_known_address(row):
    name = row["expect"]["ptr"].removesuffix(".")
    found = rule(Question(name, PTR), _nobody, (Synthesis(IPv6Network("2001:db8::/96")),))
    assert [record.data for record in found.response.answer] == ["ipv4only.arpa"]


def _nobody(name, kind):
    raise AssertionError(f"nobody may be asked for {name}")


@pytest.mark.parametrize(
    ("aaaa", "a", "rcode", "expected", "section"),
    [
        (EMPTY, FOUR, NOERROR, True, "5.1.6"),
        (None, FOUR, NOERROR, True, "5.1.2"),
        (Response(rcode=5), FOUR, NOERROR, True, "5.1.2"),
        (Response(rcode=NXDOMAIN), FOUR, NXDOMAIN, False, "5.1.2"),
        (EMPTY, Response(), NOERROR, False, "5.1.6"),
        (EMPTY, Response(rcode=NXDOMAIN), NXDOMAIN, False, "5.1.6"),
        (EMPTY, None, SERVFAIL, False, "5.1.6"),
        (Response(rcode=SERVFAIL), Response(), NOERROR, False, "5.1.6"),
        (Response(answer=address_records("::ffff:192.0.2.1")), FOUR, NOERROR, True, "5.1.4"),
        (Response(bogus=True), FOUR, SERVFAIL, False, "5.5"),
        (EMPTY, replace(FOUR, bogus=True), SERVFAIL, False, "5.5"),
    ],
)
def test_what_an_answer_is_based_on(aaaa, a, rcode, expected, section):
    found = rule(QUESTION, told(aaaa=aaaa, a=a), PLAIN)
    assert (found.response.rcode, found.synthesised) == (rcode, expected)
    assert found.section == f"RFC 6147 section {section}"
    assert values(found) == ([str(IPv6Address(MADE))] if expected else [])


@pytest.mark.parametrize(
    ("authority", "ttl"),
    [((), 600), (soa(60, 900), 60), (soa(900, 30), 900), (soa(7200, 7200), 3600)],
    ids=["none", "of the SOA", "its own and not its minimum", "of the A record"],
)
def test_ttl(authority, ttl):
    found = rule(QUESTION, told(aaaa=Response(authority=authority), a=FOUR), PLAIN)
    assert [record.ttl for record in found.response.answer] == [ttl]
    kept = rule(QUESTION, told(aaaa=Response(authority=authority), a=FOUR), PLAIN, (KEEPS_A_TTL,))
    assert [record.ttl for record in kept.response.answer] == [3600]


def test_ttl_in_place_of_excluded_records():
    """No SOA comes with them."""
    upstream = told(aaaa=Response(answer=address_records("::ffff:192.0.2.1")), a=FOUR)
    for deviations, ttl in (((), 600), ((UNCAPPED_EXCLUDED,), 3600), ((KEEPS_A_TTL,), 3600)):
        found = rule(QUESTION, upstream, PLAIN, deviations)
        assert [record.ttl for record in found.response.answer] == [ttl]


def test_chains_stay_and_their_end_is_synthesised():
    chain = (
        Record("example.com", DNAME, 300, "example.net"),
        Record(NAME, CNAME, 300, "h2.example.net"),
    )
    more = Record("ns.example.net", A, 300, IPv4Address("192.0.2.53"))
    end = address_records("192.0.2.1", name="h2.example.net")
    a = Response(answer=(*chain, *end), additional=(more,), authority=soa(1, 1))
    found = rule(QUESTION, told(aaaa=Response(answer=chain), a=a), PLAIN).response
    assert found.answer == (*chain, Record("h2.example.net", AAAA, 600, IPv6Address(MADE)))
    assert (found.additional, found.authority) == (a.additional, a.authority)


def test_prefixes_are_for_what_the_settings_say():
    private = Synthesis(IPv6Network("2001:db8:65::/96"), Dns64(private=(IPv4Network("192.0.2.0/24"),)))
    both = Response(answer=address_records("192.0.2.1", "198.51.100.1"))
    found = rule(QUESTION, told(aaaa=EMPTY, a=both), (*PLAIN, private))
    assert values(found) == ["2001:db8:64::c000:201", "2001:db8:64::c633:6401", "2001:db8:65::c633:6401"]
    assert not rule(QUESTION, told(aaaa=EMPTY, a=FOUR), (private,)).synthesised


def test_other_questions_are_answered_as_they_are():
    assert rule(replace(QUESTION, kind=A), told(a=FOUR), PLAIN).response == FOUR
    assert rule(QUESTION, told(aaaa=EMPTY, a=FOUR), ()).response == EMPTY
    pointer = Response(answer=(Record(NAME, PTR, 60, "host.example"),))
    for name in (NAME, "1.ip6.arpa", IPv6Address("2001:db8:65::1").reverse_pointer):
        assert rule(Question(name, PTR), told(ptr=pointer), PLAIN).response == pointer


@pytest.mark.parametrize("length", LENGTHS)
def test_names_of_synthesised_addresses(length):
    prefix = IPv6Network(f"2001:db8:1::/{length}", strict=False)
    address = IPv6Address(Embedding(prefix).embed(int(IPv4Address("192.0.2.33"))))
    asked = []

    def upstream(name, kind):
        asked.append((name, kind))
        return Response(answer=(Record(name, PTR, 60, "host.example"),))

    found = rule(Question(address.reverse_pointer, PTR), upstream, (Synthesis(prefix),)).response
    assert asked == [("33.2.0.192.in-addr.arpa", PTR)]
    assert [(r.name, r.kind, r.data) for r in found.answer] == [
        (address.reverse_pointer, CNAME, "33.2.0.192.in-addr.arpa"),
        ("33.2.0.192.in-addr.arpa", PTR, "host.example"),
    ]


def test_bits_of_dnssec():
    """Section 5.5: nothing is made up for who validates, and AD is for who asks with DO."""
    secure = told(aaaa=replace(EMPTY, authentic=True), a=replace(FOUR, authentic=True))
    assert rule(VALIDATOR, secure, PLAIN).response == replace(EMPTY, authentic=True)
    assert values(rule(VALIDATOR, secure, PLAIN, (VALIDATORS_TOO,))) == [str(IPv6Address(MADE))]
    excluded = told(aaaa=Response(answer=address_records("::ffff:192.0.2.1")), a=FOUR)
    assert values(rule(VALIDATOR, excluded, PLAIN)) == ["::ffff:c000:201"]
    assert values(rule(VALIDATOR, excluded, PLAIN, (EXCLUDES_FOR_VALIDATORS,))) == []
    for dnssec_ok in (False, True):
        found = rule(replace(QUESTION, dnssec_ok=dnssec_ok), secure, PLAIN)
        assert found.synthesised and found.response.authentic is dnssec_ok
    insecure = told(aaaa=replace(EMPTY, authentic=True), a=FOUR)
    assert not rule(replace(QUESTION, dnssec_ok=True), insecure, PLAIN).response.authentic


def test_clients_are_served_by_what_the_plan_has_for_them():
    service = Service(
        name="hall7",
        technique="nat64",
        role=RESOLVER,
        gateway_address=PREF64[1],
        translation_prefix=PREF64,
        dns64=Dns64(clients=(IPv6Network("2001:db8:1::/48"),)),
    )
    everybody = replace(service, dns64=Dns64())
    services = (service, everybody, replace(service, dns64=None))
    inside, outside = IPv6Address("2001:db8:1::1"), IPv6Address("2001:db8:2::1")
    assert serving(services, inside) == (Synthesis(PREF64, service.dns64), Synthesis(PREF64, Dns64()))
    assert serving(services, outside) == (Synthesis(PREF64, Dns64()),)


PREFIXES = st.builds(
    lambda bits, length: IPv6Network((bits & ~(0xFF << 56), length), strict=False),
    st.integers(0, 2**128 - 1),
    st.sampled_from(LENGTHS),
)
TTLS = st.integers(0, MAX_TTL)
RECORDS6 = st.builds(
    lambda ttl, bits: Record(NAME, AAAA, ttl, IPv6Address(bits)), TTLS, st.integers(0, 2**128 - 1)
)
RECORDS4 = st.builds(
    lambda ttl, bits: Record(NAME, A, ttl, IPv4Address(bits)), TTLS, st.integers(0, 2**32 - 1)
)
NEGATIVE = st.one_of(st.just(()), st.builds(soa, TTLS, TTLS))


@given(
    prefix=PREFIXES,
    aaaa=st.lists(RECORDS6, max_size=3),
    a=st.lists(RECORDS4, max_size=3),
    exclude=st.lists(
        st.builds(
            lambda b, n: IPv6Network((b, n), strict=False), st.integers(0, 2**128 - 1), st.integers(0, 128)
        ),
        max_size=2,
    ),
    authority=NEGATIVE,
    rcode=st.sampled_from([NOERROR, SERVFAIL, 5]),
)
def test_what_always_holds(prefix, aaaa, a, exclude, authority, rcode):
    """Never beside a usable AAAA; each A is found again in its AAAA; the TTL is the least of all."""
    upstream = told(
        aaaa=Response(answer=tuple(aaaa), authority=authority, rcode=rcode), a=Response(answer=tuple(a))
    )
    found = rule(QUESTION, upstream, (Synthesis(prefix, Dns64(exclude=tuple(exclude))),))
    usable = [record for record in aaaa if not any(record.data in network for network in exclude)]
    told_to_client = list(found.response.answer)
    if usable:
        assert (told_to_client, found.synthesised) == (usable, False)
        return
    assert found.synthesised is bool(a)
    cap = authority[0].ttl if authority else TTL_WITHOUT_SOA
    embedding = Embedding(prefix)
    assert [(r.ttl, embedding.extract(int(r.data))) for r in told_to_client] == [
        (min(r.ttl, cap), int(r.data)) for r in a
    ]
    assert all(record.data in prefix for record in told_to_client)
