# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper SRX: AFTR, and NAT64 or PLAT, by the flow engine; MAP-E edge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import Service
from .. import assembly, sessions
from ..driver import Change
from ..guard import option
from ..junos_schema import LANGUAGES
from ..naming import OURS, rule_name
from ..sessions import LAST_PORT, Wish
from . import map_e, readback
from .readback import MOST_BLOCKS, MOST_SESSIONS, PERMITS
from .schema import SCHEMA

_DIALECTS = {dialect: language(SCHEMA) for dialect, language in LANGUAGES.items()}
_MOST_NETWORKS = 64
_BINDING_SESSIONS = range(8, 65537)


class JuniperSrx:
    """The driver. Ours: rule sets and MAP-E domain ipv4aas, and what is named ipv4aas-<service>."""

    name = "juniper_srx"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The one service of the node, and the zones that it is between."""
        sessions.check(node, _unable, 1)
        [service] = node.services
        context = {
            "name": rule_name(service.name, 0),
            "rule_set": OURS,
            "from_zone": option(node, "from_zone", str, "the zone of the customers, such as trust"),
            "to_zone": option(node, "to_zone", str, "the zone of the Internet, such as untrust"),
            "permit": next(word for word, filtering in PERMITS.items() if filtering == service.filtering),
            "binding_sessions": _binding_sessions(node),
            "mtu_v6": service.ipv6_mtu,
            "prefix": service.translation_prefix,
        }
        pool = service.pool
        if pool is None:
            return context | map_e.terms(node, service)
        return context | {
            "addresses": sorted(map(str, pool.ipv4)),
            "first_port": pool.first_port,
            "last_port": LAST_PORT,
            "block_size": pool.block_size,
            "blocks": sessions.blocks_of(pool),
            "quota": 0 if pool.block_size else pool.ports_per_subscriber,
            "session_limit": pool.sessions_per_subscriber,
            "subscriber_prefix_len": pool.subscriber_prefix_len,
            "softwire_address": service.gateway_address,
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return _DIALECTS[dialect].owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found = readback.services(_DIALECTS[dialect].statements(text), wanted)
        return assembly.in_order(found, wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return _DIALECTS[dialect].change(running, wanted)

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful: what is deactivated around ours."""
        return _DIALECTS[dialect].asleep(text, wanted)


def _binding_sessions(node: NodePlan) -> int | None:
    name = "persistent_nat_sessions"
    number = node.options.get(name)
    if number is None or (type(number) is int and number in _BINDING_SESSIONS):
        return number
    right = f"a number in {_BINDING_SESSIONS[0]}..{_BINDING_SESSIONS[-1]}"
    raise Refused([Problem(f"{node.name}.ipv4aas_options.{name}", f"{number!r} does not fit", right)])


def _unable(service: Service) -> Iterable[Wish]:
    pool = service.pool
    if pool is None:
        return
    yield from sessions.out_of("ipv4_pools", "prefixes", len(pool.ipv4), 1, _MOST_NETWORKS)
    yield from sessions.out_of("sharing.reserved_ports", "a first port", pool.first_port, 1024, LAST_PORT)
    yield from sessions.quota_wishes(pool, MOST_BLOCKS, LAST_PORT)
    if service.translation_prefix is None:
        limit = pool.sessions_per_subscriber
        yield from sessions.out_of("sharing", "sessions of a customer", limit, 0, MOST_SESSIONS)
        return
    yield from sessions.out_of("customers.prefix_length", "a length of", pool.subscriber_prefix_len, 8, 128)


DRIVER = JuniperSrx()
