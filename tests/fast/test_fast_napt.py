# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Few hosts that talk much, through session gateways in the core and as programs: states, ports, quotas."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import gateway_constants
from ansible_collections.ipv4aas.fleet.engine.packet import tcp
from session_pair import SessionPair
from session_samples import AFTR6, AFTR_SERVICE, NAT64_SERVICE, echo6, in_prefix, tcp6
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

COUNT = int(os.environ.get("FAST_PACKETS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))
NATIVE, DOMAIN = Link.NATIVE, Link.SOFTWIRE

pytestmark = pytest.mark.root

SUBSCRIBERS = [f"2001:db8:1:{n:x}00:0:c000:2:" for n in range(1, 5)]
HOSTS, PORTS = ["192.168.1.10", "10.0.0.1"], [80, 81, 1023, *range(1024, 1040)]
SERVERS, SERVER_PORTS = ["198.51.100.7", "198.51.100.8"], [53, 80]
FLAGS = [2, 2, 2, 2, 18, 18, 16, 16, 24, 1, 17, 17, 4, 20, 3, 6, 0]
# A packet that turns round and is punted there has been through its sender's session: the core asks for it
# again, and a FIN that revives a transitory session, or is a SYN too, then counts as two.
TURNING = [flags for flags in FLAGS if not flags & tcp.FIN]
TWO = (IPv4Network("203.0.113.0/31"),)

POOLS = {
    "one by one": Pool(ipv4=TWO, hold_down=7),
    "low ports too": Pool(ipv4=TWO, hold_down=7, first_port=1000),
    "quotas": Pool(
        ipv4=TWO,
        hold_down=7,
        ports_per_subscriber=9,
        sessions_per_subscriber=12,
        new_sessions_per_second=1,
    ),
    "few ports": Pool(ipv4=TWO, hold_down=3, first_port=65500),
    "blocks": Pool(ipv4=TWO, hold_down=20, block_size=40),
    "few blocks": Pool(ipv4=TWO, hold_down=5, first_port=65480, block_size=17),
    "ranges": Pool(
        ipv4=TWO,
        hold_down=7,
        deterministic=True,
        subscribers=IPv6Network("2001:db8:1::/54"),
        block_size=8,
        first_port=65472,
        subscriber_prefix_len=56,
        dynamic_blocks=3,
    ),
}
GATEWAYS = {"ds-lite": AFTR_SERVICE, "nat64": NAT64_SERVICE}

# Sessions, where the pool is to end before the table; names of the events that show what a pool is for.
MOST = {"few ports": 1000, "few blocks": 1000, "ranges": 1000, "quotas": 1000}
EVENTS = {
    "few ports": {"drop_ports_exhausted"},
    "few blocks": {"drop_ports_exhausted"},
    "ranges": {"drop_ports_exhausted"},
    "quotas": {"drop_quota", "drop_session_quota", "drop_session_rate"},
}


class Crowd:
    """Packets, mostly of conversations that there are."""

    def __init__(self, rng: Random, pair: SessionPair) -> None:
        self.rng, self.pair, self.said = rng, pair, 0
        self.views: list[Any] = []

    def packet(self) -> tuple[bytes, Link]:
        """One of a subscriber, or one for a binding."""
        if self.said % 10 == 0:
            self.views = self.pair.napt.sessions()
        self.said += 1
        pick, views = self.rng.choice, self.views
        if not views or self.rng.random() < 0.5:
            target, port, flags = pick(SERVERS), pick(SERVER_PORTS), FLAGS
            if views and self.rng.random() < 0.2:  # round to another subscriber
                view = pick(views)
                target, port, flags = str(IPv4Address(view.outside)), view.outside_port, TURNING
            return self.outward(pick([6, 6, 17, 1]), target, port, pick(flags)), DOMAIN
        view = pick(views)
        source, port = str(IPv4Address(view.remote)), view.remote_port
        if self.rng.random() < 0.2:
            source, port = pick(SERVERS), pick([*SERVER_PORTS, 4444])
        protocol = {"tcp": 6, "udp": 17, "icmp": 1}[view.protocol]
        outside = str(IPv4Address(view.outside)), view.outside_port
        return self.say(protocol, source, port, *outside, pick(FLAGS)), NATIVE

    def outward(self, protocol: int, target: str, port: int, flags: int) -> bytes:
        """A packet of some subscriber, in its softwire or to be translated."""
        pick = self.rng.choice
        if self.pair.core.service.technique == "ds-lite":
            inner = self.say(protocol, pick(HOSTS), pick(PORTS), target, port, flags)
            return kit.tunnel(pick(SUBSCRIBERS) + "0", AFTR6, inner, tc=pick([0, 0, 1, 2, 0xB8]))
        source, target = pick(SUBSCRIBERS) + pick("03"), in_prefix(target)
        if protocol == 6:
            return tcp6(source, pick(PORTS), target, port, flags, pick([b"data", bytes(1230)]))
        if protocol == 17:
            return kit6.udp6(source, pick(PORTS), target, port, pick([b"data", bytes(1230)]))
        return echo6(source, target, pick(PORTS), reply=self.rng.random() < 0.1)

    def say(self, protocol: int, source: str, sport: int, target: str, tport: int, flags: int = 0) -> bytes:
        pick = self.rng.choice
        head: dict[str, Any] = {"df": self.rng.random() < 0.5, "tos": pick([0, 0, 1, 2, 0xB8])}
        if protocol == 6:
            return kit.tcp(source, sport, target, tport, flags, b"data", **head)
        if protocol == 17:
            return kit.udp(source, sport, target, tport, b"data", **head)
        # The identifier of a host's ping is its own; an answer comes to that of the binding.
        ident = sport if source in HOSTS else tport
        return kit.echo(source, target, ident, reply=(source in HOSTS) == (self.rng.random() < 0.1), **head)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("technique", GATEWAYS)
@pytest.mark.parametrize(
    ("hook", "redirect", "filtering"),
    [(XDP, True, "address-dependent"), (TC, False, "endpoint-independent")],
)
def test_crowd(technique: str, name: str, hook: str, redirect: bool, filtering: str) -> None:
    rng = Random(f"{SEED}{technique}{name}{hook}{filtering}")
    service = replace(GATEWAYS[technique], pool=POOLS[name], filtering=filtering)
    pair = SessionPair(service, hook, redirect=redirect, sessions=MOST.get(name, 150))
    crowd, now, sent = Crowd(rng, pair), 0.0, 0
    # Ports are drawn by lot: what a pool is for may need a longer crowd.
    wanted = EVENTS.get(name, {"drop_session_limit"}) if COUNT >= 3000 else set()
    while sent < COUNT or (sent < 4 * COUNT and not wanted <= pair.events.keys()):
        sent += 1
        pair.send(*crowd.packet(), now)
        now += rng.random() * 0.3
        if rng.random() < 0.003:
            now += rng.choice([5, 61, 241, 301, 8000])
        if rng.random() < 0.01:
            pair.core.expire(pair.at(now))
            assert pair.views() == pair.core_views()
    pair.core.expire(pair.at(now))
    assert pair.views() == pair.core_views()
    assert len(pair.kernel) == len(pair.napt)
    print(name, sorted(pair.events.items()), pair.seen, pair.fast.counters())
    assert wanted <= pair.events.keys()
    pair.close()


@pytest.mark.parametrize("technique", GATEWAYS)
@pytest.mark.parametrize(
    ("subscribers", "alone"),
    [(None, False), ("2001:db8:1::/48", True), ("2001:db8::/32", False), ("ff00::/7", False)],
)
def test_a_prefix_of_customers_alone(technique: str, subscribers: str | None, alone: bool) -> None:
    """Of it the programs ask no source whether it is the gateway, the NAT64 prefix or no host at all."""
    prefix = None if subscribers is None else IPv6Network(subscribers, strict=False)
    service = replace(GATEWAYS[technique], pool=Pool(ipv4=TWO, subscribers=prefix))
    assert gateway_constants(service)["CUSTOMERS_ONLY"] == alone
