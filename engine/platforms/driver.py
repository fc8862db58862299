# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform driver has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..plan.model import NodePlan
from ..techniques.service import Service

# Helps where a platform can do the technique, but not as the service wants it, which the plan does not see.
FALLBACK = "a fallback host with ipv4aas_fallback_when: always"


class ParseError(ValueError):
    """The device's configuration holds something that cannot be understood; says the line."""


@dataclass(frozen=True, slots=True)
class Change:
    """The smallest step from what a device runs to what it should run, in its own language."""

    payload: str  # what is sent; empty where nothing is to be done
    undo: str  # the payload that takes it back
    diff: str  # for people: lines with +, - or space, only of what the service owns

    def __bool__(self) -> bool:
        return bool(self.payload)


NO_CHANGE = Change("", "", "")


class Driver(Protocol):
    """One platform. Pure: text in, text or models out."""

    name: str

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """What the template needs beside ``node``: vendor terms computed from the model."""

    def owned(self, text: str, dialect: str) -> str:
        """The part of a device's configuration that services own, normalised as a device prints it."""

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """The services that a configuration describes.

        What the platform has no words for is taken over from ``wanted`` (service of the same
        name). Foreign configuration is ignored. Raises ParseError.
        """

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """From the device's owned configuration to the rendered one."""


class Careful(Driver, Protocol):
    """A driver with places in its configuration that only one can have, the operator or a service."""

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """What of the operator's, in a device's whole configuration, stands where ``wanted`` would go."""


def occupied(driver: Driver, text: str, wanted: str, dialect: str) -> list[str]:
    """See Careful; nothing where the driver has no such places."""
    find = getattr(driver, "occupied", None)
    return [] if find is None else list(find(text, wanted, dialect))
