# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the templates need of a node: vendor terms, or all that IOS XE cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...mapping.rule import MapRule, MapRuleError
from ...plan.model import NodePlan
from ...problem import Problem
from ...techniques.service import Service
from ..driver import FALLBACK
from ..guard import check_rules
from ..naming import rule_name
from . import nat64, tunnels
from .commands import natural
from .options import Ask
from .owned import MAP_E, MAP_T, MOST_DOMAINS
from .ports import start_port

_MOST_TUNNELS = 2147483647
_LONGEST_PREFIX = 63  # of a MAP-E edge: its first /64 holds the MAP address, the LAN needs another


def context(node: NodePlan) -> dict[str, Any]:
    """The context of the technique's template; IPv6 in it is as the router prints it. Raises Refused."""
    return _CONTEXTS[node.services[0].technique](node)


def _map_t_context(node: NodePlan) -> dict[str, Any]:
    problems = [
        Problem(f"ipv4aas_services.{service.name}.gateway.translation_prefix", "missing", "the DMR of MAP-T")
        for service in node.services
        if service.translation_prefix is None
    ]
    ask = Ask(node)
    interfaces, first = ask.interfaces("interfaces"), ask.number("first_domain", MOST_DOMAINS)
    named = [(service, index) for service in node.services for index in range(len(service.rules))]
    if first + len(named) - 1 > MOST_DOMAINS:
        ask.problems.append(
            Problem(ask.place("first_domain"), f"{first} and {len(named)} rules", f"end at {MOST_DOMAINS}")
        )
    check_rules(node, _inexpressible, (*problems, *ask.problems))
    return {
        "interfaces": interfaces,
        "domains": [_domain(service, index, number) for number, (service, index) in enumerate(named, first)],
    }


def _domain(service: Service, index: int, number: int) -> dict[str, Any]:
    rule = service.rules[index]
    return {
        "number": number,
        "name": rule_name(service.name, index),
        "internet": _shown(service.translation_prefix),
        "ipv6_prefix": _shown(rule.ipv6_prefix),
        "ipv4_prefix": rule.ipv4_prefix,
        "sharing_ratio": rule.sharing_ratio,
        "start_port": start_port(rule.psid_offset),
    }


def _inexpressible(rule: MapRule) -> str | None:
    if rule.ea_len != 32 - rule.ipv4_prefix.prefixlen + rule.psid_len:
        return "IOS XE takes the whole rest of the IPv4 address and the PSID from the EA bits"
    return None


def _nat64_context(node: NodePlan) -> dict[str, Any]:
    ask = Ask(node)
    interfaces = ask.interfaces("interfaces")
    ask.refuse(nat64.problems(node))
    service = node.services[0]
    assert service.pool is not None  # nat64.problems
    ends = nat64.range_of(service.pool)
    assert ends is not None
    return {
        "interfaces": interfaces,
        "name": rule_name(service.name, 0),
        "hosts": _shown(service.pool.subscribers) if service.pool.subscribers else "any",
        "prefix": _shown(service.translation_prefix),
        "first": ends[0],
        "last": ends[1],
    }


def _ds_lite_context(node: NodePlan) -> dict[str, Any]:
    ask = Ask(node)
    uplink, number = ask.uplink(), ask.number("tunnel", _MOST_TUNNELS)
    ask.refuse(_single(node))
    service = node.services[0]
    return {
        "name": rule_name(service.name, 0),
        "number": number,
        "uplink": uplink,
        "gateway": _shown(service.gateway_address),
        "mtu": service.ipv6_mtu - tunnels.OVERHEAD,
        "mss": service.mss_clamp,
    }


def _map_e_context(node: NodePlan) -> dict[str, Any]:
    ask = Ask(node)
    uplink, number = ask.uplink(), ask.number("first_domain", MOST_DOMAINS)
    interfaces = ask.interfaces("interfaces")
    if node.options.get("accept_qfp_crash") is not True:
        wrong = "MAP-E has crashed the forwarding engine of C8000V 17.15.01a and C1111-8P 17.15.05"
        ask.problems.append(Problem(ask.place("accept_qfp_crash"), wrong, "true, once you have tried it"))
    ask.refuse((*_single(node), *_edge_problems(node)))
    service = node.services[0]
    customer = service.customer
    return {
        "name": rule_name(service.name, 0),
        "number": number,
        "uplink": uplink,
        "interfaces": sorted({uplink, *interfaces}, key=natural),
        "address": _shown(customer.address),
        "gateway": _shown(service.gateway_address),
        "ipv6_prefix": _shown(service.end_user_prefix),
        "ipv4": customer.ipv4,
        "inside": service.inside[0],
        "sharing_ratio": 1 << customer.ports.psid_len,
        "offset": customer.ports.offset,
        "psid": customer.ports.psid,
    }


def _single(node: NodePlan) -> Iterator[Problem]:
    if len(node.services) > 1:
        wrong = f"{node.name} has {len(node.services)} services for one default route"
        yield Problem(f"hosts.{node.name}.ipv4aas_carries", wrong, "one service")


def _edge_problems(node: NodePlan) -> Iterator[Problem]:
    """What a customer edge with MAP-E cannot be told."""
    host = f"hosts.{node.name}"
    for service in node.services:
        prefix = service.end_user_prefix
        if prefix is not None and prefix.prefixlen > _LONGEST_PREFIX:
            wrong = f"{prefix} has no /64 for the LAN: the first one holds the MAP address"
            yield Problem(f"{host}.ipv4aas_customer_prefix", wrong, f"a /{_LONGEST_PREFIX} or shorter")
        if len(service.inside) != 1:
            wrong = f"{len(service.inside)} networks, local-ipv4-prefix takes one"
            yield Problem(f"{host}.ipv4aas_lan", wrong, "one network")
        if service.mesh:
            wrong = f"no words for forwarding rules are known on {node.platform}"
            yield Problem(f"ipv4aas_services.{service.name}.mesh", wrong, f"false, or {FALLBACK}")
        if service.port_forwards:
            wrong = f"no words for port forwards with MAP-E are known on {node.platform}"
            yield Problem(f"{host}.ipv4aas_port_forwards", wrong, f"none, or {FALLBACK}")
        try:
            shared = service.customer.ports.shared
        except MapRuleError as error:
            yield Problem(f"{host}.ipv4aas_customer_prefix", str(error), "a prefix of the service")
            continue
        if not shared:
            wrong = f"{service.customer.ipv4} is not shared: what port-parameters it then needs is not known"
            yield Problem(f"ipv4aas_services.{service.name}", wrong, f"a shared address, or {FALLBACK}")


def _shown(value: object) -> str:
    """An IPv6 address or prefix as IOS prints it."""
    return str(value).upper()


_CONTEXTS: Mapping[str, Callable[[NodePlan], dict[str, Any]]] = {
    MAP_T: _map_t_context,
    MAP_E: _map_e_context,
    "nat64": _nat64_context,
    "464xlat": _nat64_context,
    "ds-lite": _ds_lite_context,
}
