# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nokia SR OS: other spellings, defaults, what is not enabled, and routers that work for the operator."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError, occupied
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from planned_nodes import planned_gateway
from platform_cases.nokia_sros import CASE, GOLDEN, NAPT_POOL
from platform_cases.services import shownet

BOX = driver("nokia_sros")
DOMAIN = '/configure service nat map-t domain "ipv4aas-hall7"'
POOL_PATH = '/configure router "Base" nat outside pool "ipv4aas-hall7"'
INSIDE = '/configure router "Base" nat inside large-scale'


def rendered(*services, dialect="mdcli", **options):
    return CASE.rendered(dialect, *services, **options)


def parsed(text, *wanted, dialect="mdcli"):
    return BOX.parse(text, dialect, wanted)


def payload(running, wanted, dialect="mdcli"):
    return BOX.change(running, wanted, dialect).payload.splitlines()


SPELLINGS = [
    ("map-t", "/configure ", "    configure "),
    ("map-t", "/configure ", "# comment\n    /configure "),
    ("map-t", "2001:db8:ffff::/64", "2001:DB8:FFFF:0::/64"),
    ("map-t", '"ipv4aas-hall7"', "ipv4aas-hall7"),
    ("map-t-two", f"{DOMAIN} admin", f"{DOMAIN} mtu 8686\n{DOMAIN} tcp-mss-adjust 0\n{DOMAIN} admin"),
    ("map-t", f"{DOMAIN} admin", f"{DOMAIN}\n{DOMAIN} admin"),
    ("ds-lite", '"Base"', "Base"),
    ("ds-lite-large", f"{INSIDE} dual", f"{INSIDE} dual-stack-lite\n{INSIDE} dual"),
    ("ds-lite-large", " ip-frag", " tunnel-mtu 1500\n" + f"{INSIDE} dual-stack-lite endpoint @ ip-frag"),
    ("nat64-large", f"{INSIDE} nat64 admin", f"{INSIDE} nat64 ipv6-mtu 1520\n{INSIDE} nat64 admin"),
]


@pytest.mark.parametrize(("name", "before", "after"), SPELLINGS)
def test_other_spelling_is_the_same(name, before, after):
    services = GOLDEN[name]
    text = rendered(*services)
    other = text.replace(before, after.replace("@", str(services[0].gateway_address)))
    assert other != text
    assert parsed(other, *services) == services
    assert not BOX.change(other, text, "mdcli")


@pytest.mark.parametrize("name", GOLDEN)
def test_order_does_not_count(name):
    services = GOLDEN[name]
    text = rendered(*services)
    other = "".join(reversed(text.splitlines(keepends=True)))
    assert parsed(other, *services) == services
    assert not BOX.change(other, text, "mdcli")


def test_prefix_of_the_device_itself_is_not_written():
    [service] = GOLDEN["nat64"]
    well_known = replace(service, translation_prefix=IPv6Network("64:ff9b::/96"))
    text = rendered(well_known)
    assert "prefix 64" not in text
    assert parsed(text, well_known) == (well_known,)
    assert payload(rendered(service), text) == [f"delete {INSIDE} nat64 prefix"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("map-t", f"{DOMAIN} admin-state enable\n"),
        ("map-t", '/configure router "Base" nat map map-domain "ipv4aas-hall7"\n'),
        ("map-t", f'{DOMAIN} mapping-rule "ipv4aas-hall7" admin-state enable\n'),
        ("ds-lite", f"{POOL_PATH} admin-state enable\n"),
        ("ds-lite", f"{INSIDE} dual-stack-lite admin-state enable\n"),
        ("nat64", f"{INSIDE} nat64 admin-state enable\n"),
        ("nat64", f'{INSIDE} nat-policy "ipv4aas-hall7"\n'),
    ],
)
def test_what_is_not_enabled_is_not_there(name, line):
    services = GOLDEN[name]
    text = rendered(*services)
    assert line in text
    for other in (text.replace(line, ""), text.replace(line, line.replace("enable", "disable"))):
        if other != text:
            assert parsed(other, *services) == ()
    assert line in BOX.change(text.replace(line, ""), text, "mdcli").payload


ERRORS = [
    ("map-t", "ea-length 8", "ea-length 49", "49 is not a number in 0..48"),
    ("map-t", "psid-offset 4", "psid-offset 11", "PSID offset 11 + PSID length 6 = 17 is more than the 16"),
    (
        "map-t",
        f"{DOMAIN} dmr-prefix",
        f"{DOMAIN} x",
        "hall7: has no dmr-prefix".replace("hall7", '"ipv4aas-hall7"'),
    ),
    ("map-t", "130.129.255.92/30", "130.129.255.92/33", "130.129.255.92/33 is not an IPv4 prefix"),
    ("ds-lite", "port-reservation ports", "port-reservation x", "has no port-reservation ports"),
    ("ds-lite", "tunnel-mtu 1460", "tunnel-mtu 400", "400 is not a number in 464..9212"),
    ("ds-lite", "pool name", "pool x", "has no pool name"),
    ("ds-lite", " end 198.51.100.127", " end 198.51.100.1", "are no IPv4 addresses in order"),
    ("ds-lite", "filtering address-and-port-dependent", "filtering x", "line 9: service nat nat-policy"),
    ("nat64", "prefix 2001:db8:6400::/96", "prefix x", "x is not an IPv6 prefix"),
    ("nat64", 'pool name "ipv4aas-hall7"', 'pool name "ipv4aas-hall7""', 'stands alone; "name" would be'),
]


