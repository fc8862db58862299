# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TUN device with virtio headers: TCP crosses it as super-packets, checksums stay undone."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import struct
from collections import Counter
from collections.abc import Iterable

from ..packet.buffer import OFFLOAD_SIZE, Offload, Packet

CONTROL = "/dev/net/tun"

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_TUNSETVNETHDRSZ = 0x400454D8
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_TUN_EXCL = 0x0001, 0x1000, 0x4000, 0x8000
_CSUM, _TSO4, _TSO6, _TSO_ECN, _USO4, _USO6 = 0x01, 0x02, 0x04, 0x08, 0x20, 0x40

_LARGEST = 65535
_KEPT = 16 << 20  # octets: a few batches of super-packets
_NOTHING_TO_DO = bytes(OFFLOAD_SIZE)


# Few differ: a connection's packets have all the same.
_offload = functools.lru_cache(1024)(Offload.unpack)


def _keep_memory() -> None:
    """Have the allocator keep what it gets back: otherwise each super-packet costs some 30 page faults.

    glibc raises its thresholds to the largest mapped block that was freed (mallopt(3), M_MMAP_THRESHOLD).
    """
    bytearray(_KEPT)


class TunError(OSError):
    """The device cannot be made, or is gone."""


class Tun:
    """One TUN device, non-blocking. It lives as long as this object: closing it takes its routes away."""

    def __init__(self, name: str) -> None:
        """Raises TunError, with what to look at."""
        _keep_memory()
        self.name = name
        self.write_errors: Counter[str] = Counter()  # errno name -> packets
        self._header = bytearray(OFFLOAD_SIZE)
        self._body = memoryview(bytearray(_LARGEST))
        self._buffers: list[bytearray | memoryview] = [self._header, self._body]
        try:
            self._fd = os.open(CONTROL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError as error:
            raise TunError(
                error.errno, f"{CONTROL}: {error.strerror}; the node's user may not open it"
            ) from error
        except OSError as error:
            raise TunError(
                error.errno, f"{CONTROL}: {error.strerror}; the kernel needs its tun driver"
            ) from error
        try:
            self._set_up()
        except OSError as error:
            os.close(self._fd)
            why = "; the node needs CAP_NET_ADMIN" if isinstance(error, PermissionError) else ""
            raise TunError(error.errno, f"device {name}: {error.strerror}{why}") from error

    def _set_up(self) -> None:
        flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_TUN_EXCL
        fcntl.ioctl(self._fd, _TUNSETIFF, struct.pack("16sH22x", self.name.encode(), flags))
        fcntl.ioctl(self._fd, _TUNSETVNETHDRSZ, struct.pack("i", OFFLOAD_SIZE))
        offloads = _CSUM | _TSO4 | _TSO6 | _TSO_ECN
        fcntl.ioctl(self._fd, _TUNSETOFFLOAD, offloads)
        with contextlib.suppress(OSError):  # UDP super-packets: since Linux 6.2
            fcntl.ioctl(self._fd, _TUNSETOFFLOAD, offloads | _USO4 | _USO6)

    def fileno(self) -> int:
        """For selectors."""
        return self._fd

    def close(self) -> None:
        """The kernel takes the device and its routes away."""
        os.close(self._fd)

    def read(self, limit: int) -> list[Packet]:
        """Up to ``limit`` packets that wait. Raises TunError when the device is gone."""
        fd, header, body, buffers = self._fd, self._header, self._body, self._buffers
        packets: list[Packet] = []
        try:
            while len(packets) < limit:
                size = os.readv(fd, buffers) - OFFLOAD_SIZE
                packets.append(Packet(body[:size].tobytes(), _offload(bytes(header))))
        except BlockingIOError:
            pass
        except OSError as error:
            raise TunError(error.errno, f"device {self.name}: {error.strerror}") from error
        return packets

    def write(self, packets: Iterable[Packet]) -> None:
        """Give packets to the kernel; those that it does not take are counted."""
        fd, packed_last = self._fd, None
        header = packed = b""
        for packet in packets:
            offload = packet.offload
            if offload is None:
                header = _NOTHING_TO_DO
            elif offload is packed_last:
                header = packed
            else:
                header = packed = offload.pack()
                packed_last = offload
            try:
                os.writev(fd, (header, packet.data))
            except OSError as error:
                self.write_errors[errno.errorcode.get(error.errno or 0, "unknown")] += 1
