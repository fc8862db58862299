# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways with a NAPT: what devices cannot be told of a pool, and services that were found on one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, collapse_addresses
from typing import Any

from ..mapping.pool import Pool, PoolError
from ..plan.model import NodePlan
from ..problem import Problem, Refused
from ..techniques.service import GATEWAY, Service
from . import assembly
from .driver import FALLBACK
from .values import Leaf

# Where the platform has no word for the address and nobody wants the service.
LAST_PORT = 65535
MOST_BLOCK_SIZE = 64512
# What a service has beside its pool that a NAPT of a vendor has no statement for.
# Field -> (key of the service in the inventory, what it is called).
_BESIDE = {
    "static_bindings": ("gateway", "ipv4aas_port_forwards of customers"),
    "eam": ("eam", "an EAM table"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Something of a service that a device cannot do."""

    place: str  # below the service in the inventory
    wrong: str
    right: str


def check(node: NodePlan, unable: Callable[[Service], Iterable[Wish]], most: int | None = None) -> None:
    """Raises Refused with everything that the device cannot do of the sessions of a node's services.

    ``most`` is how many such services a node can tell apart, None for any number.
    """
    found = problems(node, unable)
    if most is not None and len(node.services) > most:
        names = ", ".join(service.name for service in node.services)
        wrong = f"carries {names}: {node.platform} cannot tell their customers apart"
        found.append(Problem(f"{node.name}.ipv4aas_carries", wrong, "one of them, or another node"))
    if found:
        raise Refused(set(found))


def problems(node: NodePlan, unable: Callable[[Service], Iterable[Wish]]) -> list[Problem]:
    """Everything that the device cannot do of the sessions of a node's services."""
    return [
        Problem(
            f"ipv4aas_services.{service.name}.{wish.place}",
            f"{node.platform} {node.name} {wish.wrong}",
            wish.right,
        )
        for service in node.services
        for wish in (*_always(service), *unable(service))
    ]


def _always(service: Service) -> Iterable[Wish]:
    for name, (place, title) in _BESIDE.items():
        if getattr(service, name):
            yield Wish(place, f"has no words for {title}", f"none, or {FALLBACK}")
    pool = service.pool
    if pool is not None and pool.deterministic:
        wrong = "counts deterministic ports in another way than RFC 7422"
        yield Wish("sharing.allocation", wrong, f"another allocation, or {FALLBACK}")


def out_of(place: str, title: str, value: int, least: int, most: int) -> Iterable[Wish]:
    """A wish where a number is not in least..most."""
    if not least <= value <= most:
        yield Wish(place, f"takes {title} {least} to {most}, not {value}", f"another number, or {FALLBACK}")


def blocks_of(pool: Pool) -> int:
    """How many blocks a subscriber may have, 0 where ports are drawn one by one."""
    return pool.ports_per_subscriber // pool.block_size if pool.block_size else 0


def quota_wishes(pool: Pool, most_blocks: int, most_ports: int) -> Iterable[Wish]:
    """A quota of ports, or in whole blocks, which is what Junos counts then."""
    if not pool.block_size:
        if pool.ports_per_subscriber:
            yield from out_of("sharing", "ports of a customer", pool.ports_per_subscriber, 2, most_ports)
        return
    yield from out_of("sharing", "a block size", pool.block_size, 1, MOST_BLOCK_SIZE)
    if pool.ports_per_subscriber == 0 or pool.ports_per_subscriber % pool.block_size:
        wrong = f"counts blocks of {pool.block_size} ports: {pool.ports_per_subscriber} are no number of them"
        yield Wish("sharing", wrong, "a multiple of the block size")
        return
    yield from out_of("sharing", "blocks of a customer", blocks_of(pool), 1, most_blocks)


def pool(at: Leaf, networks: Iterable[IPv4Network], hint: Pool | None, **values: Any) -> Pool:
    """The pool that a device has. Raises ParseError where the values are none.

    From ``hint``, the wanted pool, comes what is not in ``values``, and the order of the addresses.
    """
    found = tuple(collapse_addresses(networks))
    if not found:
        raise at.error("has no address")
    if hint is not None and found == tuple(collapse_addresses(hint.ipv4)):
        found = hint.ipv4
    try:
        return replace(hint, ipv4=found, **values) if hint else Pool(ipv4=found, **values)
    except PoolError as error:
        raise at.error(str(error)) from error


def found_service(
    name: str, hint: Service | None, techniques: tuple[str, ...], role: str, **facts: Any
) -> Service:
    """A service as a device has it; the technique is that of ``hint`` where the device cannot tell."""
    technique = hint.technique if hint and hint.technique in techniques else techniques[0]
    carried = {"technique": technique, "role": role} | facts
    return assembly.found_service(name, [hint] if hint else (), carried)


@dataclass(frozen=True, slots=True)
class FoundSession:
    """One gateway as the device has it: what its configuration carries of it."""

    name: str
    facts: dict[str, Any]  # fields of Service
    pool: dict[str, Any]  # fields of its Pool
    at: Leaf  # for messages


def service(found: FoundSession, wanted: tuple[Service, ...], techniques: tuple[str, ...]) -> Service:
    """The gateway, with what the platform has no words for from the wanted service of the same name.

    Raises ParseError where the pool can be none.
    """
    hint = assembly.wanted_service(wanted, found.name)
    try:
        made = replace(hint.pool, **found.pool) if hint and hint.pool else Pool(**found.pool)
    except PoolError as error:
        raise found.at.error(str(error)) from error
    return found_service(found.name, hint, techniques, GATEWAY, pool=made, **found.facts)


def wanted_addresses(found: Iterable[IPv4Network], hint: Service | None) -> tuple[IPv4Network, ...]:
    """Addresses of a pool, written as the wanted service writes them where they are the same."""
    networks = tuple(found)
    wanted = hint.pool.ipv4 if hint is not None and hint.pool is not None else ()
    return wanted if set(collapse_addresses(networks)) == set(collapse_addresses(wanted)) else networks
