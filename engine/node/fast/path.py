# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast path of a node: which services and devices are on it, and why the others are not.

Nothing here fails: what cannot be done is left to the next tier, said once, and shown by `status`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...techniques.reach import ipv4_networks
from ...techniques.service import NodeConfiguration, Service
from ..base import Node
from ..kernel import PROTOCOL
from . import figures, tiers
from .attach import pin_name, sweep
from .chain import Chain, Loaded, told
from .compiled import read_object
from .devices import are_sources_checked, arrivals, xdp_problem
from .libbpf import BpfError, library
from .order import Ranges, order
from .pins import Pins, instance
from .program import TC, XDP, ServiceProgram, asks_routes, needs_sessions, problem
from .routing import Routing
from .session_tables import LogOf, SessionTables
from .sessions import KernelSessions
from .tables import Unsupported

AUTO, OFF = "auto", "off"
MODES = (AUTO, TC, XDP, OFF)
LEAST = (6, 1)  # of Linux; before 6.3 see compiled.old_decapsulation()

_INSIDE = "this host has addresses or routes of its own in its IPv4 networks"

Log = Callable[[str], None]
Nodes = Callable[[], Iterable[tuple[str, Node]]]
Note = Callable[[str, list[str]], None]


def _nothing(name: str, events: list[str]) -> None:
    """Who hears where nobody wants to."""


def fast_path(
    mode: str,
    state: Path,
    log: Log,
    devices: Iterable[str] = (),
    nodes: Nodes = tuple,
    note: Note = _nothing,
    records: LogOf | None = None,
) -> FastPath | NoFastPath:
    """That of the network namespace that the thread is in; at none but these devices where some are named.

    `records`: the session logs.
    """
    pins = Pins(instance(state), make=mode != OFF)
    why = _refusal(mode)
    if not why:
        try:
            hooks = (TC, XDP) if mode == XDP else (TC,)
            return FastPath(Routing(PROTOCOL), pins, log, hooks, devices, nodes, note, records)
        except OSError as error:
            why = f"rtnetlink: {error.strerror}"
    _take_off(pins, records)
    log(f"no fast path: {why}")
    return NoFastPath(why)


def _refusal(mode: str) -> str:
    """Why nothing can be on the fast path."""
    if mode == OFF:
        return "switched off"
    if mode not in MODES:
        return f"{mode} is unknown; one of {', '.join(MODES)}"
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if found and tuple(map(int, found.groups())) < LEAST:
        return f"Linux {os.uname().release}; it needs {LEAST[0]}.{LEAST[1]} or later"
    try:
        library()
        read_object(TC)
    except (BpfError, Unsupported) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


class NoFastPath:
    """All is done by the core."""

    routing = None

    def __init__(self, why: str) -> None:
        self._why = why

    def prepare(self, configuration: NodeConfiguration) -> None:
        """Nothing to do."""

    def run(self, configuration: NodeConfiguration) -> None:
        """Nothing to do."""

    def narrow(self, name: str, far: int, mtu: int, until: float) -> None:
        """Nothing to do."""

    def tick(self) -> None:
        """Nothing to do."""

    def add_to(self, status: dict[str, Any]) -> None:
        """That there is none."""
        status["tier"] = tiers.TUN
        status["fast_path"] = {
            "why": self._why,
            "services": {name: {"tier": tiers.TUN, "why": self._why} for name in status["services"]},
            "devices": {},
        }

    def close(self, *, keep: bool = False) -> None:
        """Nothing to do."""


@dataclass
class Ready:
    """What was loaded for a configuration."""

    configuration: NodeConfiguration
    reasons: dict[str, str]  # service -> why it is not on the fast path
    loaded: dict[str, Loaded]  # by hook
    strict: bool  # the kernel checks sources


