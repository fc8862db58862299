# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform whose configuration language is not public: nothing is invented, nothing is parsed."""

from __future__ import annotations

from typing import Any, NoReturn

from ..plan.model import NodePlan
from ..problem import Problem, Refused
from ..techniques.service import Service
from .driver import Change


class Refusing:
    """A driver that serves only a template of the operator's own (render.py); it cannot read back."""

    def __init__(self, name: str) -> None:
        self.name = name

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Nothing: an own template has the node and its services."""
        return {}

    def owned(self, text: str, dialect: str) -> str:
        """Raises Refused."""
        self._refuse()

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """Raises Refused."""
        self._refuse()

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """Raises Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Refused(
            [
                Problem(
                    "ipv4aas_platform",
                    f"{self.name} cannot be read back: its language is not public",
                    "a fallback",
                )
            ]
        )
