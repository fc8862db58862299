# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook, as the processes below it know it: they outlive it where it is killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Controller:
    """The process for which others work, and whether it is still there to hear of what they do."""

    pid: int
    alive: Callable[[], bool]


def parent() -> Controller:
    """The controller of a worker of Ansible's, which is its child."""
    pid = os.getppid()
    return Controller(pid, lambda: os.getppid() == pid)
