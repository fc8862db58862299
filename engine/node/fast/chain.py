# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of a node's services at one hook, one behind the other: loading them, swapping them, counting.

Whatever a packet meets during a swap is a whole program with whole tables, the old or the new one. Where
services come, go or change their order, the new programs stand in the other half of the places until the
first one, at the devices, leads to them.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Any

from ...techniques.reach import ipv4_networks
from ...techniques.service import EDGE, Service
from .attach import Attachments
from .compiled import read_object
from .libbpf import BpfError, Map, Program
from .next_hops import Network
from .pins import Pins
from .program import COMMON, LASTING, ServiceProgram, asks_routes
from .routing import Tries
from .sessions import KernelSessions
from .tables import Unsupported

MOST = 32  # programs, the one at the devices included; c/forward.h has places for twice as many

Counts = Mapping[str, tuple[int, int]]  # name -> packets, octets


@dataclass
class Loaded:
    """Programs that can take over."""

    programs: tuple[ServiceProgram, ...] = ()
    half: int = 0  # of the places: 0 or MOST
    reasons: dict[str, str] = field(default_factory=dict)  # of services that could not be loaded


class Chain:
    """One hook: tc or xdp."""

    def __init__(self, hook: str, pins: Pins) -> None:
        self.hook, self._pins = hook, pins
        self.attachments = Attachments(hook, pins)
        self.devices: dict[int, str] = {}
        self.programs: tuple[ServiceProgram, ...] = ()
        self._half = 0
        self.tries: Tries | None = None
        self._reasons: dict[str, str] = {}
        self._common: dict[str, Map] = {}
        self._lasting: dict[str, dict[str, Map]] = {}  # by service
        self._sends_by: set[bytes] = set()  # such a map cannot be read as a whole
        self.retired: Counter[str] = Counter()  # packets of services that are gone

    # Beside the packets

    def load(
        self,
        services: Iterable[Service],
        like: Mapping[str, ServiceProgram],
        settings: Mapping[str, Any],
        sessions: Mapping[str, KernelSessions] = MappingProxyType({}),
    ) -> Loaded:
        """Programs of these services, in order. `like`: whose tables to take, by service; `sessions` too.

        What need not be loaded again is not.
        """
        there = {program.service.name: program for program in self.programs}
        services = tuple(services)
        same = [service.name for service in services] == list(there)
        loaded = Loaded(half=self._half if same else MOST - self._half)
        programs: list[ServiceProgram] = []
        for service in services:
            place = loaded.half + len(programs)
            old = there.get(service.name)
            own = {**settings, "sessions": sessions.get(service.name)}
            if (
                old is not None
                and old.service == service
                and old.sessions is own["sessions"]
                and old.is_as(next_service=place + 1, **settings)
            ):
                programs.append(old)
                continue
            try:
                programs.append(
                    self._load(service, place, like.get(service.name) or _tables(old, service), own)
                )
            except (BpfError, Unsupported) as error:
                loaded.reasons[service.name] = told(error)
        loaded.programs = tuple(programs)
        return loaded

    def _load(
        self, service: Service, place: int, like: ServiceProgram | None, settings: Mapping[str, Any]
    ) -> ServiceProgram:
        if place % MOST == MOST - 1:
            raise Unsupported(f"more than {MOST - 1} services")
        reuse = {**self._common, **self._lasting_of(service)}
        # The next place may be empty: then the packet is nobody's.
        program = ServiceProgram(
            service, self.hook, reuse=reuse, like=like, next_service=place + 1, **settings
        )
        if not self._common:
            self._common = {name: item.held() for name, item in program.maps.items() if name in COMMON}
        for name in LASTING:
            lasting = self._lasting.setdefault(_key(service), {})
            if name not in lasting:
                lasting[name] = program.maps[name].held()
        return program

    # Maps that outlive their programs

    def _lasting_of(self, service: Service) -> dict[str, Map]:
        """Those of the running node, else what an earlier process kept, if it had the very same programs."""
        there = self._lasting.get(_key(service))
        if there is not None:
            return dict(there)
        found = {}
        for name in LASTING:
            descriptor = self._pins.open(self._pin(service, name))
            if descriptor is not None:
                found[name] = Map(name, descriptor, 0, 0)  # only handed on
        if found:
            self._lasting[_key(service)] = found
        return found

    def _pin(self, service: Service, name: str) -> str:
        return self._pins.name_of(self.hook, read_object(self.hook), _key(service), name)

    def _keep(self) -> None:
        """Pins of the maps; those of services that are gone are dropped."""
        wanted = {f"{self.hook}_chain": self._common["chain"]} if self._common else {}
        for program in self.programs:
            for name, item in self._lasting.get(_key(program.service), {}).items():
                wanted[self._pin(program.service, name)] = item
        self._pins.keep_only(self.hook, {name: item.descriptor for name, item in wanted.items()})

    # The swap

    def swap(self, loaded: Loaded, devices: Mapping[int, str], fresh: Callable[[Tries], None]) -> None:
        """Run these from the next packet on, at these devices. `fresh` fills tries that were just made."""
        before, self.programs, self._reasons = self.programs, loaded.programs, loaded.reasons
        other, self._half = MOST - loaded.half, loaded.half
        if self._common and self.tries is None and self.programs:
            self.tries = Tries(self.programs[0].layouts, self._common)
            fresh(self.tries)
        for place, item in enumerate(self.programs[1:], 1):
            self._link(self._half + place, item.program)
        self.put(devices)
        for place in range(1, MOST):
            self._link(other + place, None)
        for place in range(max(1, len(self.programs)), MOST):
            self._link(self._half + place, None)
        self._keep()
        self._retire(set(before) - set(self.programs))

    def _link(self, place: int, program: Program | None) -> None:
        if not self._common:
            return
        chain, key = self._common["chain"], place.to_bytes(4, sys.byteorder)
        if program is None:
            chain.delete(key)
            return
        with contextlib.suppress(BpfError):  # its service is not asked then, and the core has it
            chain.update(key, program.descriptor.to_bytes(4, sys.byteorder))

    def put(self, devices: Mapping[int, str]) -> None:
        """The first program at these devices."""
        self.devices = dict(devices)
        self.attachments.put(devices, self.programs[0].program if self.programs else None)

    def send_by(self, devices: Iterable[int]) -> None:
        """XDP sends by these devices only."""
        item = self._common.get("xdp_devices")
        if item is None:
            return
        wanted = {device.to_bytes(4, sys.byteorder) for device in devices}
        for key in self._sends_by - wanted:
            item.delete(key)  # or has left by itself, with its device
        self._sends_by = set()
        for key in wanted:
            with contextlib.suppress(BpfError):  # it is just going
                item.update(key, key)
                self._sends_by.add(key)

    def tell(self, device: str, network: Network) -> None:
        """The kernel's IPv4 routes to programs that have to know them; the node's own are into `device`."""
        asking = [program for program in self.programs if asks_routes(program.service)]
        ways = dict(network.ways(device)) if asking else {}
        for program in asking:
            with contextlib.suppress(BpfError):
                program.set_routes(_for_service(program.service, ways))

    def narrow(self, name: str, far: int, mtu: int, until: float) -> None:
        """What the path to an end of a plane carries, to the program of a service."""
        for program in self.programs:
            if program.service.name == name:
                with contextlib.suppress(BpfError):
                    program.narrow(far, mtu, until)

    def runs(self, service: Service) -> bool:
        """Whether there is a program of a service."""
        return service.name in {program.service.name for program in self.programs}

    def reason(self, service: Service) -> str:
        """Why a service could not be loaded; empty: it was not tried, or could."""
        return self._reasons.get(service.name, "")

    # Counters

    def counts(self) -> dict[str, Counts]:
        """By service."""
        return {program.service.name: program.counters() for program in self.programs}

    def _retire(self, programs: Iterable[ServiceProgram]) -> None:
        there = {_key(program.service) for program in self.programs}
        for program in programs:
            if _key(program.service) not in there:
                self.retired.update({name: packets for name, (packets, _) in program.counters().items()})
            program.close()
        for key in self._lasting.keys() - there:
            for item in self._lasting.pop(key).values():
                item.close()

    def discard(self, loaded: Loaded) -> None:
        """Let go of what was loaded for nothing."""
        for program in set(loaded.programs) - set(self.programs):
            program.close()

    def leave(self) -> None:
        """Let go; what is pinned goes on."""
        self.attachments.leave()
        for program in self.programs:
            program.close()
        self.programs = ()
        for item in [*self._common.values(), *(m for maps in self._lasting.values() for m in maps.values())]:
            item.close()
        self._common, self._lasting = {}, {}


def _key(service: Service) -> str:
    """Who goes on as who, see services.Seat."""
    return f"{service.name}:{service.technique}:{service.role}"


def _tables(old: ServiceProgram | None, service: Service) -> ServiceProgram | None:
    """Whose tables are right for a service; None: they have to be made."""
    if old is None:
        return None
    shown = ("technique", "role", "interface_identifier", "rules", "bindings", "eam")
    same = all(getattr(old.service, name) == getattr(service, name) for name in shown)
    return old if same else None


def _for_service(service: Service, ways: Mapping[IPv4Network, bool]) -> dict[IPv4Network, bool]:
    """An edge has the default route (kernel.wanted); a gateway what is its own and no other service's."""
    if service.role == EDGE:
        return {network: elsewhere for network, elsewhere in ways.items() if network.prefixlen}
    own = set(ipv4_networks(service))
    return {network: elsewhere or network not in own for network, elsewhere in ways.items()}


def told(error: Exception) -> str:
    """An error in a line."""
    if isinstance(error, BpfError):
        if error.errno in (errno.EPERM,):
            return "no right to load BPF programs: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or root"
        return (error.strerror or str(error)).splitlines()[0]
    return str(error)
