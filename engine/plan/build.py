# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory to the plan of the whole fleet: the one entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..intent.model import Intent
from ..intent.read import HostVars, examine
from ..problem import Problem, Refused
from .capability import Features
from .compile import draw_fleet
from .lint import lint
from .lint_table import ERROR
from .model import Finding, FleetPlan


def build_plan(hostvars: HostVars, features: Mapping[str, Features]) -> FleetPlan:
    """The plan of an inventory. ``features`` maps platforms to what they can do.

    Raises Refused with every problem: of the inventory, of the fleet, and of lint with severity
    error. Warnings and infos are in ``findings`` of the plan.
    """
    reading = examine(hostvars)
    return _plan(reading.intent, features, reading.problems)


def compile_fleet(intent: Intent, features: Mapping[str, Features]) -> FleetPlan:
    """As build_plan, from an intent that has been read already."""
    return _plan(intent, features, ())


def _plan(intent: Intent, features: Mapping[str, Features], problems: tuple[Problem, ...]) -> FleetPlan:
    fleet = draw_fleet(intent, features)
    findings = lint(fleet)
    errors = tuple(_problem(finding) for finding in findings if finding.severity == ERROR)
    if problems or fleet.problems or errors:
        raise Refused({*problems, *fleet.problems, *errors})
    return replace(fleet.plan, findings=findings)


def _problem(finding: Finding) -> Problem:
    return Problem(finding.place, f"{finding.wrong} ({finding.rule}, {finding.source})", finding.right)
