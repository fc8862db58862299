# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huawei NE40E and NE8000, VRP8: gateways of MAP-E, MAP-T, DS-Lite, NAT64 and 464XLAT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from ...mapping.iid import DRAFT03
from ...mapping.pool import Pool
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from .. import sessions, vrp
from ..driver import Change
from ..guard import check_rules, option
from ..naming import rule_name
from ..sessions import Wish
from . import cli, model

# Figures of the manual: instance, port-range, port-limit, section.
_MOST_ID = 4095
_PORT_STEP = 64
_PORT_RANGE = (64, 64512)
_MOST_EXTENDED = 8192
_PORT_LIMIT = (50, 65535)
_SECTION_LEN = 22
_MOST_SECTIONS = 16

_IDS = "a mapping of services to numbers 1..4095 that nothing else on the device has, such as {hall7: 7}"
_GROUP, _GROUP_MEANING = "service_instance_group", "the name of a service-instance-group that is there"


class HuaweiNe40e:
    """The driver. Everything of ours is named ipv4aas-<service>."""

    name = "huawei_ne40e"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One instance for each service; its rules, addresses or prefix in the system view."""
        check_rules(node, _inexpressible)
        ids = option(node, "instance_ids", dict, _IDS)
        problems = [*_id_problems(node, ids), *_address_problems(node), *sessions.problems(node, _unable)]
        if problems:
            raise Refused(problems)
        return {
            "default_mtu": cli.DEFAULT_MTU,
            "group": _group(node) if any(service.pool is not None for service in node.services) else None,
            "instances": sorted(
                (_instance(service, ids[service.name]) for service in node.services),
                key=lambda item: str(item["name"]),
            ),
            "rules": sorted(
                (
                    {"name": rule_name(service.name, index), "rule": rule}
                    for service in node.services
                    for index, rule in enumerate(service.rules)
                ),
                key=lambda item: str(item["name"]),
            ),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return vrp.write(cli.owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return model.services(cli.owned(text), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. Lines for the system view."""
        return cli.change(running, wanted)

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful."""
        return cli.occupied(text, wanted)


def _group(node: NodePlan) -> str:
    """Its name, which may be a number."""
    value = node.options.get(_GROUP)
    return str(value if type(value) is int else option(node, _GROUP, str, _GROUP_MEANING))


def _instance(service: Service, number: int) -> dict[str, Any]:
    return {
        "name": rule_name(service.name, 0),
        "id": number,
        "service": service,
        "rules": sorted(rule_name(service.name, index) for index in range(len(service.rules))),
        "draft_03": service.interface_identifier == DRAFT03,
        "full_cone": service.filtering == "endpoint-independent",
        "sections": list(enumerate(_sections(service.pool))) if service.pool else [],
        "limits": _limits(service.pool) if service.pool else [],
        "extensions": _extensions(service.pool) if service.pool and service.pool.block_size else 0,
    }


def _sections(pool: Pool) -> Iterator[IPv4Network]:
    """Its networks in parts that a section takes."""
    for network in pool.ipv4:
        yield from network.subnets(new_prefix=max(network.prefixlen, _SECTION_LEN))


def _limits(pool: Pool) -> list[str]:
    """What follows ds-lite port-limit: the quota for each protocol, so that all together have it."""
    if pool.block_size or not pool.ports_per_subscriber:
        return []
    quota = pool.ports_per_subscriber
    limits = (f"{kind} {quota}" for kind, usual in sorted(cli.DEFAULT_LIMITS.items()) if quota != usual)
    return ["enable", *limits]


def _extensions(pool: Pool) -> int:
    return pool.ports_per_subscriber // pool.block_size - 1


def _id_problems(node: NodePlan, ids: dict[str, Any]) -> Iterator[Problem]:
    place = f"{node.name}.ipv4aas_options.instance_ids"
    for service in node.services:
        number = ids.get(service.name)
        if service.name not in ids:
            yield Problem(f"{place}.{service.name}", "missing", f"a number in 1..{_MOST_ID}")
        elif type(number) is not int or not 1 <= number <= _MOST_ID:
            yield Problem(f"{place}.{service.name}", f"{number!r} does not fit", f"a number in 1..{_MOST_ID}")
    used = Counter(str(ids.get(service.name)) for service in node.services if service.name in ids)
    for number, count in used.items():
        if count > 1:
            yield Problem(place, f"{number} is there {count} times", "a number of its own for each service")


def _address_problems(node: NodePlan) -> Iterator[Problem]:
    """Only an ACL could tell instances with one address apart (manual, precautions for DS-Lite)."""
    tunnels = [one for one in node.services if TECHNIQUES[one.technique].carriage == "encapsulation"]
    for address, count in Counter(service.gateway_address for service in tunnels).items():
        if count > 1:
            names = ", ".join(service.name for service in tunnels if service.gateway_address == address)
            yield Problem(node.name, f"{names} have the gateway address {address}", "one address for each")


def _inexpressible(rule: MapRule) -> str | None:
    if rule.explicit_psid_len:
        return "a rule-prefix takes the PSID from the EA bits"
    if not rule.psid_len:
        return "psid-offset 0 is not known there, so ports of an address that is not shared are excluded"
    return None


def _unable(service: Service) -> Iterator[Wish]:
    pool = service.pool
    if pool is None:
        return
    if pool.subscribers is None and service.technique == "ds-lite":
        yield Wish("customers", "needs the customers' prefix for remote-ipv6", "the prefix of all customers")
    if len(list(_sections(pool))) > _MOST_SECTIONS:
        wrong = f"has {_MOST_SECTIONS} sections of up to a /{_SECTION_LEN} for an address group"
        yield Wish("ipv4_pools", wrong, "fewer or smaller pools")
    if pool.deterministic:
        return
    if pool.block_size:
        yield from _block_wishes(pool, service)
    elif pool.ports_per_subscriber:
        if service.technique != "ds-lite":
            yield Wish("sharing.allocation", "limits sessions of NAT64, not ports", "blocks")
        else:
            yield from sessions.out_of("sharing", "a port-limit", pool.ports_per_subscriber, *_PORT_LIMIT)


def _block_wishes(pool: Pool, service: Service) -> Iterator[Wish]:
    size, (least, most) = pool.block_size, _PORT_RANGE
    step = _PORT_STEP if service.technique == "ds-lite" else 1
    if size % step or not least <= size <= most:
        multiple = f", a multiple of {step}" if step > 1 else ""
        right = "other customers_per_address or reserved_ports, or allocation: dynamic"
        yield Wish("sharing", f"takes a port-range of {least} to {most}{multiple}, not {size}", right)
    quota = pool.ports_per_subscriber
    extensions = _extensions(pool)
    if quota % size or not 0 <= extensions <= model.MOST_EXTENSIONS or (extensions and size > _MOST_EXTENDED):
        wrong = f"cannot give {quota or 'any number of'} ports in blocks of {size}"
        yield Wish("sharing", wrong, f"1 to {1 + model.MOST_EXTENSIONS} blocks for a customer")


DRIVER = HuaweiNe40e()
