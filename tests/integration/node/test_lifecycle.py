# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node as a process: start, stop, kill, reload, confirmed commit, and what it leaves on the host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
import traffic
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration
from conftest import EDGE_SERVICE, GATEWAY_SERVICE, INTERNET, LAN, RULE, build
from netns import Net
from waiting import wait_until

pytestmark = pytest.mark.root

SECOND_RULE = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/30"), 8, 4)


@pytest.fixture
def network(program, tmp_path):
    """A network for one test: these tests break things."""
    with Net("life") as net:
        yield build(net, program, tmp_path)


def works(network, patience=traffic.PATIENCE) -> bool:
    """Whether a packet of the customer goes out and its answer comes back."""
    return traffic.answered(network.lan, network.inet, INTERNET, patience)


def state_of(host) -> dict[str, str]:
    """Routes, rules, links and forwarding of a host, to compare."""
    return {
        "routes4": host.run("ip", "-4", "route", "show", "table", "all").stdout,
        "routes6": host.run("ip", "-6", "route", "show", "table", "all").stdout,
        "rules": host.run("ip", "rule").stdout,
        "links": host.run("ip", "-o", "link", "show", "type", "tun").stdout,
        "forwarding": host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout
        + host.run("sh", "-c", "grep . /proc/sys/net/ipv6/conf/*/forwarding").stdout,
    }


def kill(node):
    """kill -9, and wait until it is gone."""
    pid = node.pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_stop_takes_everything_back(network):
    for node in (network.ce, network.br):
        host = node.host
        assert "ipv4aas0" in state_of(host)["routes6"]
        assert node.ok("stop")["stopped"]
        assert "proto 46" not in "".join(state_of(host).values())
        assert state_of(host)["links"] == ""
        assert not (node.folder / "run" / "control.sock").exists()
        first = state_of(host)
        assert first["forwarding"].split()[0] == "0"
        node.ok("start")
        assert node.ok("stop")["stopped"]
        assert state_of(host) == first
    assert network.ce.ok("stop") == {"stopped": False}


def test_routes_are_those_of_the_service(network):
    br = state_of(network.br_host)
    assert "130.129.255.92/30 dev ipv4aas0" in br["routes4"]
    assert "2001:3e8:0:2900::1 dev ipv4aas0" in br["routes6"]
    assert "default" not in br["routes4"]
    assert br["links"].count("mtu 65535") == 1


def test_own_default_route_of_the_edge_is_left_alone(network):
    """Somebody may be logged in over it; the customers take the tunnel all the same."""
    network.ce.ok("stop")
    network.ce_host.ip(
        "link add mgmt type veth peer name far", "link set mgmt up", "addr add 10.9.9.1/24 dev mgmt"
    )
    network.ce_host.ip("link set far up", "route add default via 10.9.9.2")
    network.ce.ok("start")
    assert works(network)
    assert "10.9.9.2" in network.ce_host.run("ip", "route", "get", "192.0.2.1").stdout


def test_edge_without_inside_networks_takes_all_that_is_forwarded(network):
    network.ce.configure(inside=(), port_forwards=())
    assert works(network)
    assert "not from all iif lo lookup 4640" in state_of(network.ce_host)["rules"]
    network.ce.configure()
    assert "iif lo" not in state_of(network.ce_host)["rules"]
    assert works(network)


def test_killed_node_leaves_no_route_and_comes_back(network):
    assert works(network)
    kill(network.br)
    routes = state_of(network.br_host)
    assert "ipv4aas0" not in routes["routes4"] + routes["routes6"]
    assert network.br.call("status")[1].endswith("no node answers; start it first")
    assert not works(network, traffic.BRIEFLY)
    network.br.ok("start")
    assert works(network)
    kill(network.ce)
    network.ce.ok("start")
    assert works(network)
    rules = state_of(network.ce_host)["rules"]
    assert rules.count("lookup 4640") == 1
    network.ce.ok("stop")
    assert state_of(network.ce_host)["forwarding"].split()[0] == "0"


