# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs at devices: by TCX, clsact and XDP, pinned, taken over, taken off."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.attach import Attachments, pin_name, sweep
from ansible_collections.ipv4aas.fleet.engine.node.fast.pins import Pins
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, ServiceProgram
from fuzz_seats import SEATS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from ingress import HAS_TCX, filters_at, programs_at, tcx_at
from netns import Host, Net

pytestmark = pytest.mark.root

SERVICE = SEATS["map-e", "gateway"].service


@pytest.fixture
def host() -> Iterator[Host]:
    with Net("attach") as net:
        near, far = net.hosts("near", "far")
        net.cable(near, "eth0", far, "eth0")
        yield near


@pytest.fixture
def pins() -> Iterator[Pins]:
    made = Pins(f"test-{os.getpid()}")
    assert not made.fault
    yield made
    sweep(made)
    made.clear()
    assert not made.path("").exists()


def program(hook: str) -> ServiceProgram:
    return ServiceProgram(SERVICE, hook, next_service=1)


def xdp_at(host: Host, device: str) -> int:
    return host.run("ip", "link", "show", "dev", device).stdout.count("prog/xdp")


WAYS: list[tuple[str, str, Callable[[Host, str], int]]] = [
    (TC, "tcx", tcx_at),
    (TC, "clsact", filters_at),
    (XDP, "xdp", xdp_at),
]


@pytest.fixture(params=WAYS, ids=[kind for _, kind, _ in WAYS])
def way(request: pytest.FixtureRequest) -> tuple[str, str, Callable[[Host, str], int]]:
    found: tuple[str, str, Callable[[Host, str], int]] = request.param
    if found[1] == "tcx" and not HAS_TCX:
        pytest.skip("TCX came with Linux 6.6")
    return found


def test_put_replaced_and_taken_off(host, pins, way):
    hook, kind, seen = way
    made, first, second = Attachments(hook, pins, kinds=(kind,)), program(hook), program(hook)

    def body() -> None:
        devices = {socket.if_nametoindex("eth0"): "eth0"}
        made.put(devices, first.program)
        made.put(devices, second.program)
        assert made.faults == {}
        assert [made.kind(device) for device in devices] == [kind]

    host.inside(body)
    assert seen(host, "eth0") == 1
    assert pins.names() == [pin_name(kind, host.inside(lambda: socket.if_nametoindex("eth0")))]
    host.inside(lambda: made.put({}, None))
    assert seen(host, "eth0") == 0
    assert pins.names() == []


def test_outlives_who_put_it_and_is_taken_over(host, pins, way):
    hook, kind, seen = way

    def put() -> Attachments:
        made, own = Attachments(hook, pins, kinds=(kind,)), program(hook)
        made.put({socket.if_nametoindex("eth0"): "eth0"}, own.program)
        assert made.faults == {}
        own.close()
        return made

    host.inside(lambda: put().leave())
    assert seen(host, "eth0") == 1
    second = host.inside(put)
    assert seen(host, "eth0") == 1
    second.leave()
    host.inside(lambda: sweep(pins))
    assert seen(host, "eth0") == 0


def test_pin_of_a_device_that_is_gone(host, pins):
    """Another one may have its number."""
    made, own = Attachments(TC, pins), program(TC)

    def body() -> None:
        device = socket.if_nametoindex("eth0")
        made.put({device: "eth0"}, own.program)
        made.leave()
        subprocess.run(["ip", "-n", host.name, "link", "del", "eth0"], check=True)
        again = f"link add eth0 index {device} type veth peer name other"
        subprocess.run(["ip", "-n", host.name, *again.split()], check=True)
        made.put({device: "eth0"}, own.program)
        assert made.faults == {}

    host.inside(body)
    assert programs_at(host, "eth0") == 1
    host.inside(lambda: made.put({}, None))


def test_fault_names_the_device_and_the_others_are_served(host, pins):
    made, own = Attachments(TC, pins), program(TC)

    def body() -> None:
        made.put({socket.if_nametoindex("eth0"): "eth0", 99999: "gone"}, own.program)

    host.inside(body)
    assert list(made.faults) == [99999]
    assert made.faults[99999].startswith("gone: ")
    assert programs_at(host, "eth0") == 1
    host.inside(lambda: made.put({}, None))
