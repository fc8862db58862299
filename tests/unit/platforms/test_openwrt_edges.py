# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt: the protocols beside MAP-E, their hidden defaults, and the change from one to another."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import platform_devices as devices
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.services import END_USER_PREFIX, shownet

CASE, BOX = CASES["openwrt"], driver("openwrt")
TECHNIQUES = ("map-e", "map-t", "lw4o6", "ds-lite", "464xlat")
VECTORS = Path(__file__).parents[2] / "vectors"


def service(technique):
    return CASE.golden["shownet" if technique == "map-e" else technique][0]


def rendered(*services, **options):
    return CASE.rendered("uci", *services, **options)


def parsed(text, *wanted):
    [found] = BOX.parse(text, "uci", wanted)
    return found


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(TECHNIQUES, 2)))
def test_another_technique_leaves_nothing_of_the_one_before(before, after):
    device = devices.device("openwrt", "uci")
    for technique in (before, after):
        device.apply(BOX.change(BOX.owned(device.show(), "uci"), rendered(service(technique)), "uci").payload)
    assert BOX.owned(device.show(), "uci") == rendered(service(after))
    assert parsed(device.show(), service(after)) == service(after)
    # What was wanted before is not taken for what runs now.
    assert parsed(device.show(), service(before)).technique == after


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_service_that_nobody_planned(technique):
    found = parsed(rendered(service(technique)))
    assert (found.name, found.technique, found.role) == ("hall7", technique, "edge")
    assert (found.rules, found.bindings) == (service(technique).rules, service(technique).bindings)
    assert found.translation_prefix == service(technique).translation_prefix


def test_wanted_services_come_first_in_their_order():
    wanted = (replace(service("ds-lite"), name="b"), replace(service("ds-lite"), name="a"))
    text = rendered(*wanted) + "\n" + rendered(service("map-e")) + "\n" + rendered(service("464xlat"))
    text = text.replace("'aas_hall7'", "'aas_z'", 1)
    found = BOX.parse(text, "uci", wanted)
    assert [one.name for one in found] == ["b", "a", "hall7", "z"]
    assert found[:2] == wanted


@pytest.mark.parametrize(
    ("technique", "line", "field", "value"),
    [
        ("map-t", "\toption offset '4'\n", "rules", 6),
        ("lw4o6", "\toption mtu '1460'\n", "ipv6_mtu", 1320),
        ("ds-lite", "\toption mtu '1460'\n", "ipv6_mtu", 1320),
        ("464xlat", "\toption ip6prefix '2001:db8:64::/96'\n", "translation_prefix", None),
    ],
)
def test_missing_option_has_the_default_of_the_script(technique, line, field, value):
    text = rendered(service(technique))
    assert line in text
    found = getattr(parsed(text.replace(line, ""), service(technique)), field)
    assert (found[0].psid_offset if field == "rules" else found) == value


def test_defaults_of_a_binding():
    full = replace(service("lw4o6"), bindings=(binding(0, 0, 0),))
    text = rendered(full)
    assert "psid '" not in text and "offset" not in text
    # Without psidlen the delegated prefix tells it, here as long as ip6prefix.
    assert parsed(text.replace("\toption psidlen '0'\n", ""), full) == full
    with pytest.raises(ParseError, match="has no ealen"):
        parsed(text.replace("\toption psidlen '0'\n", ""))
    shared = replace(service("lw4o6"), bindings=(binding(6, 0, 0),))
    assert parsed(rendered(shared).replace("\toption psid '0'\n\toption offset '0'\n", ""), shared) == shared


def binding(psid_len, psid, offset):
    address = int(END_USER_PREFIX.network_address) | int(IPv4Address("130.129.255.93")) << 16 | psid
    return Binding(IPv6Address(address), IPv4Address("130.129.255.93"), offset, psid_len, psid)


@pytest.mark.parametrize("vector", json.loads((VECTORS / "psid_encodings.json").read_text())["vectors"])
def test_psid_is_left_aligned(vector):
    length, psid = vector["input"]["psid_len"], vector["input"]["psid"]
    wanted = replace(service("lw4o6"), bindings=(binding(length, psid, 0),))
    text = rendered(wanted)
    assert (f"\toption psid '{vector['expect']['openwrt_uci_psid']}'\n" in text) is (length > 0)
    assert parsed(text, wanted) == wanted