@pytest.mark.parametrize(("name", "before", "after", "message"), ERRORS)
def test_error_says_the_line(name, before, after, message):
    services = GOLDEN[name]
    text = rendered(*services)
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        parsed(text.replace(before, after), *services)


@pytest.mark.parametrize("value", ['""', '"a b"', '"1460"'])
def test_value_in_quotation_marks_stays_one_word(value):
    text = rendered(*GOLDEN["map-t-two"]).replace("tcp-mss-adjust 1440", f"tcp-mss-adjust {value}")
    owned = BOX.owned(text, "mdcli")
    assert BOX.owned(owned, "mdcli") == owned
    shown = value.strip('"') if value == '"1460"' else value
    assert f"tcp-mss-adjust {shown}\n" in owned


def test_more_than_one_thing_in_a_router():
    [service] = GOLDEN["ds-lite"]
    text = rendered(service)
    with pytest.raises(ParseError, match="DS-Lite and NAT64 are on at once"):
        parsed(f"{text}{INSIDE} nat64 admin-state enable\n", service)
    with pytest.raises(ParseError, match="2 endpoints; one would be"):
        parsed(f"{text}{INSIDE} dual-stack-lite endpoint 2001:db8::2 tunnel-mtu 1460\n", service)


def pool_of(technique, **fields):
    return shownet(technique, "gateway", pool=replace(NAPT_POOL, **fields))


PREFIX_RULE = MapRule(IPv6Network("2001:db8:50::/48"), IPv4Network("192.0.2.0/24"), 4)
EXPLICIT = MapRule(
    IPv6Network("2001:db8:60::/64"), IPv4Network("192.0.2.1/32"), 0, 6, explicit_psid_len=8, explicit_psid=52
)
MAPPING = Eam(IPv4Network("192.0.2.1/32"), IPv6Network("2001:db8:aaaa::1/128"))
REFUSED = [
    (shownet("map-t", "gateway", rules=(PREFIX_RULE,)), "an IPv4 prefix per customer means there is not"),
    (shownet("map-t", "gateway", rules=(EXPLICIT,)), "a mapping-rule takes the PSID from the EA bits"),
    (pool_of("ds-lite", block_size=0), "nokia_sros box gives ports in blocks only; blocks"),
    (
        pool_of("ds-lite", ports_per_subscriber=1000),
        "cannot give 1000 ports in blocks of 960; 1 to 40 blocks",
    ),
    (pool_of("ds-lite", first_port=512), "takes a first port 1024 to 65535, not 512"),
    (pool_of("nat64", subscriber_prefix_len=72), "knows subscribers of a /32 to /64 or a /128, not of a /72"),
    (pool_of("nat64", deterministic=True), "counts deterministic ports in another way than RFC 7422"),
    (replace(pool_of("nat64"), eam=(MAPPING,)), "hall7.eam: nokia_sros box has no words for an EAM"),
    (replace(pool_of("nat64"), udp_zero_checksum="forward"), "or gives it one; compute or drop"),
]


@pytest.mark.parametrize(("service", "message"), REFUSED)
def test_refused(service, message):
    with pytest.raises(Refused, match=re.escape(message)):
        rendered(service)


def test_one_service_for_a_router_and_one_dmr_for_a_domain():
    [service] = GOLDEN["ds-lite"]
    with pytest.raises(Refused, match="carries hall7, other, but a router has one policy"):
        rendered(service, replace(service, name="other"))
    [service] = GOLDEN["map-t"]
    with pytest.raises(Refused, match="hall7, other have the DMR 2001:db8:ffff::/64; one for each domain"):
        rendered(service, replace(service, name="other"))
    with pytest.raises(Refused, match="nat_group: 0 does not fit; a nat-group that is there, such as 1"):
        CASE.rendered("mdcli", GOLDEN["ds-lite"][0], nat_group=0)


