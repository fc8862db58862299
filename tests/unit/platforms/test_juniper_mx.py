# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper MX: several techniques on one box, the vendor's spellings, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import permutations

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.limits import beyond_limits
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import StaticBinding
from platform_cases import CASES
from platform_cases.services import POOL, shownet

CASE, BOX = CASES["juniper_mx"], driver("juniper_mx")
TECHNIQUES = ("map-e", "map-t", "ds-lite", "nat64")
OPEN = {"filtering": "endpoint-independent"}
DETERMINISTIC = replace(POOL, deterministic=True, subscribers=IPv6Network("2001:db8::/56"))
BLOCKS = replace(POOL, block_size=1024, ports_per_subscriber=4096)


def service(technique, **fields):
    return shownet(technique, "gateway", **(OPEN | fields))


def deploy(device, dialect, *services):
    wanted = CASE.rendered(dialect, *services) if services else ""
    change = BOX.change(BOX.owned(device.show(), dialect), wanted, dialect)
    device.apply(change.payload)
    return change


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
@pytest.mark.parametrize(("old", "new"), list(permutations(TECHNIQUES, 2)))
def test_another_technique_takes_the_old_one_away(dialect, old, new):
    """One word changes in the inventory: the device then has what a fresh one would have."""
    device, fresh = CASE.device(dialect), CASE.device(dialect)
    deploy(device, dialect, service(old))
    before = CASE.facts(device.show(), dialect)
    change = deploy(device, dialect, service(new))
    deploy(fresh, dialect, service(new))
    assert CASE.facts(device.show(), dialect) == CASE.facts(fresh.show(), dialect)
    assert BOX.parse(device.show(), dialect, (service(new),)) == (service(new),)
    # MAP is on one services interface, a NAPT on the other.
    assert ("unit" in change.payload) == (old.startswith("map") != new.startswith("map"))
    device.apply(change.undo)
    assert CASE.facts(device.show(), dialect) == before


def test_two_techniques_that_are_there_are_both_read():
    both = (service("map-e"), service("nat64", name="hall8"))
    text = "".join(CASE.rendered("cli", one) for one in both)
    assert BOX.parse(text, "cli", both) == both
    assert BOX.parse(text, "cli", both[::-1]) == both[::-1]


def test_464xlat_is_what_was_wanted_else_nat64():
    wanted = service("464xlat")
    text = CASE.rendered("cli", wanted)
    assert BOX.parse(text, "cli", (wanted,)) == (wanted,)
    [found] = BOX.parse(text, "cli", ())
    assert (found.technique, found.name, found.pool) == ("nat64", "hall7", POOL)


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_service_that_nobody_wants_is_found(technique, dialect):
    [found] = BOX.parse(CASE.rendered(dialect, service(technique)), dialect, ())
    assert (found.name, found.technique, found.role) == ("hall7", technique, "gateway")


RULE = "set services nat rule ipv4aas-hall7"
POOL_LINE = "set services nat pool ipv4aas-hall7"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"{POOL_LINE} port range low 1024\n{POOL_LINE} port range high 65535\n",
            f"{POOL_LINE} port range low 1024 high 65535\n",
        ),
        (
            f"{POOL_LINE} port secured-port-block-allocation block-size 1024\n"
            f"{POOL_LINE} port secured-port-block-allocation max-blocks-per-address 4\n",
            f"{POOL_LINE} port secured-port-block-allocation block-size 1024 max-blocks-per-address 4\n",
        ),
        ("64:ff9b::/96", "64:FF9B:0::/96"),
        ("set interfaces", "## Last commit: today\nset system host-name mx\nset interfaces"),
        ("\n", " \r\n"),
    ],
)
def test_other_spelling_of_the_same(before, after):
    wanted = service("nat64", pool=BLOCKS)
    text = CASE.rendered("cli", wanted)
    assert before in text
    other = text.replace(before, after)
    assert BOX.parse(other, "cli", (wanted,)) == (wanted,)
    assert not BOX.change(other, text, "cli")


