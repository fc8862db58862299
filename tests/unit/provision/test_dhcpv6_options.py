# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv6 options of softwires against the shared vectors, and there and back on random values."""

from __future__ import annotations

import contextlib
import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.provision import dhcpv6
from ansible_collections.ipv4aas.fleet.engine.provision.dhcpv6 import Bound, Container, OptionError
from hypothesis import given, settings
from hypothesis import strategies as st

VECTORS = Path(__file__).resolve().parents[2] / "vectors"


def rows(name: str, *starts: str):
    """Rows of a vector file whose id starts with one of these."""
    found = [
        row for row in json.loads((VECTORS / name).read_text())["vectors"] if row["id"].startswith(starts)
    ]
    assert found
    return [pytest.param(row, id=row["id"]) for row in found]


RULE_A1 = MapRule(IPv6Network("2001:db8::/40"), IPv4Network("192.0.2.0/24"), 16, 6)
RELAY = IPv6Address("2001:db8:ffff::1")
# What the rows describe in words, by id.
MEANING = {
    "s46-cont-mape-A1": Container(
        technique="map-e",
        rules=(MapRule(RULE_A1.ipv6_prefix, RULE_A1.ipv4_prefix, 16, 6, forwarding=True),),
        gateways=(RELAY,),
    ),
    "s46-cont-mape-seed": Container(
        technique="map-e",
        rules=(
            MapRule(
                IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4, forwarding=True
            ),
        ),
        gateways=(IPv6Address("2001:3e8:0:2900::1"),),
    ),
    "s46-cont-mapt-A1": Container(
        technique="map-t", rules=(RULE_A1,), translation_prefix=IPv6Network("2001:db8:ffff::/64")
    ),
    "s46-cont-lw": Container(
        technique="lw4o6",
        bound=Bound(IPv4Address("192.0.2.18"), IPv6Network("2001:db8:12:3400::/64"), PortSet(0, 8, 0x34)),
        gateways=(RELAY,),
    ),
}


@pytest.mark.parametrize("row", rows("dhcpv6_softwire_options.json", "s46-cont"))
def test_container(row):
    octets = bytes.fromhex(row["expect"]["hex"])
    found = dhcpv6.decode(octets)
    assert found == MEANING.get(row["id"], found)
    assert dhcpv6.encode_container(found) == octets
    assert len(octets) == 4 + row["expect"]["option_length"]


def test_meaning_of_containers_is_known():
    """At least of those that the file has had from the beginning."""
    assert {row.values[0]["id"] for row in rows("dhcpv6_softwire_options.json", "s46-cont")} >= set(MEANING)


@pytest.mark.parametrize("row", rows("dhcpv6_softwire_options.json", "s46-pp"))
def test_port_parameters(row):
    given_ = row["input"]
    ports = PortSet(given_["offset"], given_["psid_len"], given_["psid"])
    octets = bytes.fromhex(row["expect"]["hex"])
    assert dhcpv6.encode_port_parameters(ports) == octets
    assert dhcpv6.decode(octets) == ports
    assert len(octets) == 4 + row["expect"]["option_length"]


@pytest.mark.parametrize("row", rows("psid_encodings.json", "psid"))
def test_psid_is_left_aligned_on_the_wire(row):
    ports = PortSet(0, row["input"]["psid_len"], row["input"]["psid"])
    assert dhcpv6.encode_port_parameters(ports).hex()[12:] == row["expect"]["dhcpv6_93_field_hex"]


def test_relay_and_default_rule():
    by_id = {row.values[0]["id"]: row.values[0] for row in rows("dhcpv6_softwire_options.json", "s46")}
    relay, dmr = by_id["s46-br"], by_id["s46-dmr-64"]
    address, prefix = IPv6Address(relay["input"]["br"]), IPv6Network(dmr["input"]["dmr"])
    assert dhcpv6.encode_border_relay(address).hex() == relay["expect"]["hex"]
    assert dhcpv6.encode_default_rule(prefix).hex() == dmr["expect"]["hex"]
    assert dhcpv6.decode(bytes.fromhex(relay["expect"]["hex"])) == address
    assert dhcpv6.decode(bytes.fromhex(dmr["expect"]["hex"])) == prefix


