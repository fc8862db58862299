# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that a plan is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.ipv4aas.fleet.engine.problem import Problem, Refused

PREFIX = "ipv4aas_"
ALSO = ("ansible_host",)


def fleet_variables(hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of every host. Raises Refused for those without a value."""
    problems: list[Problem] = []
    found = {host: dict(_ours(host, hostvars[host], problems)) for host in hostvars}
    if problems:
        raise Refused(problems)
    return found


def _ours(host: str, values: Mapping[str, Any], problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    for name in values:
        if name.startswith(PREFIX) or name in ALSO:
            try:
                yield name, values[name]
            except AnsibleError as error:
                problems.append(
                    Problem(f"hosts.{host}.{name}", f"has no value: {error}", "define what it refers to")
                )
