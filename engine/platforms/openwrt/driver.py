# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt: customer edges of every technique by netifd's protocols, in UCI package ``network``."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Network
from typing import Any

from ...mapping.iid import DRAFT03, RFC7597
from ...mapping.rfc6052 import prefix_problem
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import EDGE, Service
from .. import assembly, uci
from ..assembly import NO_ADDRESS, FoundRule, in_order
from ..diff import line_diff
from ..driver import Change
from ..edges import edge
from ..guard import check_rules, option
from ..own_file import bound
from ..uci import Section
from ..values import Leaf
from .lwb4 import binding_of, check_bindings, left_aligned
from .rules import found_values, map_rules, rule_text
from .sections import PACKAGE, PREFIX, is_on, owned, section_name, technique_of

_DEFAULT_MTU = 1280  # of the tunnel: map.sh, dslite.sh


class OpenWrt:
    """The driver. Ours are the interfaces named aas_<service> with a protocol of these techniques."""

    name = "openwrt"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One interface for each service; its only MAP rule in options or all rules in one text."""
        _check(node)
        return {
            "uplink": option(
                node, "uplink", str, "the interface that holds the End-user prefix, such as wan6"
            ),
            "zone": node.options.get("zone", ""),
            "interfaces": sorted(
                (_interface(service) for service in node.services), key=lambda item: item["name"]
            ),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. ``text`` is what ``uci export`` prints, of one or several packages."""
        return uci.write(owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. Options that are missing have the defaults of netifd's scripts."""
        sections = owned(text)
        by_rule: dict[str, list[FoundRule]] = {}
        found: list[Service] = []
        for section in sections:
            technique = technique_of(section)
            name, hint = _named(section, wanted)
            if TECHNIQUES[technique].mapping == "rule":
                by_rule.setdefault(technique, []).extend(_rules(section, technique, name, hint))
            else:
                found.append(edge(name, technique, _FACTS[technique](section, hint), wanted))
        for technique, rules in by_rule.items():
            found += assembly.services(rules, wanted, technique, EDGE)
        return in_order(found, wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. Commands for ``uci batch``."""
        before, after = owned(running), owned(wanted)
        return Change(
            uci.batch(PACKAGE, before, after),
            uci.batch(PACKAGE, after, before),
            line_diff(uci.write(before), uci.write(after)),
        )


def _check(node: NodePlan) -> None:
    """Raises Refused with everything that OpenWrt cannot express."""
    techniques = {service.technique for service in node.services}
    if any(TECHNIQUES[technique].mapping == "rule" for technique in techniques):
        check_rules(node, _inexpressible)
    if "lw4o6" in techniques:
        check_bindings(node)
    sections = [section_name(service.name) for service in node.services]
    if len(set(sections)) < len(sections):
        names = ", ".join(service.name for service in node.services)
        raise Refused([Problem(node.name, f"{names} are one name in UCI", "names that differ by letters")])


def _inexpressible(rule: MapRule) -> str | None:
    if rule.kind == "prefix":
        return "mapcalc takes wrong bits for an IPv4 prefix per customer"
    if rule.explicit_psid_len:
        return "mapcalc takes the PSID from the EA bits"
    return None


def _interface(service: Service) -> dict[str, Any]:
    row = TECHNIQUES[service.technique]
    made = {
        "name": section_name(service.name),
        "service": service,
        "draft_03": service.interface_identifier == DRAFT03,
        "mtu": service.ipv6_mtu - row.overhead,
    }
    if row.mapping == "rule":
        rule = service.rules[0]
        single = len(service.rules) == 1 and not rule.forwarding
        made |= {
            "rule": rule if single else None,
            "offset": assembly.offset_on_device(rule),
            "rules": " ".join(rule_text(service, item) for item in service.rules),
        }
    elif row.mapping == "binding":
        made |= {"binding": service.bindings[0], "psid": left_aligned(service.bindings[0])}
    return made


def _named(section: Section, wanted: tuple[Service, ...]) -> tuple[str, Service | None]:
    """Name of the service of an interface, and the service where it is wanted."""
    known = {section_name(service.name): service for service in wanted}
    hint = known.get(section.name)
    return (hint.name if hint else section.name.removeprefix(PREFIX)), hint


def _rules(section: Section, technique: str, name: str, hint: Service | None) -> list[FoundRule]:
    at = section.entry()
    legacy = is_on(section.leaf("legacymap"))
    facts: dict[str, Any] = {"interface_identifier": DRAFT03 if legacy else RFC7597}
    encapsulates = TECHNIQUES[technique].carriage == "encapsulation"
    if encapsulates:
        facts |= _mtu(section, technique)
    else:
        facts["gateway_address"] = hint.gateway_address if hint else NO_ADDRESS
    found = map_rules(at, found_values(section, technique), hint, technique, legacy)
    return [
        FoundRule(
            name,
            index,
            rule,
            facts
            | (
                {"gateway_address": far_end.ipv6()}
                if encapsulates
                else {"translation_prefix": _prefix(far_end)}
            ),
            at,
        )
        for index, (rule, far_end) in enumerate(found)
    ]


def _prefix(leaf: Leaf) -> IPv6Network:
    """A prefix that IPv4 addresses are put into. Raises ParseError."""
    prefix = leaf.ipv6_network()
    wrong = prefix_problem(prefix)
    if wrong:
        raise leaf.error(f"{prefix} holds no IPv4 addresses: {wrong}")
    return prefix


def _mtu(section: Section, technique: str) -> dict[str, Any]:
    mtu = section.leaf("mtu")
    own = mtu.integer(68, 65535) if mtu else _DEFAULT_MTU
    return {"ipv6_mtu": own + TECHNIQUES[technique].overhead}


def _lw4o6(section: Section, hint: Service | None) -> dict[str, Any]:
    at = section.entry()
    [values, *more] = found_values(section, "lw4o6")
    if more:
        raise at.error("has several rules; a lwB4 has one binding")
    binding, prefix, gateway = binding_of(at, values, hint, is_on(section.leaf("legacymap")))
    wanted = (hint,) if hint else ()
    facts = bound([(binding, gateway)], hint.name if hint else "", wanted)
    return facts | {"end_user_prefix": prefix} | _mtu(section, "lw4o6")


def _ds_lite(section: Section, hint: Service | None) -> dict[str, Any]:
    gateway = section.leaf("peeraddr")
    if gateway is None:
        raise section.entry().error("has no peeraddr")
    return {"gateway_address": gateway.ipv6()} | _mtu(section, "ds-lite")


def _xlat464(section: Section, hint: Service | None) -> dict[str, Any]:
    """Without a prefix the device looks for one in the DNS (RFC 7050): then none is configured."""
    prefix = section.leaf("ip6prefix")
    return {"translation_prefix": _prefix(prefix) if prefix else None}


_FACTS: dict[str, Callable[[Section, Service | None], dict[str, Any]]] = {
    "lw4o6": _lw4o6,
    "ds-lite": _ds_lite,
    "464xlat": _xlat464,
}

DRIVER = OpenWrt()
