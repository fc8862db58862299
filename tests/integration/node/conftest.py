# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer, an IPv6 backbone, a border relay and an IPv4 internet, with the shipped zipapp on both nodes.

lan (192.168.192.10) - ce - core - br - inet (198.51.100.2)
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    EDGE,
    GATEWAY,
    NodeConfiguration,
    PortForward,
    Service,
)

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import traffic  # noqa: E402  it needs netns
from netns import Host, Net  # noqa: E402

LAN, INTERNET = "192.168.192.10", "198.51.100.2"
SHARED, FORWARDED = "130.129.255.95", 45057
RULE = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4)
GATEWAY_SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(RULE,),
    mss_clamp=1420,
)
EDGE_SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=EDGE,
    gateway_address=GATEWAY_SERVICE.gateway_address,
    rules=(RULE,),
    mss_clamp=1420,
    end_user_prefix=IPv6Network("2001:3e8:6000:c0::/64"),
    inside=(IPv4Network("192.168.192.0/24"),),
    port_forwards=(PortForward("tcp", FORWARDED, IPv4Address(LAN), 8080),),
)


@dataclass
class SoftwareNode:
    """The zipapp on a host, with folders of its own."""

    host: Host
    program: Path
    folder: Path
    service: Service
    arguments: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.arguments = ["--state", f"{self.folder}/state", "--socket", f"{self.folder}/run/control.sock"]

    def command(self, *words: str) -> list[str]:
        """The command line in the host's namespace."""
        return self.host.command("/usr/bin/python3", str(self.program), *self.arguments, *words)

    def call(self, *words: str, feed: Any = None) -> tuple[Any, str | None]:
        """Answer and error of a command."""
        done = subprocess.run(
            self.command(*words),
            input=None if feed is None else json.dumps(encode(feed)),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode == 0) == (not done.stderr), done
        if done.returncode:
            return None, json.loads(done.stderr)["error"]
        return json.loads(done.stdout), None

    def ok(self, *words: str, feed: Any = None) -> Any:
        """Answer of a command that must succeed."""
        answer, error = self.call(*words, feed=feed)
        assert error is None, error
        return answer

    def configuration(self, **changes: Any) -> NodeConfiguration:
        """Its service, with other values."""
        return NodeConfiguration(node=self.host.name, services=(replace(self.service, **changes),))

    def configure(self, *within: str, **changes: Any) -> None:
        """Propose and apply."""
        self.ok("propose", feed=self.configuration(**changes))
        self.ok("apply", *within)

    def counters(self) -> dict[str, int]:
        """All counters."""
        return self.ok("status")["counters"]

    @contextlib.contextmanager
    def one_more(self, reason: str) -> Iterator[None]:
        """What is done inside is counted once under this reason."""
        before = self.counters().get(reason, 0)
        yield
        deadline = time.monotonic() + traffic.PATIENCE
        while self.counters().get(reason, 0) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.counters()[reason] == before + 1

    def pid(self) -> int:
        """Process of the daemon."""
        return self.ok("status")["pid"]

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "state" / "node.log").read_text()


@dataclass
class Network:
    """All of it."""

    lan: Host
    ce_host: Host
    core: Host
    br_host: Host
    inet: Host
    ce: SoftwareNode
    br: SoftwareNode

    def connected(self, port: int = 8000) -> tuple[socket.socket, socket.socket, tuple[str, int]]:
        """Two ends of a TCP connection that the customer opened, and how the internet sees him."""
        with traffic.listen(self.inet, INTERNET, port) as listener:
            near = self.lan.socket(socket.AF_INET, socket.SOCK_STREAM)
            near.settimeout(traffic.PATIENCE)
            near.connect((INTERNET, port))
            far, peer = listener.accept()
            return near, far, peer

    def cables(self) -> list[tuple[Host, str]]:
        """Every end of every cable, in order."""
        return [
            (self.lan, "eth0"),
            (self.ce_host, "lan"),
            (self.ce_host, "wan"),
            (self.core, "ce"),
            (self.core, "br"),
            (self.br_host, "wan"),
            (self.br_host, "inet"),
            (self.inet, "eth0"),
        ]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zipapp, as it is shipped."""
    target = tmp_path_factory.mktemp("zipapp") / "ipv4aas-node.pyz"
    builder = ROOT / "plugins" / "plugin_utils" / "bundle.py"
    subprocess.run([sys.executable, str(builder), "node", str(target)], check=True, capture_output=True)
    return target


def build(
    net: Net, program: Path, folder: Path, edge: Service = EDGE_SERVICE, gateway: Service = GATEWAY_SERVICE
) -> Network:
    """Hosts, cables, addresses and routes; nodes are started and configured.

    The gateway has 2001:3e8::/48, the edge its End-user prefix.
    """
    lan, ce, core, br, inet = net.hosts("lan", "ce", "core", "br", "inet")
    net.cable(lan, "eth0", ce, "lan")
    net.cable(ce, "wan", core, "ce")
    net.cable(core, "br", br, "wan")
    net.cable(br, "inet", inet, "eth0")
    core.forward()
    lan.ip(f"addr add {LAN}/24 dev eth0", "route add default via 192.168.192.1")
    ce.ip(
        "addr add 192.168.192.1/24 dev lan",
        "addr add 2001:db8:1::2/64 dev wan",
        "route add ::/0 via 2001:db8:1::1",
    )
    core.ip(
        "addr add 2001:db8:1::1/64 dev ce",
        "addr add 2001:db8:2::1/64 dev br",
        f"route add {edge.end_user_prefix} via 2001:db8:1::2",
        "route add 2001:3e8::/48 via 2001:db8:2::2",
    )
    br.ip(
        "addr add 2001:db8:2::2/64 dev wan",
        "route add ::/0 via 2001:db8:2::1",
        "addr add 198.51.100.1/24 dev inet",
    )
    inet.ip(f"addr add {INTERNET}/24 dev eth0", "route add default via 198.51.100.1")
    network = Network(
        *(lan, ce, core, br, inet),
        ce=SoftwareNode(ce, program, folder / "ce", edge),
        br=SoftwareNode(br, program, folder / "br", gateway),
    )
    for node in (network.ce, network.br):
        node.ok("start")
        node.configure()
    return network


@pytest.fixture(scope="module")
def network(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for a module; whoever changes a node's configuration puts it back."""
    with Net("node") as net:
        yield build(net, program, tmp_path_factory.mktemp("nodes"))


@pytest.fixture
def server(network: Network) -> Iterator[socket.socket]:
    """A UDP socket on the internet, at port 5000."""
    with traffic.udp(network.inet, INTERNET, 5000) as sock:
        yield sock


@pytest.fixture
def client(network: Network) -> Iterator[socket.socket]:
    """A UDP socket of the customer."""
    with traffic.udp(network.lan) as sock:
        yield sock


@pytest.fixture
def opened(server: socket.socket, client: socket.socket) -> tuple[str, int]:
    """A UDP session; gives the outside address and port of the client."""
    client.bind((LAN, 0))
    client.sendto(b"open", (INTERNET, 5000))
    outside: tuple[str, int] = server.recvfrom(100)[1]
    return outside
