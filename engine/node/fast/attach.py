# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program at the ingress of devices: a TCX link, a filter of clsact before Linux 6.6, or a native XDP link.

What is pinned stays when the process ends, and the next one takes it over from one packet to the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Mapping
from typing import Protocol

from .libbpf import TCX_INGRESS, XDP, BpfError, Link, Program, library
from .pins import Pins

TC_KINDS, XDP_KINDS = ("tcx", "clsact"), ("xdp",)  # tried in turn
XDP_NATIVE = 1 << 2  # XDP_FLAGS_DRV_MODE: never the generic one, which is slower than tc
_INGRESS, _REPLACE = 1, 1  # enum bpf_tc_attach_point, BPF_TC_F_REPLACE
_PRIORITY, _HANDLE = 4640, 46  # how our filter is known
_TOO_OLD = (errno.EINVAL, errno.EOPNOTSUPP)
_INFO = 256  # octets, more than struct bpf_link_info has
_INFO_DEVICE = 16  # where the device is in it, for XDP and TCX


class Attachment(Protocol):
    """A program at one device."""

    kind: str

    def update(self, program: Program) -> None:
        """Another program from the next packet on. Raises BpfError."""

    def pin(self, pins: Pins, name: str) -> None:
        """Keep it beyond the process."""

    def detach(self) -> None:
        """No program any longer."""

    def leave(self) -> None:
        """Let go without detaching it, as far as it is pinned."""


class LinkAttachment:
    """TCX or XDP."""

    def __init__(self, kind: str, link: Link) -> None:
        self.kind, self._link = kind, link

    @classmethod
    def make(cls, kind: str, program: Program, device: int) -> LinkAttachment:
        """A new one. Raises BpfError."""
        hook, flags = (XDP, XDP_NATIVE) if kind == "xdp" else (TCX_INGRESS, 0)
        return cls(kind, Link.attach(program, device, hook, flags))

    @classmethod
    def taken(cls, kind: str, program: Program, device: int, pins: Pins, name: str) -> LinkAttachment | None:
        """The one that is pinned, with the program; None where it is not there or for another device."""
        descriptor = pins.open(name)
        if descriptor is None:
            return None
        link = Link(descriptor)
        with contextlib.suppress(BpfError):
            if device_of(link) == device:
                link.update(program)
                return cls(kind, link)
        link.close()
        pins.drop(name)
        return None

    def update(self, program: Program) -> None:
        """Another program from the next packet on. Raises BpfError."""
        self._link.update(program)

    def pin(self, pins: Pins, name: str) -> None:
        """Keep it beyond the process."""
        if not pins.path(name).exists():
            pins.keep(name, self._link.descriptor)

    def detach(self) -> None:
        """Pinned or not."""
        self._link.detach()
        self._link.close()

    def leave(self) -> None:
        """The same: a pin keeps it."""
        self._link.close()


def device_of(link: Link) -> int:
    """Where a link is; 0 where the device is gone."""
    info, size = ctypes.create_string_buffer(_INFO), ctypes.c_uint32(_INFO)
    if library().bpf_obj_get_info_by_fd(link.descriptor, info, ctypes.byref(size)):
        return 0
    return int.from_bytes(info.raw[_INFO_DEVICE : _INFO_DEVICE + 4], sys.byteorder)


class _Hook(ctypes.Structure):
    """struct bpf_tc_hook."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("ifindex", ctypes.c_int),
        ("attach_point", ctypes.c_int),
        ("parent", ctypes.c_uint32),
    )


class _Options(ctypes.Structure):
    """struct bpf_tc_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("prog_fd", ctypes.c_int),
        ("flags", ctypes.c_uint32),
        ("prog_id", ctypes.c_uint32),
        ("handle", ctypes.c_uint32),
        ("priority", ctypes.c_uint32),
    )


