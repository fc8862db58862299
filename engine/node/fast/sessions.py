# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of a NAPT in the kernel: one set of tables for the programs of all hooks and for the core."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from itertools import islice
from typing import Any

from ...packet.napt import PROTOCOLS, SessionView, StaticBinding
from ...techniques.service import Service
from ..aftr import CUSTOMER_NETWORKS
from .compiled import read_object
from .layout import Layouts
from .libbpf import NOEXIST, Map, Object
from .pool_tables import PoolTables, networks4
from .port_set_tables import PortSetTables

# What the programs of the hooks take over; `held` is only walked here.
SHARED = (
    "ways_out",
    "napt_bindings",
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
        logs: bool = False,
        own_clock: bool = False,
    ) -> None:
        """Loads them; `own_clock`: time is what set_time() says.

        Raises Unsupported, ValueError or BpfError.
        """
        self.object = Object(read_object("napt"), f"sessions of {service.name}")
        self.layouts = Layouts(self.object)
        self.verdicts = {number: name for name, number in self.layouts.enum("verdict").items()}
        self.states = {number: name for name, number in self.layouts.enum("session_state").items()}
        try:
            self._tables: PoolTables | PortSetTables = (
                PortSetTables(service, self.layouts)
                if service.pool is None
                else PoolTables(service.pool, self.layouts)
            )
            self._load(service, limit, list(static), logs, own_clock)
        except Exception:
            self.object.close()
            raise

    def _load(
        self, service: Service, limit: int, static: list[StaticBinding], logs: bool, own_clock: bool
    ) -> None:
        tables = self._tables
        self.constants: dict[str, Any] = {**tables.constants(), "OWN_CLOCK": own_clock}
        self.constants["NAPT"] |= {
            "open_filter": service.filtering == "endpoint-independent",
            "logs": logs,
            "most_sessions": limit,
        }
        forwards = [self._claimed(binding) for binding in static]
        sizes = {
            **tables.sizes(),
            "ways_out": limit + len(static),
            "napt_bindings": limit + len(static),
            "further_sessions": limit,
            "peers": limit,
            "subscribers": limit + len(static),
            "held": min(2 * limit, tables.ports),
            "records": _LOG_ROOM if logs else _PAGE,
        }
        for name, size in sizes.items():
            self.object.resize(name, size)
        self.layouts.set_constants(self.object, self.constants)
        self.object.load()
        self._question = self.layouts.struct("question")
        self._walk = self.layouts.struct("walk")
        self._tally = self.layouts.struct("tally")
        tables.fill(self.object.maps)
        for outside, inside in forwards:
            self._add_forward(outside, inside)

    # Static bindings

    def _claimed(self, s: StaticBinding) -> tuple[dict[str, int], dict[str, int]]:
        if not self._tables.claim(s.protocol, s.realm, s.outside, s.outside_port, sessions=0, static=True):
            raise ValueError(f"port forward {s.protocol} {s.outside_port}: the port cannot be given to it")
        return (
            {"address": s.outside, "port": s.outside_port, "protocol": s.protocol},
            {"realm": s.realm, "address": s.inside, "port": s.inside_port, "protocol": s.protocol},
        )

    def _add_forward(self, outside: dict[str, int], inside: dict[str, int]) -> None:
        key = self.layouts.struct("outside").pack(**outside)
        value = self.layouts.struct("binding").pack(inside=inside, is_static=1)
        self.object.maps["napt_bindings"].update(key, value, NOEXIST)
        key = self.layouts.struct("inside").pack(**inside)
        value = self.layouts.struct("way_out").pack(outside=outside)
        self.object.maps["ways_out"].update(key, value, NOEXIST)

    # Questions

    def outbound(
        self,
        protocol: int,
        realm: int,
        inside: tuple[int, int],
        remote: tuple[int, int],
        *,
        flags: int,
        later: bool = False,
    ) -> Answer:
        """What a packet from inside gets as its source."""
        flow = {
            "inside": {"realm": realm, "address": inside[0], "port": inside[1], "protocol": protocol},
            "remote": remote[0],
            "remote_port": remote[1],
            "flags": flags,
            "later": later,
        }
        found = self._ask(flow, outbound=True)
        outside = found["flow"]["outside"]
        return self._answer(found, outside["address"], outside["port"], realm)

    def inbound(
        self,
        protocol: int,
        outside: tuple[int, int],
        remote: tuple[int, int],
        *,
        flags: int,
        later: bool = False,
        hairpin: bool = False,
    ) -> Answer:
        """What a packet from outside gets as its destination, and whose it is."""
        flow = {
            "outside": {"address": outside[0], "port": outside[1], "protocol": protocol},
            "remote": remote[0],
            "remote_port": remote[1],
            "flags": flags,
            "later": later,
            "hairpin": hairpin,
        }
        found = self._ask(flow, outbound=False)
        inside = found["flow"]["inside"]
        return self._answer(found, inside["address"], inside["port"], inside["realm"])

    def _ask(self, flow: dict[str, Any], *, outbound: bool) -> dict[str, Any]:
        context = bytearray(self._question.pack(flow=flow, outbound=outbound))
        self.object.programs["ask"].call(context)
        return self._question.unpack(bytes(context))

    def _answer(self, found: dict[str, Any], address: int, port: int, realm: int) -> Answer:
        verdict = self.verdicts[found["verdict"]]
        return Answer(verdict, address, port, realm, found["walk"]["closed"])

    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """For display, at most `limit`."""
        return list(islice(self._views(), limit))

    def _views(self) -> Iterator[SessionView]:
        maps, layouts = self.object.maps, self.layouts
        binding, way, inside = (layouts.struct(name) for name in ("binding", "way_out", "inside"))
        outside, further, session = (layouts.struct(name) for name in ("outside", "further", "session"))
        for key, value in maps["napt_bindings"].items():
            b = binding.unpack(value)
            if b["session"]["state"]:
                twin = maps["ways_out"].get(inside.pack(**b["inside"]))
                ends = [b["session"]["expires"]]
                if twin is not None:
                    ends.append(way.unpack(twin)["session"]["expires"])
                yield self._view(outside.unpack(key), b["inside"], b["session"], max(ends))
        for key, value in maps["further_sessions"].items():
            ends6, one = further.unpack(key), session.unpack(value)
            found = maps["napt_bindings"].get(outside.pack(**ends6["outside"]))
            if found is not None:
                yield self._view(ends6["outside"], binding.unpack(found)["inside"], one, one["expires"])

    def _view(
        self, outside: dict[str, int], inside: dict[str, int], session: dict[str, int], expires: int
    ) -> SessionView:
        return SessionView(
            PROTOCOLS[outside["protocol"]],
            inside["address"],
            inside["port"],
            outside["address"],
            outside["port"],
            session["remote"],
            session["remote_port"],
            self.states[session["state"]].lower().replace("_", "-"),
            expires / _NS,
            inside["realm"],
        )

    def expire(self) -> int:
        """End all that is over, and say how many sessions that were. Raises BpfError."""
        context = bytearray(self._walk.size)
        self.object.programs["expire"].call(context)
        return int(self._walk.unpack(bytes(context))["closed"])

    def set_time(self, now: float) -> None:
        """With `own_clock`: seconds."""
        key = bytes(4)
        values = self._tally.unpack(self.object.maps["tallies"].get(key) or b"")
        values["now"] = round(now * _NS)
        self.object.maps["tallies"].update(key, self._tally.pack(**values))

    def __len__(self) -> int:
        return int(self._tally.unpack(self.object.maps["tallies"].get(bytes(4)) or b"")["sessions"])

    @property
    def maps(self) -> Mapping[str, Map]:
        """By their names in the C source."""
        return self.object.maps

    def close(self) -> None:
        """Lets go of the tables; programs that use them keep them."""
        self.object.close()


def gateway_constants(service: Service) -> dict[str, Any]:
    """Who may speak to a session gateway (c/session_gateway.h)."""
    customers = (service.pool and service.pool.subscribers) or IPv6Network("::/0")
    inside = networks4((*CUSTOMER_NETWORKS, *service.inside))
    return {
        "CUSTOMERS": int(customers.network_address),
        "CUSTOMERS_MASK": int(customers.netmask),
        "INSIDE": inside,
        "INSIDE_NETWORKS": len(inside),
    }