class FastPath:
    """Chains of programs, one for each hook, at the devices of a network namespace."""

    def __init__(
        self,
        routing: Routing,
        pins: Pins,
        log: Log,
        hooks: Iterable[str],
        devices: Iterable[str] = (),
        nodes: Nodes = tuple,
        note: Note = _nothing,
        records: LogOf | None = None,
    ) -> None:
        """`devices`: none but these. `nodes` of services share their sessions; `note` what that cost.

        `records`: the session logs.
        """
        self.routing, self._pins, self._log, self._devices = routing, pins, log, tuple(devices)
        self._nodes, self._note, self._sessions = nodes, note, SessionTables(pins, records)
        self._chains = {hook: Chain(hook, pins) for hook in hooks}
        self._said: set[str] = set()
        self._active: Ready | None = None
        self._ready: Ready | None = None
        self._faults: dict[int, str] = {}  # device -> why no XDP there
        self._ranges: dict[str, tuple[Service, Ranges]] = {}  # by service
        self._seen = 0  # version of the kernel's routes
        routing.on_links, routing.on_routes = self._follow, self._tell_routes

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._log(text)

    # Configurations

    def prepare(self, configuration: NodeConfiguration) -> None:
        """Load what a configuration needs; packets may go on meanwhile, in another thread."""
        self._forget()
        try:
            self._ready = self._load(configuration)
        except Exception as error:
            # A fault here must not keep the core from its work.
            traceback.print_exc()
            reasons = dict.fromkeys((s.name for s in configuration.services), f"internal fault: {error!r}")
            self._ready = Ready(configuration, reasons, {hook: Loaded() for hook in self._chains}, False)

    def _load(self, configuration: NodeConfiguration) -> Ready:
        found = order(configuration.services, lambda service: problem(service, TC) or self._inside(service))
        reasons, loaded = dict(found.reasons), {}
        strict = are_sources_checked(self._arrivals()[TC].values())
        like: dict[str, ServiceProgram] = {}
        sessions: dict[str, KernelSessions] = {}
        for service in found.services:
            try:
                if needs_sessions(service) and service.name not in reasons:
                    sessions[service.name] = self._sessions.of(service)
            except (BpfError, Unsupported, ValueError) as error:
                reasons[service.name] = told(error)
        for hook, chain in self._chains.items():
            settings = {"only_xdp_devices": 1} if hook == XDP else {"redirect": 1, "strict_sources": strict}
            services = [s for s in found.services if s.name not in reasons and not problem(s, hook)]
            loaded[hook] = chain.load(services, like, settings, sessions)
            if hook == TC:
                reasons |= loaded[hook].reasons
                like = {program.service.name: program for program in loaded[hook].programs}
        self._sessions.forget(reasons)
        return Ready(configuration, reasons, loaded, strict)

    def _inside(self, service: Service) -> str:
        """Whether this host has routes into what a gateway takes, which the longest match would prefer."""
        if asks_routes(service):
            return ""
        known = self._ranges.get(service.name)
        if known is None or known[0] is not service:
            known = self._ranges[service.name] = service, Ranges(ipv4_networks(service))
        if any(known[1].hold(first, last) for first, last in self.routing.network.native()):
            return _INSIDE
        return ""

    def _forget(self) -> None:
        """What was made ready for nothing."""
        if self._ready is not None:
            for hook, loaded in self._ready.loaded.items():
                self._chains[hook].discard(loaded)
        self._ready = None
        self._sessions.forget()

    def run(self, configuration: NodeConfiguration) -> None:
        """From the next packet on."""
        if self._ready is None or self._ready.configuration is not configuration:
            if self._active is not None and self._active.configuration is configuration:
                return
            self.prepare(configuration)
        assert self._ready is not None
        first, self._active, self._ready = self._active is None, self._ready, None
        devices = self._arrivals()
        for name, events in self._sessions.share(self._nodes(), time.monotonic()):
            self._note(name, events)
        for hook, chain in self._chains.items():
            chain.swap(self._active.loaded[hook], devices[hook], self.routing.fill)
            if chain.tries is not None:
                self.routing.tries[hook] = chain.tries
        self._sessions.settle((service.name for service in configuration.services), time.monotonic())
        self._mark()
        self._tell_routes()
        if first:
            there = {
                pin_name(chain.attachments.kind(device), device)
                for chain in self._chains.values()
                for device in chain.devices
            }
            sweep(self._pins, but=frozenset(there))
            for name in self._pins.names():
                if name.split("_")[0] in {TC, XDP} - self._chains.keys():
                    self._pins.drop(name)
        for service in configuration.services:
            reason = self._active.reasons.get(service.name)
            if reason:
                self._say(f"{service.name} is not on the fast path: {reason}")
        self._tell()

    def _tell_routes(self) -> None:
        if self._active is not None:
            for chain in self._chains.values():
                chain.tell(self._active.configuration.device, self.routing.network)

    def narrow(self, name: str, far: int, mtu: int, until: float) -> None:
        """The core has learnt what the path to an end of a service's plane carries."""
        for chain in self._chains.values():
            chain.narrow(name, far, mtu, until)

    # Devices

    def _arrivals(self) -> dict[str, dict[int, str]]:
        """Devices by hook; tc sees what XDP passes."""
        links = self.routing.network.links
        found = {TC: arrivals(links, self._devices)}
        if XDP in self._chains:
            self._faults = {device: xdp_problem(device, links) for device in found[TC]}
            found[XDP] = {device: name for device, name in found[TC].items() if not self._faults[device]}
        return found

    def _follow(self) -> None:
        """Links are other ones."""
        if self._active is None:
            return
        devices = self._arrivals()
        for hook, chain in self._chains.items():
            chain.put(devices[hook])
        self._mark()
        self._tell()

    def _mark(self) -> None:
        """XDP sends to no device that does not do XDP."""
        chain = self._chains.get(XDP)
        if chain is None or chain.tries is None:
            return
        able = {device for device in chain.devices if chain.attachments.kind(device)}
        chain.send_by(able)
        chain.tries.hidden = frozenset(self.routing.network.links.keys() - able)
        self.routing.write()

    def _tell(self) -> None:
        for chain in self._chains.values():
            for device in chain.devices:
                reason = chain.attachments.faults.get(device)
                if reason:
                    self._say(f"{chain.hook} at {reason}")
        for device, reason in self._faults.items():
            if reason and device in self.routing.network.links:
                self._say(f"no XDP at {self.routing.network.links[device].name}: {reason}")
        if self._pins.fault:
            self._say(f"a restart interrupts the fast path: {self._pins.fault}")

    # Events

    def tick(self) -> None:
        """Once a second."""
        if self._active is None:
            return
        self.routing.tick()
        if self._seen != self.routing.version:
            self._seen = self.routing.version
            configuration = self._active.configuration
            strict = are_sources_checked(self._arrivals()[TC].values())
            if strict != self._active.strict or any(map(self._is_misplaced, configuration.services)):
                self.prepare(configuration)
                self.run(configuration)

    def _is_misplaced(self, service: Service) -> bool:
        assert self._active is not None
        reason = self._active.reasons.get(service.name, "")
        return reason in ("", _INSIDE) and reason != self._inside(service)

    # What is seen

    def add_to(self, status: dict[str, Any]) -> None:
        """Tiers, and what the programs counted, to what the core says."""
        services = () if self._active is None else self._active.configuration.services
        reasons = {} if self._active is None else self._active.reasons
        there = {device for chain in self._chains.values() for device in chain.devices}
        devices = {
            link.name: tiers.of_device(number, self._chains, self._faults.get(number, ""))
            for number, link in self.routing.network.links.items()
            if number in there
        }
        found = {
            s.name: tiers.of_service(s, reasons.get(s.name, ""), self._chains, devices.values())
            for s in services
        }
        status["tier"] = tiers.best(found.values())
        status["fast_path"] = {
            "why": "",
            "services": found,
            "devices": devices,
            "kernel_routes": self.routing.reason(),
            "survives_restart": not self._pins.fault,
        }
        self._add_figures(status, services)

    def _add_figures(self, status: dict[str, Any], services: Iterable[Service]) -> None:
        counts = {hook: chain.counts() for hook, chain in self._chains.items()}
        tc, xdp = counts.get(TC, {}), counts.get(XDP, {})
        counted = {
            s.name: (s, tc.get(s.name, {}), xdp.get(s.name, {})) for s in services if s.name in {*tc, *xdp}
        }
        for name, (_, by_tc, by_xdp) in counted.items():
            status["fast_path"]["services"][name]["packets"] = figures.carried(by_tc, by_xdp)
        gone: Counter[str] = Counter()
        for chain in self._chains.values():
            gone += chain.retired
        figures.add(status, counted, gone)

    def close(self, *, keep: bool = False) -> None:
        """The end; with `keep`, what is pinned forwards on until the next start."""
        self._forget()
        if keep:
            self._sessions.leave(node for _, node in self._nodes())
        for chain in self._chains.values():
            if not keep:
                chain.put({})
            chain.leave()
        if not keep:
            self._pins.clear()
        self.routing.close()


def clear(state: Path, records: LogOf) -> None:
    """Detach what a node that does not run any longer has left; `records`: the session logs."""
    _take_off(Pins(instance(state), make=False), records)


def _take_off(pins: Pins, records: LogOf | None) -> None:
    sweep(pins)
    with contextlib.suppress(BpfError, Unsupported):  # then nothing can be read
        SessionTables(pins, records).settle((), time.monotonic())
    pins.clear()
