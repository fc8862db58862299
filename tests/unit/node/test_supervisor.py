# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service manager hears."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.supervisor import Supervisor


@pytest.mark.parametrize("abstract", [False, True])
def test_states(tmp_path, abstract):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(5)
        path = str(tmp_path / "notify")
        manager.bind("\0" + path if abstract else path)
        told = Supervisor({"NOTIFY_SOCKET": ("@" if abstract else "") + path})
        told.ready()
        told.alive()
        told.alive()  # within the same second
        told.stopping()
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_nobody_listens(tmp_path):
    Supervisor({}).ready()
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "none")}).ready()


def test_a_full_queue_stops_nothing(tmp_path):
    """A service manager that does not read."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        told = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(10_000):
            told.ready()
