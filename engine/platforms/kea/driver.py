# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea DHCPv6: one subnet for each service, in a JSON list that Kea's configuration includes as ``subnet6``.

Customers get their End-user prefix by prefix delegation, and beside it what their edge needs (RFC 7598,
RFC 6334). For lw4o6 each binding is a pool of the one prefix that it belongs to, with its own options:
whoever has the prefix has the binding.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import Any

from ...mapping.binding import Binding
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...provision.dhcpv6 import Bound, Container, OptionError
from ...techniques.service import PROVISIONER, Delegation, Service
from .. import assembly, own_file, own_list
from ..driver import Change, ParseError
from ..guard import option
from . import options, subscribers
from .options import Found
from .subscribers import Reserved, prefix_of

_OWNER = "ipv4aas"  # key of our user-context
_NO_MECHANISM = "464xlat"  # what a subnet serves that announces nothing
_MAX_ID = (1 << 32) - 2  # of a subnet in Kea
_LINK = (
    "the interface that customers are on, or a list of their relays' addresses; several services: by service"
)


class Kea:
    """The driver."""

    name = "kea"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for options that do not fit and for what Kea or DHCPv6 cannot say."""
        links = _links(node)
        problems = [problem for service in node.services for problem in _problems(node, service)]
        if problems:
            raise Refused(problems)
        reserved = subscribers.reservations(node)
        subnets = []
        for service in node.services:
            try:
                subnets.append(_subnet(service, links[service.name], reserved[service.name]))
            except OptionError as error:
                place = f"ipv4aas_services.{service.name}"
                problems.append(Problem(place, f"DHCPv6 cannot tell it: {error}", "another provisioner"))
        if problems:
            raise Refused(problems)
        return {"document": own_list.write(subnets)}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_list.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return own_list.services(text, lambda subnet, place: _service(subnet, place, wanted))

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. The whole list."""
        return own_list.change(running, wanted)


def subnet_id(service: str) -> int:
    """Number of a service's subnet: leases refer to it, so it must not depend on the other services."""
    return zlib.crc32(service.encode()) % _MAX_ID + 1


def _links(node: NodePlan) -> dict[str, dict[str, Any]]:
    """What Kea knows each service's customers by: {"interface": name} or {"relay": ...}."""
    given: Any = option(node, "link", object, _LINK)
    by_service = given if isinstance(given, dict) else {service.name: given for service in node.services}
    place = f"{node.name}.ipv4aas_options.link"
    missing = [s.name for s in node.services if not isinstance(by_service.get(s.name), (str, list))]
    shown = [json.dumps(link) for link in by_service.values()]
    if missing:
        raise Refused([Problem(place, f"does not say where customers of {', '.join(missing)} are", _LINK)])
    if len(set(shown)) < len(shown):
        raise Refused([Problem(place, "customers of two services are at one place", _LINK)])
    return {name: _link(link) for name, link in by_service.items()}


def _link(link: str | list[str]) -> dict[str, Any]:
    return {"interface": link} if isinstance(link, str) else {"relay": {"ip-addresses": link}}


def _problems(node: NodePlan, service: Service) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    if not service.delegations:
        yield Problem(place, "no End-user prefix can be delegated", "give customers, or rules with a prefix")
    if service.bindings and len(service.delegations) > 1:
        yield Problem(place, "bindings of several prefixes", "one prefix of customers for a service")
    elif service.delegations:
        for index, binding in enumerate(service.bindings):
            unbindable = _unbindable(service, binding)
            if unbindable:
                right = "the address of RFC 7596 section 5.1 in a prefix of customers"
                yield Problem(f"{place}.bindings[{index}].softwire", unbindable, right)


def _unbindable(service: Service, binding: Binding) -> str | None:
    prefix = prefix_of(service, binding)
    if not prefix.subnet_of(service.delegations[0].prefix):
        return f"{binding.softwire} is not in {service.delegations[0].prefix}"
    formed = _bound(service, binding).binding(prefix).softwire
    if formed != binding.softwire:
        return f"an lwB4 would take {formed} in {prefix}, not {binding.softwire}"
    return None


def _bound(service: Service, binding: Binding) -> Bound:
    return Bound(binding.ipv4, prefix_of(service, binding), binding.ports)


