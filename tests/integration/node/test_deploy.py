# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local session with a real node: whoever dies at whatever step, the node runs the old or the new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.store import LEASE
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.transport.local import LocalSession
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from conftest import GATEWAY_SERVICE, ROOT, SoftwareNode
from netns import Net

pytestmark = pytest.mark.root

DRIVER = driver("linux")
TEMPLATES = ROOT / "templates"
FIRST, SECOND = GATEWAY_SERVICE, replace(GATEWAY_SERVICE, ipv6_mtu=1400)


def plan_of(service) -> NodePlan:
    """A node with one service."""
    return NodePlan(name="br", role=service.role, platform="linux", services=(service,), dialect="json")


def change_to(service):
    """From nothing to one service."""
    return DRIVER.change("", render(plan_of(service), TEMPLATES), "json")


class Connection:
    """Runs commands on the host; ``dies_at`` loses the answer of a command, after or before it was done."""

    def __init__(self, node: SoftwareNode) -> None:
        self.node = node
        self.dies_at, self.done_first = "", True

    def __call__(self, argv, stdin):
        dies = self.dies_at in argv and bool(self.dies_at)
        if dies and not self.done_first:
            raise ConnectionResetError("gone")
        done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False)
        if dies:
            raise ConnectionResetError("gone")
        return done.returncode, done.stdout, done.stderr

    def session(self, **options) -> LocalSession:
        """A session over it."""
        return LocalSession(self, self.node.command(), **options)

    def deploy(self, service, **options):
        """Deploy one service."""
        plan = plan_of(service)
        with self.session() as session:
            return deploy(session, DRIVER, plan, render(plan, TEMPLATES), "json", **options)

    def running(self):
        """The services that the node says it runs."""
        return DRIVER.parse(
            subprocess.run(self.node.command("read"), capture_output=True, check=False, text=True).stdout,
            "json",
            (),
        )


@pytest.fixture
def connection(program, tmp_path):
    """A node that runs nothing yet."""
    with Net("deploy") as net:
        node = SoftwareNode(net.host("br"), program, tmp_path / "br", FIRST)
        node.ok("start")
        yield Connection(node)


def test_first_second_and_third_deployment(connection):
    first = connection.deploy(FIRST)
    assert first.changed
    assert connection.running() == (FIRST,)
    again = connection.deploy(FIRST)
    assert (again.changed, again.diff) == (False, "")
    checked = connection.deploy(SECOND, check_mode=True)
    assert checked.changed
    assert '+       "ipv6_mtu": 1400,' in checked.diff.splitlines()
    assert connection.running() == (FIRST,)
    assert connection.deploy(SECOND).changed
    assert connection.running() == (SECOND,)
    assert connection.node.ok("status")["state"] == "confirmed"


def test_check_that_fails_takes_it_back(connection):
    connection.deploy(FIRST)
    with pytest.raises(TransportError, match="no customer gets through") as caught:
        connection.deploy(SECOND, post_check=lambda: ["no customer gets through"])
    assert caught.value.left == "unchanged"
    assert connection.running() == (FIRST,)


@pytest.mark.parametrize("done_first", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("step", ["begin", "propose", "apply"])
def test_connection_that_dies_before_the_confirm(connection, step, done_first):
    connection.deploy(FIRST)
    connection.dies_at, connection.done_first = step, done_first
    with pytest.raises(TransportError):
        connection.deploy(SECOND)
    assert connection.running() == (FIRST,)
    connection.dies_at = ""
    assert connection.deploy(SECOND).changed


def test_connection_that_dies_for_good_after_apply(connection):
    connection.deploy(FIRST)
    session = connection.session()
    session.__enter__()
    session.begin()
    session.propose(change_to(SECOND))
    session.apply(2)
    assert connection.running() == (SECOND,)
    time.sleep(3.5)
    assert connection.running() == (FIRST,)


def test_run_that_died_delays_the_next_one_only(connection):
    """Its change on trial is taken back by the next run, once its owner was silent long enough."""
    connection.deploy(FIRST)
    dead = connection.session()
    dead.begin()
    dead.propose(change_to(SECOND))
    dead.apply(600)
    with pytest.raises(TransportError, match="has a change on trial"):
        connection.session(lock_patience=0).begin()
    with connection.session(lock_patience=LEASE + 5) as session:
        session.begin()
        assert connection.running() == (FIRST,)
    with pytest.raises(TransportError, match="nothing to confirm"):
        dead.confirm()


@pytest.mark.parametrize(("step", "left"), [("propose", FIRST), ("apply", FIRST), ("confirm", SECOND)])
def test_node_that_is_killed_after_a_step(connection, step, left):
    connection.deploy(FIRST)
    pid = connection.node.pid()
    session = connection.session()
    steps = {
        "propose": lambda: session.propose(change_to(SECOND)),
        "apply": lambda: session.apply(60),
        "confirm": session.confirm,
    }
    session.begin()
    for name, act in steps.items():
        act()
        if name == step:
            break
    os.kill(pid, signal.SIGKILL)
    connection.node.ok("start")
    assert connection.running() == (left,)


_DYING = """
import fcntl, os, socket, sys, time
lock = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
with socket.socket(socket.AF_UNIX) as taking:
    taking.bind(sys.argv[2])
    taking.listen()
    print("dying", flush=True)
    time.sleep(1.5)
time.sleep(0.5)
"""


def test_node_starts_where_another_is_still_dying(connection):
    """The kernel closes the socket of a killed process late, and its lock later still."""
    node = connection.node
    node.ok("stop")
    words = (f"{node.folder}/state/lock", f"{node.folder}/run/control.sock")
    with subprocess.Popen([sys.executable, "-c", _DYING, *words], stdout=subprocess.PIPE) as dying:
        assert dying.stdout.readline() == b"dying\n"
        assert node.ok("start")["started"]


def test_node_that_is_not_started(connection):
    connection.node.ok("stop")
    with pytest.raises(TransportError, match="no node answers; start it first") as caught:
        connection.deploy(FIRST)
    assert (caught.value.step, caught.value.left) == ("connect", "unchanged")
