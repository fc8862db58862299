# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the resolvers have in common: checks before a DNS64 is rendered."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from ..mapping.rfc6052 import prefix_problem
from ..plan.model import NodePlan
from ..problem import Problem, Refused
from ..techniques.service import Dns64, Service


def check_services(node: NodePlan) -> None:
    """Raises Refused with every service that has no prefix to synthesise with, or does not say how."""
    problems = [problem for service in node.services for problem in _problems(node, service)]
    if problems:
        raise Refused(problems)


def _problems(node: NodePlan, service: Service) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    if service.translation_prefix is None:
        yield Problem(
            f"{place}.gateway.translation_prefix", f"{node.name} has none", "give the PLAT's prefix"
        )
    else:
        wrong = prefix_problem(service.translation_prefix)
        if wrong:
            shown = f"{service.translation_prefix}: {wrong}"
            yield Problem(f"{place}.gateway.translation_prefix", shown, "use a prefix of RFC 6052")
    if service.dns64 is None:
        yield Problem(f"{place}.dns64", f"{node.name} does not know how to synthesise", "give dns64")


def prefix_of(service: Service) -> IPv6Network:
    """The prefix of a service that has been checked."""
    assert service.translation_prefix is not None
    return service.translation_prefix


def dns64_of(service: Service) -> Dns64:
    """How a service that has been checked synthesises."""
    assert service.dns64 is not None
    return service.dns64


def reverse_zone(prefix: IPv6Network) -> str:
    """Name under which the addresses of a prefix are looked up; its length is a multiple of 4 bits."""
    labels = prefix.network_address.reverse_pointer.split(".")
    return ".".join(labels[32 - prefix.prefixlen // 4 :]) + "."
