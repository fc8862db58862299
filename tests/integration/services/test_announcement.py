# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR by role and transport: what a BGP peer hears while the data plane is in order, hangs, returns."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from conftest import Helper, eventually
from platform_cases import CASES
from platform_cases.frr import announcing
from platform_cases.services import shownet

DAEMONS = Path("/usr/lib/frr")

pytestmark = [
    pytest.mark.root,
    pytest.mark.servers,
    pytest.mark.skipif(not (DAEMONS / "bgpd").exists(), reason="needs frr: make packages"),
]

HALL7 = announcing(shownet("map-e", "gateway"))
HALL7_HEARD = {"130.129.255.92/30", "2001:3e8:0:2900::1/128"}
OPERATOR_HEARD = {"192.0.2.0/24"}
# An operator's own, with names and routes that look like ours.
OPERATOR = """\
ip route 192.0.2.0/24 Null0 tag 46
ip route 198.51.100.0/24 192.0.2.1 tag 4646
ip prefix-list ipv4aas seq 5 permit 192.0.2.0/24
ip prefix-list own-ipv4aas-hall7 seq 5 deny any
route-map ipv4aas-own permit 10
 match ip address prefix-list ipv4aas
exit
router bgp 65001
 bgp router-id 10.0.0.1
 bgp route-map delay-timer 1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65000
 neighbor 10.0.0.2 advertisement-interval 0
 neighbor 10.0.0.2 timers connect 1
 neighbor 10.0.0.2 capability extended-nexthop
 address-family ipv4 unicast
  network 192.0.2.0/24
  redistribute static route-map ipv4aas
  redistribute kernel route-map ipv4aas
 exit-address-family
 address-family ipv6 unicast
  redistribute static route-map ipv4aas
  redistribute kernel route-map ipv4aas
  neighbor 10.0.0.2 activate
 exit-address-family
"""
PEER = """\
router bgp 65000
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 address-family ipv6 unicast
  neighbor 10.0.0.1 activate
 exit-address-family
"""
# A data plane that is in order, ends, or does not answer any more.
HEALTH = "test ! -e /run/hung || sleep 60; test -e /run/data-plane"


def start_frr(host: Helper, configuration: str) -> None:
    host.run(
        ["sh", "-c", "mkdir /run/frr && chown frr:frr /run/frr && cat > /run/frr/start.conf"], configuration
    )
    host.on("sh", "-c", "rm -f /etc/frr/frr.conf && touch /run/frr/empty.conf")
    for daemon in ("zebra", "staticd", "bgpd"):
        host.on(
            str(DAEMONS / daemon), "-d", "-f", "/run/frr/empty.conf", "--log", f"file:/run/frr/{daemon}.log"
        )
    host.on("vtysh", "-f", "/run/frr/start.conf")


def running(host: Helper) -> str:
    return host.on("vtysh", "-c", "show running-config")


def foreign(host: Helper) -> str:
    """All but the entry of the route map that stays."""
    return running(host).replace("route-map ipv4aas deny 65535\nexit\n!\n", "")


@pytest.fixture(scope="module")
def cabled(net, helper) -> Helper:
    box, peer = helper("announcer"), helper("peer")
    net.cable(box.host, "core", peer.host, "gw")
    net.cable(box.host, "own", peer.host, "nothing")
    box.host.ip("addr add 10.0.0.1/30 dev core", "addr add 2001:db8::1/64 dev core")
    peer.host.ip("addr add 10.0.0.2/30 dev gw", "addr add 2001:db8::2/64 dev gw")
    start_frr(box, OPERATOR)
    start_frr(peer, PEER)
    box.peer, box.before = peer, running(box)
    box.role(service_host_platform="frr", service_host_systemd=False)
    return box


@pytest.fixture
def host(cabled) -> Helper:
    """A host whose data plane is in order, and that announces nothing of ours yet."""
    cabled.on("sh", "-c", "touch /run/data-plane; rm -f /run/hung")
    roll_out(cabled)
    assert eventually(lambda: heard(cabled) == OPERATOR_HEARD)
    return cabled


def heard(host: Helper) -> set[str]:
    """What the peer has from the host."""
    found: set[str] = set()
    for version in ("ipv4", "ipv6"):
        table = json.loads(host.peer.on("vtysh", "-c", f"show bgp {version} unicast json"))
        found |= set(table.get("routes", {}))
    return found


def hears(host: Helper, *prefixes: str) -> bool:
    """Whether the peer has exactly these beside the operator's own, sooner or later."""
    return eventually(lambda: heard(host) == OPERATOR_HEARD | set(prefixes))


def roll_out(host: Helper, *services, text: str = "", **options):
    case = CASES["frr"]
    options = {"health": HEALTH, "interval": 1, "failures": 2} | options
    wanted = text or (case.rendered("conf", *services, **options) if services else "")
    with DaemonSession(host.run, daemon_of("frr", "conf"), lock_patience=1) as session:
        return deploy(session, driver("frr"), case.node(*services, **options), wanted, "conf")


def test_announced_while_the_data_plane_is_in_order(host):
    assert roll_out(host, HALL7).changed
    assert hears(host, *HALL7_HEARD)
    assert not roll_out(host, HALL7).changed
    host.on("rm", "/run/data-plane")
    assert hears(host)
    # A change does not announce what is withdrawn.
    more = replace(HALL7, announced_ipv4=(*HALL7.announced_ipv4, IPv4Network("203.0.113.0/24")))
    assert roll_out(host, more).changed
    assert not eventually(lambda: heard(host) != OPERATOR_HEARD, 1.5)
    host.on("touch", "/run/data-plane")
    assert hears(host, *HALL7_HEARD, "203.0.113.0/24")
    # What FRR lost is put back.
    by_hand = ("no route-map ipv4aas permit 20", "no ip route 130.129.255.92/30 Null0")
    host.on("vtysh", "-c", "configure terminal", *(word for line in by_hand for word in ("-c", line)))
    assert eventually(lambda: "permit 20" in running(host))
    assert hears(host, *HALL7_HEARD, "203.0.113.0/24")
    roll_out(host)
    assert hears(host)
    assert foreign(host) == host.before


def test_kernel_routes_of_a_data_plane(host):
    """They come and go with it; where it hangs the route map denies them."""
    roll_out(host, HALL7, routes="kernel")
    host.host.ip("route add 130.129.255.92/30 dev own", "route add 203.0.113.0/24 dev own")
    assert hears(host, "130.129.255.92/30")
    host.on("touch", "/run/hung")
    assert hears(host)
    host.on("rm", "/run/hung")
    assert hears(host, "130.129.255.92/30")
    host.host.ip("route del 130.129.255.92/30 dev own", "route del 203.0.113.0/24 dev own")
    assert hears(host)


def test_file_that_frr_does_not_take(host):
    text = CASES["frr"].rendered("conf", HALL7, health=HEALTH).replace("permit 130", "permitted 130")
    with pytest.raises(TransportError, match="Unknown command"):
        roll_out(host, HALL7, text=text)
    assert foreign(host) == host.before