@pytest.mark.parametrize("row", rows("dhcpv6_softwire_options.json", "neg-"))
def test_negative_rows(row):
    with pytest.raises(OptionError):
        dhcpv6.decode(bytes.fromhex(row["input"]["hex"]))


RULE = "0059000d011018c00002002820010db800"
BR = "005a001020010db8000000000000000000000001"
DMR = "005b00094020010db800000000"
LW = "005c000dc00002124020010db800123400"


def container(code: int, *inner: str) -> bytes:
    return dhcpv6.option(code, bytes.fromhex("".join(inner)))


@pytest.mark.parametrize(
    ("code", "inner", "message"),
    [
        (94, (BR,), "the rule is missing"),
        (94, (RULE, BR, LW), "1 of binding, 0 allowed"),
        (95, (RULE,), "the default mapping rule is missing"),
        (95, (RULE, DMR, DMR), "option 91 is there 2 times"),
        (95, (RULE, DMR, BR), "1 of border relay, 0 allowed"),
        (96, (LW,), "the border relay is missing"),
        (96, (LW, LW, BR), "option 92 is there 2 times"),
        (96, (LW, BR, RULE), "1 of rule, 0 allowed"),
        (94, (RULE, BR, "005d000406000000"), "option 93 has no place in the container"),
        (94, (RULE, BR, "0017000100"), "option 23 has no place"),
        (94, (RULE, BR, "005a00"), "3 octets at the end"),
        (94, ("0059000d011021c00002002820010db800", BR), "IPv4 prefix length 33"),
        (94, ("0059000d011018c00002008120010db800", BR), "IPv6 prefix length 129"),
        (94, ("0059000d011018c00002003820010db800", BR), "a prefix of /56 has 5 octets, not 7"),
        (94, ("00590015001018c00002002820010db800005d000406083400", BR), "it needs /32"),
        (
            94,
            ("0059001d000020c00002122820010db800005d000406083400005d000406083400", BR),
            "may hold one option 93",
        ),
        (95, (RULE, "005b000a4120010db80000000000"), "/65 is not one of"),
        (95, (RULE, "005b000d6020010db80000000001000000"), "bits 64 to 71"),
    ],
)
def test_containers_that_a_client_ignores(code, inner, message):
    with pytest.raises(OptionError, match=message):
        dhcpv6.decode(container(code, *inner))


def test_rule_without_port_parameters_has_the_default_offset():
    found = dhcpv6.decode(container(94, RULE, BR))
    assert [rule.psid_offset for rule in found.rules] == [6]


def test_explicit_psid_is_used_and_bits_after_it_do_not_count():
    rule = "00590015000020c00002122820010db800005d0004060834ff"
    [found] = dhcpv6.decode(container(94, rule, BR)).rules
    assert (found.explicit_psid_len, found.explicit_psid) == (8, 0x34)


def test_bound_is_the_binding_of_the_customer():
    """RFC 7596 section 5.1: the identifier of address and PSID in the End-user prefix."""
    bound = MEANING["s46-cont-lw"].bound
    binding = bound.binding(IPv6Network("2001:db8:12:3400::/64"))
    assert binding.softwire == IPv6Address("2001:db8:12:3400:0:c000:212:34")
    assert binding.ports.ranges() == [(13312, 13567)]
    assert bound.binding(IPv6Network("2001:db8:12::/56")).softwire == IPv6Address("2001:db8:12::c000:212:34")


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("aftr.example.net", "004000120461667472076578616d706c65036e657400"),
        ("aftr.example.net.", "004000120461667472076578616d706c65036e657400"),
        ("ab", "00400004026162" + "00"),
    ],
)
def test_aftr_name(name, octets):
    assert dhcpv6.encode_aftr_name(name).hex() == octets
    assert dhcpv6.decode(bytes.fromhex(octets)) == name.rstrip(".")