@pytest.mark.parametrize("technique", ["ds-lite", "nat64", "map-t"])
@pytest.mark.parametrize("dialect", ["cli", "netconf"])
def test_every_missing_line_is_seen(technique, dialect):
    text = CASE.rendered(dialect, service(technique))
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if dialect == "netconf" and ((line.count("<") != 2 and "/>" not in line) or "name>" in line):
            continue  # half an element is no XML, an entry without its name is no entry
        other = "".join([*lines[:index], *lines[index + 1 :]])
        assert BOX.change(other, text, dialect), line


def test_hidden_defaults():
    wanted = service("ds-lite", pool=BLOCKS)
    text = CASE.rendered("cli", wanted)
    hidden = ("max-blocks", "block-size", "dslite-ipv6-prefix-length")
    short = "".join(line for line in text.splitlines(True) if not any(word in line for word in hidden))
    short += f"{POOL_LINE} port secured-port-block-allocation\n"
    [found] = BOX.parse(short, "cli", (wanted,))
    assert found.pool == replace(
        BLOCKS, block_size=128, ports_per_subscriber=8 * 128, subscriber_prefix_len=128
    )
    for word in ("mapping-type", "filtering-type"):
        short = "".join(line for line in text.splitlines(True) if word not in line)
        [found] = BOX.parse(short, "cli", (wanted,))
        assert found == replace(wanted, filtering="address-and-port-dependent")


@pytest.mark.parametrize(
    ("technique", "before", "after", "message"),
    [
        (
            "ds-lite",
            "mtu-v6 1500",
            "copy-dscp",
            "ds-lite ipv4aas-hall7 softwire-address 2001:3e8:0:2900::1",
        ),
        ("ds-lite", "mtu-v6 1500", "mtu-v6 1279", "mtu-v6 1279: 1279 is not a number in 1280..9192"),
        (
            "ds-lite",
            "high 65535",
            "high 60000",
            "ports up to 60000: a pool has those up to",
        ),
        ("ds-lite", "napt-44", "dynamic-nat44", "dynamic-nat44 is not napt-44 or stateful-nat64"),
        ("ds-lite", "source-pool ipv4aas-hall7", "source-pool X", "no NAT pool of ours is called X"),
        ("ds-lite", "address 198.51.100.64/26", "mapping-timeout 300", "has no address"),
        (
            "ds-lite",
            "concentrator ds-lite ipv4aas-hall7",
            "concentrator ds-lite X",
            "no ds-lite concentrator",
        ),
        (
            "nat64",
            "destination-address 64:ff9b::/96",
            "destination-address 64:ff9c::/96",
            "64:ff9c::/96 is",
        ),
        (
            "nat64",
            "then translated destination-prefix 64:ff9b::/96",
            "then syslog",
            "has no term t1 then",
        ),
        (
            "nat64",
            "low 1024",
            "low x",
            "line 8: set services nat pool ipv4aas-hall7 port range low x",
        ),
        ("map-t", "dmr-prefix 2001:db8:ffff::/64", "v6-reassembly", "has no dmr-prefix"),
        (
            "map-t",
            "psid-offset 4",
            "version-03",
            "version-03: not understood; one of dmr-prefix, ipv4",
        ),
    ],
)
def test_error_says_the_line(technique, before, after, message):
    text = CASE.rendered("cli", service(technique))
    assert before in text
    with pytest.raises(ParseError) as error:
        BOX.parse(text.replace(before, after), "cli", (service(technique),))
    assert message in str(error.value)


def test_rule_without_its_softwire_and_softwire_without_its_rule():
    text = CASE.rendered("cli", service("ds-lite"))
    short = "".join(line for line in text.splitlines(True) if "nat rule" not in line)
    with pytest.raises(ParseError, match="no NAT rule is called ipv4aas-hall7"):
        BOX.parse(short, "cli", ())


