# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exporter and the health check beside a running node: traffic, restart, a lost device, a long change."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
import traffic
from ansible_collections.ipv4aas.fleet import engine
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.node.control import ControlError, ask
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration, Service
from conftest import GATEWAY_SERVICE, INTERNET, SHARED, SoftwareNode
from netns import Net
from prometheus_client.parser import text_string_to_metric_families
from servers import free_port, wait_for_port

pytestmark = pytest.mark.root

COLLECTIONS = Path(engine.__file__).parents[4]
MAIN = "import sys; from ansible_collections.ipv4aas.fleet.engine.exporter import main; sys.exit(main())"
Labels = tuple[tuple[str, str], ...]


@pytest.fixture(scope="module", autouse=True)
def core_alone() -> Iterator[None]:
    """Without fast path: it tells no use of ports where the kernel has the sessions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAST_PATH", "off")
        yield


class Exporter:
    """A process of its own, asked over HTTP."""

    def __init__(self, socket: Path) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "--socket", str(socket), "--port", str(self.port)],
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port, self.process)

    def scrape(self) -> dict[tuple[str, Labels], float]:
        """Every sample."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = answer.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def get(self, name: str, **labels: str) -> float:
        """One sample."""
        return self.scrape()[f"ipv4aas_{name}", tuple(sorted(labels.items()))]

    def until(self, wanted: float, name: str, **labels: str) -> None:
        """Wait for a value."""
        deadline = time.monotonic() + traffic.PATIENCE
        while (found := self.get(name, **labels)) != wanted:
            assert time.monotonic() < deadline, f"{name} {labels} is {found}, not {wanted}"
            time.sleep(0.1)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def status_socket(node: SoftwareNode) -> Path:
    return node.folder / "run" / "status.sock"


@contextlib.contextmanager
def exported(node: SoftwareNode) -> Iterator[Exporter]:
    made = Exporter(status_socket(node))
    try:
        yield made
    finally:
        made.end()


def test_metrics_of_traffic(network, opened):
    """One session of the customer's edge: the same figures as the node's own status."""
    with exported(network.ce) as exporter:
        said, found = network.ce.ok("status"), exporter.scrape()
        assert found["ipv4aas_up", ()] == found["ipv4aas_healthy", ()] == 1
        for reason, count in said["counters"].items():
            shown = [
                value for (name, labels), value in found.items() if ("reason", reason) in labels and value
            ]
            assert shown == [count], reason
        assert said["services"]["hall7"]["sessions"] >= 1
        assert exporter.get("sessions", service="hall7") == said["services"]["hall7"]["sessions"]
        ports = said["services"]["hall7"]["pool"]["ports"]["udp"]
        for state, count in ports.items():
            assert exporter.get("pool_ports", service="hall7", protocol="udp", state=state) == count
        assert ports["assigned"] >= 1
        # The customer's share of an address: 64 customers, the lowest 4096 ports for none.
        assert sum(ports.values()) == (65536 - 4096) // 64
        assert exporter.get("device_up", namespace="") == 1
        before = exporter.get("traffic_bytes_total", side="native", direction="in")
        with traffic.udp(network.lan) as sock:
            sock.sendto(bytes(1000), (INTERNET, 5000))
            exporter.until(before + 1028, "traffic_bytes_total", side="native", direction="in")


def test_drops_at_the_gateway(network):
    labels = {"service": "hall7", "reason": "drop_excluded_port"}
    with exported(network.br) as exporter, traffic.udp(network.inet) as sock:
        before = exporter.get("drops_total", **labels)
        sock.sendto(b"x", (SHARED, 1))
        exporter.until(before + 1, "drops_total", **labels)


@pytest.fixture
def node(program, tmp_path) -> Iterator[SoftwareNode]:
    """A node alone, with a service."""
    with Net("monitor") as net:
        made = SoftwareNode(net.host("br"), program, tmp_path / "br", GATEWAY_SERVICE)
        made.ok("start")
        made.configure()
        yield made


def test_the_exporter_outlives_the_node(node):
    with exported(node) as exporter:
        assert exporter.get("uptime_seconds") >= 0
        os.kill(node.pid(), signal.SIGKILL)
        exporter.until(0, "up")
        assert set(exporter.scrape()) == {("ipv4aas_up", ())}
        node.ok("start")
        exporter.until(1, "healthy")
        node.ok("stop")
        assert exporter.get("up") == 0


