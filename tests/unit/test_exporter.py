# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exporter: every name of a node's status as a metric, parsed by the client library's own parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Address
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.exporter import NodeCollector, metrics
from ansible_collections.ipv4aas.fleet.engine.node.health import problems
from ansible_collections.ipv4aas.fleet.engine.node.reasons import REASONS
from ansible_collections.ipv4aas.fleet.engine.node.services import Services
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from unit.node.session_samples import AFTR6, AFTR_SERVICE, B4, INSIDE, SERVER, pool
from unit.packet import packetkit as kit

DEVICE = {"name": "ipv4aas0", "queue_drops": 7, "write_errors": {"EINVAL": 2}}
OTHER = replace(AFTR_SERVICE, name="other", gateway_address=IPv6Address("2001:db8:ffff::2"))
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Given:
    """A collector of metrics that are given."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families


def scraped(collector: Any) -> list[Metric]:
    """As a scraper sees them."""
    registry = CollectorRegistry()
    registry.register(collector)
    return list(text_string_to_metric_families(generate_latest(registry).decode()))


def series(families: Iterable[Metric]) -> Series:
    found: Series = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def get(found: Series, name: str, **labels: str) -> float:
    return found[f"ipv4aas_{name}", tuple(sorted(labels.items()))]


def status(services: Services, **changes: Any) -> dict[str, Any]:
    """As the daemon gives it."""
    said = {
        "version": "1.2.3",
        "fast_path": {"why": "", "services": {}, "devices": {}},
        "uptime": 12.5,
        "device": DEVICE,
        "namespaces": {},
        "active": True,
        "session_log": {"faults": 0},
        "state": "confirmed",
    }
    return {**said, **services.status(), **changes}


@pytest.fixture
def services() -> Services:
    """An AFTR with two sessions of one subscriber, a drop of its own, one of nobody's, and one of a service
    that is gone."""
    made = Services(rng=Random(1))

    def run(*wanted: Any) -> None:
        made.reload(NodeConfiguration(node="box", services=wanted), lambda service: 0)

    def send(data: bytes) -> None:
        made.process(Packet(data), 1.0)

    run(replace(AFTR_SERVICE, pool=pool(block_size=64)), OTHER)
    send(kit.udp(SERVER, 1, "203.0.113.1", 4000))  # unsolicited
    send(kit.tunnel(B4, "2001:db8:ffff::2", kit.udp("127.0.0.1", 1, SERVER, 2)))  # a martian for the other
    run(replace(AFTR_SERVICE, pool=pool(block_size=64)))
    send(kit.tunnel(B4, AFTR6, kit.udp(INSIDE, 5000, SERVER, 53)))
    send(kit.tunnel(B4, AFTR6, kit.udp(INSIDE, 5001, SERVER, 53)))
    send(kit.tunnel(B4, "2001:db8:ffff::2", kit.udp(INSIDE, 5001, SERVER, 53)))  # nobody's now
    return made


def test_every_counter_of_the_status(services):
    said = status(services)
    found = series(scraped(Given(metrics(said))))
    kinds = {"drop_": "drops_total", "punt_": "punts_total"}
    shown: Counter[str] = Counter()
    for (name, labels), value in found.items():
        if name in ("ipv4aas_drops_total", "ipv4aas_punts_total", "ipv4aas_events_total"):
            reason = dict(labels)["reason"]
            shown[reason] += value
            assert name == "ipv4aas_" + kinds.get(reason[:5], "events_total")
    assert +shown == Counter(said["counters"])
    assert set(shown) >= set(REASONS)
    assert get(found, "events_total", service="t", reason="decapsulated") == 2
    assert get(found, "drops_total", service="t", reason="drop_unsolicited") == 1
    assert get(found, "drops_total", service="", reason="drop_no_service") == 1
    assert get(found, "drops_total", service="", reason="drop_martian_source") == 1
    assert get(found, "drops_total", service="t", reason="drop_martian_source") == 0


def test_punts_are_ordinary_counters(services):
    said = status(services)
    said["services"]["t"]["counters"]["punt_fragment"] = 3
    said["counters"]["punt_fragment"] = 3
    found = series(scraped(Given(metrics(said))))
    assert get(found, "punts_total", service="t", reason="punt_fragment") == 3


def test_tables(services):
    found = series(scraped(Given(metrics(status(services)))))
    assert get(found, "sessions", service="t") == 2
    assert get(found, "sessions_limit", service="t") == 1 << 20
    assert get(found, "pool_addresses", service="t") == 2
    assert get(found, "pool_subscribers", service="t") == 1
    of_all = 2 * (65536 - 1024)
    for protocol, assigned in (("udp", 2), ("tcp", 0), ("icmp", 0)):
        labels = {"service": "t", "protocol": protocol}
        assert get(found, "pool_ports", **labels, state="assigned") == assigned
        assert get(found, "pool_ports", **labels, state="waiting") == 0
        assert get(found, "pool_ports", **labels, state="free") == of_all - assigned
    assert get(found, "pool_port_blocks", service="t", state="assigned") == 1
    assert get(found, "pool_port_blocks", service="t", state="free") == of_all // 64 - 1
    assert get(found, "fragmented_packets", service="t", table="ports") == 0


def test_fragments_that_wait(services):
    """A second piece waits for the first one."""
    whole = kit.udp(SERVER, 1, "203.0.113.1", 4000, bytes(100))
    services.process(Packet(kit.cut(whole, 64)[1]), 1.0)
    found = series(scraped(Given(metrics(status(services)))))
    assert get(found, "fragmented_packets", service="t", table="ports") == 1
    assert 36 < get(found, "fragments_bytes", service="t", table="ports") < 2000
    assert get(found, "fragmented_packets", service="t", table="reassembly") == 0
    assert get(found, "fragmented_packets_limit", service="t", table="ports") == 1 << 14


def test_the_node_itself(services):
    found = series(scraped(Given(metrics(status(services)))))
    assert get(found, "build_info", version="1.2.3") == 1
    assert get(found, "uptime_seconds") == 12.5
    assert (get(found, "healthy"), get(found, "trial"), get(found, "session_log_fault")) == (1, 0, 0)
    labels = {"technique": "ds-lite", "role": "gateway", "address": AFTR6, "tier": "tun"}
    assert get(found, "service_info", service="t", **labels) == 1
    assert get(found, "device_up", namespace="") == 1
    assert get(found, "device_queue_drops_total", namespace="") == 7
    assert get(found, "device_write_errors_total", namespace="", error="EINVAL") == 2
    assert get(found, "packets_total", side="softwire", direction="in") == 4
    assert get(found, "traffic_bytes_total", side="softwire", direction="in") == 4 * 73


def test_fast_path(services):
    """As fast/path.py says it."""
    fast = {
        "why": "",
        "services": {"t": {"tier": "tc", "why": "", "packets": 12}},
        "devices": {"wan": {"tier": "tc", "hook": "tcx", "why": ""}},
        "survives_restart": True,
    }
    found = series(scraped(Given(metrics(status(services, fast_path=fast)))))
    labels = {"technique": "ds-lite", "role": "gateway", "address": AFTR6}
    assert get(found, "service_info", service="t", **labels, tier="tc") == 1
    assert get(found, "fast_path_packets_total", service="t") == 12
    assert get(found, "fast_path_device_info", device="wan", tier="tc", hook="tcx") == 1
    assert get(found, "fast_path_survives_restart") == 1


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"device": None}, ["the device is gone"]),
        ({"namespaces": {"plane": None}}, ["the device is gone from network namespace plane"]),
        ({"fault": "ip: no"}, ["the configuration does not run: ip: no"]),
        ({"active": False}, ["the configuration does not run yet"]),
    ],
)
def test_what_is_not_healthy(services, changes, wrong):
    said = status(services, **changes)
    assert list(problems(said)) == wrong
    found = series(scraped(Given(metrics(said))))
    assert get(found, "healthy") == 0
    for namespace in changes.get("namespaces", {}):
        assert get(found, "device_up", namespace=namespace) == 0


def test_a_node_without_services_needs_no_device():
    said = status(Services(rng=Random(1)), device=None)
    assert list(problems(said)) == []
    assert not [key for key in series(scraped(Given(metrics(said)))) if key[0] == "ipv4aas_device_up"]


def test_trial_and_log(services):
    log = {"faults": 3, "fault": "/x: No space left on device; records are lost"}
    said = status(services, state="confirming", seconds_left=42.5, session_log=log)
    found = series(scraped(Given(metrics(said))))
    assert (get(found, "trial"), get(found, "trial_remaining_seconds")) == (1, 42.5)
    assert (get(found, "session_log_fault"), get(found, "session_log_faults_total")) == (1, 3)
    assert get(found, "healthy") == 1  # packets are served


def test_series_do_not_grow_with_subscribers(services):
    def count() -> int:
        return len(series(scraped(Given(metrics(status(services))))))

    before = count()
    for number in range(200):
        softwire = str(IPv6Address("2001:db8:1:100::") + (number << 64))
        services.process(Packet(kit.tunnel(softwire, AFTR6, kit.udp(INSIDE, 7000, SERVER, 53))), 1.0)
    said = status(services)
    assert said["services"]["t"]["pool"]["subscribers"] >= 200
    assert count() == before


def test_names_and_texts(services):
    """Prometheus' rules for names: a prefix, base units, _total for what only grows; and a text for each."""
    for family in metrics(status(services)):
        assert family.name.startswith("ipv4aas_")
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_ms", "_octets", "_total", "_count", "_percent"))
        assert {sample.name.endswith("_total") for sample in family.samples} <= {family.type == "counter"}


def test_without_a_node(tmp_path, capsys):
    assert series(scraped(NodeCollector(tmp_path / "none"))) == {("ipv4aas_up", ()): 0}
    assert "no node answers" in capsys.readouterr().err
