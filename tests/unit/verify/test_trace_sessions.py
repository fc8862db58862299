# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running gateway gave to whom is traced by its own log, or without one by RFC 7422."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.packet.natlog import to_line
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan, NodePlan
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, Service
from ansible_collections.ipv4aas.fleet.engine.verify.holders import DETERMINISTIC, LOG, Evidence
from ansible_collections.ipv4aas.fleet.engine.verify.session_log import read_log
from ansible_collections.ipv4aas.fleet.engine.verify.trace import owners
from unit.packet import packetkit as kit

AFTR6 = "2001:db8:ffff::1"
EPOCH = 1371000000.0
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}


def aftr(**pool: Any) -> Service:
    values: dict[str, Any] = {"ipv4": (IPv4Network("203.0.113.0/30"),), "subscriber_prefix_len": 56}
    return Service(
        name="town",
        technique="ds-lite",
        role=GATEWAY,
        gateway_address=IPv6Address(AFTR6),
        pool=Pool(**(values | pool)),
    )


def planned(service: Service) -> FleetPlan:
    node = NodePlan(name="aftr", role=GATEWAY, platform="linux", services=(service,))
    return FleetPlan(services={}, nodes={"aftr": node})


def softwire(number: int) -> str:
    return f"2001:db8:0:{number:x}00::1"


def busy(service: Service, lines: list[str]) -> Any:
    """A gateway through which 40 customers with the same inside address opened five sessions each."""
    gateway = build_node(
        service,
        rng=Random(3),
        log=lambda _service, record: lines.append(to_line(record._replace(time=EPOCH + record.time))),
    )
    for number in range(40):
        for port in range(5):
            packet = kit.udp("192.168.1.10", 40000 + port, "198.51.100.7", 53)
            kit.run(gateway, kit.tunnel(softwire(number), AFTR6, packet), kit.SOFTWIRE, float(number))
    return gateway


@pytest.mark.parametrize("block_size", [0, 16], ids=["ports", "blocks"])
def test_every_session_is_traced_by_the_log(block_size: int) -> None:
    service, lines = aftr(block_size=block_size), []
    views = busy(service, lines).sessions()
    assert len(views) == 200
    evidence = Evidence(moment=datetime.fromtimestamp(EPOCH + 50, UTC), leases=read_log(lines, "aftr.log"))
    for view in views:
        (found,) = owners(planned(service), IPv4Address(view.outside), view.outside_port, evidence)
        assert found.evidence == LOG and found.customer is not None
        assert IPv6Address(view.realm) in found.customer and found.customer.prefixlen == 56
    assert len(lines) == (200 if not block_size else 40)


def test_what_was_given_back_and_given_again_is_told_apart_by_time() -> None:
    service, lines = (
        aftr(ipv4=(IPv4Network("203.0.113.0/32"),), first_port=65000, block_size=67, hold_down=0),
        [],
    )
    gateway = busy(service, lines)
    later = 100000.0
    gateway.expire(later)
    for number in (70, 71):
        packet = kit.udp("192.168.1.10", 40000, "198.51.100.7", 53)
        kit.run(gateway, kit.tunnel(softwire(number), AFTR6, packet), kit.SOFTWIRE, later + 1)
    leases = read_log(lines, "aftr.log")
    plan, address = planned(service), IPv4Address("203.0.113.0")

    def holder(port: int, moment: float) -> str:
        at = Evidence(moment=datetime.fromtimestamp(EPOCH + moment, UTC), leases=leases)
        return str(owners(plan, address, port, at)[0].customer)

    views = gateway.sessions()
    assert {holder(view.outside_port, later + 2) for view in views} == {
        str(IPv6Network((softwire(number), 56), strict=False)) for number in (70, 71)
    }
    # All blocks had been given before: each of these ports was another customer's.
    before = {str(IPv6Network((softwire(number), 56), strict=False)) for number in range(40)}
    assert {holder(view.outside_port, 45.0) for view in views} < before


@pytest.mark.parametrize("algorithm", ["sequential", "staggered"])
def test_without_a_log_by_arithmetic(algorithm: str) -> None:
    service = aftr(
        deterministic=True, algorithm=algorithm, subscribers=IPv6Network("2001:db8::/50"), block_size=1000
    )
    lines: list[str] = []
    views = busy(service, lines).sessions()
    assert len(views) == 200 and lines == []
    for view in views:
        (found,) = owners(planned(service), IPv4Address(view.outside), view.outside_port)
        assert found.evidence == DETERMINISTIC and found.customer is not None
        assert IPv6Address(view.realm) in found.customer
