# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux network namespaces by name, as `ip netns` makes them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

HOME = ""  # the one that the node runs in
FOLDER = "/run/netns"
_CLONE_NEWNET = 0x40000000  # linux/sched.h


class NamespaceError(OSError):
    """There is no such namespace, or it cannot be entered."""


@contextmanager
def entered(name: str) -> Iterator[None]:
    """What is opened, run or read in the block, /proc/sys too, belongs to the namespace. For one thread.

    Raises NamespaceError.
    """
    if name == HOME:
        yield
        return
    with open("/proc/thread-self/ns/net") as home:
        _enter(f"{FOLDER}/{name}", name)
        try:
            yield
        finally:
            _set(home.fileno())


def _enter(path: str, name: str) -> None:
    try:
        with open(path) as there:
            _set(there.fileno())
    except FileNotFoundError as error:
        raise NamespaceError(
            error.errno, f"network namespace {name} does not exist; make it: ip netns add {name}"
        ) from error
    except OSError as error:
        raise NamespaceError(error.errno, f"network namespace {name}: {error.strerror}") from error


def _set(descriptor: int) -> None:
    # os.setns() came with Python 3.12.
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
