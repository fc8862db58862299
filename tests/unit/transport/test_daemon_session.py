# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with a daemon's file, by a real shell and a daemon that is a file too; needs no root."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import Change
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import SILENCE, Daemon, DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError

OLD, NEW = "good old\n", "good new\n"


class Host:
    """Runs commands here. The daemon runs what was in its file at the last reload, if it is good."""

    def __init__(self, folder) -> None:
        self.file, self.running, self.up = folder / "etc" / "file", folder / "running", folder / "up"
        self.state = folder / "state"
        self.file.parent.mkdir()
        for path, content in ((self.file, OLD), (self.running, OLD), (self.up, "")):
            path.write_text(content)
        self.faults: dict[str, object] = {}
        self.daemon = Daemon(
            file=str(self.file),
            check="grep -q good $1 || { echo 'not good' >&2; false; }",
            check_all=f"check {self.file}",
            reload=f"cp {self.file} {self.running}; ! grep -q deadly {self.file} || rm -f {self.up}",
            alive=f"test -e {self.up} || {{ echo 'it is down' >&2; false; }}",
            packages=(),
            unit="daemon",
            start=f"touch {self.up}; cp {self.file} {self.running}",
            stop="false",
        )

    def __call__(self, argv, feed):
        for word, fault in self.faults.items():
            if word in argv[-1]:
                if isinstance(fault, Exception):
                    raise fault
                return fault
        done = subprocess.run(argv, input=feed, text=True, capture_output=True, check=False, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def session(self, **options) -> DaemonSession:
        options = {"lock_patience": 0, "folder": str(self.state)} | options
        return DaemonSession(self, options.pop("daemon", self.daemon), **options)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def applied(host, content=NEW, within=60, **options) -> DaemonSession:
    """A session that has applied a content."""
    session = host.session(**options)
    session.begin()
    assert session.read() == host.file.read_text()
    assert session.propose(Change(content, OLD, "")) == ""
    session.apply(within)
    return session


def test_confirmed(host):
    session = applied(host)
    assert (host.file.read_text(), host.running.read_text()) == (NEW, NEW)
    session.confirm()
    session.revert()
    assert host.running.read_text() == NEW
    assert list((host.state / "daemon").iterdir()) == []


@pytest.mark.parametrize("first", [False, True])
def test_leaving_takes_back(host, first):
    if first:
        host.file.unlink()
    session = host.session()
    with session:
        session.begin()
        session.propose(Change(NEW, "", ""))
        session.apply(60)
    assert not host.file.exists() if first else host.running.read_text() == OLD
    assert list((host.state / "daemon").iterdir()) == []


def test_timer(host):
    session = applied(host, within=3)
    deadline = time.monotonic() + 60
    while host.running.read_text() != OLD and time.monotonic() < deadline:
        time.sleep(0.1)
    assert host.file.read_text() == OLD
    with pytest.raises(TransportError, match="it has gone back by itself") as error:
        session.confirm()
    assert error.value.left == "unchanged"


@pytest.mark.parametrize("first", [False, True])
def test_time_that_is_over_before_the_file_is_there(host, first):
    """A host that stands still: the timer has taken back what was not made yet."""
    if first:
        host.file.unlink()
    # Between the two commands that put the new file in place; the old one is put back without a pause.
    slow = 'cp() { command cp "$@"; case $* in */stage*.ipv4aas) sleep 3;; esac; }'
    session = host.session(daemon=replace(host.daemon, functions=slow))
    session.begin()
    session.propose(Change(NEW, OLD, ""))
    with pytest.raises(
        TransportError, match="the time to confirm was over before the change was made"
    ) as error:
        session.apply(1)
    assert error.value.left == "unchanged"
    assert list(host.file.parent.iterdir()) == ([] if first else [host.file])
    assert first or host.file.read_text() == OLD


@pytest.mark.parametrize(
    ("content", "step", "wrong"),
    [("bad\n", "propose", "not good"), ("good but deadly\n", "apply", "it is down")],
)
def test_what_cannot_be_is_not_left(host, content, step, wrong):
    with pytest.raises(TransportError, match=wrong) as error:
        applied(host, content)
    assert (error.value.step, error.value.left) == (step, "unchanged")
    # A daemon that was ended by it is started again.
    assert (host.file.read_text(), host.running.read_text(), host.up.exists()) == (OLD, OLD, True)


def test_daemon_that_does_not_come_back(host):
    with pytest.raises(TransportError, match="the old file is back, but not in use") as error:
        applied(host, "good but deadly\n", daemon=replace(host.daemon, start="false"))
    assert error.value.left.startswith("unchanged, or changed and reverts by itself in at most")
    assert host.file.read_text() == OLD


def test_daemon_that_is_down_before(host):
    host.up.unlink()
    with pytest.raises(TransportError, match="it is down") as error:
        host.session().begin()
    assert (error.value.step, error.value.left) == ("begin", "unchanged")
    host.up.touch()
    host.session().begin()  # the lock was given up


def test_lock(host):
    session = applied(host)
    with pytest.raises(TransportError, match=r"somebody else is at work: ipv4aas\.fleet:\w{8}"):
        host.session().begin()
    (host.state / "daemon" / "lock" / "owner").write_text("another\n")
    with pytest.raises(TransportError, match="the lock is lost to another"):
        session.confirm()


def test_lock_of_one_that_died_before_it_had_a_name(host):
    lock = host.state / "daemon" / "lock"
    lock.mkdir(parents=True)
    with pytest.raises(TransportError, match="somebody else is at work"):
        host.session().begin()
    long_ago = time.time() - SILENCE - 5
    os.utime(lock, (long_ago, long_ago))
    host.session().begin()


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ((255, "", "Connection closed\n"), "no answer: Connection closed"),
        (TimeoutError("no answer in 60 s"), "no answer: no answer in 60 s"),
    ],
)
def test_lost_answer_leaves_doubt(host, fault, wrong):
    session = host.session()
    session.begin()
    session.propose(Change(NEW, OLD, ""))
    host.faults["pending.new"] = fault
    with pytest.raises(TransportError, match=wrong) as error:
        session.apply(60)
    assert error.value.left.startswith("unchanged, or changed and reverts by itself")
    host.faults.clear()
    session.revert()
    assert host.running.read_text() == OLD


def test_every_daemon_has_words_for_all_steps():
    daemons = {
        (name, dialect): daemon_of(name, dialect)
        for name, features in all_features().items()
        for dialect, transport in features.transports.items()
        if transport == "file"
    }
    assert {("unbound", "conf"), ("kea", "json")} <= set(daemons)
    assert len({each.name for each in daemons.values()}) == len(daemons)
    for each in daemons.values():
        # The whole of a script as dash reads it.
        script = DaemonSession(lambda argv, feed: (0, "", ""), each)._settings
        assert subprocess.run(["dash", "-n"], input=script, text=True, check=False).returncode == 0
