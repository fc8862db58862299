# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport of files with a real Unbound: what is refused, taken back, timed, locked and left behind."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import Change
from ansible_collections.ipv4aas.fleet.engine.platforms.own_file import NOTHING
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.provision.dns64 import discover
from ansible_collections.ipv4aas.fleet.engine.transport import daemon
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from conftest import Helper, eventually

pytestmark = [pytest.mark.root, pytest.mark.servers]

BOX, UNBOUND = driver("unbound"), daemon_of("unbound", "conf")
FIRST = samples.resolver_service()
SECOND = replace(FIRST, translation_prefix=IPv6Network("2001:db8:65::/96"))
FOLDER = "/var/lib/ipv4aas/unbound"


@pytest.fixture(scope="module")
def prepared(helper) -> Helper:
    box = helper("unbound")
    box.role(service_host_platform="unbound")
    # The role twice changes nothing.
    assert "changed=0" in box.role(service_host_platform="unbound")
    return box


@pytest.fixture
def host(prepared) -> Helper:
    """A host that runs FIRST, and nothing of a session before."""
    prepared.on("rm", "-rf", FOLDER, "/etc/unbound/unbound.conf.d/zz-operator.conf")
    roll_out(prepared, FIRST)
    return prepared


def session(host: Helper, **options) -> DaemonSession:
    return DaemonSession(host.run, UNBOUND, **({"lock_patience": 1} | options))


def roll_out(host: Helper, *services, **options):
    with session(host) as opened:
        text = samples.rendered("unbound", *services)
        return deploy(opened, BOX, samples.node("unbound", *services), text, "conf", **options)


def change(*services) -> Change:
    before, after = (samples.rendered("unbound", *each) for each in ((FIRST,), services))
    return BOX.change(before, after, "conf")


def running(host: Helper) -> str:
    """Prefix that the daemon itself says it has."""
    data = host.on("unbound-control", "list_local_data")
    answers = (line.split()[-1] for line in data.splitlines() if re.match(r"ipv4only\.arpa\.\s.*AAAA", line))
    return ", ".join({str(prefix) for prefix in discover(map(IPv6Address, answers))})


def left(host: Helper) -> list[str]:
    """What is in the folder of the sessions."""
    return host.on("ls", FOLDER).split()


def test_deploy_twice_and_check_mode(host):
    outcome = roll_out(host, SECOND, check_mode=True)
    assert outcome.changed and "+     dns64-prefix: 2001:db8:65::/96" in outcome.diff
    assert running(host) == str(samples.PREF64)
    assert roll_out(host, SECOND).changed
    assert running(host) == "2001:db8:65::/96"
    again = roll_out(host, SECOND)
    assert not again.changed and again.diff == ""
    assert left(host) == []


def test_operators_files_are_not_touched(host):
    before = host.on("sh", "-c", "cat /etc/unbound/unbound.conf /etc/unbound/unbound.conf.d/[!i]*")
    roll_out(host, SECOND)
    roll_out(host)
    assert host.read(UNBOUND.file) == NOTHING
    assert host.on("sh", "-c", "cat /etc/unbound/unbound.conf /etc/unbound/unbound.conf.d/[!i]*") == before


@pytest.mark.parametrize("payload", ["server:\n  dns65-prefix: 2001:db8::/96\n", "nonsense\n"])
def test_what_the_checker_refuses_is_not_put_in_place(host, payload):
    before = host.read(UNBOUND.file)
    with session(host) as opened:
        opened.begin()
        with pytest.raises(TransportError, match=r"unknown keyword '(dns65-prefix|nonsense)'") as error:
            opened.propose(Change(payload, "", ""))
        assert error.value.left == "unchanged"
    assert host.read(UNBOUND.file) == before
    assert left(host) == []


def test_what_does_not_fit_with_the_operators_files_is_taken_back(host):
    """The file is good by itself, the whole is not."""
    before = host.read(UNBOUND.file)
    strict = replace(UNBOUND, check_all="echo 'it does not fit' >&2; false")
    with DaemonSession(host.run, strict) as opened:
        opened.begin()
        opened.propose(change(SECOND))
        with pytest.raises(TransportError, match="it does not fit") as error:
            opened.apply(60)
        assert (error.value.step, error.value.left) == ("apply", "unchanged")
        assert host.read(UNBOUND.file) == before
    assert running(host) == str(samples.PREF64)
    assert left(host) == []


def test_daemon_that_a_file_ends_is_started_with_the_old_one(host):
    """unbound-checkconf lets a prefix of /97 pass; Unbound itself ends."""
    before = host.read(UNBOUND.file)
    text = before.replace("dns64-prefix: 2001:db8:64::/96", "dns64-prefix: 2001:db8:64::/97")
    with session(host) as opened:
        opened.begin()
        opened.propose(Change(text, "", ""))
        with pytest.raises(TransportError) as error:
            opened.apply(60)
        assert (error.value.step, error.value.left) == ("apply", "unchanged")
    assert host.read(UNBOUND.file) == before
    assert running(host) == str(samples.PREF64)


