# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver asks of a node before it is rendered: options, and rules that the device can express."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..mapping.rule import MapRule
from ..plan.model import NodePlan
from ..problem import Problem, Refused
from .driver import FALLBACK
from .naming import rule_name


def option(node: NodePlan, name: str, kind: type, meaning: str) -> Any:
    """A value of the host's ipv4aas_options. Raises Refused where it is missing or of another type."""
    value = node.options.get(name)
    if not isinstance(value, kind) or not value:
        wrong = "missing" if name not in node.options else f"{value!r} does not fit"
        raise Refused([Problem(f"{node.name}.ipv4aas_options.{name}", wrong, meaning)])
    return value


def check_rules(
    node: NodePlan, inexpressible: Callable[[MapRule], str | None], more: Iterable[Problem] = ()
) -> None:
    """Raises Refused with each rule that ``inexpressible`` gives a reason for, each name taken twice, and
    ``more``."""
    problems = [*_name_problems(node), *more]
    problems += [
        Problem(
            f"ipv4aas_services.{service.name}.rules[{index}]",
            f"{node.platform} {node.name} cannot express {rule.ipv4_prefix}: {reason}",
            f"another rule, or {FALLBACK}",
        )
        for service in node.services
        for index, rule in enumerate(service.rules)
        if (reason := inexpressible(rule)) is not None
    ]
    if problems:
        raise Refused(problems)


def _name_problems(node: NodePlan) -> list[Problem]:
    """Services whose rules would have one name on the device, such as a_2 and the second rule of a."""
    owners: dict[str, str] = {}
    problems = []
    for service in node.services:
        for index in range(len(service.rules)):
            name = rule_name(service.name, index)
            if name in owners:
                wrong = f"rule {index + 1} would be {name} on {node.name}, as one of service {owners[name]}"
                problems.append(Problem(f"ipv4aas_services.{service.name}", wrong, "another name"))
            owners[name] = service.name
    return problems