def test_health(node):
    assert node.ok("health")["services"] == ["hall7"]
    node.ok("stop")
    _, error = node.call("health")
    assert error == f"{status_socket(node)}: no node answers; start it first"
    waiting = subprocess.Popen(node.command("health", "--wait", "30"), stdout=subprocess.PIPE)
    time.sleep(1)
    node.ok("start")
    assert json.loads(waiting.communicate(timeout=60)[0])["healthy"]


def test_namespace_that_is_lost(program, tmp_path):
    """Its device is down until somebody makes the namespace again; the node says so, and goes on."""
    with Net("monitor") as net:
        host, plane = net.host("br"), f"monitor{os.getpid()}-plane"
        subprocess.run(["ip", "netns", "add", plane], check=True)
        try:
            made = SoftwareNode(host, program, tmp_path / "br", replace(GATEWAY_SERVICE, namespace=plane))
            made.ok("start")
            made.configure()
            with exported(made) as exporter:
                assert exporter.get("device_up", namespace=plane) == 1
                subprocess.run(["ip", "netns", "del", plane], check=True)
                exporter.until(0, "device_up", namespace=plane)
                assert exporter.get("device_up", namespace="") == 1
                assert exporter.get("healthy") == 0
                _, error = made.call("health")
                assert f"the device is gone from network namespace {plane}" in error
                assert f"network namespace {plane} does not exist" in error
                subprocess.run(["ip", "netns", "add", plane], check=True)
                exporter.until(1, "healthy")
        finally:
            subprocess.run(["ip", "netns", "del", plane], check=False)


def test_status_only(node):
    """The socket for onlookers takes no command, and no flood."""
    path = status_socket(node)
    assert path.stat().st_mode & 0o777 == 0o660
    assert path.with_name("control.sock").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ControlError, match="status only"):
        ask(path, "stop")
    with pytest.raises(ControlError):
        ask(path, "status", padding="x" * 10_000)
    assert ask(path, "status")["active"]


def bindings(count: int) -> Service:
    """An lwAFTR with many customers."""
    first, pool = IPv6Address("2001:db8:1000::"), IPv4Address("198.18.0.0")
    rows = tuple(Binding(first + (n << 64), pool + n // 64, 0, 6, n % 64) for n in range(count))
    return replace(GATEWAY_SERVICE, technique="lw4o6", rules=(), bindings=rows)


def propose(node: SoftwareNode, service: Service) -> float:
    """Seconds that it took."""
    document = json.dumps(encode(NodeConfiguration(node="br", services=(service,))))
    begin = time.monotonic()
    subprocess.run(node.command("propose"), input=document, text=True, check=True, capture_output=True)
    return time.monotonic() - begin


def test_status_beside_a_long_change(node):
    """While 100,000 bindings are read and compiled, the status is answered at once; commands wait."""
    answers: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            begin = time.monotonic()
            ask(status_socket(node), "status", timeout=60)
            answers.append(time.monotonic() - begin)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        took = propose(node, bindings(100_000))
    finally:
        done.set()
        watcher.join()
    # Not how fast, but that none waited for the end of the command.
    assert len(answers) > 5
    assert max(answers) < took


def test_signs_of_life(program, tmp_path):
    """Ready once the services run; alive in every second, beside a long change too; and the end is told."""
    with Net("monitor") as net, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        made = SoftwareNode(net.host("br"), program, tmp_path / "br", GATEWAY_SERVICE)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = made.host.start(*made.command("serve")[4:], env=environment, stderr=subprocess.DEVNULL)
        while (word := manager.recv(100)) != b"READY=1":
            assert word == b"WATCHDOG=1"  # it is alive while it reads its configuration, too
        assert made.ok("health")["healthy"]
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        said: list[tuple[float, bytes]] = []

        def hear() -> None:
            while not said or said[-1][1] != b"STOPPING=1":
                word = manager.recv(100)
                said.append((time.monotonic(), word))

        listener = threading.Thread(target=hear)
        listener.start()
        begin = time.monotonic()
        took = propose(made, bindings(100_000))
        made.ok("stop")
        listener.join(timeout=30)
        assert process.wait(timeout=30) == 0
        assert said[-1][1] == b"STOPPING=1"
        during = [moment for moment, _ in said if begin < moment < begin + took]
        assert len(during) >= int(took) // 3  # one a second, on a machine that may be busy
