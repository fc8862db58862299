# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of a NAPT in the kernel: one set of tables for the programs of all hooks and for the core."""

from __future__ import annotations

import mmap
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from itertools import groupby, islice
from typing import Any

from ...packet.allocation import Stock
from ...packet.napt import SessionView, StaticBinding
from ...techniques.service import Service
from ..aftr import CUSTOMER_NETWORKS
from .compiled import read_object
from .free_ports import ALL_KINDS, BLOCKS, KINDS
from .layout import Layouts
from .leases import Ledger
from .libbpf import Map, Object
from .pool_tables import PoolTables, networks4
from .port_set_tables import PortSetTables
from .session_entries import Pair, SessionEntries, binding_of

# What the programs of the hooks take over; `held` is only walked here.
SHARED = (
    "napt_bindings",
    "napt_index",
    "further_sessions",
    "peers",
    "tallies",
    "free_ports",
    "subscribers",
    "blocks",
    "records",
)
_PAGE = mmap.PAGESIZE
_LOG_ROOM = 1 << 22  # octets of records that wait for the session log
_NS = 10**9
_MOST_BINDINGS = 1 << 24  # NUMBER_BITS of c/index.h
_FULL = 5  # entries of a line on average, at most
# Members of struct question that Python gives or reads.
_QUESTION = (
    "flow.inside.realm",
    "flow.inside.address",
    "flow.inside.port",
    "flow.inside.protocol",
    "flow.outside.address",
    "flow.outside.port",
    "flow.outside.protocol",
    "flow.remote",
    "flow.remote_port",
    "flow.flags",
    "flow.later",
    "flow.now",
    "flow.hairpin",
    "walk.closed",
    "outbound",
    "verdict",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the programs say to a packet: `verdict` is a name of c/base.h, GO_ON with the other end."""

    verdict: str
    address: int = 0
    port: int = 0
    realm: int = 0
    closed: int = 0  # sessions that were over


class KernelSessions:
    """Tables and the programs that walk them (c/napt.bpf.c)."""

    def __init__(
        self,
        service: Service,
        *,
        limit: int,
        static: Iterable[StaticBinding] = (),
        carried: Iterable[SessionView] = (),
        logs: bool = False,
        own_clock: bool = False,
    ) -> None:
        """Loads them, with the sessions of other tables; `lost` says how many are not valid any more.

        `own_clock`: time is what set_time() says. Raises Unsupported, ValueError or BpfError.
        """
        self.object = Object(read_object("napt"), f"sessions of {service.name}")
        self.layouts = Layouts(self.object)
        self.verdicts = {number: name for name, number in self.layouts.enum("verdict").items()}
        self.own_clock = own_clock
        try:
            self._tables: PoolTables | PortSetTables = (
                PortSetTables(service, self.layouts)
                if service.pool is None
                else PoolTables(service.pool, self.layouts)
            )
            self.constants: dict[str, Any] = {**self._tables.constants(), "OWN_CLOCK": own_clock}
            self.constants["NAPT"] |= {
                "open_filter": service.filtering == "endpoint-independent",
                "logs": logs,
                "most_sessions": limit,
                "held_places": min(limit, self._tables.ports),
            }
            self._load(limit, list(static), sorted(carried, key=binding_of), logs)
        except Exception:
            self.object.close()
            raise

    def _load(self, limit: int, static: list[StaticBinding], carried: list[SessionView], logs: bool) -> None:
        tables = self._tables
        forwards = {(s.protocol, (s.outside, s.outside_port)): s for s in static}
        kept = self._claim(forwards, carried)
        lines = _lines(limit + len(static))
        self.constants |= {"LAST_LINE": lines - 1, "HASH_KEYS": [secrets.randbits(64) | 1 for _ in range(3)]}
        sizes = {
            **tables.sizes(),
            "napt_bindings": limit + len(static),
            "napt_index": lines,
            "further_sessions": limit,
            "peers": limit,
            "subscribers": limit + len(static),
            "held": self.constants["NAPT"]["held_places"],
            "records": _LOG_ROOM if logs else _PAGE,
        }
        for name, size in sizes.items():
            self.object.resize(name, size)
        self.layouts.set_constants(self.object, self.constants)
        self.object.load()
        self._question = self.layouts.struct("question").flat(*_QUESTION)
        self._walk, self._tally = self.layouts.struct("walk"), self.layouts.struct("tally")
        tables.fill(self.object.maps)
        self.entries = SessionEntries(self.layouts, self.object.maps, self.object.programs["carry"])
        there = len(kept) - self.entries.add(static, kept)
        self.lost = len(carried) - there
        ports = [0] * ALL_KINDS
        for protocol, _ in {*forwards, *map(binding_of, kept)}:
            ports[KINDS[protocol]] += 1
        ports[BLOCKS] = tables.blocks_assigned
        self._tell(sessions=there, ports=ports, subscribers=tables.subscribers)
        self.ledger = Ledger(self.layouts, self.object.maps)

    def _claim(
        self, forwards: Mapping[tuple[int, Pair], StaticBinding], carried: list[SessionView]
    ) -> list[SessionView]:
        """Take the ports of static bindings and of sessions; those that may stay.

        Neither end of a static binding has another one, and nobody has what was a static binding's only.
        """
        owners = {(s.protocol, _inside(s)): key for key, s in forwards.items()}
        groups: dict[tuple[int, Pair], list[SessionView]] = {}
        for key, each in groupby(carried, binding_of):
            views = list(each)
            owner = owners.get((key[0], _inside(views[0])))
            if owner == key if key in forwards else owner is None and not views[0].static:
                groups[key] = views
        for key, s in forwards.items():
            own = groups.get(key, [])
            if not self._tables.claim(s.protocol, s.realm, *key[1], sessions=len(own), static=True):
                raise ValueError(
                    f"port forward {s.protocol} {s.outside_port}: the port cannot be given to it"
                )
        kept: list[SessionView] = []
        for key, views in groups.items():
            if key in forwards or self._tables.claim(
                key[0], views[0].realm, *key[1], sessions=len(views), static=False
            ):
                kept += views
        return kept

    # Questions

    def outbound(
        self,
        protocol: int,
        realm: int,
        inside: Pair,
        remote: Pair,
        *,
        flags: int,
        later: bool = False,
    ) -> Answer:
        """What a packet from inside gets as its source."""
        who = _octets(realm, inside)
        found = self._ask(
            *who, protocol, *_NOBODY, protocol, *_end(remote), flags, later, 0, False, 0, True, 0
        )
        return self._answer(found, found[4], found[5], realm)

    def inbound(
        self,
        protocol: int,
        outside: Pair,
        remote: Pair,
        *,
        flags: int,
        later: bool = False,
        hairpin: bool = False,
    ) -> Answer:
        """What a packet from outside gets as its destination, and whose it is."""
        who = _octets(0, (0, 0))
        ends = *_end(outside), protocol, *_end(remote)
        found = self._ask(*who, protocol, *ends, flags, later, 0, hairpin, 0, False, 0)
        return self._answer(found, found[1], found[2], int.from_bytes(found[0], "big"))

    def outside_of(self, protocol: int, realm: int, inside: Pair, remote: Pair) -> Pair | None:
        """The outside of a session, by its inside; nothing is done to it."""
        who = _octets(realm, inside)
        found = self._ask(*who, protocol, *_NOBODY, protocol, *_end(remote), *_OUT, program="look")
        answer = self._answer(found, found[4], found[5], realm)
        return (answer.address, answer.port) if answer.verdict == "GO_ON" else None

    def inside_of(self, protocol: int, outside: Pair, remote: Pair) -> tuple[int, int, int] | None:
        """Realm, inside address and port of a session, by its outside; nothing is done to it."""
        ends = *_end(outside), protocol, *_end(remote)
        found = self._ask(*_octets(0, (0, 0)), protocol, *ends, *_IN, program="look")
        answer = self._answer(found, found[1], found[2], int.from_bytes(found[0], "big"))
        return (answer.realm, answer.address, answer.port) if answer.verdict == "GO_ON" else None

    def _ask(self, *values: Any, program: str = "ask") -> tuple[Any, ...]:
        context = bytearray(self._question.pack(*values))
        self.object.programs[program].call(context)
        return self._question.unpack(context)

    def _answer(self, found: tuple[Any, ...], address: bytes, port: bytes, realm: int) -> Answer:
        ends = int.from_bytes(address, "big"), int.from_bytes(port, "big")
        return Answer(self.verdicts[found[-1]], *ends, realm, found[-3])

    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """For display, at most `limit`."""
        return list(islice(self.entries.views(), limit))

    def expire(self) -> int:
        """End all that is over, and say how many sessions that were. Raises BpfError."""
        context = bytearray(self._walk.size)
        self.object.programs["expire"].call(context)
        return int(self._walk.unpack(bytes(context))["closed"])

    def counts(self, name: str) -> dict[int, int]:
        """Ports that bindings have ("ports"), or that wait ("waiting"), by protocol."""
        each = self._tallied()[name]
        return {protocol: each[kind] for protocol, kind in KINDS.items()}

    def stock(self, empty: Stock) -> Stock:
        """What there is to give, of an allocator that has given nothing."""
        if not isinstance(self._tables, PoolTables):
            return empty
        tallied = self._tallied()
        return empty._replace(
            waiting=self.counts("waiting"),
            beside=Counter(protocol for protocol, _, _ in self._tables.forwards),
            subscribers=tallied["subscribers"],
            blocks_assigned=tallied["ports"][BLOCKS],
        )

    def set_time(self, now: float) -> None:
        """With `own_clock`: seconds."""
        self._tell(now=round(now * _NS))

    def _tell(self, **values: Any) -> None:
        self.object.maps["tallies"].update(bytes(4), self._tally.pack(**{**self._tallied(), **values}))

    def _tallied(self) -> dict[str, Any]:
        return self._tally.unpack(self.object.maps["tallies"].get(bytes(4)) or b"")

    def __len__(self) -> int:
        return int(self._tallied()["sessions"])

    @property
    def maps(self) -> Mapping[str, Map]:
        """By their names in the C source."""
        return self.object.maps

    def close(self) -> None:
        """Lets go of the tables; programs that use them keep them."""
        self.object.close()


def _lines(bindings: int) -> int:
    """Lines of c/index.h for both ends: at most a third is in use, so that two neighbours are never full."""
    if bindings >= _MOST_BINDINGS:
        raise ValueError(f"{bindings} bindings; the programs number {_MOST_BINDINGS - 1}")
    return max(2, 1 << (2 * bindings // _FULL).bit_length())


def _end(pair: Pair) -> tuple[bytes, bytes]:
    """Address and port as the network has them."""
    return pair[0].to_bytes(4, "big"), pair[1].to_bytes(2, "big")


def _inside(item: SessionView | StaticBinding) -> tuple[int, int, int]:
    return item.realm, item.inside, item.inside_port


def _octets(realm: int, inside: Pair) -> tuple[bytes, bytes, bytes]:
    return realm.to_bytes(16, "big"), *_end(inside)


_NOBODY = _end((0, 0))
# What follows the ends in a question that is about no packet.
_OUT = 0, False, 0, False, 0, True, 0
_IN = 0, False, 0, False, 0, False, 0


# Multicast, the unspecified and the loopback address.
_NO_HOSTS = IPv6Network("ff00::/8"), IPv6Network("::/127")


def gateway_constants(service: Service) -> dict[str, Any]:
    """Who may speak to a session gateway (c/session_gateway.h)."""
    customers = (service.pool and service.pool.subscribers) or IPv6Network("::/0")
    inside = networks4((*CUSTOMER_NETWORKS, *service.inside))
    others = (*_NO_HOSTS, IPv6Network(service.gateway_address), service.translation_prefix)
    return {
        "CUSTOMERS": int(customers.network_address),
        "CUSTOMERS_MASK": int(customers.netmask),
        "CUSTOMERS_ONLY": not any(other is not None and customers.overlaps(other) for other in others),
        "INSIDE": inside,
        "INSIDE_NETWORKS": len(inside),
    }
