# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's kernel has to do for the services: routes into the TUN device, rules, sysctls.

One device carries both sides, but for services whose IPv4 side is in a namespace of its own: there
they have a device of the same name. The kernel routes to it what is for a service, the node hands the
result back, and the kernel forwards it like anybody's packet: it counts the hop, says "time
exceeded", and finds neighbours. It is not asked to watch the tunnel MTU: with a route MTU it would
cut the inner packet where the service may say outer, and outside the node's counters. So the
device takes everything up to 65,535 octets, and only the core answers "too big".

Routes go with the device, however the node ends, and so does what a routing daemon announces for
them. Rules and sysctls outlive a killed node; the next start or stop takes them back.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from ..techniques.reach import ipv4_networks, ipv6_prefixes
from ..techniques.service import EDGE, Service
from .base import DUMMY_ADDRESS
from .namespace import HOME

PROTOCOL = 46  # how our routes and rules are known to ip(8) and routing daemons
TABLE = 4640  # IPv4 default of the inside networks; also preference of rules and metric in main
_MTU = 65535
_QUEUE = 2000  # packets; one super-packet is cut into some 45 before it gets here
_SYSCTL = Path("/proc/sys/net")


class KernelError(Exception):
    """The kernel refused; the message is that of ip(8), or the file that cannot be written."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Routes and rules as arguments of `ip route` and `ip rule`, in order."""

    routes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def wanted(services: Iterable[Service], device: str, namespace: str = HOME) -> Wanted:
    """What the services need: what they attract (techniques/reach.py), and the default of an edge.

    In IPv6 at home, in IPv4 in the namespace of each.
    """
    services = tuple(services)
    native = [service for service in services if service.namespace == namespace]
    edges = [service for service in native if service.role == EDGE]
    to_device = f"dev {device} proto {PROTOCOL}"
    routes = []
    if namespace == HOME:
        routes += [f"{prefix} {to_device}" for service in services for prefix in ipv6_prefixes(service)]
    for service in native:
        if service.role != EDGE:
            routes += [f"{network} {to_device}" for network in ipv4_networks(service)]
    if not edges:
        return Wanted(_unique(routes))
    # The inside networks take the tunnel in any case. The host's own IPv4 keeps the default that it
    # has (somebody may be logged in over it), and takes the tunnel only where it has none.
    routes += [f"default {to_device} table {TABLE}", f"default {to_device} metric {TABLE}"]
    rules = []
    for service in edges:
        for selector in [f"from {network}" for network in service.inside] or ["not from all iif lo"]:
            rules += [
                f"pref {TABLE} {selector} lookup main suppress_prefixlength 0 protocol {PROTOCOL}",
                f"pref {TABLE + 1} {selector} lookup {TABLE} protocol {PROTOCOL}",
            ]
    return Wanted(_unique(routes), _unique(rules))


def _unique(lines: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))


class Kernel:
    """Brings the host to what is wanted and back. ``memory`` is a file that lasts until a reboot."""

    def __init__(self, memory: Path) -> None:
        self._now = Wanted()
        self._sysctls = Sysctls(memory)

    def start(self, device: str) -> None:
        """Ready a new device and the host for forwarding; forget what a killed node left."""
        _ip(f"rule flush protocol {PROTOCOL}", force=True)
        self._now = Wanted()
        _write(f"ipv6/conf/{device}/disable_ipv6", "0")
        _write(f"ipv6/conf/{device}/accept_ra", "0")
        # Its packets have sources of anywhere, and the node's own errors those of this host. Loose
        # checking needs an address on the device; with scope host nothing is ever sent from it.
        _write(f"ipv4/conf/{device}/rp_filter", "2")
        _write(f"ipv4/conf/{device}/accept_local", "1")
        _write(f"ipv4/conf/{device}/send_redirects", "0")
        _ip(
            f"link set dev {device} addrgenmode none",
            f"addr add {IPv4Address(DUMMY_ADDRESS)}/32 dev {device} scope host",
            f"link set dev {device} mtu {_MTU} txqueuelen {_QUEUE} multicast off up",
        )
        self._sysctls.forward()

    def apply(self, target: Wanted) -> None:
        """Make the difference, new things first. Raises KernelError, and then nothing is different."""
        before = self._now
        try:
            _ip(*_commands("route replace", before.routes, target.routes))
            _ip(*_commands("rule add", before.rules, target.rules))
        except KernelError:
            self._remove(target, before)
            raise
        self._remove(before, target)
        self._now = target

    @staticmethod
    def _remove(what: Wanted, but: Wanted) -> None:
        _ip(*_commands("rule del", but.rules, what.rules), force=True)
        _ip(*_commands("route del", but.routes, what.routes), force=True)

    def stop(self) -> None:
        """Take everything back."""
        self.apply(Wanted())
        self._sysctls.restore()