def test_vprns_and_groups():
    options = {"inside_vprn": "10", "outside_vprn": "20"}
    text = rendered(*GOLDEN["ds-lite"], **options)
    assert '/configure service vprn "20" nat outside pool "ipv4aas-hall7" nat-group 1\n' in text
    assert 'nat-policy "ipv4aas-hall7" pool router-instance "20"\n' in text
    assert '/configure service vprn "10" nat inside large-scale nat-policy "ipv4aas-hall7"\n' in text
    assert parsed(text, *GOLDEN["ds-lite"]) == GOLDEN["ds-lite"]
    text = rendered(*GOLDEN["map-t"], inside_vprn="10", fpe=3, map_t_group=2)
    assert f"{DOMAIN} fpe 3\n{DOMAIN} map-t-group 2\n" in text
    assert '/configure service vprn "10" nat map map-domain "ipv4aas-hall7"\n' in text
    assert parsed(text, *GOLDEN["map-t"]) == GOLDEN["map-t"]


def test_router_of_the_operator_is_left_alone():
    """Not ours, and nothing may be written there."""
    wanted = rendered(*GOLDEN["nat64"])
    for line in (f'{INSIDE} nat-policy "OPERATOR"\n', f"{INSIDE} dual-stack-lite admin-state enable\n"):
        assert BOX.owned(line, "mdcli") == ""
        [wrong] = occupied(BOX, line, wanted, "mdcli")
        assert wrong.startswith(line.removeprefix("/configure ").strip())
        assert occupied(BOX, line, rendered(*GOLDEN["nat64"], inside_vprn="10"), "mdcli") == []
    assert occupied(BOX, wanted, wanted, "mdcli") == []
    assert occupied(BOX, CASE.device("mdcli").show(), wanted, "mdcli") == []
    assert occupied(driver("kea"), "{}", "{}", "json") == []


def test_smallest_changes():
    [service] = GOLDEN["ds-lite"]
    text = rendered(service)
    by_hand = text.replace("ports 960", "ports 480").replace(" tunnel-mtu 1460", " tunnel-mtu 1400")
    assert payload(by_hand, text) == [
        f"{POOL_PATH} port-reservation ports 960",
        f"{INSIDE} dual-stack-lite endpoint 2001:3e8:0:2900::1 tunnel-mtu 1460",
    ]
    larger = replace(service, pool=replace(NAPT_POOL, ipv4=(*NAPT_POOL.ipv4, IPv4Network("203.0.113.0/28"))))
    line = "address-range 203.0.113.0 end 203.0.113.15"
    assert payload(text, rendered(larger)) == [f"{POOL_PATH} {line}"]
    assert payload(rendered(larger), text) == [f"delete {POOL_PATH} {line}"]
    moved = replace(service, gateway_address=IPv6Address("2001:db8::2"))
    assert payload(text, rendered(moved))[0] == f"delete {INSIDE} dual-stack-lite endpoint 2001:3e8:0:2900::1"


def test_last_service_takes_everything_of_ours_and_no_more():
    assert payload(rendered(*GOLDEN["nat64"]), "") == [
        f"delete {INSIDE} nat64",
        f"delete {INSIDE} nat-policy",
        'delete /configure service nat nat-policy "ipv4aas-hall7"',
        f"delete {POOL_PATH}",
    ]
    assert payload(rendered(*GOLDEN["map-t"]), "") == [
        'delete /configure router "Base" nat map map-domain "ipv4aas-hall7"',
        f"delete {DOMAIN}",
    ]


def test_lines_of_the_operator_in_our_objects_stay():
    [service] = GOLDEN["ds-lite"]
    device, text = CASE.device("mdcli"), rendered(service)
    device.apply(BOX.change("", text, "mdcli").payload)
    theirs = (
        f"{INSIDE} dual-stack-lite endpoint {service.gateway_address} reassembly true\n"
        f"{POOL_PATH} watermarks high 90\n"
    )
    device.apply(theirs)
    assert BOX.owned(device.show(), "mdcli") == text
    device.apply(BOX.change(text, rendered(replace(service, ipv6_mtu=1600)), "mdcli").payload)
    assert all(line in device.show() for line in theirs.splitlines())


def test_service_that_nobody_wants_is_found():
    first, second = GOLDEN["map-t-two"]
    found = parsed(rendered(first, second), first)
    assert found == (first, replace(second, gateway_address=IPv6Address("::")))
    [nat64] = parsed(rendered(*GOLDEN["464xlat"]))
    assert (nat64.name, nat64.technique) == ("hall7", "nat64")


@pytest.mark.parametrize("technique", ["map-t", "ds-lite", "464xlat"])
def test_from_an_inventory(technique):
    """Planned, rendered and read back as any host of an inventory."""
    node = planned_gateway(technique, "nokia_sros", {"nat_group": 1})
    assert node.refused is None
    text = rendered(*node.services)
    assert '"ipv4aas-home"' in text
    assert parsed(text, *node.services) == node.services


def test_map_e_needs_a_fallback():
    with pytest.raises(Refused, match="nokia_sros is no MAP-E gateway: SR OS has MAP-T only"):
        planned_gateway("map-e", "nokia_sros", {})
