# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VyOS: the documentation's example, other spellings, what is changed by hand, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.limits import beyond_limits
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.services import POOL, shownet

CASE, BOX = CASES["vyos"], driver("vyos")
RULE = "set nat64 source rule 100"
TUNNEL = "set interfaces tunnel tun0"
TWO = replace(POOL, ipv4=(*POOL.ipv4, IPv4Network("198.51.100.9/32")))


def nat64(**fields):
    return shownet("nat64", "gateway", **({"filtering": "endpoint-independent"} | fields))


def b4(**fields):
    return shownet("ds-lite", "edge", **fields)


def deploy(device, *services, **options):
    wanted = CASE.rendered("cli", *services, **options) if services else ""
    change = BOX.change(BOX.owned(device.show(), "cli"), wanted, "cli")
    device.apply(change.payload)
    return change


def test_lines_of_the_documentation():
    """Its NAT64 example with our pool and name; it has every port from 1."""
    pool = replace(POOL, ipv4=(IPv4Network("192.0.2.10/32"),), first_port=1)
    assert CASE.rendered("cli", nat64(pool=pool)) == (
        f"{RULE} description 'ipv4aas-hall7'\n"
        f"{RULE} source prefix '64:ff9b::/96'\n"
        f"{RULE} translation pool 1 address '192.0.2.10/32'\n"
        f"{RULE} translation pool 1 port '1-65535'\n"
    )


def test_another_technique_takes_the_old_one_away():
    device, fresh = CASE.device("cli"), CASE.device("cli")
    deploy(device, nat64())
    change = deploy(device, b4())
    deploy(fresh, b4())
    assert device.show() == fresh.show()
    assert change.payload.splitlines()[0] == "delete nat64 source rule 100"
    device.apply(change.undo)
    assert BOX.parse(device.show(), "cli", (nat64(),)) == (nat64(),)


def test_another_number_moves_the_rule_and_the_tunnel():
    device = CASE.device("cli")
    deploy(device, nat64())
    change = deploy(device, nat64(), rule=7)
    assert change.payload.splitlines()[0] == "delete nat64 source rule 100"
    deploy(device, b4())
    deploy(device, b4(), tunnel="tun12")
    assert BOX.owned(device.show(), "cli") == CASE.rendered("cli", b4(), tunnel="tun12")


def test_pool_that_goes_takes_its_node_along():
    device = CASE.device("cli")
    deploy(device, nat64(pool=TWO))
    assert deploy(device, nat64()).payload == "delete nat64 source rule 100 translation pool 2\n"


def test_smallest_change_after_a_change_by_hand():
    device = CASE.device("cli")
    deploy(device, nat64(pool=TWO))
    device.apply("set nat64 source rule 100 translation pool 2 port '2000-65535'")
    edited = device.show()
    change = deploy(device, nat64(pool=TWO))
    assert change.payload == f"{RULE} translation pool 2 port '1024-65535'\n"
    device.apply(change.undo)
    assert device.show() == edited


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'64:ff9b::/96'", "64:FF9B:0::/96"),
        ("'1024-65535'", '"1024-65535"'),
        (f"{RULE} desc", f"set system host-name 'it is vyos'\n\n{RULE} desc"),
        ("\n", "  \r\n"),
    ],
)
def test_other_spelling_of_the_same(before, after):
    text = CASE.rendered("cli", nat64())
    assert before in text
    other = text.replace(before, after)
    assert BOX.parse(other, "cli", (nat64(),)) == (nat64(),)
    assert not BOX.change(other, text, "cli")


def test_order_of_lines_means_nothing():
    text = CASE.rendered("cli", nat64(pool=TWO))
    other = "".join(reversed(text.splitlines(keepends=True)))
    assert BOX.parse(other, "cli", (nat64(pool=TWO),)) == (nat64(pool=TWO),)
    assert not BOX.change(other, text, "cli")


@pytest.mark.parametrize("service", [nat64(pool=TWO), b4()])
def test_every_missing_line_is_seen(service):
    lines = CASE.rendered("cli", service).splitlines(keepends=True)
    for index, line in enumerate(lines):
        other = "".join([*lines[:index], *lines[index + 1 :]])
        assert BOX.change(other, "".join(lines), "cli"), line


def test_what_is_disabled_does_not_count():
    text = CASE.rendered("cli", nat64(pool=TWO))
    assert BOX.parse(f"{text}{RULE} disable\n", "cli", (nat64(),)) == ()
    [found] = BOX.parse(f"{text}{RULE} translation pool 2 disable\n", "cli", (nat64(pool=TWO),))
    assert found.pool == POOL
    assert BOX.change(f"{text}{RULE} disable\n", text, "cli").payload == f"delete {RULE[4:]} disable\n"


def test_hidden_mtu_of_a_tunnel():
    short = "".join(line for line in CASE.rendered("cli", b4()).splitlines(True) if " mtu " not in line)
    assert BOX.parse(short, "cli", (b4(),)) == (replace(b4(), ipv6_mtu=1516),)


