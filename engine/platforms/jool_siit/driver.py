# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jool's stateless translator as a CLAT, by the file that ``jool_siit file handle`` takes.

The own IPv4 networks are explicit mappings, everything else is in the PLAT's prefix (RFC 6877 section 6.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ...mapping.rfc6052 import LENGTHS, Embedding, PrefixError, prefix_problem
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import COMPUTE, DROP, EDGE, FORWARD, Service
from .. import assembly, own_document
from ..driver import Change, ParseError
from ..jool.document import Document, described, nothing

_TECHNIQUE = "464xlat"
_NOTHING = nothing()
_TABLES = ("eamt", "denylist4", "blacklist4")
_SETTINGS = (
    "amend-udp-checksum-zero",
    "eam-hairpin-mode",
    "randomize-rfc6791-addresses",
    "rfc6791v6-prefix",
    "rfc6791v4-prefix",
)


class JoolSiit:
    """The driver."""

    name = "jool_siit"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for what Jool cannot do."""
        problems = [problem for service in node.services for problem in _problems(service)]
        if len(node.services) > 1:
            wrong = f"{node.name} has one instance of Jool for {len(node.services)} services"
            problems.append(Problem(f"ipv4aas_services.{node.services[-1].name}", wrong, "one on a host"))
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
        own, inside = _inside(document)
        if hint and set(hint.inside) == set(inside):
            inside = hint.inside
        amended = document.flag("amend-udp-checksum-zero")
        carried = {
            "role": EDGE,
            "translation_prefix": _prefix(document.settings.get("pool6"), "global.pool6", document.error),
            "inside": inside,
            "end_user_prefix": hint.end_user_prefix if hint and _clat_prefix(hint) == own else own,
            "lowest_ipv6_mtu": document.lowest_ipv6_mtu,
            "udp_zero_checksum": COMPUTE if amended else DROP,
        }
        return (assembly.found_service(name, wanted, carried, _TECHNIQUE),)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return own_document.change(running, wanted, _NOTHING)


def _problems(service: Service) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    wrong = "missing" if service.translation_prefix is None else prefix_problem(service.translation_prefix)
    if wrong:
        yield Problem(f"{place}.gateway.translation_prefix", wrong, "the PLAT's prefix")
    if service.udp_zero_checksum == FORWARD:
        wrong = "Jool computes or drops, it forwards no UDP checksum of zero"
        yield Problem(f"{place}.udp_zero_checksum", wrong, "compute or drop")
    own = _clat_prefix(service)
    if own is None:
        yield Problem(
            place, f"{service.end_user_prefix} has no room for IPv4 addresses", "a prefix up to /96"
        )
        return
    if not service.inside:
        wrong = "Jool has to be told the IPv4 networks of the CLAT"
        yield Problem(place, wrong, "give ipv4aas_lan to the host")
    for network in service.inside:
        if _mapped(own, network) is None:
            wrong = f"{network} would go across octet u of {own} (RFC 6052 section 2.2)"
            yield Problem(place, wrong, "smaller networks, or an End-user prefix of /64")
    for entry in service.eam:
        if any(entry.ipv4.overlaps(network) for network in service.inside):
            wrong = f"{entry.ipv4} is inside, Jool takes no mappings that overlap"
            yield Problem(f"{place}.eam", wrong, "leave it out, or another edge")


def _clat_prefix(service: Service) -> IPv6Network | None:
    try:
        return service.clat_prefix if service.end_user_prefix else None
    except PrefixError:
        return None


def _mapped(own: IPv6Network, network: IPv4Network) -> IPv6Network | None:
    """The IPv6 prefix of a network in a CLAT's prefix, None where its host bits are not in one piece.

    What follows a prefix is copied bit by bit (RFC 7757 section 3.3), so octet u has to be before it.
    """
    length = own.prefixlen + network.prefixlen
    if 32 < own.prefixlen < 96:
        if length < 64:
            return None
        length += 8
    return IPv6Network((Embedding(own).embed(int(network.network_address)), length))


def _document(service: Service) -> dict[str, Any]:
    own = service.clat_prefix
    settings = {
        "pool6": str(service.translation_prefix),
        "lowest-ipv6-mtu": service.lowest_ipv6_mtu,
        "amend-udp-checksum-zero": service.udp_zero_checksum == COMPUTE,
    }
    table = [
        {"ipv6 prefix": str(_mapped(own, network)), "ipv4 prefix": str(network)} for network in service.inside
    ]
    return described(service.name, settings, eamt=table)


def _inside(document: Document) -> tuple[IPv6Network, tuple[IPv4Network, ...]]:
    """The CLAT's prefix and its networks. Raises ParseError where a mapping is not of RFC 6052."""
    owns: set[IPv6Network] = set()
    networks = []
    for number, entry in enumerate(document.table("eamt", ("ipv6 prefix", "ipv4 prefix"))):
        place = f"eamt[{number}]"
        try:
            network = IPv4Network(entry.values["ipv4 prefix"])
        except ValueError as error:
            raise entry.error(f"{place}: {error}") from error
        mapped = _prefix(entry.values["ipv6 prefix"], place, entry.error)
        own = _prefix_of(mapped, network)
        if own is None:
            raise entry.error(f"{place}: {mapped} does not hold {network} as RFC 6052 would have it")
        owns.add(own)
        networks.append(network)
    if len(owns) != 1:
        raise document.error(f"eamt: the networks are in {len(owns)} prefixes, expected one")
    return owns.pop(), tuple(networks)


def _prefix_of(mapped: IPv6Network, network: IPv4Network) -> IPv6Network | None:
    for length in LENGTHS:
        if length <= mapped.prefixlen:
            own = mapped.supernet(new_prefix=length)
            if prefix_problem(own) is None and _mapped(own, network) == mapped:
                return own
    return None


def _prefix(value: Any, place: str, wrong: Callable[[str], ParseError]) -> IPv6Network:
    try:
        return IPv6Network(value, strict=False)
    except ValueError as error:
        raise wrong(f"{place}: is no IPv6 prefix: {error}") from error


DRIVER = JoolSiit()
