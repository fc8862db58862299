# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of namespaces: ``with Net("name") as net``, always cleaned up. Needs root and iproute2."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
# linux/ethtool.h: GRO, GSO, TSO, transmit checksums; in this order, since the last needs the others off.
_GRO = 0x2C
_ETHTOOL_SET = (_GRO, 0x24, 0x1F, 0x17)
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class Host:
    """One network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._processes: list[subprocess.Popen[Any]] = []
        _ip(f"netns add {name}")
        self.ip("link set lo up")

    def ip(self, *commands: str) -> None:
        """Commands for ip(8) in the namespace, as in ``ip -batch``."""
        _ip(*commands, within=self.name)

    def sysctl(self, **values: object) -> None:
        """Set sysctls; ``net__ipv4__ip_forward=1`` for net.ipv4.ip_forward."""
        for name, value in values.items():
            path = Path("/proc/sys", *name.split("__"))
            self.inside(lambda p=path, v=value: p.write_text(str(v)))

    def forward(self) -> None:
        """Make it a router."""
        self.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)

    def inside(self, function: Callable[[], T]) -> T:
        """Call a function in a thread that is in the namespace. Sockets made there stay there."""
        result: list[T] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                with open(f"/run/netns/{self.name}") as handle:
                    if _libc.setns(handle.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), f"setns {self.name}")
                result.append(function())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return result[0]

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of the namespace, for use anywhere in this process."""
        return self.inside(lambda: socket.socket(family, kind, protocol))

    def offloads(self, device: str, on: bool, *, receive: bool | None = None) -> None:
        """Checksum, segmentation and receive offloads of a device; off makes it a plain wire.

        `receive` says it otherwise for GRO: veth takes what XDP sends only where that is on.
        """
        self._ethtool(device, _ETHTOOL_SET, on)
        if receive is not None:
            self.gro(device, receive)

    def gro(self, device: str, on: bool) -> None:
        """Receive offload alone: with it a veth polls, and takes packets that its peer's XDP sends."""
        self._ethtool(device, (_GRO,), on)

    def _ethtool(self, device: str, commands: Iterable[int], on: bool) -> None:
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for command in commands:
                value = ctypes.create_string_buffer(struct.pack("II", command, on))
                request = struct.pack("16sP8x", device.encode(), ctypes.addressof(value))
                fcntl.ioctl(control, _SIOCETHTOOL, request)

    def command(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` in the namespace."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(
        self, *argv: str, feed: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. With ``check``, a failure raises and shows what was printed."""
        done = subprocess.run(
            self.command(*argv), input=feed, text=True, capture_output=True, check=False, timeout=120
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(argv)}: {done.stderr or done.stdout}")
        return done

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a command; it ends with the network at the latest."""
        process = subprocess.Popen(self.command(*argv), **options)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End what runs in the namespace, also detached from us, and remove it."""
        for process in self._processes:
            process.kill()
            process.wait()
        for pid in subprocess.run(
            ["ip", "netns", "pids", self.name], text=True, capture_output=True, check=False
        ).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        _ip(f"netns del {self.name}")


class Net:
    """Named namespaces and the cables between them; names are unique on the machine."""

    def __init__(self, name: str) -> None:
        self._prefix = f"{name}{os.getpid()}-"
        self._hosts: list[Host] = []

    def __enter__(self) -> Net:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self._hosts:
            host.close()

    def host(self, name: str) -> Host:
        """A new namespace. Duplicate address detection is off: addresses work at once."""
        host = Host(self._prefix + name)
        self._hosts.append(host)
        host.sysctl(net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0)
        return host

    def hosts(self, *names: str) -> Iterator[Host]:
        """Several, in order."""
        return (self.host(name) for name in names)

    def cable(self, left: Host, left_device: str, right: Host, right_device: str, mtu: int = 1500) -> None:
        """A veth pair, up on both ends."""
        _ip(
            f"link add name {left_device} mtu {mtu} netns {left.name} type veth"
            f" peer name {right_device} mtu {mtu} netns {right.name}"
        )
        left.ip(f"link set dev {left_device} up")
        right.ip(f"link set dev {right_device} up")


def _ip(*commands: str, within: str | None = None) -> None:
    argv = ["ip", *(["-n", within] if within else []), "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(commands) + "\n", text=True, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(f"ip in {within or 'the root namespace'}: {done.stderr}")
