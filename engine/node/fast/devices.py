# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At which devices of this host packets of the services arrive, and which of them can do XDP."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..namespace import HOME, Namespace, NamespaceError
from .rtnetlink import Link, Netlink, attribute, attributes

_SIOCETHTOOL = 0x8946
_TX_CHECKSUMS, _GRO = 0x16, 0x2B  # ETHTOOL_GTXCSUM, ETHTOOL_GGRO
_IPV4 = Path("/proc/sys/net/ipv4/conf")
_NAMESPACES = Path("/run/netns")
_GETNSID, _NSA_NSID, _NSA_FD = 90, 1, 3  # linux/net_namespace.h
_GENERIC = bytes(4)  # struct rtgenmsg, padded


def arrivals(links: Mapping[int, Link], only: Iterable[str] = ()) -> dict[int, str]:
    """Index -> name: Ethernet that is up. A port of a bridge or bond is not asked, but the bridge or bond."""
    only = set(only)
    return {
        index: one.name
        for index, one in links.items()
        if one.up and one.ethernet and not one.master and (not only or one.name in only)
    }


def are_sources_checked(names: Iterable[str]) -> bool:
    """Whether the kernel drops IPv4 packets whose way back is another device (rp_filter = 1, RFC 3704)."""
    checks = [_rp_filter("all"), *map(_rp_filter, names)]
    return any(max(checks[0], check) == 1 for check in checks)


def _rp_filter(name: str) -> int:
    try:
        return int((_IPV4 / name / "rp_filter").read_text())
    except (OSError, ValueError):
        return 0


def xdp_problem(device: int, links: Mapping[int, Link]) -> str:
    """Why XDP would break connections over a device, as far as it can be seen; empty: it would not."""
    one = links[device]
    above = [other.name for other in links.values() if other.below == device and other.kind == "vlan"]
    if above:
        return f"{', '.join(above)} on it: the driver may take VLAN tags off before XDP sees them"
    if one.kind != "veth":
        return ""
    return _veth_problem(one)


def _veth_problem(one: Link) -> str:
    """Packets between veths see no wire: checksums may be incomplete, and who receives may not poll."""
    needs = "XDP needs complete checksums and a receiver that polls"
    place = HOME if one.elsewhere < 0 else _namespace_of(one.elsewhere)
    if place is None:
        return f"its peer is in a network namespace without a name: {needs}"
    where = f"its peer, of namespace {place}" if place else "its peer"
    try:
        name, leaves_checksums, polls = _peer(place, one.below)
    except (OSError, NamespaceError) as error:
        return f"{where}, cannot be asked ({error}): {needs}"
    wanted = (["tx off"] if leaves_checksums else []) + ([] if polls else ["gro on"])
    return f"{needs}; first: ethtool -K {name} {' '.join(wanted)} ({where})" if wanted else ""


def _peer(place: str, index: int) -> tuple[str, bool, bool]:
    """Name of a device of a namespace, whether it leaves checksums to hardware, and whether it does GRO."""
    namespace = Namespace(place)
    try:
        with namespace.entered():
            name = socket.if_indextoname(index)
            return name, _feature(name, _TX_CHECKSUMS), _feature(name, _GRO)
    finally:
        namespace.close()


def _feature(device: str, command: int) -> bool:
    value = ctypes.create_string_buffer(struct.pack("II", command, 0), 8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP8x", device.encode(), ctypes.addressof(value)))
    return bool(struct.unpack("II", value.raw)[1])


def _namespace_of(identifier: int) -> str | None:
    """Name of the namespace that this one knows by a number; None: it has none."""
    if not _NAMESPACES.is_dir():
        return None
    netlink = Netlink()
    try:
        for path in sorted(_NAMESPACES.iterdir()):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                body = _GENERIC + attribute(_NSA_FD, struct.pack("=I", descriptor))
                answer = netlink.ask(_GETNSID, body)
                found = attributes(answer.body, len(_GENERIC)).get(_NSA_NSID)
            except OSError:
                continue
            finally:
                os.close(descriptor)
            if found and struct.unpack("=i", found)[0] == identifier:
                return path.name
    finally:
        netlink.close()
    return None