@pytest.mark.parametrize("name", ["", "a", "a..b", f"{'a' * 64}.net", "ä.example", ".".join(["a" * 60] * 5)])
def test_names_that_are_none(name):
    with pytest.raises(OptionError):
        dhcpv6.encode_aftr_name(name)


@pytest.mark.parametrize(
    "body",
    ["04616674720765", "c00c0000", "00000000", "0461667472", "03ff616200"],
    ids=["cut", "pointer", "root", "endless", "octets"],
)
def test_aftr_octets_that_are_no_name(body):
    with pytest.raises(OptionError):
        dhcpv6.decode(dhcpv6.option(64, bytes.fromhex(body)))


def test_first_aftr_name_counts():
    octets = dhcpv6.encode_aftr_name("aftr.example.net")[4:] * 2
    assert dhcpv6.decode(dhcpv6.option(64, octets)) == "aftr.example.net"


def test_priority():
    assert dhcpv6.encode_priority((96, 94, 64)).hex() == "006f00060060005e0040"
    assert dhcpv6.decode(bytes.fromhex("006f00060060005e0040")) == (96, 94, 64)
    for bad in ((), (94, 94)):
        with pytest.raises(OptionError):
            dhcpv6.encode_priority(bad)
    with pytest.raises(OptionError):
        dhcpv6.decode(bytes.fromhex("006f0004005e005e"))


IPV4 = st.integers(0, 2**32 - 1)
IPV6 = st.integers(0, 2**128 - 1)


@st.composite
def ports(draw, most=16):
    length = draw(st.integers(0, most))
    return PortSet(
        draw(st.integers(0, min(15, 16 - length))), length, draw(st.integers(0, (1 << length) - 1))
    )


@st.composite
def rules(draw):
    explicit = draw(st.booleans())
    ipv4_len = 32 if explicit else draw(st.integers(0, 32))
    ea_len = 0 if explicit else draw(st.integers(0, 48 - ipv4_len))
    psid_len = max(0, ea_len - (32 - ipv4_len))
    ipv6_len = draw(st.integers(0, 128 - ea_len))
    own = draw(ports()) if explicit else PortSet(draw(st.integers(0, min(15, 16 - psid_len))), 0, 0)
    return MapRule(
        IPv6Network((draw(IPV6), ipv6_len), strict=False),
        IPv4Network((draw(IPV4), ipv4_len), strict=False),
        ea_len,
        own.offset,
        own.psid_len,
        own.psid,
        draw(st.booleans()),
    )


ADDRESSES = st.lists(IPV6.map(IPv6Address), min_size=1, max_size=3).map(tuple)
RULES = st.lists(rules(), min_size=1, max_size=5).map(tuple)
BOUNDS = st.builds(
    Bound,
    IPV4.map(IPv4Address),
    st.tuples(IPV6, st.integers(0, 128)).map(lambda pair: IPv6Network(pair, strict=False)),
    ports().map(lambda found: found if found.shared else PortSet(0, 0, 0)),
)
CONTAINERS = st.one_of(
    st.builds(Container, technique=st.just("map-e"), rules=RULES, gateways=ADDRESSES),
    st.builds(
        Container,
        technique=st.just("map-t"),
        rules=RULES,
        translation_prefix=st.tuples(IPV6, st.sampled_from([32, 40, 48, 56, 64])).map(
            lambda pair: IPv6Network(pair, strict=False)
        ),
    ),
    st.builds(Container, technique=st.just("lw4o6"), gateways=ADDRESSES, bound=st.none() | BOUNDS),
)


@settings(max_examples=200, deadline=None)
@given(CONTAINERS)
def test_there_and_back(value):
    assert dhcpv6.decode(dhcpv6.encode_container(value)) == value


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([64, 89, 90, 91, 92, 93, 94, 95, 96, 111]), CONTAINERS, st.data())
def test_damaged_octets_are_refused_or_mean_something(code, value, data):
    """Never another exception than OptionError."""
    octets = bytearray(dhcpv6.encode_container(value)[4:])
    for _change in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = octets[: data.draw(st.integers(0, len(octets)))]
    with contextlib.suppress(OptionError):
        dhcpv6.decode(dhcpv6.option(code, bytes(cut)))
