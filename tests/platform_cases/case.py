# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a platform's case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.ipv4aas.fleet.engine.plan.capability import ALLOW_UNVERIFIED, Feature, Features
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from hypothesis import strategies as st

from . import services
from .terminal import Manners

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
GOLDEN = ROOT / "tests" / "golden" / "platforms"


class Device(Protocol):
    """A small model of a device that runs an operator's own configuration; it is not the code under test.

    It takes commands as the device does, refuses what the device would refuse (AssertionError or
    KeyError), and shows what it then runs.
    """

    def show(self) -> str:
        """What the driver reads."""

    def apply(self, payload: str) -> None:
        """What the driver's change sends."""


def in_order(text: str) -> list[str]:
    """The facts of a text whose order counts."""
    return text.splitlines()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One platform in the shared tests (tests/unit/platforms/test_every_platform.py)."""

    platform: str
    options: Mapping[str, Any]  # ipv4aas_options that its nodes need
    device: Callable[[str], Device]  # by dialect; with a large configuration of an operator's own
    # Services of one node by the name of their golden file, tests/golden/platforms/PLATFORM/NAME.ENDING.
    # Each technique and role that features.yml calls possible needs one or more.
    golden: Mapping[str, tuple[Service, ...]]
    endings: Mapping[str, str]  # of golden files, by dialect
    # Makes a random service of services.services_of() one that the device can express.
    fit: Callable[[Service], Service] = lambda service: service
    # The command line of a dialect that transport/described.py types into.
    manners: Mapping[str, Manners] = field(default_factory=dict)
    most_services: int = 3  # of one technique on one node
    facts: Callable[[str, str], list[str]] = lambda text, dialect: in_order(
        text
    )  # what show() says, comparable

    @property
    def features(self) -> Features:
        return all_features()[self.platform]

    def rows(self, dialect: str) -> list[Feature]:
        """Techniques and roles that the platform can do in a dialect."""
        return [row for row in self.features.techniques if row.state == "yes" and row.in_dialect(dialect)]

    def node(self, *carried: Service, dialect: str = "", **options: Any) -> NodePlan:
        """A node that carries services."""
        return NodePlan(
            name="box",
            role=carried[0].role if carried else self.features.techniques[0].role,
            platform=self.platform,
            services=carried,
            dialect=dialect or self.features.dialects[0],
            options={ALLOW_UNVERIFIED: True} | dict(self.options) | options,
        )

    def rendered(self, dialect: str, *carried: Service, **options: Any) -> str:
        """Their configuration."""
        return render(self.node(*carried, dialect=dialect, **options), TEMPLATES, dialect)

    def services(self, technique: str, role: str) -> st.SearchStrategy[tuple[Service, ...]]:
        """One to some services that the platform can express."""
        row = self.features.feature(technique, role)
        assert row is not None
        return services.services_of(row, self.most_services).map(
            lambda made: tuple(self.fit(service) for service in made)
        )