def _subnet(service: Service, link: dict[str, Any], reserved: Reserved) -> dict[str, Any]:
    return {
        "id": subnet_id(service.name),
        "subnet": str(service.delegations[0].prefix),
        **link,
        "user-context": {_OWNER: service.name},
        "pd-pools": [_bound_pool(service, binding) for binding in service.bindings]
        or [_pool(delegation.prefix, delegation.length) for delegation in service.delegations],
        "option-data": _common_options(service),
        "reservations": [{"duid": duid, "prefixes": [str(prefix)]} for prefix, duid in reserved],
    }


def _pool(prefix: IPv6Network, length: int) -> dict[str, Any]:
    return {
        "prefix": str(prefix.network_address),
        "prefix-len": prefix.prefixlen,
        "delegated-len": length,
    }


def _bound_pool(service: Service, binding: Binding) -> dict[str, Any]:
    bound = _bound(service, binding)
    gateway = binding.gateway_address or service.gateway_address
    announced = options.container(Container(technique="lw4o6", gateways=(gateway,), bound=bound))
    return {**_pool(bound.prefix, bound.prefix.prefixlen), "option-data": announced}


def _common_options(service: Service) -> options.Options:
    """What every customer of a service is told."""
    announced: options.Options = []
    if service.technique == "map-e":
        found = Container(technique="map-e", rules=service.rules, gateways=(service.gateway_address,))
        announced = options.container(found)
    elif service.technique == "map-t":
        announced = options.container(
            Container(technique="map-t", rules=service.rules, translation_prefix=service.translation_prefix)
        )
    elif service.technique == "ds-lite":
        announced = options.aftr_name(service.aftr_name)
    return announced + options.priority(service.technique)


# -- and back -----------------------------------------------------------------------------------


def _service(subnet: Any, place: str, wanted: tuple[Service, ...]) -> Service:
    try:
        name = str(subnet["user-context"][_OWNER])
        delegations = tuple(_delegation(pool) for pool in subnet["pd-pools"])
        common = Found(subnet["option-data"], f"{place}.option-data")
        pools = [
            (_delegation(pool), Found(pool["option-data"], f"{place}.pd-pools[{index}].option-data"))
            for index, pool in enumerate(subnet["pd-pools"])
            if "option-data" in pool
        ]
        whole = IPv6Network(subnet["subnet"])
    except KeyError as error:
        raise ParseError(f"{place}: is no subnet of ours: {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise ParseError(f"{place}: is no subnet of ours: {error}") from error
    technique = "lw4o6" if pools else common.technique or _NO_MECHANISM
    carried: dict[str, Any] = {"role": PROVISIONER, "technique": technique, "delegations": delegations}
    if technique == "ds-lite":
        carried["aftr_name"] = common.aftr_name
    elif technique == "lw4o6":
        carried |= _bound_service(name, pools, whole, wanted)
    elif technique in ("map-e", "map-t"):
        found = common.container(technique)
        carried["rules"] = found.rules
        if technique == "map-e":
            [carried["gateway_address"], *more] = found.gateways
            if more:
                raise ParseError(f"{common.place}: {1 + len(more)} border relays, one was expected")
        else:
            carried["translation_prefix"] = found.translation_prefix
    return assembly.found_service(name, wanted, carried)


def _delegation(pool: Any) -> Delegation:
    prefix = IPv6Network((pool["prefix"], pool["prefix-len"]))
    return own_file.check_delegation(Delegation(prefix, int(pool["delegated-len"])))


def _bound_service(
    name: str, pools: list[tuple[Delegation, Found]], whole: IPv6Network, wanted: tuple[Service, ...]
) -> dict[str, Any]:
    """Bindings, the lwAFTR, and what is delegated."""
    pairs = []
    for pool, found in pools:
        container = found.container("lw4o6")
        if container.bound is None or len(container.gateways) != 1:
            raise ParseError(f"{found.place}: expected one binding and one lwAFTR")
        if pool.prefix.prefixlen != pool.length:
            raise ParseError(f"{found.place}: one binding for every /{pool.length} of {pool.prefix}")
        if not pool.prefix.subnet_of(container.bound.prefix):
            raise ParseError(f"{found.place}: a binding of {container.bound.prefix}, not of {pool.prefix}")
        pairs.append((container.bound.binding(pool.prefix), container.gateways[0]))
    if len({pool.length for pool, _found in pools}) > 1:
        raise ParseError(f"{pools[0][1].place}: prefixes of several lengths are delegated")
    delegations = (Delegation(whole, pools[0][0].length),)
    return own_file.bound(pairs, name, wanted) | {"delegations": delegations}


DRIVER = Kea()
