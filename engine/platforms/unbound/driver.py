# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unbound with its module dns64, in a file of Debian's /etc/unbound/unbound.conf.d.

``private-address`` takes excluded AAAA records out of answers before the module sees them (RFC 6147
section 5.1.4). The name ipv4only.arpa is answered here (RFC 8880 section 7.1). A transparent zone lifts
Unbound's own empty zones (2001:db8::/32, ULA) from the reverse names of the prefix, so that the module can
answer them (RFC 6147 section 5.3.1).
"""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...provision.dns64 import WELL_KNOWN_ADDRESSES, WELL_KNOWN_NAME, well_known_answers
from ...techniques.service import RESOLVER, Dns64, Service
from .. import assembly, own_file
from ..driver import Change
from ..own_file import Section
from ..resolver import check_services, dns64_of, prefix_of, reverse_zone
from ..values import Leaf

_TECHNIQUE = "nat64"  # of a service that nobody planned: for a PLAT the configuration is the same
_MODULES = '"dns64 validator iterator"'
_DERIVED = ("local-zone", "local-data", "local-data-ptr")  # what follows from the prefix
_KNOWN = ("server", "module-config", "dns64-prefix", "private-address", "access-control", *_DERIVED)


class Unbound:
    """The driver."""

    name = "unbound"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for what Unbound cannot do."""
        check_services(node)
        _check_expressible(node)
        prefix = prefix_of(node.services[0])
        return {"head": own_file.HEAD, "modules": _MODULES, "derived": _derived_lines(prefix)}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found = list(own_file.sections(text))
        services = tuple(_service(section, wanted) for section in found)
        if services:
            _check_derived(found, prefix_of(services[0]))
        return services

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return own_file.change(running, wanted)


def _check_expressible(node: NodePlan) -> None:
    first = node.services[0]
    problems = [
        Problem(
            f"ipv4aas_services.{service.name}.gateway.translation_prefix",
            f"unbound {node.name} has one prefix, that of {first.name} is {first.translation_prefix}",
            "use the same, or another resolver (bind takes several)",
        )
        for service in node.services
        if service.translation_prefix != first.translation_prefix
    ]
    problems += [
        Problem(
            f"ipv4aas_services.{service.name}.dns64.private",
            f"unbound {node.name} synthesises from every A record",
            "remove it, or use bind",
        )
        for service in node.services
        if dns64_of(service).private
    ]
    if problems:
        raise Refused(problems)


def _derived_lines(prefix: IPv6Network) -> list[str]:
    lines = [f'local-zone: "{reverse_zone(prefix)}" transparent', f'local-zone: "{WELL_KNOWN_NAME}." static']
    for address in (*WELL_KNOWN_ADDRESSES, *well_known_answers(prefix)):
        kind = "A" if address.version == 4 else "AAAA"
        lines.append(f'local-data: "{WELL_KNOWN_NAME}. {kind} {address}"')
        lines.append(f'local-data-ptr: "{address} {WELL_KNOWN_NAME}"')
    return lines


def _check_derived(found: list[Section], prefix: IPv6Network) -> None:
    """Raises ParseError where a line that follows from the prefix is another one, or not there."""
    missing = dict.fromkeys(_derived_lines(prefix))
    for section in found:
        for leaf in section.lines:
            if leaf.text.split(":")[0] in _DERIVED:
                if leaf.text not in missing:
                    raise leaf.error(
                        f"does not follow from {prefix}; expected {next(iter(missing), 'nothing')}"
                    )
                del missing[leaf.text]
    if missing:
        raise found[0].entry.error(f"lacks {next(iter(missing))}")


def _service(section: Section, wanted: tuple[Service, ...]) -> Service:
    values: dict[str, list[Leaf]] = {}
    for line in section.lines:
        key, _colon, value = line.text.partition(":")
        values.setdefault(key, []).append(Leaf(value.strip(), line.line, line.text))
    for key, leaves in values.items():
        if key not in _KNOWN:
            raise leaves[0].error(f"is not understood; one of {', '.join(_KNOWN)}")
    for key in ("module-config", "dns64-prefix"):
        if len(values.get(key, ())) != 1:
            raise section.entry.error(f"has {len(values.get(key, ()))} {key}, one was expected")
    [modules], [prefix] = values["module-config"], values["dns64-prefix"]
    if modules.value != _MODULES:
        raise modules.error(f"the modules are not {_MODULES}")
    carried = {
        "role": RESOLVER,
        "translation_prefix": prefix.pref64(),
        "dns64": Dns64(
            exclude=tuple(leaf.ipv6_network() for leaf in values.get("private-address", ())),
            clients=tuple(_client(leaf) for leaf in values.get("access-control", ())),
        ),
    }
    return assembly.found_service(section.service, wanted, carried, _TECHNIQUE)


def _client(leaf: Leaf) -> IPv6Network:
    prefix, _blank, action = leaf.value.partition(" ")
    if action != "allow":
        raise leaf.error(f"{action} is not allow")
    return Leaf(prefix, leaf.line, leaf.text).ipv6_network()


DRIVER = Unbound()
