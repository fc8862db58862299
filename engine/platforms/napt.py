# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways with a NAPT (DS-Lite, NAT64, 464XLAT) as a device names them, put together to services."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Address, collapse_addresses
from typing import Any

from ..mapping.pool import Pool, PoolError
from ..techniques.service import GATEWAY, Service
from .values import Leaf

# Where the platform has no word for the address and nobody wants the service.
NO_ADDRESS = IPv6Address("::")


@dataclass(frozen=True, slots=True)
class FoundSession:
    """One service as the device has it: what its configuration carries of it."""

    name: str
    facts: dict[str, Any]  # fields of Service
    pool: dict[str, Any]  # fields of its Pool
    at: Leaf  # for messages


def service(found: FoundSession, wanted: Iterable[Service], techniques: tuple[str, ...]) -> Service:
    """The service, with what the platform has no words for from the wanted one of the same name.

    The device cannot tell ``techniques`` apart: it is the wanted one of them, else the first.
    Raises ParseError where the pool can be none.
    """
    hint = by_name(wanted, found.name)
    technique = hint.technique if hint is not None and hint.technique in techniques else techniques[0]
    try:
        if hint is None:
            facts = {"gateway_address": NO_ADDRESS} | found.facts
            return Service(
                name=found.name, technique=technique, role=GATEWAY, pool=Pool(**found.pool), **facts
            )
        pool = Pool(**found.pool) if hint.pool is None else replace(hint.pool, **found.pool)
        return replace(hint, technique=technique, role=GATEWAY, pool=pool, **found.facts)
    except PoolError as error:
        raise found.at.error(str(error)) from error


def by_name(services: Iterable[Service], name: str) -> Service | None:
    """The service of a name."""
    return next((service for service in services if service.name == name), None)


def wanted_addresses(found: Iterable[IPv4Network], hint: Service | None) -> tuple[IPv4Network, ...]:
    """Addresses of a pool, written as the wanted service writes them where they are the same."""
    networks = tuple(found)
    wanted = hint.pool.ipv4 if hint is not None and hint.pool is not None else ()
    return wanted if set(collapse_addresses(networks)) == set(collapse_addresses(wanted)) else networks


def in_order(found: Iterable[Service], wanted: Iterable[Service]) -> tuple[Service, ...]:
    """In the order of ``wanted``, then those that nobody wants, by name."""
    places = {service.name: place for place, service in enumerate(wanted)}
    return tuple(sorted(found, key=lambda one: (places.get(one.name, len(places)), one.name)))
