# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwards where the gateway has the NAPT: static bindings of a pool (RFC 6146, RFC 6888 section 3).

The inventory says them at the edge, as for every technique. Which address has the port is the
inventory's to say, or ours to choose: the first one where it is nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from itertools import chain

from ..intent.model import Forward, HostIntent
from ..mapping.pool import Addresses, Deterministic, Pool, PoolError
from ..mapping.rfc6052 import Embedding
from ..problem import Problem
from ..techniques import TECHNIQUES
from ..techniques.service import Service, StaticBinding

_RESERVED = "reserved"  # Deterministic.owner() of ports that are nobody's


@dataclass(slots=True)
class Switchboard:
    """Who has which outside ports of one service's pool for good."""

    pool: Pool
    problems: list[Problem] = field(default_factory=list)
    bindings: list[StaticBinding] = field(default_factory=list)
    _addresses: Addresses = field(init=False)
    _ranges: Deterministic | None = field(init=False)
    _ports: dict[tuple[str, int, int], str] = field(default_factory=dict)  # (protocol, address, port) -> host
    _blocks: dict[tuple[int, int], str] = field(default_factory=dict)  # (address, block) -> host

    def __post_init__(self) -> None:
        self._addresses = Addresses(self.pool.ipv4)
        self._ranges = self.pool.arithmetic() if self.pool.deterministic else None

    def connect(self, host: HostIntent, service: Service) -> None:
        """All forwards of an edge. ``service`` is what it was planned for."""
        used: list[int] = []
        for index, forward in enumerate(host.port_forwards):
            place = f"{host.place('port_forwards')}[{index}]"
            address = self._address_for(host, service, forward, place, used)
            if address is not None:
                used.append(address)
                self._bind(host, service, forward, address)

    def _address_for(
        self, host: HostIntent, service: Service, forward: Forward, place: str, used: Sequence[int]
    ) -> int | None:
        """The outside address; None, with a problem, where there is none."""
        what = f"{forward.protocol} {forward.outside_port}"
        if forward.outside_address is not None:
            wanted, place = int(forward.outside_address), f"{place}.outside_address"
            if wanted not in self._addresses:
                wrong = f"{forward.outside_address} is not in the pools"
                self.problems.append(
                    Problem(place, wrong, f"use one of {', '.join(map(str, self.pool.ipv4))}")
                )
                return None
            holder = self._holder(host, service, forward, wanted)
            if holder is not None:
                wrong = f"{what} of {forward.outside_address} is {holder}"
                self.problems.append(Problem(place, wrong, "use another address or port, or leave it out"))
                return None
            return wanted
        # One address for all ports of a customer where it can be: paired pooling (RFC 6888 REQ-2).
        for address in chain(used, self._addresses):
            if self._holder(host, service, forward, address) is None:
                return address
        wrong = f"{what} is somebody else's on every address of the pools"
        self.problems.append(Problem(f"{place}.outside_port", wrong, "use another port, or more addresses"))
        return None

    def _holder(self, host: HostIntent, service: Service, forward: Forward, address: int) -> str | None:
        """Whose a port is already, in words; None where the host may have it."""
        port = forward.outside_port
        other = self._ports.get((forward.protocol, address, port))
        if other is not None:
            return f"forwarded by {other} already"
        if self._ranges is not None:
            owner = self._ranges.owner(address, port)
            own = self.pool.number(int(_network(service).network_address))
            return None if owner in (own, _RESERVED) else "in the range of another customer"
        block = self._block(port)
        other = None if block is None else self._blocks.get((address, block))
        return f"in the block of {other}" if other not in (None, host.name) else None

    def _block(self, port: int) -> int | None:
        """Number of the block that a port is in, None where it is in none."""
        size = self.pool.block_size
        if not size or port < self.pool.first_port:
            return None
        return (port - self.pool.first_port) // size

    def _bind(self, host: HostIntent, service: Service, forward: Forward, address: int) -> None:
        self._ports[forward.protocol, address, forward.outside_port] = host.name
        block = self._block(forward.outside_port)
        if block is not None:
            self._blocks[address, block] = host.name
        translating = TECHNIQUES[service.technique].carriage == "translation"
        self.bindings.append(
            StaticBinding(
                protocol=forward.protocol,
                outside_address=IPv4Address(address),
                outside_port=forward.outside_port,
                subscriber=_inside6(service, forward) if translating else service.softwire_address,
                inside_address=None if translating else forward.inside_address,
                inside_port=forward.inside_port,
            )
        )


def switchboard(pool: Pool) -> Switchboard | None:
    """An empty one; None for a pool that cannot be, which is told elsewhere."""
    try:
        return Switchboard(pool)
    except PoolError:
        return None


def _network(service: Service) -> IPv6Network:
    assert service.end_user_prefix is not None
    return service.end_user_prefix


def _inside6(service: Service, forward: Forward) -> IPv6Address:
    """The host behind a CLAT as the PLAT knows it."""
    return IPv6Address(Embedding(service.clat_prefix).embed(int(forward.inside_address)))


def with_bindings(service: Service, bindings: Iterable[StaticBinding]) -> Service:
    """A gateway's service with those that are in its part of the pool."""
    if service.pool is None:
        return service
    networks = service.pool.ipv4
    own = (one for one in bindings if any(one.outside_address in network for network in networks))
    return replace(service, static_bindings=tuple(own))