class FilterAttachment:
    """A direct-action filter of clsact. It stays when the process ends, pinned or not."""

    kind = "clsact"

    def __init__(self, program: Program, device: int) -> None:
        """Raises BpfError. Replaces the one that an earlier process left."""
        self._hook = _Hook(sz=ctypes.sizeof(_Hook), ifindex=device, attach_point=_INGRESS)
        library().bpf_tc_hook_create(ctypes.byref(self._hook))  # it may be there
        self.update(program)

    def update(self, program: Program) -> None:
        """Another program from the next packet on. Raises BpfError."""
        options = _Options(
            sz=ctypes.sizeof(_Options),
            prog_fd=program.descriptor,
            flags=_REPLACE,
            handle=_HANDLE,
            priority=_PRIORITY,
        )
        result = library().bpf_tc_attach(ctypes.byref(self._hook), ctypes.byref(options))
        if result < 0:
            raise BpfError(-result, f"clsact of device {self._hook.ifindex}: {os.strerror(-result)}")
        self._descriptor = program.descriptor

    def pin(self, pins: Pins, name: str) -> None:
        """A mark that it is there: the program."""
        if not pins.path(name).exists():
            pins.keep(name, self._descriptor)

    def detach(self) -> None:
        """The filter goes; clsact stays, others may use it."""
        remove_filter(self._hook.ifindex)

    def leave(self) -> None:
        """It stays."""


def remove_filter(device: int) -> None:
    """Ours, if it is there."""
    hook = _Hook(sz=ctypes.sizeof(_Hook), ifindex=device, attach_point=_INGRESS)
    options = _Options(sz=ctypes.sizeof(_Options), handle=_HANDLE, priority=_PRIORITY)
    library().bpf_tc_detach(ctypes.byref(hook), ctypes.byref(options))


def new_attachment(kinds: tuple[str, ...], program: Program, device: int) -> Attachment:
    """A program at a device, by the first of these kinds that the kernel has. Raises BpfError."""
    for kind in kinds[:-1]:
        try:
            return _attached(kind, program, device)
        except BpfError as error:
            if error.errno not in _TOO_OLD:
                raise
    return _attached(kinds[-1], program, device)


def _attached(kind: str, program: Program, device: int) -> Attachment:
    if kind == "clsact":
        return FilterAttachment(program, device)
    return LinkAttachment.make(kind, program, device)


class Attachments:
    """One program at several devices, by their indexes; `faults` has those where it could not be put."""

    def __init__(self, hook: str, pins: Pins, *, kinds: tuple[str, ...] = ()) -> None:
        """`hook` is tc or xdp; `kinds` are tried in turn."""
        self._kinds = kinds or (XDP_KINDS if hook == "xdp" else TC_KINDS)
        self._pins = pins
        self._there: dict[int, Attachment] = {}
        self.faults: dict[int, str] = {}

    def kind(self, device: int) -> str:
        """How it is attached there; empty: not at all."""
        one = self._there.get(device)
        return "" if one is None else one.kind

    def put(self, devices: Mapping[int, str], program: Program | None) -> None:
        """This program at these devices and no others."""
        wanted = set(devices) if program is not None else set()
        for device in self._there.keys() - wanted:
            self._take_off(device)
        self.faults = {}
        for device in sorted(wanted):
            assert program is not None
            try:
                self._put(device, program)
            except BpfError as error:
                self.faults[device] = f"{devices[device]}: {(error.strerror or str(error)).splitlines()[0]}"

    def _put(self, device: int, program: Program) -> None:
        one = self._there.get(device)
        if one is not None:
            try:
                one.update(program)
                return
            except BpfError:
                self._take_off(device)  # the device went and came
        one = self._there[device] = self._new(device, program)
        one.pin(self._pins, pin_name(one.kind, device))

    def _new(self, device: int, program: Program) -> Attachment:
        for kind in self._kinds:
            if kind == "clsact":
                continue
            taken = LinkAttachment.taken(kind, program, device, self._pins, pin_name(kind, device))
            if taken is not None:
                return taken
        return new_attachment(self._kinds, program, device)

    def _take_off(self, device: int) -> None:
        one = self._there.pop(device)
        self._pins.drop(pin_name(one.kind, device))
        one.detach()

    def leave(self) -> None:
        """Let go of all; what is pinned goes on."""
        for one in self._there.values():
            one.leave()
        self._there.clear()


def pin_name(kind: str, device: int) -> str:
    """Of an attachment's file."""
    return f"{kind}-{device}"


def sweep(pins: Pins, *, but: frozenset[str] = frozenset()) -> None:
    """Detach what an earlier process left."""
    for name in pins.names():
        kind, _, device = name.partition("-")
        if name in but or not device.isdigit():
            continue
        with contextlib.suppress(BpfError):
            _detach(pins, name, kind, int(device))
        pins.drop(name)


def _detach(pins: Pins, name: str, kind: str, device: int) -> None:
    if kind == "clsact":
        remove_filter(device)
        return
    descriptor = pins.open(name)
    if descriptor is not None:
        link = Link(descriptor)
        link.detach()
        link.close()
