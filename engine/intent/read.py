# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From Ansible's host variables to an Intent: all problems at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from ..problem import Problem, Refused
from .check import host_problems, service_problems
from .fields import FAULT
from .model import (
    SERVICE_NAME,
    SERVICES,
    VARIABLE,
    HostIntent,
    Intent,
    Model,
    ServiceIntent,
    model_of,
    variables,
)
from .wording import all_of, closest, shown, use_known

HostVars = Mapping[str, Mapping[str, Any]]
M = TypeVar("M", bound=Model)

_COUNTS = (VARIABLE + "role", VARIABLE + "platform")
_MISSPELT = 0.8


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read, and what was wrong. ``intent`` holds only what is right in itself."""

    intent: Intent
    problems: tuple[Problem, ...]


def read_intent(hostvars: HostVars) -> Intent:
    """The inventory as models.

    ``hostvars`` maps each host to its variables. Hosts with neither ipv4aas_role nor
    ipv4aas_platform are ignored. Raises Refused with every problem.
    """
    reading = examine(hostvars)
    if reading.problems:
        raise Refused(reading.problems)
    return reading.intent


def examine(hostvars: HostVars) -> Reading:
    """As read_intent, but a fault in one place does not hide what is right elsewhere."""
    ours = {str(name): values for name, values in hostvars.items() if any(key in values for key in _COUNTS)}
    problems: list[Problem] = []
    raw_services = _common_services(ours, problems)
    services: dict[str, ServiceIntent] = {}
    for name, raw in raw_services.items():
        service = _service(name, raw, problems)
        if service is not None:
            services[name] = service
    found = {name: _host(name, values, problems) for name, values in ours.items()}
    seats = _seats(ours)
    hosts: dict[str, HostIntent] = {}
    for name, host in found.items():
        if host is None:
            continue
        wrong = list(host_problems(host, {key: services.get(key) for key in raw_services}, found, seats))
        problems += wrong
        if not wrong:
            hosts[name] = host
    return Reading(Intent(services, hosts), tuple(problems))


def _service(name: str, raw: Any, problems: list[Problem]) -> ServiceIntent | None:
    place = f"{SERVICES}.{name}"
    if not isinstance(raw, dict):
        problems.append(
            Problem(place, f"{shown(raw)} is not a service", f"write a mapping with {_keys(ServiceIntent)}")
        )
        return None
    service = _validated(ServiceIntent, raw | {SERVICE_NAME: name}, place, problems)
    if service is None:
        return None
    wrong = list(service_problems(service))
    problems += wrong
    return None if wrong else service


def _host(name: str, values: Mapping[str, Any], problems: list[Problem]) -> HostIntent | None:
    known = variables()
    for key in values:
        if str(key).startswith(VARIABLE) and key not in known:
            problems += _misspelt(f"hosts.{name}.{key}", str(key), known)
    raw = plain({key: values[key] for key in (*known, "ansible_host") if key in values and key != SERVICES})
    return _validated(HostIntent, raw | {"inventory_hostname": name}, f"hosts.{name}", problems)


def _seats(ours: HostVars) -> dict[str, tuple[str, ...]]:
    """Each fallback with the hosts that name it, readable or not."""
    seats: dict[str, tuple[str, ...]] = {}
    for name, values in ours.items():
        fallback = values.get(VARIABLE + "fallback")
        if isinstance(fallback, str):
            seats[fallback.strip()] = (*seats.get(fallback.strip(), ()), name)
    return seats


def _misspelt(place: str, key: str, known: tuple[str, ...]) -> Iterator[Problem]:
    """Other ipv4aas_ variables belong to roles and playbooks: only near misses are faults."""
    bare = {word.removeprefix(VARIABLE): word for word in known}
    near = closest(key.removeprefix(VARIABLE), bare, _MISSPELT)
    if near is not None:
        yield Problem(place, "is not a known variable", f"use {bare[near]}")


def _common_services(ours: HostVars, problems: list[Problem]) -> dict[str, Any]:
    """ipv4aas_services, which every host has to see alike."""
    first: str | None = None
    common: Any = None
    for name, values in ours.items():
        if SERVICES not in values:
            continue
        if first is None:
            first, common = name, values[SERVICES]
        elif values[SERVICES] is not common and values[SERVICES] != common:
            where = _difference(plain(common), plain(values[SERVICES]), SERVICES)
            problems.append(
                Problem(
                    f"hosts.{name}.{SERVICES}",
                    f"differs from what {first} sees, at {where}",
                    "define it once for all hosts, in group_vars/all.yml",
                )
            )
    right = "define it in group_vars/all.yml"
    if first is None:
        problems.append(Problem(SERVICES, "is missing", right))
        return {}
    problems += [
        Problem(f"hosts.{name}.{SERVICES}", f"is missing, though {first} sees it", right)
        for name, values in ours.items()
        if SERVICES not in values
    ]
    services = plain(common)
    if not isinstance(services, dict) or not services:
        problems.append(
            Problem(SERVICES, f"{shown(common)} names no service", "write name: {technique: ...}")
        )
        return {}
    return services


def _difference(one: Any, other: Any, path: str) -> str:
    """Path of the first value that differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in (*one, *other):
            if one.get(key) != other.get(key):
                return _difference(one.get(key), other.get(key), f"{path}.{key}")
    return f"{path} ({shown(one)} there, {shown(other)} here)"


def plain(value: Any) -> Any:
    """Built-in types only, without keys that have no value: Ansible hands over subclasses."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _validated(model: type[M], raw: dict[str, Any], place: str, problems: list[Problem]) -> M | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems += [_problem(model, item, place) for item in error.errors(include_url=False)]
        return None


def _problem(model: type[Model], item: Any, place: str) -> Problem:
    """A validation error in our words. Raises KeyError for a kind that the models cannot cause."""
    loc, kind = item["loc"], item["type"]
    path = place + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != SERVICE_NAME
    )
    if kind == FAULT:
        return Problem(path, item["ctx"]["wrong"], item["ctx"]["right"])
    if kind == "missing":
        info = _owner(model, loc[:-1]).model_fields[loc[-1]]
        example = f", such as {shown_example(info.examples)}" if info.examples else ""
        return Problem(path, "is missing", f"give {info.description}{example}")
    if kind == "extra_forbidden":
        fields = _owner(model, loc[:-1]).model_fields.items()
        known = [info.alias or name for name, info in fields if info.description]
        return Problem(path, "is not a known key", use_known(loc[-1], known))
    wrong = {"model_type": "is not a mapping"}[kind]
    right = f"write a mapping with {_keys(_owner(model, loc))}"
    return Problem(path, f"{shown(item['input'])} {wrong}", right)


def shown_example(examples: list[Any]) -> str:
    """The first example as it would be written."""
    first = examples[0]
    return f"[{', '.join(map(str, first))}]" if isinstance(first, list) else str(first)


def _owner(model: type[Model], path: Any) -> type[Model]:
    """The model that a path of keys and indices leads to."""
    for part in path:
        if isinstance(part, int):
            continue
        by_alias = {info.alias or name: info for name, info in model.model_fields.items()}
        found = model_of(by_alias[part].annotation)
        assert found is not None, path
        model = found
    return model


def _keys(model: type[Model]) -> str:
    return all_of(
        name for name, info in model.model_fields.items() if info.is_required() and info.description
    )
