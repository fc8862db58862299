# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift in meaning: which parameter differs, whom it concerns, and a packet that shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from types import MappingProxyType
from typing import Any

from ..mapping.binding import Binding
from ..mapping.rule import MapRule
from ..platforms.driver import Change
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, Service
from .twin import Counterexample, counterexample

# Customers of one rule that are looked at one by one; larger rules are sampled evenly.
ENUMERATED = 4096
SHOWN = 3

MISSING, UNPLANNED, CHANGED = "missing", "unplanned", "changed"
# On a device of which the plan knows nothing at all.
NO_INTENT = "no intent"
# Lines of the configuration differ, and its meaning does not.
UNSEEN = "unseen"
CONFIGURATION = "configuration"  # stands for the name of a service there


@dataclass(frozen=True, slots=True)
class Difference:
    """One parameter: ``path`` such as rules[0].psid_offset."""

    path: str
    planned: str
    found: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.path} is {self.found}, planned {self.planned}: {self.meaning}"


@dataclass(frozen=True, slots=True)
class ServiceDrift:
    """What is wrong with one service on one node."""

    service: str
    kind: str  # missing, unplanned, changed, no intent or unseen
    differences: tuple[Difference, ...] = ()
    customers: int | None = 0  # None: all that a gateway without a list of them has
    examples: tuple[IPv6Network, ...] = ()
    packet: Counterexample | None = None

    def lines(self) -> list[str]:
        """For people."""
        if self.kind == MISSING:
            return [f"{self.service}: planned, but the device does not carry it"]
        if self.kind == UNPLANNED:
            return [f"{self.service}: on the device, but nothing plans it"]
        if self.kind == NO_INTENT:
            return [f"{self.service}: on a device that the plan does not have"]
        lines = [f"{self.service}: {difference}" for difference in self.differences]
        if self.kind == UNSEEN:
            return lines
        lines.append(f"{self.service}: customers concerned: {self._concerned()}")
        if self.packet is None:
            lines.append(f"{self.service}: no packet was found that tells the two apart")
        else:
            lines.append(f"{self.service}: for example {self.packet}")
        return lines

    def _concerned(self) -> str:
        if self.customers is None:
            return "all"
        shown = ", ".join(str(prefix) for prefix in self.examples)
        more = ", ..." if self.customers > len(self.examples) else ""
        return f"{self.customers:,}" + (f" ({shown}{more})" if shown else "")


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All drift of one node; false where there is none."""

    services: tuple[ServiceDrift, ...]
    not_checked: tuple[str, ...] = ()  # Service fields that the platform cannot tell
    occupied: tuple[str, ...] = ()  # why deploy would refuse, see platforms.driver.Careful

    def __bool__(self) -> bool:
        return bool(self.services)

    def text(self) -> str:
        """For people, one finding a line."""
        lines = [line for service in self.services for line in service.lines()]
        return "\n".join([*lines, *(f"{CONFIGURATION}: {place}" for place in self.occupied)])


def compare(
    planned: tuple[Service, ...],
    found: tuple[Service, ...],
    not_checked: tuple[str, ...] = (),
    change: Change | None = None,
    occupied: Iterable[str] = (),
) -> DriftReport:
    """Planned services of a node against those that its configuration describes.

    ``found`` comes from a driver's parse(), which has taken over from the plan what the platform
    has no words for; ``not_checked`` names those fields for the reader. ``occupied`` says what of the
    operator's is in the way of the plan.
    """
    wanted = {service.name: service for service in planned}
    seen = {service.name: service for service in found}
    drifts = []
    for name in sorted(wanted.keys() | seen.keys()):
        if name not in seen:
            drifts.append(ServiceDrift(name, MISSING))
        elif name not in wanted:
            drifts.append(ServiceDrift(name, UNPLANNED))
        elif wanted[name] != seen[name]:
            drifts.append(_changed(wanted[name], seen[name]))
    if change and not drifts:
        drifts.append(_unseen(change))
    return DriftReport(tuple(drifts), not_checked, tuple(occupied))


def _unseen(change: Change) -> ServiceDrift:
    lines: dict[str, list[str]] = {"- ": [], "+ ": []}
    for line in change.diff.splitlines():
        if line[:2] in lines:
            lines[line[:2]].append(line[2:].strip())
    found, planned = ("; ".join(side) or "nothing" for side in lines.values())
    meaning = "no packet can tell the two apart"
    return ServiceDrift(CONFIGURATION, UNSEEN, (Difference(CONFIGURATION, planned, found, meaning),))


def _changed(planned: Service, found: Service) -> ServiceDrift:
    customers, examples = _concerned(planned, found)
    return ServiceDrift(
        planned.name,
        CHANGED,
        tuple(_differences(planned, found)),
        customers,
        examples,
        counterexample(planned, found),
    )


def _differences(planned: Service, found: Service) -> Iterator[Difference]:
    for field in dataclasses.fields(Service):
        old, new = getattr(planned, field.name), getattr(found, field.name)
        if old == new:
            continue
        if field.name == "rules":
            yield from _rule_differences(planned.rules, found.rules)
        elif field.name == "bindings":
            yield from _binding_differences(planned.bindings, found.bindings)
        elif field.name in ("pool", "plane", "dns64") and old is not None and new is not None:
            yield from _part_differences(field.name, old, new)
        elif field.name == "ipv6_mtu":
            row = TECHNIQUES[planned.technique]
            yield Difference(field.name, _show(old), _show(new), _mtu(row.ipv4_mtu(old), row.ipv4_mtu(new)))
        else:
            meaning = _MEANING.get(field.name, _plain)(old, new)
            yield Difference(field.name, _show(old), _show(new), meaning)


def _part_differences(name: str, old: Any, new: Any) -> Iterator[Difference]:
    """Field by field of a part of the service."""
    for field in dataclasses.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after:
            path = f"{name}.{field.name}"
            yield Difference(path, _show(before), _show(after), _MEANING.get(path, _plain)(before, after))


def _binding_differences(planned: tuple[Binding, ...], found: tuple[Binding, ...]) -> Iterator[Difference]:
    """Subscriber by subscriber; of a large table only some are shown, and how many there are is said."""
    before, after = ({binding.softwire: binding for binding in table} for table in (planned, found))
    differing = [
        softwire
        for softwire in sorted(before.keys() | after.keys())
        if before.get(softwire) != after.get(softwire)
    ]
    for softwire in differing[:SHOWN]:
        old, new = before.get(softwire), after.get(softwire)
        if new is None:
            meaning = "the subscriber has no binding, and no IPv4"
        elif old is None:
            meaning = "somebody is served whom nothing plans"
        else:
            meaning = "the subscriber would use another address or other ports"
        yield Difference(f"bindings[{softwire}]", _binding_text(old), _binding_text(new), meaning)
    if len(differing) > SHOWN:
        meaning = f"{len(differing):,} bindings differ in all"
        yield Difference("bindings", f"{len(planned):,}", f"{len(found):,}", meaning)


def _binding_text(binding: Binding | None) -> str:
    if binding is None:
        return "absent"
    ports = f", PSID {binding.psid} of {binding.psid_len} bits, offset {binding.psid_offset}"
    return f"{binding.ipv4}{ports if binding.psid_len else ''}"


def _rule_differences(planned: tuple[MapRule, ...], found: tuple[MapRule, ...]) -> Iterator[Difference]:
    for index in range(max(len(planned), len(found))):
        path = f"rules[{index}]"
        if index >= len(found):
            meaning = f"{planned[index].customer_count:,} customers have no rule"
            yield Difference(path, _rule_text(planned[index]), "absent", meaning)
        elif index >= len(planned):
            meaning = "addresses are served that nothing plans"
            yield Difference(path, "absent", _rule_text(found[index]), meaning)
        else:
            old, new = planned[index], found[index]
            for field in dataclasses.fields(MapRule):
                before, after = getattr(old, field.name), getattr(new, field.name)
                if before != after:
                    meaning = _rule_meaning(field.name, old, new)
                    yield Difference(f"{path}.{field.name}", _show(before), _show(after), meaning)


def _rule_text(rule: MapRule) -> str:
    return f"{rule.ipv6_prefix} -> {rule.ipv4_prefix}, EA {rule.ea_len}, PSID offset {rule.psid_offset}"


def _rule_meaning(name: str, old: MapRule, new: MapRule) -> str:
    if name == "forwarding":
        return "edges talk to each other " + ("directly" if new.forwarding else "through the gateway")
    if name == "ipv4_prefix":
        return f"{old.customer_count:,} customers would use other IPv4 addresses"
    if name == "ipv6_prefix":
        return f"other End-user prefixes are customers than the {old.customer_count:,} planned"
    sharing = ""
    if new.sharing_ratio != old.sharing_ratio:
        sharing = f", {new.sharing_ratio} on an address in place of {old.sharing_ratio}"
    return (
        f"{old.customer_count:,} customers would use {new.ports_per_customer():,} other ports "
        f"in place of {old.ports_per_customer():,}{sharing}"
    )


def _plain(old: Any, new: Any) -> str:
    return "the device treats packets in another way than planned"


def _mtu(old: int, new: int) -> str:
    return f"IPv4 packets of up to {new} octets in place of {old} cross whole"


def _mss(old: int, new: int) -> str:
    if not new:
        return "TCP connections are not clamped: full segments will not fit"
    return f"TCP segments are limited to {new} octets in place of {old or 'no limit'}"


def _iid(old: str, new: str) -> str:
    return f"the two sides compute different addresses, {new} against {old}: nothing arrives (MAP007)"


def _gateway(old: Any, new: Any) -> str:
    return f"tunnels to {old} are not answered"


def _strict(old: bool, new: bool) -> str:
    return "sources with a foreign interface identifier are " + ("dropped" if new else "accepted")


_MEANING: Mapping[str, Callable[[Any, Any], str]] = MappingProxyType(
    {
        "mss_clamp": _mss,
        "interface_identifier": _iid,
        "gateway_address": _gateway,
        "strict_iid": _strict,
        "fragmentation": lambda old, new: f"packets that are too big are cut {new} in place of {old}",
        "filtering": lambda old, new: f"inbound packets are filtered {new} in place of {old}",
        "end_user_prefix": lambda old, new: "the edge takes the place of another customer",
        "inside": lambda old, new: "other LAN networks may use the service",
        "port_forwards": lambda old, new: "inbound connections reach other hosts, or none",
        "translation_prefix": lambda old, new: f"packets to {old} are not translated any more (X004)",
        "eam": lambda old, new: "other IPv4 addresses stand for IPv6 hosts",
        "plane_routes": lambda old, new: "IPv4 networks of the plane are looked for elsewhere, or nowhere",
        "plane.prefix": lambda old, new: "addresses of the plane are made in another prefix (SA001)",
        "plane.plane_id": lambda old, new: f"packets go to the networks of plane {new}, not of {old} (SA001)",
        "pool": lambda old, new: "sessions get no address" if new is None else "sessions get addresses",
        "pool.ipv4": lambda old, new: "customers are seen with other addresses",
        "pool.first_port": lambda old, new: f"customers are seen with ports from {new} on",
        "pool.ports_per_subscriber": lambda old, new: (
            f"a subscriber has {new or 'any number of'} ports"
            f" in place of {old or 'any number'} (RFC 6888 REQ-4)"
        ),
        "pool.block_size": lambda old, new: "ports are drawn, and logged, in other blocks",
        "pool.deterministic": lambda old, new: (
            "who had a port " + ("follows by arithmetic" if new else "is told by the log alone")
        ),
        "pool.hold_down": lambda old, new: (
            f"a port is given to somebody else after {new} s in place of {old} (RFC 6888 REQ-8)"
        ),
        "pool.subscriber_prefix_len": lambda old, new: f"a subscriber is a /{new} in place of a /{old}",
        "hairpinning": lambda old, new: (
            "customers " + ("reach each other" if new else "do not reach each other")
        ),
        "icmp_on_miss": lambda old, new: "who has no binding is " + ("told so" if new else "not told"),
        "udp_zero_checksum": lambda old, new: f"what becomes of UDP without a checksum: {new}, not {old}",
        "lowest_ipv6_mtu": lambda old, new: (
            f"IPv4 packets without DF are cut to {new} octets of IPv6, not {old}"
        ),
        "delegations": lambda old, new: "customers get other End-user prefixes",
        "aftr_name": lambda old, new: "customers look for another AFTR",
        "dns64.exclude": lambda old, new: "other AAAA answers do not count",
        "dns64.clients": lambda old, new: "others get synthesised answers, or nobody",
        "dns64.private": lambda old, new: "other IPv4 addresses are never synthesised",
        "namespace": lambda old, new: "the IPv4 side is in another network namespace",
    }
)


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_show(item) for item in value) or "none"
    if dataclasses.is_dataclass(value):
        return " ".join(str(getattr(value, field.name)) for field in dataclasses.fields(value))
    return str(value)


def _concerned(planned: Service, found: Service) -> tuple[int | None, tuple[IPv6Network, ...]]:
    """How many customers a difference touches, and some of them; None for all that a gateway has."""
    if planned.role == EDGE:
        own = planned.end_user_prefix
        return 1, (own,) if own else ()
    listed = TECHNIQUES[planned.technique].mapping
    if listed == "rule":
        return _concerned_by_rules(planned, found)
    if listed == "binding":
        return _concerned_by_bindings(planned, found)
    return None, ()


def _concerned_by_bindings(planned: Service, found: Service) -> tuple[int, tuple[IPv6Network, ...]]:
    whole = dataclasses.replace(found, bindings=planned.bindings) != planned
    now = set(found.bindings)
    softwires = [one.softwire for one in planned.bindings if whole or one not in now]
    return len(softwires), tuple(IPv6Network(softwire) for softwire in softwires[:SHOWN])


def _concerned_by_rules(planned: Service, found: Service) -> tuple[int, tuple[IPv6Network, ...]]:
    whole_domain = dataclasses.replace(found, rules=planned.rules) != planned
    table = found.address_table()
    count = 0
    examples: list[IPv6Network] = []
    for rule in planned.rules:
        step = max(1, rule.customer_count // ENUMERATED)
        touched = 0
        for index in range(0, rule.customer_count, step):
            prefix = rule.nth_prefix(index)
            customer = rule.customer(prefix, planned.interface_identifier)
            now = table.entitlement(int(customer.address))
            same = now is not None and (now.ipv4, now.ports, now.address) == (
                int(customer.ipv4.network_address),
                customer.ports,
                int(customer.address),
            )
            if whole_domain or not same:
                touched += 1
                if len(examples) < SHOWN:
                    examples.append(prefix)
        count += min(rule.customer_count, touched * step)
    return count, tuple(examples)
