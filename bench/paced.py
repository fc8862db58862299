# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A socket that sends frames at a rate: many with one call of the kernel (sendmmsg(2), packet(7))."""

from __future__ import annotations

import ctypes
import os
import socket
import time

_SOL_PACKET, _QDISC_BYPASS = 263, 20
_BURST = 16


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("octets", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_octets", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_octets", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


class Sender:
    """One frame, again and again, out of a device of the network namespace that this thread is in."""

    def __init__(self, device: str, frame: bytes, *, bypass: bool) -> None:
        """`bypass`: beside the device's queue and what is attached to it. Raises OSError."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.setsockopt(_SOL_PACKET, _QDISC_BYPASS, int(bypass))
        self._socket.bind((device, 0))
        self._frame = ctypes.create_string_buffer(frame, len(frame))
        self._vector = _Vector(ctypes.addressof(self._frame), len(frame))
        one = _Message(vectors=ctypes.pointer(self._vector), vector_count=1)
        self._messages = (_Message * _BURST)(*([one] * _BURST))
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg

    def send(self, rate: int, seconds: float, burst: int = _BURST) -> int:
        """Packets at a rate, evenly in bursts; how many were taken."""
        sent, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            if sent <= rate * passed:
                taken = self._sendmmsg(self._socket.fileno(), self._messages, burst, 0)
                if taken < 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                sent += taken
        return sent

    def close(self) -> None:
        """No more."""
        self._socket.close()
