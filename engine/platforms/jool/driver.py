# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jool's stateful NAT64, by the file that ``jool file handle`` takes.

A host has one instance: Jool allows one of the framework netfilter in a network namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, TypeVar

from ...mapping.pool import Pool
from ...mapping.rfc6052 import WELL_KNOWN, prefix_problem
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import GATEWAY, Service, StaticBinding
from .. import assembly, own_document
from ..driver import Change
from .document import Document, Entry, described, nothing

T = TypeVar("T")

_TECHNIQUE = "nat64"  # of a service that nobody planned: for a PLAT the configuration is the same
_PROTOCOLS = ("TCP", "UDP", "ICMP")
_LAST_PORT = 65535
_DEFAULT_PORTS = "61001-65535"  # of a pool4 entry that says none
# An instance cannot be without pool6.
_NOTHING = nothing(pool6=str(WELL_KNOWN))
_TABLES = ("pool4", "bib")
_SETTINGS = (
    "address-dependent-filtering",
    "drop-externally-initiated-tcp",
    "drop-icmpv6-info",
    "source-icmpv6-errors-better",
    "f-args",
    "handle-rst-during-fin-rcv",
    "tcp-est-timeout",
    "tcp-trans-timeout",
    "udp-timeout",
    "icmp-timeout",
    "logging-bib",
    "logging-session",
    "maximum-simultaneous-opens",
    "ss-enabled",
    "ss-flush-asap",
    "ss-flush-deadline",
    "ss-capacity",
    "ss-max-payload",
    "ss-max-sessions-per-packet",
)


