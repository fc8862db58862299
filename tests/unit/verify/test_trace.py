# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From (address, port, time) to the customer and back, for every way in which a technique gives addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.packet.natlog import (
    BLOCK_ASSIGNED,
    BLOCK_RELEASED,
    PORT_ASSIGNED,
    Record,
    to_line,
)
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan, NodePlan
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from ansible_collections.ipv4aas.fleet.engine.verify.capture import packet_of
from ansible_collections.ipv4aas.fleet.engine.verify.explain import explain
from ansible_collections.ipv4aas.fleet.engine.verify.holders import (
    ARITHMETIC,
    BINDING,
    DETERMINISTIC,
    EXPLICIT,
    LOG,
    PLANE,
    Evidence,
    ranges_of,
)
from ansible_collections.ipv4aas.fleet.engine.verify.session_log import moment, read_log
from ansible_collections.ipv4aas.fleet.engine.verify.trace import holdings, owners
from hypothesis import given
from hypothesis import strategies as st

GATEWAY_ADDRESS = IPv6Address("2001:3e8:0:2900::1")
RULE = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4)
C0 = IPv6Network("2001:3e8:6000:c0::/64")


def service(technique: str, role: str = GATEWAY, **values: Any) -> Service:
    return Service(
        **(
            {"name": "hall7", "technique": technique, "role": role, "gateway_address": GATEWAY_ADDRESS}
            | values
        )
    )


def fleet(**nodes: Service) -> FleetPlan:
    """A plan of nodes with one service each."""
    return FleetPlan(
        services={},
        nodes={
            name: NodePlan(name=name, role=service.role, platform="linux", services=(service,))
            for name, service in nodes.items()
        },
    )


MAP = fleet(
    br1=service("map-e", rules=(RULE,)),
    br2=service("map-e", rules=(RULE,)),
    home=service("map-e", EDGE, rules=(RULE,), end_user_prefix=C0),
)