@pytest.mark.parametrize(
    ("services", "message"),
    [
        (
            [service("ds-lite"), service("ds-lite", name="hall8")],
            "box.ipv4aas_carries: carries hall7, hall8: juniper_mx cannot tell their customers apart",
        ),
        (
            [service("nat64", filtering="address-dependent")],
            "ipv4aas_services.hall7.filtering: juniper_mx box filters by nothing or by address and port",
        ),
        (
            [service("ds-lite", pool=replace(POOL, subscriber_prefix_len=60))],
            "ipv4aas_services.hall7.customers.prefix_length: juniper_mx box knows customers by prefixes of",
        ),
        (
            [
                service(
                    "ds-lite",
                    pool=DETERMINISTIC,
                )
            ],
            "ipv4aas_services.hall7.sharing.allocation: juniper_mx box counts deterministic ports in",
        ),
        (
            [service("ds-lite", pool=replace(POOL, block_size=64))],
            "ipv4aas_services.hall7.sharing: juniper_mx box counts blocks of 64 ports: 0 are no",
        ),
        (
            [service("nat64", pool=replace(POOL, first_port=0))],
            "sharing.reserved_ports: juniper_mx box takes a first port 1 to 65535, not 0",
        ),
        (
            [
                service(
                    "nat64",
                    static_bindings=(
                        StaticBinding(
                            protocol="tcp",
                            outside_address=IPv4Address("198.51.100.65"),
                            outside_port=443,
                            subscriber=IPv6Address("2001:db8::1"),
                            inside_port=443,
                        ),
                    ),
                )
            ],
            "ipv4aas_services.hall7.gateway: juniper_mx box has no words for ipv4aas_port_forwards",
        ),
    ],
)
def test_refused_with_the_reason(services, message):
    with pytest.raises(Refused) as error:
        CASE.rendered("cli", *services)
    assert message in str(error.value)


def test_addresses_of_a_pool_in_any_order_and_cut():
    networks = (IPv4Network("198.51.100.128/25"), IPv4Network("198.51.100.0/25"))
    wanted = service("nat64", pool=replace(POOL, ipv4=networks))
    text = CASE.rendered("cli", wanted)
    assert BOX.parse(text, "cli", (wanted,)) == (wanted,)
    first, second = (f"{POOL_LINE} address {network}\n" for network in sorted(networks))
    whole = text.replace(first + second, f"{POOL_LINE} address 198.51.100.0/24\n")
    assert BOX.parse(whole, "cli", (wanted,)) == (wanted,)
    less = text.replace(second, "")
    assert BOX.parse(less, "cli", (wanted,))[0].pool.ipv4 == networks[1:]


def test_a_prefix_that_no_document_shows_is_refused_by_the_plan():
    feature = all_features()["juniper_mx"].feature("nat64", "gateway")
    [problem] = beyond_limits(feature, service("nat64", translation_prefix=IPv6Network("2001:db8:64::/64")))
    assert problem == "length of the translation prefix is 64, it takes 96"


@pytest.mark.parametrize(
    ("technique", "given", "chosen"),
    [
        ("map-e", "si-0/0/0", "si-0/0/0"),
        ("map-t", "si-11/3/0", "si-11/3/0"),
        *(("ds-lite", name, name) for name in ("ms-1/0/0", "sp-1/1/0", "ams0", "rms1", "rsp0")),
        ("map-e", ["ms-1/0/0", "si-0/0/0"], "si-0/0/0"),
        ("nat64", ["si-0/0/0", "ams1"], "ams1"),
    ],
)
def test_services_interface_of_the_technique(technique, given, chosen):
    text = CASE.rendered("cli", service(technique), service_interface=given)
    assert f"inside-service-interface {chosen}.1\n" in text
    assert f"set interfaces {chosen} unit 2 service-domain outside\n" in text


INLINE = "an inline services interface such as si-0/0/0"
CARD = "the interface of a services card such as ms-1/0/0, sp-1/0/0 or ams0"


@pytest.mark.parametrize(
    ("technique", "given", "right"),
    [
        *(
            ("map-e", name, INLINE)
            for name in ("ge-0/0/0", "ms-1/0/0", "si-0/0/0.1", "si-0", "lo0", ["ms-1/0/0"], [["si-0/0/0"]])
        ),
        *(
            (technique, name, CARD)
            for technique in ("ds-lite", "nat64", "464xlat")
            for name in ("si-0/0/0", "xe-0/0/0", "vms-2/0/0", "mams-1/0/0", "ams", ["ms-1/0/0", "ms-1/1/0"])
        ),
    ],
)
def test_interface_that_is_no_services_interface_of_the_technique(technique, given, right):
    with pytest.raises(Refused) as error:
        CASE.rendered("netconf", service(technique), service_interface=given)
    [problem] = error.value.problems
    assert (problem.wrong, problem.right) == (f"{given!r} does not fit {technique}", right)
