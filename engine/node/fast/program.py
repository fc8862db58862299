# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of one service, loaded with its tables; nothing is attached here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any

from ...mapping.iid import RFC7597
from ...mapping.rfc6052 import Embedding
from ...techniques import TECHNIQUES
from ...techniques.planes import resolved_side
from ...techniques.service import B4_ADDRESS, EDGE, FORWARD, GATEWAY, Service
from ..edge import napt_addresses
from ..plane import PATHS
from .binding_tables import binding_tables
from .compiled import old_decapsulation, read_object
from .edge import customer_settings, is_port_set_edge, peers_only
from .embedding import embedding, explicit, not_global, translation_problem
from .layout import Layouts
from .libbpf import Map, Object, Program, cpus
from .networks import NetworkEntries
from .pool_tables import pool_problem
from .sessions import SHARED, KernelSessions, gateway_constants
from .tables import RuleEntries, Unsupported, fill, joined, rule_problem
from .turns import Turns

TC, XDP = "tc", "xdp"

# Maps that outlive a program: those of all programs at a hook, those of one service however often it is
# reloaded (sessions belong here), and tables, which a program of the same mapping can take over.
COMMON = ("chain", "routes4", "routes6", "few_routes", "hops_until", "xdp_devices")
LASTING = ("counters", "punts", "identifications")
TABLES = ("rules", "few_rules", "rules6", "owners", "bindings", "ends", "explicit4", "explicit6")

_MAPPINGS: Mapping[str, str] = MappingProxyType(
    {
        "rule": "BY_RULE",
        "binding": "BY_BINDING",
        "session": "BY_SESSION",
        "plane": "BY_PLANE",
        "plane-table": "BY_PLANE",
        "plane-rewrite": "BY_REWRITE",
    }
)

# By mapping, carriage and role.
_SEATS = frozenset(
    {
        ("rule", "encapsulation", GATEWAY),
        ("rule", "encapsulation", EDGE),
        ("rule", "translation", GATEWAY),
        ("rule", "translation", EDGE),
        ("binding", "encapsulation", GATEWAY),
        ("binding", "encapsulation", EDGE),
        ("session", "encapsulation", GATEWAY),
        ("session", "translation", GATEWAY),
        ("session", "encapsulation", EDGE),
        ("session", "translation", EDGE),
        ("plane", "encapsulation", GATEWAY),
        ("plane", "encapsulation", EDGE),
        ("plane-table", "encapsulation", GATEWAY),
        ("plane-table", "encapsulation", EDGE),
        ("plane-rewrite", "encapsulation", GATEWAY),
    }
)
_ROUTES = 1 << 20  # of the kernel, at most: memory is taken only for those that there are


def problem(service: Service, hook: str) -> str:
    """Why the programs of a hook cannot run a service; empty where they can."""
    row = TECHNIQUES[service.technique]
    if (row.mapping, row.carriage, service.role) not in _SEATS:
        return f"no program for {service.technique} as {service.role}"
    if service.namespace:
        return f"its IPv4 side is in network namespace {service.namespace}: another kernel's hooks"
    if is_session_gateway(service):
        return "explicit address mappings" if service.eam else pool_problem(service.pool)
    owners = peers_only(service) if is_port_set_edge(service) else service
    return rule_problem(owners.rules) or translation_problem(owners)


def asks_routes(service: Service) -> bool:
    """Whether its programs have to know the kernel's IPv4 routes (set_routes)."""
    return service.role == EDGE or TECHNIQUES[service.technique].mapping.startswith("plane")


def is_session_gateway(service: Service) -> bool:
    """Whether it translates addresses for its subscribers."""
    return TECHNIQUES[service.technique].mapping == "session" and service.role == GATEWAY


def needs_sessions(service: Service) -> bool:
    """Whether its programs need tables that outlive them (sessions.py)."""
    if is_port_set_edge(service):
        return bool(napt_addresses(service.customer, service.inside))
    return is_session_gateway(service)


