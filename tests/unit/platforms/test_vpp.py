# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VPP: what is shown means what was told, a running VPP is changed as little as can be, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import platform_cases.vpp_device as emulated_vpp
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import FOLDER, all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.platforms.vpp.apply import ApplyError, apply
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from hypothesis import given, settings
from hypothesis import strategies as st
from platform_cases import CASES
from platform_cases.case import TEMPLATES
from platform_cases.services import BINDINGS, RULE, shownet
from platform_cases.vpp import Emulated

BOX, CASE = driver("vpp"), CASES["vpp"]
MAP_E, MAP_T, LW4O6 = (shownet(name, "gateway") for name in ("map-e", "map-t", "lw4o6"))
NAT64, DS_LITE = shownet("nat64", "gateway"), shownet("ds-lite", "gateway")
SECOND = replace(
    MAP_E,
    name="hall8",
    rules=(
        MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.112.0/26"), 8, 0),
        MapRule(IPv6Network("2001:3e8:8000::/48"), IPv4Network("198.51.0.0/16"), 8),
    ),
)
# What format_map_domain of src/plugins/map/map.c prints for ShowNet's rule, and for an operator's domain.
SHOWN = (
    "[0] tag {[no-tag]} ip4-pfx 192.0.2.0/24 ip6-pfx 2001:db8::/40 ip6-src 2001:db8::1/128"
    " ea-bits-len 16 psid-offset 6 psid-len 8 mtu 0 \n"
    "[7] tag {ipv4aas-hall7} ip4-pfx 130.129.255.92/30 ip6-pfx 2001:3e8:6000::/56"
    " ip6-src 2001:3e8:0:2900::1/128 ea-bits-len 8 psid-offset 4 psid-len 6 mtu 1500   TX: 5/500  RX: 0/0\n"
)


def rendered(*services):
    return CASE.rendered("cli", *services)


@pytest.fixture
def vpp(tmp_path):
    """Makes VPP run services; gives what it was told."""
    emulated = Emulated()

    def run(*services):
        return run.text(rendered(*services) if services else "")

    run.text = lambda text: apply(text, emulated, tmp_path / "memory.json")
    run.vpp = emulated
    run.shown = lambda: emulated.ask("show", "map", "domain")
    return run


def test_what_is_shown():
    assert BOX.parse(SHOWN, "cli", (MAP_E,)) == (MAP_E,)
    [found] = BOX.parse(SHOWN, "cli", ())
    assert (found.name, found.technique, found.rules) == ("hall7", "map-e", (RULE,))


def test_other_spellings():
    text = rendered(MAP_E).replace("2001:3e8:0:2900::1/128", "2001:3E8:0:2900:0::1").replace("  ", "\t")
    lines = text.splitlines()
    again = "\n".join([*lines[:2], *reversed(lines[2:])])
    assert BOX.parse(again, "cli", (MAP_E,)) == (MAP_E,)


def test_what_is_missing_is_zero():
    """VPP takes a domain without port set, EA bits or MTU; psid-offset is 0 then, not 6."""
    text = rendered(MAP_E).replace(" psid-offset 4", "").replace(" mtu 1500", "")
    [found] = BOX.parse(text, "cli", (MAP_E,))
    assert (found.rules[0].psid_offset, found.ipv6_mtu) == (0, 0)


