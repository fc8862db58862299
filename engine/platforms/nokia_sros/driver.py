# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nokia 7750 SR and VSR, SR OS: gateways of MAP-T, DS-Lite, NAT64 and 464XLAT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import DROP, FORWARD, Service
from .. import sessions
from ..assembly import offset_on_device
from ..diff import line_diff
from ..driver import Change
from ..guard import check_rules, option
from ..naming import rule_name
from ..sessions import LAST_PORT, Wish
from . import classic, mdcli, model
from .lines import DEFAULTS, occupied, owned

_DIALECTS: dict[str, Any] = {"mdcli": mdcli, "classic": classic}
_GROUP = "a nat-group that is there, such as 1"
_MOST_BLOCKS = 40
_LEAST_FIRST_PORT = 1024


class NokiaSros:
    """The driver. Everything of ours is named ipv4aas-<service>, or refers to such a name."""

    name = "nokia_sros"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """MAP-T: a domain for each service. Else the pool, the policy and the router of the only service."""
        check_rules(node, _inexpressible)
        inside, outside = (_router(node, side) for side in ("inside_vprn", "outside_vprn"))
        context: dict[str, Any] = {
            "inside": " ".join(inside),
            "outside": " ".join(outside),
            "inside_views": classic.router_views(inside),
            "outside_views": classic.router_views(outside),
            "outside_name": outside[-1].strip('"'),
        }
        napt = any(service.pool is not None for service in node.services)
        problems = [*(_one_service(node) if napt else _prefix_problems(node))]
        problems += sessions.problems(node, _unable)
        if problems:
            raise Refused(problems)
        if not napt:
            return context | {"domains": _domains(node)}
        return context | _napt(node.services[0], option(node, "nat_group", int, _GROUP))

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        language = _DIALECTS[dialect]
        return str(language.write(owned(language.read(text))))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. What is not enabled is not there."""
        return model.services(owned(_DIALECTS[dialect].read(text)), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        language = _DIALECTS[dialect]
        before, after = owned(language.read(running)), owned(language.read(wanted))
        return Change(
            language.commands(before, after),
            language.commands(after, before),
            line_diff(language.write(before), language.write(after)),
        )

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful: a router has one policy for large-scale NAT."""
        language = _DIALECTS[dialect]
        return list(occupied(language.read(text), owned(language.read(wanted))))


def _router(node: NodePlan, name: str) -> tuple[str, ...]:
    """Path of the router that is inside or outside of the NAT."""
    vprn = node.options.get(name)
    return ("service", "vprn", f'"{vprn}"') if vprn else ("router", '"Base"')


def _domains(node: NodePlan) -> list[dict[str, Any]]:
    domains = []
    for service in sorted(node.services, key=lambda service: service.name):
        leaves = {
            "dmr-prefix": service.translation_prefix,
            "fpe": _number(node, "fpe", "number of a forwarding path extension"),
            "map-t-group": _number(node, "map_t_group", "number of an ISA group"),
            "mtu": service.ipv6_mtu,
            "tcp-mss-adjust": service.mss_clamp,
        }
        named = ((rule_name(service.name, index), rule) for index, rule in enumerate(service.rules))
        domain = {"name": rule_name(service.name, 0), "leaves": _unusual(leaves)}
        domains.append(
            domain | {"rules": [_rule(name, rule) for name, rule in sorted(named, key=itemgetter(0))]}
        )
    return domains


def _number(node: NodePlan, name: str, meaning: str) -> int | None:
    return option(node, name, int, f"{meaning} that is there") if name in node.options else None


def _rule(name: str, rule: MapRule) -> dict[str, Any]:
    leaves = {"ea-length": rule.ea_len, "psid-offset": offset_on_device(rule)}
    return {"name": name, "rule": rule, "leaves": _unusual(leaves, "mapping-rule * ")}


def _unusual(leaves: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Those that are given and that the device has not by itself."""
    usual = DEFAULTS["domain"]
    given = ((word, value) for word, value in leaves.items() if value is not None)
    return [(word, value) for word, value in given if str(value) != usual.get(f"{above}{word}")]


def _napt(service: Service, nat_group: int) -> dict[str, Any]:
    pool = service.pool
    assert pool is not None
    return {
        "name": rule_name(service.name, 0),
        "service": service,
        "nat_group": nat_group,
        "range_end": pool.first_port - 1,
        "ranges": sorted(((str(network[0]), str(network[-1])) for network in pool.ipv4), key=" ".join),
        "dependent": service.filtering == "address-dependent",
        "blocks": pool.ports_per_subscriber // pool.block_size,
        "tunnel_mtu": service.ipv6_mtu - model.OVERHEAD,
    }


def _one_service(node: NodePlan) -> Iterator[Problem]:
    if len(node.services) > 1:
        names = ", ".join(service.name for service in node.services)
        wrong = f"carries {names}, but a router has one policy for large-scale NAT"
        yield Problem(node.name, wrong, "one service for a node")


def _prefix_problems(node: NodePlan) -> Iterator[Problem]:
    for prefix, count in Counter(service.translation_prefix for service in node.services).items():
        if count > 1:
            names = ", ".join(one.name for one in node.services if one.translation_prefix == prefix)
            yield Problem(node.name, f"{names} have the DMR {prefix}", "one for each domain")


def _inexpressible(rule: MapRule) -> str | None:
    if rule.explicit_psid_len:
        return "a mapping-rule takes the PSID from the EA bits"
    if rule.kind == "prefix":
        return "what an IPv4 prefix per customer means there is not documented"
    return None


def _unable(service: Service) -> Iterator[Wish]:
    pool = service.pool
    if pool is None:
        return
    if service.udp_zero_checksum == FORWARD and service.technique != "ds-lite":
        wrong = "drops UDP without a checksum, or gives it one"
        yield Wish("udp_zero_checksum", wrong, f"compute or {DROP}")
    yield from sessions.out_of(
        "sharing.reserved_ports", "a first port", pool.first_port, _LEAST_FIRST_PORT, LAST_PORT
    )
    if not (32 <= pool.subscriber_prefix_len <= 64 or pool.subscriber_prefix_len == 128):
        wrong = f"knows subscribers of a /32 to /64 or a /128, not of a /{pool.subscriber_prefix_len}"
        yield Wish("customers.prefix_length", wrong, "one of these")
    if pool.deterministic:
        return
    if not pool.block_size:
        yield Wish("sharing.allocation", "gives ports in blocks only", "blocks")
    elif pool.ports_per_subscriber % pool.block_size or not 1 <= sessions.blocks_of(pool) <= _MOST_BLOCKS:
        wrong = (
            f"cannot give {pool.ports_per_subscriber or 'any number of'} ports in blocks of {pool.block_size}"
        )
        yield Wish("sharing", wrong, f"1 to {_MOST_BLOCKS} blocks for a customer")


DRIVER = NokiaSros()