def _own_address(service: Service) -> int:
    """Where an edge itself is; of others c/config.h says it otherwise."""
    row = TECHNIQUES[service.technique]
    if row.mapping != "session" or service.role != EDGE:
        return 0
    if row.carriage == "translation":
        return Embedding(service.clat_prefix).embed(B4_ADDRESS)
    return int(service.softwire_address)


def _own_prefix(service: Service) -> IPv6Network | None:
    """Where the hosts of a CLAT are."""
    row = TECHNIQUES[service.technique]
    clat = row.mapping == "session" and row.carriage == "translation" and service.role == EDGE
    return service.clat_prefix if clat else None


class ServiceProgram:
    """One service at one kind of hook."""

    def __init__(
        self,
        service: Service,
        hook: str,
        *,
        reuse: Mapping[str, Map] = MappingProxyType({}),
        like: ServiceProgram | None = None,
        sessions: KernelSessions | None = None,
        **settings: Any,
    ) -> None:
        """Loads it. Raises Unsupported or BpfError.

        `reuse`: maps that are there already. `like`: one of the same rules and bindings: its tables do.
        `sessions`: the tables of who needs_sessions(), which outlive the program.
        `settings`: members of c/config.h.
        """
        reason = problem(service, hook)
        if reason:
            raise Unsupported(reason)
        if needs_sessions(service) and sessions is None:
            raise Unsupported("its sessions are in the core")
        self.service, self.hook, self.sessions = service, hook, sessions
        self._settings = settings
        self.object = Object(read_object(hook), f"{hook} {service.name}")
        self.layouts = Layouts(self.object)
        self.verdicts = self.layouts.enum("verdict")
        try:
            self._load(settings, dict(reuse), like)
        except Exception:
            self.object.close()
            raise

    def _load(self, settings: Mapping[str, Any], reuse: dict[str, Map], like: ServiceProgram | None) -> None:
        tables = self._tables() if like is None else {}
        if like is not None:
            reuse |= {name: like.maps[name] for name in TABLES}
        self.has_ends: bool = bool(tables["ends"][0]) if like is None else like.has_ends
        self.few_rules: int = self._few_rules(tables) if like is None else like.few_rules
        for name, (keys, _) in tables.items():
            self.object.resize(name, len(keys) // self.object.key_size(name))
        if self.sessions is not None:
            reuse |= {name: self.sessions.maps[name] for name in SHARED}
        for name, item in reuse.items():
            if self.object.has(name):
                self.object.reuse(name, item)
        config = {**self._config(), "more_ends": self.has_ends, "few_rules": self.few_rules, **settings}
        constants = {"CONFIG": config, "NOT_GLOBAL": not_global(self.layouts)}
        if self.sessions is not None:
            constants |= self.sessions.constants
        if is_session_gateway(self.service):
            constants |= gateway_constants(self.service)
        self.layouts.set_constants(self.object, constants)
        self._networks, self._turns = NetworkEntries(self.layouts, self.service), Turns()
        self._filled = self._networks.of({})
        self.object.resize("networks", len(self._filled) + _ROUTES)
        self.object.resize("paths", PATHS)
        self.object.only([self._name])
        self.object.load()
        for name, (keys, values) in tables.items():
            self.maps[name].update_all(keys, values)
        fill(self.maps["networks"], self._filled.items())
        self._write_few()

    def _tables(self) -> dict[str, tuple[bytes, bytes]]:
        """Keys and values of each of TABLES."""
        service, entries = self.service, RuleEntries(self.layouts)
        mapped4, mapped6 = explicit(self.layouts, service.eam)
        if is_port_set_edge(service):
            service = peers_only(service)
        found = {
            "rules": joined(map(entries.of_rule, service.rules)),
            "rules6": joined(map(entries.of_prefix, service.rules)),
            "owners": (b"", b""),
            "bindings": joined(
                entries.of_explicit(rule, service.interface_identifier)
                for rule in service.rules
                if rule.explicit_psid_len
            ),
            "ends": (b"", b""),
            "explicit4": joined(mapped4),
            "explicit6": joined(mapped6),
        }
        if service.bindings:
            found |= binding_tables(self.layouts, service.bindings, service.interface_identifier)
        return {**found, "few_rules": entries.of_few(found["rules"])}

    def _few_rules(self, tables: Mapping[str, tuple[bytes, bytes]]) -> int:
        """How many rules are looked through one by one."""
        size = self.layouts.struct("prefix4").size
        return len(tables["rules"][0]) // size if tables["few_rules"][0] else 0

    def _config(self) -> dict[str, Any]:
        service, row = self.service, TECHNIQUES[self.service.technique]
        edge = customer_settings(service) if is_port_set_edge(service) else {"own": _own_address(service)}
        gateway = int(service.border_address if service.role == EDGE else service.gateway_address)
        return {
            "mapping": self.layouts.enum("mapping")[_MAPPINGS[row.mapping]],
            "carriage": self.layouts.enum("carriage")[row.carriage.upper()],
            "role": self.layouts.enum("role")[{GATEWAY: "GATEWAY", EDGE: "EDGE"}[service.role]],
            "strict_iid": service.strict_iid,
            "hairpinning": service.hairpinning,
            "identifier_shift": 16 if service.interface_identifier == RFC7597 else 24,
            "old_decapsulation": self.hook == TC and old_decapsulation(),
            "ipv6_mtu": service.ipv6_mtu,
            "mss_clamp": service.mss_clamp,
            "gateway": gateway,
            "end": edge["own"] if service.role == EDGE else gateway,
            "cut_to": min(service.lowest_ipv6_mtu, service.ipv6_mtu),
            "explicit": bool(service.eam),
            "keep_no_checksum": service.udp_zero_checksum == FORWARD,
            "outside": embedding(service.translation_prefix),
            "inside": embedding(_own_prefix(service)),
            "plane": 0 if service.plane is None else service.plane.base,
            "resolved": resolved_side(service).base if row.mapping == "plane-rewrite" else 0,
            **edge,
        }

    def set_routes(self, routes: Mapping[IPv4Network, bool]) -> None:
        """The kernel's IPv4 routes, and whether each leads elsewhere than to this node (c/networks.h).

        The whole of them; only what is different is written. Raises BpfError.
        """
        before, self._filled = self._filled, self._networks.of(routes)
        table = self.maps["networks"]
        fill(table, self._filled.items() - before.items())
        if self._filled != before:
            self._write_few()
        for key in before.keys() - self._filled.keys():
            table.delete(key)

    def _write_few(self) -> None:
        self._turns.before()
        for value in self._networks.few(self._filled):
            self.maps["few_networks"].update(bytes(4), value)
        self._turns.done()

    def narrow(self, far: int, mtu: int, until: float) -> None:
        """What the path to an end of a plane carries, until when by the monotonic clock; 0: forget it."""
        key = far.to_bytes(16, "big")
        if mtu:
            value = self.layouts.struct("path").pack(mtu=mtu, until=int(until * 1e9))
            self.maps["paths"].update(key, value)
        else:
            self.maps["paths"].delete(key)

    @property
    def program(self) -> Program:
        """What is attached."""
        return self.object.programs[self._name]

    @property
    def _name(self) -> str:
        translates = is_session_gateway(self.service) or is_port_set_edge(self.service)
        return "forward_sessions" if translates else "forward"

    @property
    def maps(self) -> Mapping[str, Map]:
        """By their names in the C source."""
        return self.object.maps

    def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and octets of each verdict that was there, over all CPUs."""
        layout = self.layouts.struct("counter")
        found: dict[str, tuple[int, int]] = {}
        for name, number in self.verdicts.items():
            data = self.maps["counters"].get(number.to_bytes(4, sys.byteorder), layout.size * cpus()) or b""
            each = [layout.unpack(data[at : at + layout.size]) for at in range(0, len(data), layout.size)]
            packets, octets = sum(c["packets"] for c in each), sum(c["octets"] for c in each)
            if packets:
                found[name] = packets, octets
        return found

    def is_as(self, **settings: Any) -> bool:
        """Whether it was loaded with these."""
        return self._settings == settings

    def close(self) -> None:
        """Lets go of what is neither attached nor pinned."""
        self.object.close()
