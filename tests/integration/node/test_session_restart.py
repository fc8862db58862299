# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session log of an AFTR whose process ends while its sessions go on in the kernel."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest
import traffic
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from conftest import INTERNET, Network, build
from netns import Net
from test_fast_path import LastingNode, kill
from test_session_traffic import POOL, lines, services

pytestmark = pytest.mark.root


@pytest.fixture
def network(program, tmp_path) -> Iterator[Network]:
    """A gateway that outlives its process."""
    with Net("again") as net:
        made = build(net, program, tmp_path, *services("ds-lite"))
        made.br.ok("stop")
        lasting = LastingNode.__new__(LastingNode)
        lasting.__dict__.update(made.br.__dict__)
        made.br = lasting
        made.br.again()
        yield made
        made.br.call("stop")


def end_process(network: Network, how: str) -> None:
    if how == "killed":
        kill(network.br)
    else:
        network.br.ok("stop", "--keep-forwarding")


@contextlib.contextmanager
def sockets(network: Network) -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    """A server on the Internet, and two clients behind the customer."""
    with (
        traffic.udp(network.inet, INTERNET, 5000) as server,
        traffic.udp(network.lan) as one,
        traffic.udp(network.lan) as other,
    ):
        yield server, one, other


def ask(client: socket.socket, server: socket.socket) -> tuple[str, int]:
    """Who a packet of the customer is, seen from the Internet."""
    client.sendto(b"?", (INTERNET, 5000))
    outside: tuple[str, int] = server.recvfrom(10)[1]
    return outside


def told(network: Network, count: int) -> list[tuple[str, str, int]]:
    """Records of the gateway, a moment after there are so many."""
    log = network.br.folder / "state" / "sessions" / "hall7.log"
    deadline = time.monotonic() + traffic.PATIENCE
    while len(lines(log)) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    found = lines(log)
    assert all(abs(record["time"] - time.time()) < 60 for record in found)
    return [(record["event"], record["outside"], record["first_port"]) for record in found]


@pytest.mark.parametrize("how", ["killed", "upgrade"])
def test_leases_over_a_restart(network: Network, how: str) -> None:
    """What begins meanwhile is told by who comes next; what its pool does not have is released."""
    with sockets(network) as (server, one, other):
        ends = [ask(one, server)]
        assert told(network, 1) == [("port_assigned", *ends[0])]
        end_process(network, how)
        ends.append(ask(other, server))  # a session that the programs make
        assert ask(one, server) == ends[0]
        network.br.again()
        assert [ask(one, server), ask(other, server)] == ends
        assert told(network, 2) == [("port_assigned", *end) for end in ends]
        rest = tuple(IPv4Network(address) for address in POOL if str(address) != ends[0][0])
        network.br.configure(pool=Pool(ipv4=rest))
        assert sorted(told(network, 4)[2:]) == sorted(("port_released", *end) for end in ends)


@pytest.mark.parametrize("how", ["killed", "upgrade"])
def test_a_restart_without_the_fast_path_releases_all(network: Network, how: str) -> None:
    with traffic.udp(network.inet, INTERNET, 5000) as server, traffic.udp(network.lan) as client:
        end = ask(client, server)
        assert told(network, 1) == [("port_assigned", *end)]
        end_process(network, how)
        network.br.again("--fast-path", "off")
        assert told(network, 2) == [("port_assigned", *end), ("port_released", *end)]
        end = ask(client, server)
        assert told(network, 3)[2:] == [("port_assigned", *end)]


def test_stop_of_a_killed_node_releases_all(network: Network) -> None:
    """Also what its programs did after it was gone."""
    with sockets(network) as (server, one, other):
        ends = [ask(one, server)]
        assert told(network, 1) == [("port_assigned", *ends[0])]
        kill(network.br)
        ends.append(ask(other, server))
        assert network.br.ok("stop") == {"stopped": False}
        found = told(network, 4)
        assert found[:2] == [("port_assigned", *end) for end in ends]
        assert sorted(found[2:]) == sorted(("port_released", *end) for end in ends)
        network.br.ok("stop")
        assert len(told(network, 4)) == 4
