# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drivers of customer routers have in common.

On routers with numbered tunnel interfaces services take the numbers from ``ipv4aas_options.tunnel`` on, in
the order of their names; on the device a tunnel is ours by its description.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..plan.model import NodePlan
from ..problem import Problem, Refused
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, Service
from .assembly import found_service
from .driver import FALLBACK
from .naming import OURS


def numbered(node: NodePlan, least: int, most: int) -> list[dict[str, Any]]:
    """The services with their tunnel number, description and MTU for IPv4. Raises Refused."""
    first = node.options.get("tunnel")
    last = most + 1 - len(node.services)
    if type(first) is not int or not least <= first <= last:
        wrong = "missing" if first is None else f"{first!r} does not fit"
        right = f"a number in {least}..{last}, the first of {len(node.services)} tunnels that nobody uses"
        raise Refused([Problem(f"{node.name}.ipv4aas_options.tunnel", wrong, right)])
    return [
        {
            "number": number,
            "service": service,
            "description": f"{OURS}-{service.name}",
            "mtu": service.ipv6_mtu - TECHNIQUES[service.technique].overhead,
        }
        for number, service in enumerate(sorted(node.services, key=lambda service: service.name), first)
    ]


def provider(node: NodePlan, known: tuple[str, ...]) -> str:
    """The provider whose server gives the MAP rules. Raises Refused for rules that only the plan knows."""
    name = node.options.get("provider")
    if name not in known:
        wrong = (
            f"{node.platform} has no command for MAP rules: it takes them from the server of a provider"
            if name is None
            else f"{name} is no provider that {node.platform} knows"
        )
        right = f"{' or '.join(known)} where the rules of the plan are that provider's, else {FALLBACK}"
        raise Refused([Problem(f"{node.name}.ipv4aas_options.provider", wrong, right)])
    return str(name)


def edge(name: str, technique: str, facts: dict[str, Any], wanted: Iterable[Service]) -> Service:
    """A service that a device describes, with what it has no words for as it is wanted."""
    return found_service(name, wanted, facts | {"technique": technique, "role": EDGE})