@pytest.mark.parametrize("technique", ["map-e", "map-t", "lw4o6"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_running_domains_mean_the_services(tmp_path_factory, technique, data):
    """After any row of changes VPP shows what the last of them says, whatever was in its pool."""
    emulated, memory = Emulated(), tmp_path_factory.mktemp("vpp") / "memory.json"
    operator = BOX.parse(emulated.ask("show", "map", "domain"), "cli", ())
    assert operator == ()
    for _ in range(3):
        services = data.draw(CASE.services(technique, "gateway"))
        text = rendered(*services)
        apply(text, emulated, memory)
        shown = BOX.parse(emulated.ask("show", "map", "domain"), "cli", services)
        assert [(s.rules, s.bindings, s.ipv6_mtu) for s in shown] == [
            (s.rules, s.bindings, s.ipv6_mtu) for s in services
        ]
        assert apply(text, emulated, memory) == []


def test_two_services_and_as_little_as_can_be(vpp):
    assert len(vpp(MAP_E, SECOND)) == 3 + 4
    changed = replace(SECOND, rules=(SECOND.rules[0], replace(SECOND.rules[1], psid_offset=0)))
    assert BOX.parse(rendered(MAP_E, changed), "cli", (MAP_E, changed)) == (MAP_E, changed)
    # The offset of an address that is not shared is nothing to VPP.
    assert vpp(MAP_E, changed) == []
    bigger = replace(SECOND, rules=(SECOND.rules[0], replace(SECOND.rules[1], ea_len=10)))
    deleted, added = vpp(MAP_E, bigger)
    assert deleted.startswith("map del domain index ") and "ea-bits-len 10" in added
    assert len(vpp(MAP_E)) == 2
    assert BOX.parse(vpp.shown(), "cli", (MAP_E,)) == (MAP_E,)
    assert vpp() and BOX.parse(vpp.shown(), "cli", ()) == ()
    assert vpp.vpp.vpp.state["map"] == ["tap9"]
    assert vpp.vpp.vpp.state["params"] == {
        "fragment": "outer honor-df",
        "security-check": "enable fragments off",
    }


def test_binding_that_comes_or_goes_leaves_the_others_alone(vpp):
    vpp(LW4O6)
    more = replace(BINDINGS[0], psid=6, softwire=IPv6Address("2001:3e8:6000:6::1"))
    [added] = vpp(replace(LW4O6, bindings=(*BINDINGS, more)))
    assert added.endswith("psid 6 ip6-dst 2001:3e8:6000:6::1")
    [gone] = vpp(LW4O6)
    assert gone.endswith("psid 6 ip6-dst ::")
    moved = replace(BINDINGS[1], softwire=IPv6Address("2001:3e8:6000:77::1"))
    [told] = vpp(replace(LW4O6, bindings=(BINDINGS[0], moved)))
    assert told.endswith("psid 52 ip6-dst 2001:3e8:6000:77::1")


def test_nat64_is_taken_back_in_order(vpp):
    vpp(NAT64)
    other = IPv6Network("2001:db8:64::/96")
    assert vpp(replace(NAT64, translation_prefix=other)) == [
        "nat64 add prefix 64:ff9b::/96 del",
        "nat64 add prefix 2001:db8:64::/96",
    ]
    assert vpp() == [
        "set interface nat64 out GigabitEthernet0/9/0 del",
        "set interface nat64 in GigabitEthernet0/8/0 del",
        "nat64 add pool address 198.51.100.64 - 198.51.100.127 del",
        "nat64 add prefix 2001:db8:64::/96 del",
        "nat64 plugin disable",
    ]
    assert vpp.vpp.vpp.state["nat64"] is None


def test_tunnel_address_of_an_aftr_stays(vpp):
    vpp(DS_LITE)
    assert vpp() == ["dslite add pool address 198.51.100.64 - 198.51.100.127 del"]
    assert vpp.vpp.vpp.state["dslite pool"] == ["192.88.99.1"]


def test_vpp_that_was_started_anew_is_told_all(vpp):
    first = vpp(NAT64)
    assert vpp(NAT64) == []
    vpp.vpp.vpp.state = emulated_vpp.EmulatedVpp().state | {"pid": 2000}
    assert vpp(NAT64) == first


def test_vpp_says_no(vpp):
    vpp(MAP_E)
    text = rendered(MAP_E).replace("map interface GigabitEthernet0/9/0", "map interface nowhere")
    with pytest.raises(ApplyError, match="VPP says: unknown interface"):
        vpp.text(text)
    told = vpp(MAP_E)
    assert "map interface nowhere del" in told and "map interface GigabitEthernet0/9/0" in told
    assert vpp.vpp.vpp.state["map"] == ["tap9", *CASE.options["interfaces"]]
    assert vpp(MAP_E) == []
    # VPP only logs a domain that it does not take.
    text = rendered(MAP_E).replace("ip6-pfx 2001:3e8:6000::/56", "ip6-pfx 2001:3e8:6000::/60")
    with pytest.raises(ApplyError, match="VPP has not made domain ipv4aas-hall7"):
        vpp.text(text)


@pytest.mark.parametrize(
    ("service", "old", "new", "wrong"),
    [
        (MAP_E, "ea-bits-len 8", "ea-bits-len 49", "49 is not a number in 0..48"),
        (MAP_E, "psid-len 6", "psid-len 5", "PSID length 5 does not go with 8 EA bits"),
        (MAP_E, "ip4-pfx", "ip4-prefix", "ip4-prefix is not understood"),
        (MAP_E, " mtu 1500", " mtu", "mtu has no value"),
        (MAP_E, "outer honor-df", "outer", "expected inner or outer, and honor-df"),
        (MAP_E, "map interface", "map device", "is not understood"),
        (MAP_E, "# service hall7", "#", "is no service's"),
        (LW4O6, "index 0 psid 52", "index 1 psid 52", "1 is not a number in 0..0"),
        (LW4O6, "psid 52", "psid 64", "PSID"),
        (MAP_E, "ea-bits-len 8", "ea-bits-len 0", "has a port set, no EA bits and no rule; map add rule"),
        (NAT64, "64:ff9b::/96", "64:ff9b::/xx", "is not an IPv6 prefix"),
        (NAT64, "nat64 add prefix 64:ff9b::/96\n", "", "expected one 'nat64 add prefix', there are 0"),
        (NAT64, "198.51.100.127", "198.51.100.1", "is no range of addresses"),
        (DS_LITE, "2001:3e8:0:2900::1", "nowhere", "nowhere is not an IPv6 address"),
    ],
)
def test_nonsense(service, old, new, wrong):
    text = rendered(service)
    assert old in text
    with pytest.raises(ParseError, match=wrong):
        BOX.parse(text.replace(old, new), "cli", (service,))


@pytest.mark.parametrize(
    ("service", "old", "new", "field", "value"),
    [
        (MAP_E, "mtu 1500", "mtu 1400", "ipv6_mtu", 1400),
        (MAP_E, "psid-offset 4", "psid-offset 6", "rules", (replace(RULE, psid_offset=6),)),
        (MAP_E, "2001:3e8:0:2900::1/128", "2001:db8::1/128", "gateway_address", IPv6Address("2001:db8::1")),
        (MAP_E, "fragment outer", "fragment inner", "fragmentation", "inner"),
        (MAP_T, "tcp-mss 0", "tcp-mss 1420", "mss_clamp", 1420),
        (MAP_T, "ffff::/64", "eeee::/64", "translation_prefix", IPv6Network("2001:db8:eeee::/64")),
        (LW4O6, "psid 52", "psid 53", "bindings", (BINDINGS[0], replace(BINDINGS[1], psid=53))),
        (NAT64, "64:ff9b::", "2001:db8:64::", "translation_prefix", IPv6Network("2001:db8:64::/96")),
    ],
)
def test_each_change_by_hand_is_seen(service, old, new, field, value):
    text = rendered(service)
    assert old in text
    assert BOX.parse(text.replace(old, new), "cli", (service,)) == (replace(service, **{field: value}),)


def test_refused():
    one_to_one = MapRule(IPv6Network("2001:db8::/64"), IPv4Network("192.0.2.1/32"), 0)
    unlike = (*BINDINGS, Binding(IPv6Address("2001:db8::9"), BINDINGS[0].ipv4, 0, 4, 1))
    for services, words in (
        ((replace(MAP_E, rules=(one_to_one,)),), "without EA bits VPP takes"),
        ((replace(MAP_T, translation_prefix=IPv6Network("2001:db8::/96")),), "VPP makes other addresses"),
        ((replace(LW4O6, bindings=unlike),), "differ in port sets or gateway"),
        ((replace(NAT64, pool=replace(NAT64.pool, block_size=512)),), "sharing.allocation"),
        ((NAT64, replace(NAT64, name="b")), "has one nat64 already"),
        ((MAP_E, replace(MAP_T, name="b")), "carries map-e and map-t"),
        ((MAP_E, replace(SECOND, fragmentation="inner")), "one fragmentation for all, outer"),
    ):
        with pytest.raises(Refused, match=words):
            rendered(*services)
    with pytest.raises(Refused, match="interfaces: missing"):
        render(replace(CASE.node(MAP_E), options={}), TEMPLATES)


INVENTORY = {
    "ipv4aas_role": "gateway",
    "ipv4aas_platform": "vpp",
    "ipv4aas_options": {"interfaces": ["GigabitEthernet0/8/0"]},
    "ipv4aas_carries": ["hall7"],
    "ipv4aas_services": {
        "hall7": {
            "technique": "map-e",
            "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
            "ipv4_pools": ["130.129.255.92/30"],
            "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
            "gateway": {"address": "2001:3e8:0:2900::1"},
            "backbone_mtu": 1500,
        }
    },
}


def test_from_an_inventory():
    node = build_plan({"br1": INVENTORY}, all_features()).nodes["br1"]
    text = render(node, TEMPLATES)
    assert BOX.parse(text, node.dialect, node.services) == node.services
    assert "ip4-pfx 130.129.255.92/30 ip6-pfx 2001:3e8:6000::/56" in text


def test_old_identifiers_are_refused():
    service = INVENTORY["ipv4aas_services"]["hall7"] | {"interface_identifier": "draft-03"}
    host = INVENTORY | {"ipv4aas_services": {"hall7": service}}
    with pytest.raises(Refused, match="interface identifier is draft-03, it takes rfc7597"):
        build_plan({"br1": host}, all_features())


class Host:
    """Runs the commands of features.yml here; vppctl is the model of a VPP."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        (folder / "bin").mkdir()
        program = folder / "bin" / "vppctl"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {emulated_vpp.__file__} "$@"\n')
        program.chmod(0o755)
        source = (FOLDER / "vpp" / "apply.py").read_text()
        (folder / "vpp-apply.py").write_text(source.replace("/run/ipv4aas", str(folder)))
        real = daemon_of("vpp", "cli")
        here = {
            f.name: getattr(real, f.name)
            .replace(real.file, str(folder / "ipv4aas.vpp"))
            .replace("/opt/ipv4aas", str(folder))
            for f in fields(real)
            if isinstance(getattr(real, f.name), str)
        }
        self.daemon = replace(real, **here)

    def __call__(self, argv, feed=""):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "VPP_STATE": str(self.state)}
        done = subprocess.run(
            argv, input=feed, text=True, capture_output=True, check=False, timeout=60, env=env
        )
        return done.returncode, done.stdout, done.stderr

    def deploy(self, *services, text=""):
        with DaemonSession(self, self.daemon, lock_patience=0, folder=str(self.folder / "work")) as session:
            return deploy(session, BOX, CASE.node(*services), text or rendered(*services), "cli")

    def shown(self):
        return self(["vppctl", "show", "map", "domain"])[1]


def test_deployed_by_the_file(tmp_path):
    host = Host(tmp_path)
    assert host.deploy(MAP_E).changed
    assert BOX.parse(host.shown(), "cli", (MAP_E,)) == (MAP_E,)
    assert not host.deploy(MAP_E).changed
    two = replace(MAP_E, ipv6_mtu=1400)
    host.deploy(two, SECOND)
    assert [service.ipv6_mtu for service in BOX.parse(host.shown(), "cli", (two, SECOND))] == [1400, 1500]


def test_what_vpp_refuses_goes_back(tmp_path):
    host = Host(tmp_path)
    host.deploy(MAP_E)
    bad = rendered(MAP_E).replace("mtu 1500", "mtu 1400").replace("GigabitEthernet0/9/0", "nowhere")
    with pytest.raises(TransportError, match="VPP says: unknown interface") as error:
        host.deploy(MAP_E, text=bad)
    assert error.value.left == "unchanged"
    assert (tmp_path / "ipv4aas.vpp").read_text() == rendered(MAP_E)
    assert BOX.parse(host.shown(), "cli", (MAP_E,)) == (MAP_E,)
