# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a host that IOS XE needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ..guard import option
from .commands import natural

_INTERFACES = "a list of interfaces as the router prints them, such as GigabitEthernet0/0/1"
_UPLINK = "the interface towards the IPv6 network as the router prints it, such as GigabitEthernet0/0/0"
_MOST_CHARACTERS = 200  # of all their names in one line, of which a router takes 254
# Types of interfaces that can have nat64 enable or be the source of a tunnel (Cisco-IOS-XE-nat).
_INTERFACE = re.compile(
    r"(?:(?:Fast|Gigabit|TwoGigabit|FiveGigabit|TenGigabit|AppGigabit)?Ethernet|TwentyFiveGigE"
    r"|FortyGigabitEthernet|FiftyGigabitEthernet|HundredGigE|Port-channel|Loopback|BDI|Cellular|Dialer"
    r"|VirtualPortGroup|Serial|Multilink|ATM|Vlan|Tunnel|Virtual-Template)\d[\d/.]*"
)


class Ask:
    """Options of a host; what is wrong with all of them is gathered."""

    def __init__(self, node: NodePlan) -> None:
        self._node = node
        self.problems: list[Problem] = []

    def place(self, name: str) -> str:
        return f"{self._node.name}.ipv4aas_options.{name}"

    def interfaces(self, name: str) -> list[str]:
        """A list of interfaces, in the order of the router."""
        found = [str(one) for one in self._get(name, list, _INTERFACES) or []]
        for one in found:
            self._check(name, one, _INTERFACES)
        if len(" ".join(found)) > _MOST_CHARACTERS:
            wrong = f"{len(found)} interfaces are too long for one command line"
            self.problems.append(Problem(self.place(name), wrong, f"{_MOST_CHARACTERS} characters at most"))
        return sorted(set(found), key=natural)

    def uplink(self) -> str:
        found = str(self._get("uplink", str, _UPLINK) or "")
        if found:
            self._check("uplink", found, _UPLINK)
        return found

    def number(self, name: str, most: int) -> int:
        """A number in 1..most."""
        meaning = f"a number in 1..{most}"
        found = self._get(name, int, meaning)
        if found is None:
            return 0
        if isinstance(found, bool) or not 1 <= found <= most:
            self.problems.append(Problem(self.place(name), f"{found!r} does not fit", meaning))
        return int(found)

    def refuse(self, more: Iterable[Problem] = ()) -> None:
        """Raises Refused where something is wrong."""
        problems = [*self.problems, *more]
        if problems:
            raise Refused(problems)

    def _get(self, name: str, kind: type, meaning: str) -> Any:
        try:
            return option(self._node, name, kind, meaning)
        except Refused as error:
            self.problems += error.problems
            return None

    def _check(self, name: str, interface: str, meaning: str) -> None:
        if not _INTERFACE.fullmatch(interface):
            self.problems.append(Problem(self.place(name), f"{interface} does not fit", meaning))