def _commands(verb: str, but: Iterable[str], lines: Iterable[str]) -> list[str]:
    known = set(but)
    return [f"{verb} {line}" for line in lines if line not in known]


def _ip(*commands: str, force: bool = False) -> None:
    if not commands:
        return
    argv = ["ip", *(["-force"] if force else []), "-batch", "-"]
    done = _run(argv, "\n".join(commands) + "\n")
    if done.returncode and not force:
        raise KernelError(f"ip: {' '.join(done.stderr.split())}")


def _run(argv: list[str], feed: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, input=feed, text=True, capture_output=True, check=False, timeout=60)
    except FileNotFoundError as error:
        raise KernelError("ip(8) is not there; install iproute2") from error
    except subprocess.TimeoutExpired as error:
        raise KernelError(f"{' '.join(argv)}: no end after {error.timeout:.0f} s") from error


def _write(name: str, value: str) -> None:
    try:
        (_SYSCTL / name).write_text(value)
    except OSError as error:
        raise KernelError(f"{_SYSCTL / name}: {error.strerror}") from error


class Sysctls:
    """Forwarding, switched on for as long as the node runs; what it was before is kept in a file."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def forward(self) -> None:
        """Forward IPv4 and IPv6; an uplink that learns its routes from router advertisements keeps them."""
        if (_SYSCTL / "ipv6/conf/all/forwarding").read_text().strip() == "0":
            for path in sorted(_SYSCTL.glob("ipv6/conf/*/accept_ra")):
                if path.read_text().strip() == "1":
                    # A router ignores advertisements unless this is 2.
                    self._set(str(path.relative_to(_SYSCTL)), "2")
        self._set("ipv6/conf/all/forwarding", "1")
        self._set("ipv4/ip_forward", "1")

    def _set(self, name: str, value: str) -> None:
        current = (_SYSCTL / name).read_text().strip()
        if current == value:
            return
        before = self._before()
        before.setdefault(name, current)
        self._memory.write_text(json.dumps(before))
        _write(name, value)

    def restore(self) -> None:
        """Values as they were before the first start since the last stop."""
        for name, value in reversed(self._before().items()):
            if (_SYSCTL / name).exists():
                _write(name, value)
        self._memory.unlink(missing_ok=True)

    def _before(self) -> dict[str, str]:
        if not self._memory.exists():
            return {}
        found: dict[str, str] = json.loads(self._memory.read_text())
        return found


def own_addresses() -> list[IPv4Address]:
    """The host's IPv4 addresses that others can reach."""
    done = _run(["ip", "-json", "-4", "address", "show", "up", "scope", "global"])
    if done.returncode:
        raise KernelError(f"ip: {' '.join(done.stderr.split())}")
    links: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return [
        IPv4Address(info["local"]) for link in links for info in link.get("addr_info", ()) if "local" in info
    ]


def error_source(service: Service, own: Iterable[IPv4Address]) -> int:
    """Source of the node's own ICMP errors: an edge's inside address, any of a gateway's, else the dummy.

    In a plane others believe only addresses that are behind the node.
    """
    bound = service.role == EDGE or (service.plane is not None and service.inside)
    for address in own:
        if not bound or any(address in network for network in service.inside):
            return int(address)
    return DUMMY_ADDRESS


def queue_drops(device: str) -> int:
    """Packets that found the device's queue full since it came up."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.strip().partition(":")
        if name == device:
            return int(figures.split()[11])  # transmit drops: the kernel sends, we read
    return 0
