# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux network namespaces by name, as `ip netns` makes them."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

HOME = ""  # the one that the node runs in
_FOLDER = "/run/netns"
_OWN = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000  # linux/sched.h


class NamespaceError(Exception):
    """There is no such namespace, or it cannot be entered."""


class Namespace:
    """One namespace, which lives at least as long as this object is open. Raises NamespaceError."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = f"{_FOLDER}/{name}" if name != HOME else _OWN
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NamespaceError(
                f"network namespace {name} does not exist; make it: ip netns add {name}"
            ) from error
        except OSError as error:
            raise NamespaceError(f"network namespace {name}: {error.strerror}") from error

    def abandoned(self) -> bool:
        """Whether it was deleted, or another has its name: only who has it open still keeps it alive."""
        if self.name == HOME:
            return False
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return True

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What one thread opens, runs and reads in the block, /proc/sys too, belongs to the namespace."""
        if self.name == HOME:
            yield
            return
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter(self._descriptor)
            try:
                yield
            finally:
                self._enter(home)
        finally:
            os.close(home)

    def _enter(self, descriptor: int) -> None:
        # os.setns() came with Python 3.12.
        library = ctypes.CDLL(None, use_errno=True)
        if library.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            why = "; to enter it the node needs CAP_SYS_ADMIN" if number == errno.EPERM else ""
            raise NamespaceError(f"network namespace {self.name}: {os.strerror(number)}{why}")

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