def test_sigterm_is_a_graceful_stop(network):
    pid = network.br.pid()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert "proto 46" not in "".join(state_of(network.br_host).values())
    assert "Traceback" not in network.br.log()


def test_hangup_is_nothing(network):
    os.kill(network.br.pid(), signal.SIGHUP)
    assert works(network)


def test_deleted_device_is_made_again(network):
    network.br_host.ip("link del ipv4aas0")
    # The fast path carries plain packets without it.
    wait_until(lambda: "making it again" in network.br.log())
    wait_until(lambda: works(network, traffic.BRIEFLY))


def test_start_twice_and_second_node_on_the_same_folder(network):
    assert network.br.ok("start") == {"started": False, "pid": network.br.pid()}
    elsewhere = ["--socket", str(network.br.folder / "other.sock")]
    done = subprocess.run(
        network.br.command("start", *elsewhere), text=True, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert "another node uses this folder" in done.stderr


def test_start_says_why_it_cannot(network):
    network.br.ok("stop")
    (network.br.folder / "state" / "running.json").write_text('{"node": 1}')
    _, error = network.br.call("start")
    assert "running.json: configuration: missing services" in error
    assert network.br.call("status")[0] is None


def test_foreign_device_of_the_same_name_is_refused_and_nothing_changes(network):
    network.br_host.ip("link add name taken type veth peer name taken-peer")
    before = network.br.ok("read")
    network.br.ok("propose", feed=replace(network.br.configuration(), device="taken"))
    _, error = network.br.call("apply")
    assert "device taken" in error
    assert network.br.ok("read") == before
    assert works(network)


class TestReload:
    def test_loses_neither_packets_nor_sessions(self, network):
        with (
            traffic.udp(network.inet, INTERNET, 5000) as server,
            traffic.udp(network.lan, LAN, 7000) as client,
            traffic.listen(network.inet, INTERNET, 8000) as listener,
            network.lan.socket(socket.AF_INET, socket.SOCK_STREAM) as near,
        ):
            # Less in flight than the devices' queues hold: what is lost is lost by the reload.
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            near.connect((INTERNET, 8000))
            far, peer = listener.accept()
            transfer = traffic.Transfer(near, far)
            stream = traffic.Stream(client, (INTERNET, 5000), server, 0.005)
            for number in range(4):
                network.br.configure(rules=(RULE, SECOND_RULE) if number % 2 else (RULE,))
                network.ce.configure(mss_clamp=1300 + number)
                assert network.ce.ok("read")["services"][0]["mss_clamp"] == 1300 + number
            assert stream.finish() == []
            received = transfer.received
            assert transfer.stop()
            assert transfer.received >= received > 1_000_000
            outside = {s["outside"] for s in network.ce.ok("sessions")["sessions"] if s["protocol"] == "tcp"}
            assert outside == {f"{peer[0]}:{peer[1]}"}
            far.close()

    def test_routes_follow_the_rules(self, network):
        network.br.configure(rules=(RULE, SECOND_RULE))
        assert "203.0.113.0/30 dev ipv4aas0" in state_of(network.br_host)["routes4"]
        network.br.configure()
        assert "203.0.113.0/30" not in state_of(network.br_host)["routes4"]
        assert "130.129.255.92/30" in state_of(network.br_host)["routes4"]

    def test_last_service_leaves(self, network):
        network.br.ok("propose", feed=NodeConfiguration(node="br", services=()))
        network.br.ok("apply")
        assert "proto 46" not in "".join(state_of(network.br_host).values())
        status = network.br.ok("status")
        assert (status["services"], status["device"]) == ({}, None)

    def test_device_changes_its_name(self, network):
        network.br.ok("propose", feed=replace(network.br.configuration(), device="mape"))
        network.br.ok("apply")
        assert "130.129.255.92/30 dev mape" in state_of(network.br_host)["routes4"]
        assert "ipv4aas0" not in state_of(network.br_host)["links"]
        assert works(network)


class TestConfirmedCommit:
    def test_goes_back_by_itself(self, network):
        before = network.br.ok("read")
        network.br.ok("propose", feed=network.br.configuration(mss_clamp=1300))
        state = network.br.ok("apply", "--within", "5")
        assert (state["state"], state["owner"]) == ("confirming", "operator")
        assert 0 < state["seconds_left"] <= 5
        assert network.br.ok("read") != before
        wait_until(lambda: network.br.ok("status")["state"] == "confirmed")
        assert network.br.ok("read") == before
        assert "nothing to confirm" in network.br.call("confirm")[1]

    def test_confirm_keeps_it_over_a_restart(self, network):
        network.br.configure("--within", "30", mss_clamp=1300)
        network.br.ok("confirm")
        kept = network.br.ok("read")
        assert kept["services"][0]["mss_clamp"] == 1300
        network.br.ok("stop")
        network.br.ok("start")
        assert network.br.ok("read") == kept

    def test_revert(self, network):
        before = network.br.ok("read")
        network.br.configure("--within", "30", mss_clamp=1300)
        network.br.ok("revert")
        assert network.br.ok("read") == before
        assert network.br.ok("status")["state"] == "confirmed"

    def test_killed_between_apply_and_confirm(self, network):
        before = network.br.ok("read")
        network.br.configure("--within", "60", mss_clamp=1300)
        kill(network.br)
        network.br.ok("start")
        assert network.br.ok("read") == before
        assert network.br.ok("status")["state"] == "confirmed"

    def test_second_owner_is_refused(self, network):
        network.br.ok("propose", "--owner", "first", feed=network.br.configuration())
        for words in (("begin",), ("apply",), ("revert",)):
            assert "first has a proposal" in network.br.call(*words, "--owner", "second")[1]
        network.br.ok("revert", "--owner", "first")
        network.br.ok("begin", "--owner", "second")

    def test_everything_wrong_at_once(self, network):
        document = encode(network.ce.configuration())
        service = document["services"][0]
        service |= {"technique": "map-x", "role": "middle", "ipv6_mtu": 600}
        document |= {"device": "a/b", "services": [service, {"name": "half"}]}
        _, error = network.ce.call("propose", feed=document)
        for words in ("map-x", "middle", "600", "a/b", "missing technique, role"):
            assert words in error
        assert len(error.splitlines()) == 5
        assert network.ce.ok("status")["state"] == "confirmed"

    def test_state_is_for_root_only(self, network):
        folder = network.br.folder
        assert (folder / "state" / "running.json").stat().st_mode & 0o777 == 0o600
        assert (folder / "run" / "control.sock").stat().st_mode & 0o777 == 0o600


def test_two_services_on_one_node(network):
    """A second gateway service beside the first; each packet is counted by the one it belongs to."""
    other = replace(
        GATEWAY_SERVICE,
        name="hall8",
        gateway_address=GATEWAY_SERVICE.gateway_address + 1,
        rules=(SECOND_RULE,),
    )
    network.br.ok("propose", feed=NodeConfiguration(node="br", services=(GATEWAY_SERVICE, other)))
    network.br.ok("apply")
    assert works(network)
    with traffic.udp(network.inet) as sock:
        sock.sendto(b"x", ("203.0.113.1", 80))
    wait_until(lambda: "drop_excluded_port" in network.br.ok("status")["services"]["hall8"]["counters"])
    services = network.br.ok("status")["services"]
    # On the fast path it is counted there, too.
    names = {name for name in services["hall8"]["counters"] if not name.startswith("punt_")}
    assert names == {"drop_excluded_port"}
    assert services["hall8"]["counters"]["drop_excluded_port"] == 1
    assert services["hall7"]["counters"].keys() == {"encapsulated", "decapsulated"}


def test_edge_of_another_rule_is_wrong_before_it_runs(network):
    foreign = replace(EDGE_SERVICE, end_user_prefix=IPv6Network("2001:db8:77::/64"))
    _, error = network.ce.call("propose", feed=NodeConfiguration(node="ce", services=(foreign,)))
    assert "services[0].end_user_prefix" in error
    assert "2001:3e8:6000::/56" in error