def test_other_source_of_a_tunnel_is_only_an_address():
    text = CASE.rendered("cli", b4()).replace("2001:3e8:6000:45:0:c000:2:0", "2001:3e8:6000:45::9")
    [found] = BOX.parse(text, "cli", (b4(),))
    assert found.end_user_prefix == IPv6Network("2001:3e8:6000:45::9/128")
    assert found.softwire_address == IPv6Address("2001:3e8:6000:45::9")


@pytest.mark.parametrize(
    ("service", "before", "after", "message"),
    [
        (
            nat64(),
            "source prefix",
            "source x",
            "line 1: set nat64 source rule 100 description 'ipv4aas-hall7': has",
        ),
        (nat64(), "'1024-65535'", "'1024-60000'", "ports up to 60000: a pool has those up to 65535"),
        (nat64(), "'1024-65535'", "'1024'", "1024 is no range such as 1024-65535"),
        (
            nat64(),
            f"{RULE} translation pool 1 port",
            f"{RULE} translation pool 1 x",
            "has no translation pool 1 p",
        ),
        (
            nat64(),
            "pool 1 port",
            "pool 1 protocol tcp\n" + RULE + " translation pool 1 port",
            "of one protocol",
        ),
        (nat64(pool=TWO), "pool 2 port '1024", "pool 2 port '2048", "starts at 2048, the first pool at 1024"),
        (nat64(), "translation pool 1", "x 1", "has no address"),
        (nat64(), "'198.51.100.64/26'", "'198.51.100.64/33'", "198.51.100.64/33 is not an IPv4 prefix"),
        (
            b4(),
            "'ipip6'",
            "'gre'",
            "line 2: set interfaces tunnel tun0 encapsulation 'gre': gre is not ipip6",
        ),
        (b4(), "tun0 remote", "tun0 x", "has no remote"),
        (b4(), "mtu '1460'", "mtu '60'", "60 is not a number in 68..16000"),
        (
            b4(),
            "mtu '1460'",
            "mtu '1460",
            "line 3: set interfaces tunnel tun0 mtu '1460: No closing quotation",
        ),
    ],
)
def test_error_says_the_line(service, before, after, message):
    text = CASE.rendered("cli", service)
    assert before in text
    with pytest.raises(ParseError) as error:
        BOX.parse(text.replace(before, after), "cli", (service,))
    assert message in str(error.value)


@pytest.mark.parametrize("words", ["'' 1 address '192.0.2.1'", "'a b' 'c'", "description 'it'\\''s ours'"])
def test_words_in_quotation_marks_stay_as_they_are(words):
    text = CASE.rendered("cli", *CASE.golden["nat64"])
    line = f"set nat64 source rule 100 translation pool 1 {words}\n"
    owned = BOX.owned(f"{text}{line}", "cli")
    assert BOX.owned(owned, "cli") == owned
    assert owned != text
    there, back = BOX.change(text, owned, "cli"), BOX.change(owned, text, "cli")
    assert there
    assert (there.payload, there.undo) == (back.undo, back.payload)


@pytest.mark.parametrize(
    ("services", "options", "message"),
    [
        ([nat64(), nat64(name="hall8")], {}, "box.ipv4aas_carries: carries hall7, hall8: vyos cannot tell"),
        (
            [nat64(filtering="address-dependent")],
            {},
            "hall7.filtering: vyos box lets every host in through a map",
        ),
        ([nat64(pool=replace(POOL, first_port=0))], {}, "takes a first port 1 to 65535, not 0"),
        (
            [nat64(pool=replace(POOL, deterministic=True, subscribers=IPv6Network("2001:db8::/56")))],
            {},
            "counts deterministic ports in another way than RFC 7422",
        ),
        ([nat64()], {"rule": 0}, "box.ipv4aas_options.rule: 0 does not fit; number of the NAT64 rule"),
        (
            [nat64()],
            {"rule": 1000000},
            "box.ipv4aas_options.rule: 1000000 does not fit; a number in 1..999999",
        ),
        ([nat64()], {"rule": True}, "box.ipv4aas_options.rule: True does not fit"),
        ([b4()], {"tunnel": "wg0"}, "box.ipv4aas_options.tunnel: 'wg0' does not fit; tun and a number"),
    ],
)
def test_refused_with_the_reason(services, options, message):
    with pytest.raises(Refused) as error:
        CASE.rendered("cli", *services, **options)
    assert message in str(error.value)


def test_prefix_that_vyos_refuses_is_refused_before():
    feature = all_features()["vyos"].feature("464xlat", "gateway")
    wanted = nat64(translation_prefix=IPv6Network("2001:db8:64::/64"))
    assert beyond_limits(feature, wanted) == ("length of the translation prefix is 64, it takes 96",)


def test_464xlat_is_what_was_wanted_else_nat64():
    wanted = replace(nat64(), technique="464xlat")
    text = CASE.rendered("cli", wanted)
    assert BOX.parse(text, "cli", (wanted,)) == (wanted,)
    assert [service.technique for service in BOX.parse(text, "cli", ())] == ["nat64"]