def test_daemon_that_cannot_be_started_again_is_told(host):
    """The file is back, the next run starts the daemon."""
    before = host.read(UNBOUND.file)
    text = before.replace("dns64-prefix: 2001:db8:64::/96", "dns64-prefix: 2001:db8:64::/97")
    opened = DaemonSession(host.run, replace(UNBOUND, start="false"))
    opened.begin()
    opened.propose(Change(text, "", ""))
    with pytest.raises(TransportError, match="the old file is back, but not in use") as error:
        opened.apply(60)
    assert error.value.left.startswith("unchanged, or changed and reverts by itself")
    assert host.read(UNBOUND.file) == before
    host.on("rm", "-rf", f"{FOLDER}/lock")
    with session(host) as after:
        after.begin()
        assert running(host) == str(samples.PREF64)


def test_check_that_fails_takes_it_back(host):
    with pytest.raises(TransportError, match="check: nobody answers") as error:
        roll_out(host, SECOND, post_check=lambda: ["nobody answers"])
    assert error.value.left == "unchanged"
    assert running(host) == str(samples.PREF64)
    assert left(host) == []


def test_timer_puts_the_old_file_back(host):
    before = host.read(UNBOUND.file)
    opened = session(host)
    opened.begin()
    opened.propose(change(SECOND))
    opened.apply(4)
    assert eventually(lambda: host.read(UNBOUND.file) == before)
    assert eventually(lambda: running(host) == str(samples.PREF64))
    with pytest.raises(TransportError, match="gone back by itself"):
        opened.confirm()
    assert eventually(lambda: left(host) == ["lock", "stage"] or left(host) == ["lock"])


def test_what_is_confirmed_has_no_timer_any_more(host):
    opened = session(host)
    opened.begin()
    opened.propose(change(SECOND))
    opened.apply(600)
    opened.confirm()
    assert eventually(lambda: not timer_of(host, 600))
    assert running(host) == "2001:db8:65::/96"
    assert left(host) == []


def timer_of(host, seconds):
    """Whether a timer of so many seconds runs."""
    return host.run(["pgrep", "-f", f"sleep {seconds}; exec sh {FOLDER}"])[0] == 0


def test_change_of_a_dead_run_is_taken_back_by_the_next(host, monkeypatch):
    before = host.read(UNBOUND.file)
    dead = session(host)
    dead.begin()
    dead.propose(change(SECOND))
    dead.apply(600)
    with pytest.raises(TransportError, match=r"somebody else is at work: ipv4aas\.fleet:"):
        session(host, lock_patience=0).begin()
    assert running(host) == "2001:db8:65::/96"
    monkeypatch.setattr(daemon, "SILENCE", 1)
    time.sleep(1.1)
    with session(host) as opened:
        opened.begin()
        assert opened.read() == before
        assert running(host) == str(samples.PREF64)
        with pytest.raises(TransportError, match=r"the lock is lost to ipv4aas\.fleet:"):
            dead.confirm()
    assert left(host) == []
    # Its timer went with it.
    assert eventually(lambda: not timer_of(host, 600))


def test_half_done_restore_is_finished(host):
    """A host that stopped after the timer had fired."""
    before = host.read(UNBOUND.file)
    dead = session(host)
    dead.begin()
    dead.propose(change(SECOND))
    dead.apply(600)
    host.on("sh", "-c", f"mv {FOLDER}/pending {FOLDER}/restoring; rm -rf {FOLDER}/lock")
    with session(host) as opened:
        opened.begin()
        assert opened.read() == before
    assert left(host) == []


def test_first_file_of_all_is_removed_again(host):
    host.on("rm", UNBOUND.file)
    host.on("unbound-control", "reload")
    with session(host) as opened:
        opened.begin()
        assert opened.read() == ""
        opened.propose(BOX.change("", samples.rendered("unbound", FIRST), "conf"))
        opened.apply(60)
        assert running(host) == str(samples.PREF64)
    assert host.run(["test", "-e", UNBOUND.file])[0] == 1


def test_daemon_that_does_not_run_is_told(host):
    host.on("unbound-control", "stop")
    eventually(lambda: host.run(["unbound-control", "status"])[0] == 3)
    with pytest.raises(TransportError, match="unbound-control") as error:
        roll_out(host, SECOND)
    assert (error.value.step, error.value.left) == ("begin", "unchanged")
    host.role(service_host_platform="unbound")
    assert roll_out(host, SECOND).changed


def test_lost_connection(host):
    def lost(argv, feed):
        return 255, "", "Connection closed by remote host"

    with (
        pytest.raises(TransportError, match="connect: no answer: Connection closed"),
        DaemonSession(lost, UNBOUND),
    ):
        pass