class Jool:
    """The driver."""

    name = "jool"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for what Jool cannot do."""
        problems = list(_node_problems(node))
        for service in node.services:
            problems += _problems(service)
        if problems:
            raise Refused(problems)
        return {"document": own_document.write(_document(node.services[0]))}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_document.owned(text, _NOTHING)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        if not self.owned(text, dialect):
            return ()
        document = Document(text, _TABLES, _SETTINGS)
        name = document.service
        if name is None:
            return ()
        hint = next((service for service in wanted if service.name == name), None)
        carried = {
            "role": GATEWAY,
            "translation_prefix": _prefix(document),
            "pool": _pool(document, hint.pool if hint else None),
            "static_bindings": _in_order(list(_static(document)), hint.static_bindings if hint else ()),
            "lowest_ipv6_mtu": document.lowest_ipv6_mtu,
            "filtering": "address-dependent"
            if document.flag("address-dependent-filtering")
            else "endpoint-independent",
        }
        return (assembly.found_service(name, wanted, carried, _TECHNIQUE),)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return own_document.change(running, wanted, _NOTHING)


def _node_problems(node: NodePlan) -> Iterator[Problem]:
    if len(node.services) > 1:
        wrong = f"{node.platform} {node.name} has one instance, this is service {len(node.services)} of it"
        yield Problem(f"ipv4aas_services.{node.services[-1].name}", wrong, "one service on a host")


def _problems(service: Service) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    prefix = service.translation_prefix
    wrong = "missing" if prefix is None else prefix_problem(prefix)
    if wrong:
        yield Problem(f"{place}.gateway.translation_prefix", wrong, "a prefix of RFC 6052")
    if service.pool is None or not service.pool.ipv4:
        yield Problem(f"{place}.ipv4_pools", "missing", "the outside addresses")
    elif service.pool.block_size or service.pool.deterministic:
        wrong = "Jool gives ports one by one, in no blocks that could be logged or computed"
        yield Problem(f"{place}.sharing.allocation", wrong, "dynamic, or another gateway")


def _document(service: Service) -> dict[str, Any]:
    assert service.pool is not None  # _problems
    ports = f"{service.pool.first_port}-{_LAST_PORT}"
    tables: dict[str, list[dict[str, Any]]] = {
        "pool4": [
            {"protocol": protocol, "prefix": str(network), "port range": ports}
            for network in service.pool.ipv4
            for protocol in _PROTOCOLS
        ]
    }
    if service.static_bindings:
        tables["bib"] = [
            {
                "protocol": binding.protocol.upper(),
                "ipv6 address": f"{binding.subscriber}#{binding.inside_port}",
                "ipv4 address": f"{binding.outside_address}#{binding.outside_port}",
            }
            for binding in service.static_bindings
        ]
    settings = {
        "pool6": str(service.translation_prefix),
        "lowest-ipv6-mtu": service.lowest_ipv6_mtu,
        "address-dependent-filtering": service.filtering == "address-dependent",
    }
    return described(service.name, settings, **tables)


def _prefix(document: Document) -> IPv6Network:
    try:
        prefix = IPv6Network(document.settings["pool6"], strict=False)
    except (KeyError, ValueError) as error:
        raise document.error(f"global.pool6: is no IPv6 prefix: {error}") from error
    wrong = prefix_problem(prefix)
    if wrong:
        raise document.error(f"global.pool6: {prefix}: {wrong}")
    return prefix


def _pool(document: Document, wanted: Pool | None) -> Pool:
    """The pool; what Jool has no words for is as ``wanted``."""
    found: dict[str, dict[IPv4Network, int]] = {protocol: {} for protocol in _PROTOCOLS}
    for number, entry in enumerate(
        document.table("pool4", ("protocol", "prefix"), ("port range", "mark", "max-iterations"))
    ):
        place, values = f"pool4[{number}]", entry.values
        protocol = str(values["protocol"]).upper()
        if protocol not in found:
            raise entry.error(f"{place}: protocol {protocol} is none of {', '.join(_PROTOCOLS)}")
        if values.get("mark", 0):
            raise entry.error(f"{place}: a mark is not understood")
        try:
            network = IPv4Network(values["prefix"])
        except ValueError as error:
            raise entry.error(f"{place}: {error}") from error
        found[protocol][network] = _first_port(str(values.get("port range", _DEFAULT_PORTS)), place, entry)
    first, *others = found.values()
    if any(other != first for other in others):
        raise document.error("pool4: TCP, UDP and ICMP do not have the same addresses and ports")
    if len(set(first.values())) != 1:
        raise document.error("pool4: every prefix has to have the same ports")
    networks = _in_order(list(first), wanted.ipv4 if wanted else ())
    first_port = next(iter(first.values()))
    return (
        replace(wanted, ipv4=networks, first_port=first_port)
        if wanted
        else Pool(ipv4=networks, first_port=first_port)
    )


def _first_port(ports: str, place: str, entry: Entry) -> int:
    first, _dash, last = ports.partition("-")
    if not first.isdecimal() or last != str(_LAST_PORT) or int(first) > _LAST_PORT:
        raise entry.error(f"{place}: port range {ports} is not N-{_LAST_PORT}")
    return int(first)


def _static(document: Document) -> Iterator[StaticBinding]:
    for number, entry in enumerate(document.table("bib", ("protocol", "ipv6 address", "ipv4 address"))):
        values = entry.values
        protocol = str(values["protocol"]).lower()
        inside, _hash, inside_port = str(values["ipv6 address"]).partition("#")
        outside, _hash, outside_port = str(values["ipv4 address"]).partition("#")
        try:
            if protocol not in ("tcp", "udp"):
                raise ValueError(f"protocol {protocol} is neither TCP nor UDP")
            yield StaticBinding(
                protocol=protocol,
                outside_address=IPv4Address(outside),
                outside_port=int(outside_port),
                subscriber=IPv6Address(inside),
                inside_port=int(inside_port),
            )
        except ValueError as error:
            raise entry.error(f"bib[{number}]: {error}") from error


def _in_order(found: list[T], wanted: Sequence[T]) -> tuple[T, ...]:
    """What was found, as ``wanted`` has it where only the order differs: Jool knows none."""
    same = len(found) == len(wanted) and all(item in wanted for item in found)
    return tuple(wanted) if same else tuple(found)


DRIVER = Jool()
