# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea: what is rendered is what is read back, and what cannot be is told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.kea.driver import subnet_id
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.provision.dhcpv6 import Bound
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Delegation
from hypothesis import given, settings
from hypothesis import strategies as st

BOX = driver("kea")
OTHER_RELAY = IPv6Address("2001:3e8:0:2900::2")


def rendered(*services, **options):
    """On the interface lan."""
    return samples.rendered("kea", *services, **({"link": "lan"} | options))


def round_trip(*services, **options):
    text = rendered(*services, **options)
    assert BOX.owned(text, "json") == text
    assert BOX.parse(text, "json", services) == services
    return text


@pytest.mark.parametrize("technique", samples.PROVISIONED)
def test_service_that_nobody_planned(technique):
    service = samples.provisioner_service(technique)
    [found] = BOX.parse(rendered(service), "json", ())
    assert (found.name, found.technique, found.role) == ("hall7", technique, "provisioner")
    assert (found.rules, found.bindings, found.aftr_name, found.delegations) == (
        service.rules,
        service.bindings,
        service.aftr_name,
        service.delegations,
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rules_there_and_back(data):
    length = data.draw(st.integers(0, 8))
    ports = data.draw(st.integers(0, 8)), length, data.draw(st.integers(0, (1 << length) - 1))
    rule = st.one_of(samples.map_rules(), samples.map_rules(ports))
    rules = data.draw(st.lists(rule, min_size=1, max_size=4).map(tuple))
    for technique in ("map-e", "map-t"):
        round_trip(samples.provisioner_service(technique, rules=rules))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bindings_there_and_back(data):
    """Each with a prefix of its own, shared or not, some of another lwAFTR."""
    length = data.draw(st.integers(48, 64))
    space = IPv6Network((data.draw(st.integers(0, 2**128 - 1)), length - 4), strict=False)
    bindings = []
    for number in data.draw(st.lists(st.integers(0, 15), min_size=1, max_size=6, unique=True)):
        psid_len = data.draw(st.integers(0, 12))
        psid = data.draw(st.integers(0, (1 << psid_len) - 1))
        offset = data.draw(st.integers(0, 16 - psid_len)) % 16 if psid_len else 0
        prefix = IPv6Network((int(space.network_address) | number << (128 - length), length))
        ipv4 = IPv4Address(data.draw(st.integers(0, 2**32 - 1)))
        binding = Bound(ipv4, prefix, PortSet(offset, psid_len, psid)).binding(prefix)
        own = data.draw(st.sampled_from([None, OTHER_RELAY]))
        bindings.append(replace(binding, gateway_address=own))
    round_trip(
        samples.provisioner_service(
            "lw4o6", bindings=tuple(bindings), delegations=(Delegation(space, length),)
        )
    )


@pytest.mark.parametrize(("forwarding", "flags"), [(False, "0"), (True, "1")])
def test_forwarding_is_the_last_bit_of_the_flags(forwarding, flags):
    """RFC 7598 section 4.1; Kea's manual writes 128."""
    [rule] = samples.provisioner_service("map-e").rules
    wanted = samples.provisioner_service("map-e", rules=(replace(rule, forwarding=forwarding),))
    text = round_trip(wanted)
    [told] = re.findall(r'"data": "(\d+), 8, 30, ', text)
    assert told == flags
    [found] = BOX.parse(text.replace(f'"{told}, 8, 30, ', '"128, 8, 30, '), "json", (wanted,))
    assert not found.rules[0].forwarding


def test_rule_without_port_parameters_has_the_offset_of_the_rfc():
    """RFC 7598 section 4.5: 6."""
    wanted = samples.provisioner_service("map-e")
    [subnet] = json.loads(rendered(wanted))

    def without(value):
        if isinstance(value, dict):
            return {key: without(item) for key, item in value.items()}
        if isinstance(value, list):
            return [without(item) for item in value if item.get("name") != "s46-portparams"]
        return value

    [found] = BOX.parse(json.dumps([without(subnet)]), "json", (wanted,))
    assert [rule.psid_offset for rule in found.rules] == [6]


def test_several_services_each_on_its_own_link():
    first, second = samples.provisioner_service("map-e"), samples.provisioner_service("ds-lite", name="hall8")
    text = round_trip(first, second, link={"hall7": "lan7", "hall8": ["2001:db8:8::1", "2001:db8:8::2"]})
    subnets = json.loads(text)
    assert [subnet["id"] for subnet in subnets] == [subnet_id("hall7"), subnet_id("hall8")]
    assert subnets[0]["interface"] == "lan7" and "relay" not in subnets[0]
    assert subnets[1]["relay"] == {"ip-addresses": ["2001:db8:8::1", "2001:db8:8::2"]}
    alone = json.loads(rendered(second, link="lan8"))
    assert alone[0]["id"] == subnets[1]["id"]


def test_whole_files_change_and_go_back():
    first, second = (rendered(samples.provisioner_service(name)) for name in ("map-e", "ds-lite"))
    change = BOX.change(first, second, "json")
    assert (change.payload, change.undo) == (second, first)
    assert '-         "name": "s46-cont-mape"' in change.diff
    gone = BOX.change(first, "", "json")
    assert gone.payload == "[]\n" and BOX.owned(gone.payload, "json") == ""
    assert not BOX.change("", gone.payload, "json")
    assert BOX.change("{", first, "json").undo == "{"


MAP_E, LIGHTWEIGHT = samples.provisioner_service("map-e"), samples.provisioner_service("lw4o6")


@pytest.mark.parametrize(
    ("services", "options", "messages"),
    [
        ((MAP_E,), {"link": None}, ("helper.ipv4aas_options.link: None does not fit; the interface that",)),
        (
            (MAP_E, replace(MAP_E, name="hall8")),
            {"link": {"hall7": "lan"}},
            ("helper.ipv4aas_options.link: does not say where customers of hall8 are",),
        ),
        (
            (MAP_E, replace(MAP_E, name="hall8")),
            {},
            ("helper.ipv4aas_options.link: customers of two services are at one place",),
        ),
        (
            (replace(MAP_E, delegations=()),),
            {},
            ("ipv4aas_services.hall7: no End-user prefix can be delegated; give customers",),
        ),
        (
            (
                replace(
                    LIGHTWEIGHT,
                    bindings=(
                        replace(LIGHTWEIGHT.bindings[0], softwire=IPv6Address("2001:3e8:6000::1")),
                        LIGHTWEIGHT.bindings[1],
                        replace(LIGHTWEIGHT.bindings[0], softwire=IPv6Address("2001:db8::1")),
                    ),
                ),
            ),
            {},
            (
                "hall7.bindings[0].softwire: an lwB4 would take 2001:3e8:6000::8281:ff5c:0 in "
                "2001:3e8:6000::/64, not 2001:3e8:6000::1; the address of RFC 7596 section 5.1",
                "hall7.bindings[2].softwire: 2001:db8::1 is not in 2001:3e8:6000::/56",
            ),
        ),
        (
            (replace(LIGHTWEIGHT, delegations=LIGHTWEIGHT.delegations * 2),),
            {},
            ("ipv4aas_services.hall7: bindings of several prefixes; one prefix of customers",),
        ),
        (
            (samples.provisioner_service("ds-lite", aftr_name=""),),
            {},
            ("ipv4aas_services.hall7: DHCPv6 cannot tell it: '' has a label that is empty",),
        ),
        (
            (
                replace(MAP_E, rules=(replace(samples.HALL7_RULE, ea_len=2, psid_offset=16),)),
                samples.provisioner_service("ds-lite", name="hall8", aftr_name="a"),
            ),
            {"link": {"hall7": "lan7", "hall8": "lan8"}},
            (
                "ipv4aas_services.hall7: DHCPv6 cannot tell it: PSID offset 16 is outside 0..15",
                "ipv4aas_services.hall8: DHCPv6 cannot tell it: 'a' has 3 octets on the wire",
            ),
        ),
    ],
)
def test_refused_with_everything_at_once(services, options, messages):
    with pytest.raises(Refused) as error:
        rendered(*services, **options)
    for message in messages:
        assert message in str(error.value)
    assert len(error.value.problems) == len(messages)


DUID = "00:03:00:01:aa:bb:cc:dd:ee:02"
ONE = "2001:3e8:6000:2::/64"


@pytest.mark.parametrize(
    ("service", "subscribers", "messages"),
    [
        (MAP_E, [ONE], (": is no mapping; End-user prefix: DUID, such as 2001:3e8:6000::/64: 00:03:",)),
        (MAP_E, {"hall": DUID}, (".hall: is no IPv6 prefix; a /64 inside 2001:3e8:6000::/56",)),
        (MAP_E, {"2001:3e8:6000:2::1/64": DUID}, (".2001:3e8:6000:2::1/64: is no IPv6 prefix; a /64",)),
        (
            MAP_E,
            {"2001:3e8:6000::/60": DUID},
            (".2001:3e8:6000::/60: no customer here has it; a /64 inside",),
        ),
        (MAP_E, {"2001:db8::/64": DUID}, (".2001:db8::/64: no customer here has it; a /64 inside",)),
        (MAP_E, {ONE: "zz"}, (f".{ONE}: 'zz' is no DUID; 3 to 130 octets in hexadecimal with colons",)),
        (MAP_E, {ONE: "00:03"}, (f".{ONE}: '00:03' is no DUID; 3 to 130 octets",)),
        # What YAML 1.1 makes of digits and colons without quotes.
        (MAP_E, {ONE: 651}, (f".{ONE}: 651 is no DUID; 3 to 130 octets in hexadecimal with colons, quoted",)),
        (
            MAP_E,
            {ONE: DUID, "2001:3e8:6000:3::/64": DUID.upper(), "hall": "zz"},
            (
                f".2001:3e8:6000:3::/64: {DUID} has {ONE} already; a DUID once for a service",
                ".hall: is no IPv6 prefix",
                ".hall: 'zz' is no DUID",
            ),
        ),
        (
            MAP_E,
            {ONE: DUID, "2001:3E8:6000:2::/64": DUID.replace("02", "03")},
            (".2001:3E8:6000:2::/64: is there twice; one DUID for a prefix",),
        ),
        # A prefix of which DHCPv6 would tell no binding.
        (LIGHTWEIGHT, {ONE: DUID}, (f".{ONE}: no customer here has it; the prefix of a binding",)),
    ],
)
def test_subscriber_that_can_have_no_such_prefix(service, subscribers, messages):
    with pytest.raises(Refused) as error:
        rendered(service, subscribers=subscribers)
    place = "helper.ipv4aas_options.subscribers"
    found = str(error.value)
    assert all(f"{place}{message}" in found for message in messages), found
    assert len(error.value.problems) == len(messages)


def test_subscribers_of_two_services():
    second = replace(MAP_E, name="hall8", delegations=(Delegation(IPv6Network("2001:3e8:7000::/56"), 60),))
    known = {ONE: DUID, "2001:3e8:7000:20::/60": DUID}
    here, there = json.loads(
        rendered(MAP_E, second, link={"hall7": "lan7", "hall8": "lan8"}, subscribers=known)
    )
    assert here["reservations"] == [{"duid": DUID, "prefixes": [ONE]}]
    assert there["reservations"] == [{"duid": DUID, "prefixes": ["2001:3e8:7000:20::/60"]}]
    assert json.loads(rendered(MAP_E, subscribers={}))[0]["reservations"] == []


TWO_RULES = rendered(replace(MAP_E, rules=MAP_E.rules * 2))
MAP_TEXT, LW_TEXT = rendered(MAP_E), rendered(LIGHTWEIGHT)


@pytest.mark.parametrize(
    ("text", "before", "after", "message"),
    [
        (MAP_TEXT, '"id"', "id", "line 3: "),
        (MAP_TEXT, '"ipv4aas"', '"operator"', "[0]: is no subnet of ours: ipv4aas is missing"),
        (MAP_TEXT, '"pd-pools"', '"pools"', "[0]: is no subnet of ours"),
        (
            MAP_TEXT,
            "0, 8, 30, 130.129.255.92",
            "0, 8, 130.129.255.92",
            "[0].option-data: '0, 8, 130.129.255.92",
        ),
        (MAP_TEXT, "0, 8, 30", "0, 49, 30", "[0].option-data: EA-bits length 49 is outside 0..48"),
        (MAP_TEXT, '"4, 0/0"', '"4, 52/8"', "an explicit PSID needs EA-bits length 0"),
        (MAP_TEXT, '"s46-br"', '"s46-dmr"', "the border relay is missing; 1 of default mapping"),
        (MAP_TEXT, '"s46-rule"', '"s46-rules"', "map-e: the rule is missing"),
        (
            MAP_TEXT,
            '"name": "s46-cont-mape"',
            '"name": "s46-cont-mape"}, {"name": "aftr-name"',
            "announces map-e and",
        ),
        (TWO_RULES, '"data": "0059', '"data": "0099', "[0].option-data: map-e: option 153 has no place"),
        (TWO_RULES, '"data": "0059', '"data": "x059', "[0].option-data: non-hexadecimal"),
        (LW_TEXT, '"s46-v4v6bind"', '"v4v6bind"', "[0].pd-pools[0].option-data: expected one binding"),
        (LW_TEXT, '"0, 2/6"', '"0, 64/6"', "[0].pd-pools[1].option-data: PSID 64 does not fit"),
        (
            LW_TEXT,
            "130.129.255.93, 2001:3e8:6000:42::/64",
            "130.129.255.93, 2001:3e8:6000:43::/64",
            "[0].pd-pools[1].option-data: a binding of 2001:3e8:6000:43::/64, not of 2001:3e8:6000:42::/64",
        ),
        (
            LW_TEXT,
            '"delegated-len": 64',
            '"delegated-len": 65',
            "line 10: [0].pd-pools[0].option-data: one binding for every /65 of 2001:3e8:6000::/64",
        ),
        (
            LW_TEXT,
            '"2001:3e8:6000:42::",\n        "prefix-len": 64,\n        "delegated-len": 64',
            '"2001:3e8:6000:42::",\n        "prefix-len": 65,\n        "delegated-len": 65',
            "prefixes of several lengths are delegated",
        ),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_place(text, before, after, message):
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        BOX.parse(text.replace(before, after), "json", ())