def test_gateway_of_a_binding_is_its_own():
    own = IPv6Address("2001:3e8:0:2900::7")
    [bound] = service("lw4o6").bindings
    wanted = replace(service("lw4o6"), bindings=(replace(bound, gateway_address=own),))
    text = rendered(wanted)
    assert f"\toption peeraddr '{own}'\n" in text
    assert parsed(text, wanted) == wanted


def test_legacy_binding_has_another_softwire():
    text = rendered(service("lw4o6")) + "\toption legacymap '1'\n"
    found = parsed(text, service("lw4o6")).bindings[0].softwire
    assert found == IPv6Address("2001:3e8:6000:45:82:81ff:5d00:500")  # as in the worked draft-03 example


def test_translators_get_no_options_that_their_scripts_ignore():
    for technique in ("map-t", "464xlat"):
        assert "mtu" not in rendered(service(technique)) + rendered(service(technique), zone="wan")
        assert "encaplimit" not in rendered(service(technique))


def test_mesh_of_map_t_names_the_dmr_in_each_rule():
    [rule] = service("map-t").rules
    mesh = replace(service("map-t"), rules=(replace(rule, forwarding=True),))
    text = rendered(mesh, zone="wan")
    assert "rule 'type=map-t,fmr,ipv4prefix=130.129.255.92,prefix4len=30," in text
    assert "offset=4,dmr=2001:db8:ffff::/64'\n\toption zone 'wan'\n" in text
    assert parsed(text, mesh) == mesh


@pytest.mark.parametrize(
    ("technique", "before", "after", "message"),
    [
        ("map-t", "2001:db8:ffff::/64", "2001:db8::1", "2001:db8::1/128 holds no IPv4 addresses"),
        (
            "map-t",
            "\toption peeraddr '2001:db8:ffff::/64'\n",
            "",
            "line 1: config interface 'aas_hall7': has no dmr",
        ),
        ("lw4o6", "psidlen '6'", "psidlen '17'", "line 10: option psidlen '17': 17 is not a number in 0..16"),
        ("lw4o6", "offset '0'", "offset '12'", "PSID offset 12 + PSID length 6 = 18"),
        ("lw4o6", "ip4prefixlen '32'", "ip4prefixlen '30'", "a lwB4 has one IPv4 address, 32 bits"),
        ("lw4o6", "ipaddr '130", "ipaddr 'x130", "x130.129.255.93 is not an IPv4 prefix"),
        ("ds-lite", "2001:3e8:0:2900::1", "aftr.example", "aftr.example is not an IPv6 address"),
        ("ds-lite", "\toption peeraddr '2001:3e8:0:2900::1'\n", "", "has no peeraddr"),
        ("464xlat", "2001:db8:64::/96", "2001:db8:64::/80", "2001:db8:64::/80 holds no IPv4 addresses"),
    ],
)
def test_error_says_the_line(technique, before, after, message):
    text = rendered(service(technique))
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        parsed(text.replace(before, after), service(technique))


def test_several_rules_are_no_binding():
    head = "config interface 'aas_x'\n\toption proto 'map'\n\toption maptype 'lw4o6'\n"
    with pytest.raises(ParseError, match=r"line 1: .*has several rules; a lwB4 has one binding"):
        parsed(f"{head}\toption rule 'br=::1 br=::2'\n")


def test_empty_rule_is_none():
    for technique in ("map-e", "lw4o6"):
        text = rendered(service(technique))
        assert parsed(f"{text}\toption rule ''\n", service(technique)) == service(technique)


def test_binding_that_mapcalc_would_not_come_to_is_refused():
    with pytest.raises(Refused) as refused:
        rendered(
            shownet("lw4o6", "edge"),
            replace(service("lw4o6"), name="long", end_user_prefix=IPv6Network("2001:db8::1/128")),
            replace(service("lw4o6"), name="none", bindings=()),
        )
    text = str(refused.value)
    assert (
        "ipv4aas_services.hall7.bindings: box makes 2001:3e8:6000:45:0:8281:ff5d:5 of 2001:3e8:6000:45::/64,"
        " not the softwire 2001:3e8:6000:5::1; use the softwire 2001:3e8:6000:45:0:8281:ff5d:5" in text
    )
    assert "box.ipv4aas_customer_prefix: box takes a prefix of up to /112, not 2001:db8::1/128" in text
    assert "ipv4aas_services.none.bindings: box needs its End-user prefix and one binding" in text