def refused(function: Any, *arguments: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return [str(problem) for problem in caught.value.problems]


class TestRules:
    def test_there_and_back(self) -> None:
        (found,) = owners(MAP, IPv4Address("130.129.255.95"), 45089)
        assert (found.customer, found.node, found.psid, found.evidence) == (C0, "home", 0, ARITHMETIC)
        assert (45056, 45119) in found.ports and len(found.ports) == 15
        assert holdings(MAP, C0) == (found,)
        assert holdings(MAP, IPv6Network(found.address)) == (found,)

    @given(st.integers(0, 255), st.integers(1, 15), st.integers(0, 63))
    def test_every_port_of_everybody(self, number: int, high: int, low: int) -> None:
        ((held),) = holdings(MAP, RULE.nth_prefix(number))
        port = held.ports[high - 1][0] + low % 64
        (found,) = owners(MAP, held.ipv4[0], port)
        assert replace(found, node=None) == replace(held, node=None)

    def test_a_whole_address_needs_no_port(self) -> None:
        rule = MapRule(IPv6Network("2001:db8::/48"), IPv4Network("192.0.2.0/24"), 8)
        plan = fleet(br=service("map-t", rules=(rule,), translation_prefix=IPv6Network("2001:db8:9::/64")))
        (found,) = owners(plan, IPv4Address("192.0.2.7"))
        assert (found.customer, found.ports) == (IPv6Network("2001:db8:0:700::/56"), ())

    def test_what_is_wrong_and_right(self) -> None:
        shared = IPv4Address("130.129.255.95")
        assert refused(owners, MAP, shared) == [
            "port: 130.129.255.95 is shared in hall7; the port, which says whose packet it was"
        ]
        assert refused(owners, MAP, shared, 80) == [
            "port: port 80 of 130.129.255.95 is no customer's in hall7; "
            "a port from 4096 on: those below are excluded"
        ]
        assert refused(owners, MAP, IPv4Address("192.0.2.1"), 80) == [
            "ipv4: 192.0.2.1 belongs to no service of the plan; an address of: 130.129.255.92/30 (hall7)"
        ]
        assert refused(holdings, MAP, RULE.ipv6_prefix) == [
            "customer: 2001:3e8:6000::/56 has room for 256 customers of hall7; one customer's prefix: a /64"
        ]
        assert refused(holdings, MAP, IPv6Network("2001:db8::/64")) == [
            "customer: 2001:db8::/64 is no customer's prefix of any service; "
            "a prefix of: 2001:3e8:6000::/56 (hall7)"
        ]


class TestBindings:
    PLAN = fleet(
        aftr=service(
            "lw4o6",
            bindings=tuple(
                Binding(IPv6Address(f"2001:db8:{number}::1"), IPv4Address("192.0.2.1"), 0, 6, number)
                for number in range(1, 4)
            ),
        ),
        home=service(
            "lw4o6",
            EDGE,
            bindings=(Binding(IPv6Address("2001:db8:2::1"), IPv4Address("192.0.2.1"), 0, 6, 2),),
            end_user_prefix=IPv6Network("2001:db8:2::/56"),
        ),
    )

    def test_there_and_back(self) -> None:
        (found,) = owners(self.PLAN, IPv4Address("192.0.2.1"), 2100)
        assert (found.evidence, found.node, found.psid, found.ports) == (BINDING, "home", 2, ((2048, 3071),))
        assert found.customer == IPv6Network("2001:db8:2::/56")
        assert holdings(self.PLAN, found.customer) == (found,)

    def test_a_binding_of_nobody_in_the_plan(self) -> None:
        (found,) = owners(self.PLAN, IPv4Address("192.0.2.1"), 1024)
        assert (found.customer, found.address) == (None, IPv6Address("2001:db8:1::1"))

    def test_a_port_that_nobody_was_given(self) -> None:
        assert refused(owners, self.PLAN, IPv4Address("192.0.2.1"), 60000) == [
            "port: port 60000 of 192.0.2.1 is no customer's in hall7; a port that was given out"
        ]


class TestDeterministic:
    POOL = Pool(
        ipv4=(IPv4Network("198.51.100.0/28"),),
        deterministic=True,
        block_size=1000,
        subscribers=IPv6Network("2001:db8::/54"),
    )

    @pytest.mark.parametrize("algorithm", ["sequential", "staggered", "interlaced", "random"])
    def test_there_and_back(self, algorithm: str) -> None:
        pool, evidence = replace(self.POOL, algorithm=algorithm), Evidence(key=b"k" * 16)
        plan = fleet(aftr=service("ds-lite", pool=pool))
        for number in (0, 1, 17, 1000, 1023):
            customer = pool.subscriber(number)
            for held in holdings(plan, customer, evidence):
                assert held.evidence == DETERMINISTIC and held.customer == customer
                for port in (held.ports[0][0], held.ports[-1][1]):
                    assert held in owners(plan, held.ipv4[0], port, evidence)

    def test_a_key_is_asked_for_and_never_shown(self) -> None:
        plan = fleet(aftr=service("ds-lite", pool=replace(self.POOL, algorithm="random")))
        assert refused(owners, plan, IPv4Address("198.51.100.1"), 5000) == [
            "key: hall7 gives ports in a keyed order; the key of the gateways"
        ]
        assert "secret" not in repr(Evidence(key=b"secret"))

    def test_reserved_and_dynamic_ports(self) -> None:
        plan = fleet(aftr=service("ds-lite", pool=replace(self.POOL, dynamic_blocks=0)))
        assert refused(owners, plan, IPv4Address("198.51.100.1"), 80) == [
            "port: port 80 of 198.51.100.1 is never given in hall7; another port"
        ]
        assert "many subscribers" in refused(holdings, plan, IPv6Network("2001:db8::/60"))[0]


class TestExplicit:
    def test_there_and_back(self) -> None:
        eam = (Eam(IPv4Network("192.0.2.0/28"), IPv6Network("2001:db8:5::/124")),)
        pool = Pool(ipv4=(IPv4Network("198.51.100.0/30"),))
        prefix = IPv6Network("64:ff9b::/96")
        plan = fleet(gw=service("nat64", pool=pool, translation_prefix=prefix, eam=eam))
        (found,) = owners(plan, IPv4Address("192.0.2.3"))
        assert (found.evidence, str(found.customer), found.ports) == (EXPLICIT, "2001:db8:5::3/128", ())
        (found,) = holdings(plan, IPv6Network("2001:db8:5::3/128"))
        assert (str(found.customer), str(found.ipv4)) == ("2001:db8:5::/124", "192.0.2.0/28")
        # At a PLAT they are about hosts behind CLATs, whose sessions get other addresses.
        plan = fleet(gw=service("464xlat", pool=pool, translation_prefix=prefix, eam=eam))
        assert "belongs to no service" in refused(owners, plan, IPv4Address("192.0.2.3"))[0]


class TestLog:
    POOL = Pool(ipv4=(IPv4Network("198.51.100.0/30"),), block_size=64, subscriber_prefix_len=56)
    PLAN = fleet(
        plat=service("464xlat", pool=POOL, translation_prefix=IPv6Network("64:ff9b::/96")),
        home=service(
            "464xlat",
            EDGE,
            translation_prefix=IPv6Network("64:ff9b::/96"),
            end_user_prefix=IPv6Network("2001:db8:2::/56"),
        ),
    )
    ADDRESS = IPv4Address("198.51.100.1")
    START = moment("2013-06-12T10:00:00+09:00").timestamp()

    def line(self, after: float, event: str, realm: str, first: int, last: int, protocol: int = 0) -> str:
        return to_line(
            Record(
                self.START + after,
                event,
                int(IPv6Address(realm)),
                protocol,
                int(self.ADDRESS),
                first,
                last,
            )
        )

    def lines(self) -> list[str]:
        """Block 1024 to 1087 goes from one subscriber to another, a single port stays."""
        return [
            self.line(0, BLOCK_ASSIGNED, "2001:db8:1::", 1024, 1087),
            self.line(60, BLOCK_RELEASED, "2001:db8:1::", 1024, 1087),
            self.line(180, BLOCK_ASSIGNED, "2001:db8:2::", 1024, 1087),
            self.line(200, PORT_ASSIGNED, "2001:db8:3::77", 5000, 5000, 17),
        ]

    def at(self, clock: str, **values: Any) -> Evidence:
        return Evidence(moment=moment(f"2013-06-12T{clock}"), leases=read_log(self.lines(), "log"), **values)

    @pytest.mark.parametrize(
        ("clock", "customer"),
        [
            ("10:00:00+09:00", "2001:db8:1::/56"),
            ("01:00:59Z", "2001:db8:1::/56"),
            ("10:03:00+09:00", "2001:db8:2::/56"),
            ("23:59:59+09:00", "2001:db8:2::/56"),
        ],
    )
    def test_the_time_decides(self, clock: str, customer: str) -> None:
        (found,) = owners(self.PLAN, self.ADDRESS, 1050, self.at(clock))
        assert (found.evidence, str(found.customer), found.ports) == (LOG, customer, ((1024, 1087),))
        assert found.node == ("home" if customer == "2001:db8:2::/56" else None)

    def test_both_ends_of_the_time(self) -> None:
        (found,) = owners(self.PLAN, self.ADDRESS, 1050, self.at("10:00:30+09:00"))
        assert (found.since, found.until) == ("2013-06-12T01:00:00+00:00", "2013-06-12T01:01:00+00:00")

    def test_nobody_had_it_then(self) -> None:
        (wrong,) = refused(owners, self.PLAN, self.ADDRESS, 1050, self.at("10:02:00+09:00"))
        assert wrong.startswith(
            "time: nobody had port 1050 of 198.51.100.1 in hall7 at 2013-06-12T10:02:00+09:00"
        )
        assert "2013-06-12T01:00:00+00:00 to 2013-06-12T01:01:00+00:00" in wrong

    def test_protocols(self) -> None:
        (found,) = owners(self.PLAN, self.ADDRESS, 5000, self.at("10:10:00+09:00", protocol=17))
        assert (str(found.customer), str(found.address)) == ("2001:db8:3::/56", "2001:db8:3::77")
        assert refused(owners, self.PLAN, self.ADDRESS, 5000, self.at("10:10:00+09:00", protocol=6))

    def test_back(self) -> None:
        evidence = Evidence(leases=read_log(self.lines(), "log"))
        (found,) = holdings(self.PLAN, IPv6Network("2001:db8:2::/56"), evidence)
        assert found.ports == ((1024, 1087),) and found.until == ""

    def test_a_release_alone_is_of_an_older_lease(self) -> None:
        leases = read_log(self.lines()[1:], "log")
        released = next(lease for lease in leases if lease.until is not None)
        assert released.since == released.until == datetime.fromtimestamp(self.START + 60).astimezone()

    def test_what_is_missing(self) -> None:
        assert refused(owners, self.PLAN, self.ADDRESS, 1050) == [
            "logs: only a log says who had port 1050 of 198.51.100.1 in hall7; "
            "the session log of its gateway, and the time"
        ]
        without_time = Evidence(leases=read_log(self.lines(), "log"))
        assert refused(owners, self.PLAN, self.ADDRESS, 1050, without_time) == [
            "time: hall7 gives ports again and again; the time, to the second"
        ]
        assert refused(owners, self.PLAN, self.ADDRESS)[0].startswith("port: 198.51.100.1 is shared")

    def test_lines_that_are_none(self) -> None:
        good = self.lines()[0]
        bad = [good, "{", '{"time": 1}', good.replace("block_assigned", "sold"), good.replace("1087", "1")]
        found = refused(read_log, bad, "nat.log")
        assert [problem.partition(": ")[0] for problem in found] == [f"nat.log:{n}" for n in (2, 3, 4, 5)]
        assert all("docs/trace.md" in problem for problem in found)

    @pytest.mark.parametrize("text", ["yesterday", "2013-06-12T10:00:00", ""])
    def test_a_time_has_a_zone(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"has no zone|is no time"):
            moment(text)


class TestPlanes:
    FIXED = IPv6Network("2001:db8:0:46::/64")

    def plan(self) -> FleetPlan:
        def node(name: str, plane_id: int, inside: str) -> Service:
            return service(
                "sa46t", EDGE, name=name, plane=Plane(self.FIXED, plane_id), inside=(IPv4Network(inside),)
            )

        return fleet(
            red1=node("red", 1, "10.0.0.0/24"),
            red2=node("red", 1, "10.0.1.0/24"),
            blue1=node("blue", 2, "10.0.0.0/24"),
            exit=node("red", 1, "0.0.0.0/0"),
        )

    def test_the_same_address_in_two_planes(self) -> None:
        found = owners(self.plan(), IPv4Address("10.0.0.7"))
        assert [(holder.service, holder.node, holder.evidence) for holder in found] == [
            ("red", "red1", PLANE),
            ("blue", "blue1", PLANE),
        ]
        assert str(found[0].customer) == "2001:db8:0:46:0:1:a00:0/120"

    def test_what_is_behind_the_way_out_is_nobodys(self) -> None:
        assert "belongs to no service" in refused(owners, self.plan(), IPv4Address("203.0.113.9"))[0]

    def test_the_longest_prefix_counts(self) -> None:
        part = replace(self.plan().nodes["red2"].services[0], inside=(IPv4Network("10.0.0.128/25"),))
        nodes = self.plan().nodes
        plan = replace(self.plan(), nodes=nodes | {"red2": replace(nodes["red2"], services=(part,))})
        found = owners(plan, IPv4Address("10.0.0.200"))
        assert [holder.node for holder in found] == ["red2", "blue1"]

    def test_back(self) -> None:
        plane = Plane(self.FIXED, 1)
        (found,) = holdings(self.plan(), plane.route(IPv4Network("10.0.1.0/24")))
        assert (found.node, found.ipv4) == ("red2", IPv4Network("10.0.1.0/24"))


@given(st.lists(st.integers(0, 65535), unique=True))
def test_ranges_hold_exactly_the_ports(ports: list[int]) -> None:
    found = ranges_of(ports)
    assert [port for low, high in found for port in range(low, high + 1)] == sorted(ports)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(found))


@given(st.integers(0, 255), st.integers(0, 65535))
def test_the_gateway_accepts_exactly_what_is_traced_to_the_sender(number: int, port: int) -> None:
    (held,) = holdings(MAP, RULE.nth_prefix(number))
    line = f"{held.address} > {GATEWAY_ADDRESS}, IP {held.ipv4[0]}.{port} > 133.242.53.30.80"
    explained = explain(MAP, packet_of(line))
    try:
        own = owners(MAP, held.ipv4[0], port)[0].customer == held.customer
    except Refused:
        own = False
    assert [verdict.accepted for verdict in explained.verdicts] == [own]
