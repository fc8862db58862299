# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A10 Thunder and AX, ACOS 4 and later: NAT64, 464XLAT, DS-Lite, MAP-E, MAP-T and lw4o6 gateways by aXAPI."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import Any

from ...mapping.pool import Pool
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from ..driver import FALLBACK, Change
from ..guard import check_rules
from ..objects import Objects
from . import axapi, build, cli, objects
from .build import BATCHES, rule_values

_DIALECTS: dict[str, Any] = {"axapi": axapi, "cli": cli}
_ANYBODY = "::/0"
_MAX_QUOTA = 64000
_PLAIN = Pool(ipv4=())
# Of these a device (or a partition of it) has one: its class list, its binding table.
_SINGLE = {"session/translation": "NAT64 or 464XLAT", "session/encapsulation": "DS-Lite"}
_SINGLE_TABLE = {"binding/encapsulation": "lw4o6"}


class A10:
    """The driver. Ours are the objects named ipv4aas-<service> and those that name one of them."""

    name = "a10"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The document. Raises Refused for what aXAPI has no words for."""
        check_rules(node, _inexpressible)
        problems = list(_problems(node))
        if problems:
            raise Refused(problems)
        made: Objects = {}
        for service in node.services:
            for kind, body in _objects(node, service):
                made[objects.path_of(kind, body)] = body
        return {"document": _DIALECTS[dialect].written(made)}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return str(_DIALECTS[dialect].owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found: tuple[Service, ...] = _DIALECTS[dialect].parse(text, wanted)
        return found

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        made: Change = _DIALECTS[dialect].change(running, wanted)
        return made

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful: numbers of LSN LIDs, and what a device or partition has one of."""
        read = _DIALECTS[dialect].objects_of
        return objects.occupied(read(text), read(wanted))


def _shape(service: Service) -> str:
    row = TECHNIQUES[service.technique]
    return f"{row.mapping}/{row.carriage}"


def _objects(node: NodePlan, service: Service) -> build.Made:
    mapping = TECHNIQUES[service.technique].mapping
    if mapping == "session":
        prefixes = [IPv6Network(text) for text in _customers(node, service)]
        return build.session_objects(service, _lid(node, service), prefixes)
    return build.map_objects(service) if mapping == "rule" else build.binding_objects(service)


def _of_service(node: NodePlan, option: str, service: Service) -> Any:
    """The value of an option for a service: of a mapping by service its own, else the option's."""
    value = node.options.get(option)
    return value.get(service.name) if isinstance(value, dict) else value


def _lid(node: NodePlan, service: Service) -> int:
    lid: int = _of_service(node, "lsn_lid", service)
    return lid


def _customers(node: NodePlan, service: Service) -> list[str]:
    known = service.pool.subscribers if service.pool else None
    value = _of_service(node, "customers", service) or [str(known or _ANYBODY)]
    return [value] if isinstance(value, str) else list(value)


def _problems(node: NodePlan) -> Iterator[Problem]:
    for shape, title in (_SINGLE | _SINGLE_TABLE).items():
        names = [service.name for service in node.services if _shape(service) == shape]
        if len(names) > 1:
            wrong = f"{node.name} has room for one service of {title}, not for {', '.join(names)}"
            yield Problem(f"{node.name}.ipv4aas_services", wrong, "another host or partition for the others")
    lids: dict[int, str] = {}
    for service in node.services:
        if _shape(service) in _SINGLE:
            yield from _option_problems(node, service, lids)
            yield from _pool_problems(node, service)
        if TECHNIQUES[service.technique].mapping == "rule":
            yield from _map_problems(node, service)


def _option_problems(node: NodePlan, service: Service, lids: dict[int, str]) -> Iterator[Problem]:
    lid, place = _lid(node, service), f"{node.name}.ipv4aas_options"
    meaning = "the number, 1 to 1023, of an LSN LID that nobody else uses"
    if not isinstance(lid, int) or isinstance(lid, bool) or not 1 <= lid <= 1023:
        wrong = f"{lid!r} for service {service.name}" if lid is not None else f"none for {service.name}"
        yield Problem(f"{place}.lsn_lid", wrong, meaning)
    elif lid in lids:
        yield Problem(
            f"{place}.lsn_lid",
            f"{lid} for both {lids[lid]} and {service.name}",
            "a number for each by service",
        )
    else:
        lids[lid] = service.name
    for text in _customers(node, service):
        try:
            IPv6Network(text)
        except ValueError as error:
            yield Problem(f"{place}.customers", f"service {service.name}: {error}", "a list of IPv6 prefixes")


def _pool_problems(node: NodePlan, service: Service) -> Iterator[Problem]:
    pool, place = service.pool or _PLAIN, f"ipv4aas_services.{service.name}"
    if pool.block_size and not build.batch(pool.block_size):
        wrong = f"{node.name} has no blocks of {pool.block_size} ports"
        yield Problem(f"{place}.sharing", wrong, f"at least {BATCHES[0]} for a customer")
    if pool.first_port % 2 or not pool.first_port:
        yield Problem(
            f"{place}.sharing", f"{node.name} cannot begin at port {pool.first_port}", "an even port"
        )
    if pool.ports_per_subscriber > _MAX_QUOTA:
        wrong = f"{node.name} cannot count to a quota of {pool.ports_per_subscriber} ports"
        yield Problem(f"{place}.sharing", wrong, f"at most {_MAX_QUOTA}")
    for field in ("deterministic", "new_sessions_per_second", "hold_down", "hold_down_ports"):
        if getattr(pool, field) != getattr(_PLAIN, field):
            wrong = f"{node.name} has no words for {field} {getattr(pool, field)}"
            yield Problem(f"{place}.sharing", wrong, f"{getattr(_PLAIN, field)}, or {FALLBACK}")
    if not pool.subscriber_prefix_len:
        yield Problem(f"{place}.sharing", f"{node.name} needs a prefix of a subscriber", "1 to 128 bits")
    for field in ("static_bindings", "eam"):
        if getattr(service, field):
            yield Problem(f"{place}.{field}", f"{node.name} is not told of {field}", f"none, or {FALLBACK}")


def _map_problems(node: NodePlan, service: Service) -> Iterator[Problem]:
    if service.translation_prefix is not None:
        values = [rule_values(rule) for rule in service.rules]
        for index, each in enumerate(values):
            if each != values[0]:
                yield Problem(
                    f"ipv4aas_services.{service.name}.rules[{index}]",
                    f"a MAP-T domain of {node.name} has one EA length, sharing ratio and first port",
                    "the values of the first rule, or a service of its own",
                )
        if service.eam:
            yield Problem(f"ipv4aas_services.{service.name}.eam", f"{node.name} is not told of it", "none")


def _inexpressible(rule: MapRule) -> str | None:
    return "aXAPI has no place for a PSID" if rule.explicit_psid_len else None


DRIVER = A10()
