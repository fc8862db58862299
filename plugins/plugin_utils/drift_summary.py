# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift of many hosts, grouped by cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .table import some, table

_MEANING = {
    "missing": "planned, but not on the device",
    "unplanned": "on the device, but nothing plans it there",
    "no intent": "on a device that the plan does not have",
}
# What a result of drift_info says where the host was not looked at.
UNREACHABLE = "not reached"


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """One way to differ from the plan."""

    kind: str  # missing, unplanned, changed, or "no intent": on a device that the plan does not have
    service: str
    path: str  # the parameter; empty where the whole service is missing or unplanned
    found: str
    planned: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The fleet. The hosts of each cause, and of each reason why a host could not be read."""

    same: tuple[str, ...]
    causes: Mapping[Cause, tuple[str, ...]]
    unread: Mapping[str, tuple[str, ...]]
    skipped: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return bool(self.causes or self.unread)

    @property
    def verdict(self) -> str:
        """Same, drift, or unread where no device that could be read differs and some could not."""
        if self.causes:
            return "drift"
        return "unread" if self.unread else "same"

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "verdict": self.verdict,
            "same": list(self.same),
            "causes": [
                {
                    "kind": cause.kind,
                    "service": cause.service,
                    "path": cause.path,
                    "found": cause.found,
                    "planned": cause.planned,
                    "meaning": cause.meaning,
                    "hosts": list(hosts),
                }
                for cause, hosts in self.causes.items()
            ],
            "unread": [{"reason": reason, "hosts": list(hosts)} for reason, hosts in self.unread.items()],
            "skipped": [{"reason": reason, "hosts": list(hosts)} for reason, hosts in self.skipped.items()],
        }

    def text(self) -> str:
        """For people: a count, then a table of causes and one of reasons, the one with most hosts first."""
        looked_at = set(self.same).union(*self.causes.values(), *self.unread.values())
        causes = [
            (some(hosts), cause.service, cause.path or cause.kind, cause.found, cause.planned, cause.meaning)
            for cause, hosts in self.causes.items()
        ]
        parts = [
            f"{len(self.same)} of {len(looked_at)} devices run what is planned\n",
            table(("hosts", "service", "parameter", "found", "planned", "meaning"), causes),
            table(("not read", "reason"), [(some(hosts), reason) for reason, hosts in self.unread.items()]),
        ]
        return "\n".join(part for part in parts if part)


def summarise(reports: Mapping[str, Mapping[str, Any]]) -> Summary:
    """From each host's result of drift_info."""
    same: list[str] = []
    causes: dict[Cause, tuple[str, ...]] = {}
    unread: dict[str, tuple[str, ...]] = {}
    skipped: dict[str, tuple[str, ...]] = {}
    for host, report in reports.items():
        if report.get("skipped"):
            _add(skipped, report["skipped_reason"], host)
        elif "drift" not in report:
            _add(unread, report.get("msg") or UNREACHABLE, host)
        elif not report["drift"]:
            same.append(host)
        else:
            for cause in _causes(report["services"]):
                _add(causes, cause, host)
    return Summary(tuple(same), _sorted(causes), _sorted(unread), _sorted(skipped))


def _causes(services: list[Mapping[str, Any]]) -> Iterator[Cause]:
    for service in services:
        name = service["service"]
        kind = service["kind"]
        if not service["differences"]:
            yield Cause(kind, name, "", "", "", _MEANING[kind])
        for item in service["differences"]:
            yield Cause(kind, name, item["path"], item["found"], item["planned"], item["meaning"])


def _add(groups: dict[Any, tuple[str, ...]], key: Any, host: str) -> None:
    groups[key] = (*groups.get(key, ()), host)


def _sorted(groups: dict[Any, tuple[str, ...]]) -> dict[Any, tuple[str, ...]]:
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))
