# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the platforms: every folder beside this file that holds a features.yml.

``<name>/features.yml`` is the document of plan.capability.Features; ``<name>/driver.py`` offers
``DRIVER``, an object of the shape of platforms.driver.Driver.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import yaml

from ..codec import CodecError, decode
from ..mapping.iid import FORMATS
from ..mapping.pool import Pool
from ..mapping.rule import MapRule
from ..plan.capability import BY_PERSON, CONFIDENCES, UNKNOWN_FRAGMENTS, Feature, Features
from ..plan.limits import WORDS
from ..problem import Problem, Refused
from ..provision.dns64_synthesis import DEVIATIONS
from ..techniques import TECHNIQUES
from ..techniques.service import ANNOUNCER, EDGE, GATEWAY, PROVISIONER, RESOLVER, ROUTER, Service
from .driver import Driver

# The one in C where PyYAML was built with it: a second less of a playbook.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FOLDER = Path(__file__).resolve().parent
TRANSPORTS = ("netconf", "ssh", "https", "local", "file", BY_PERSON)
ROLES = (GATEWAY, EDGE, RESOLVER, PROVISIONER, ROUTER, ANNOUNCER)
FRAGMENTS = ("outer", "inner", "none", UNKNOWN_FRAGMENTS)
# Words of Feature.not_carried.
CARRIABLE = (
    *(f.name for f in fields(Service)),
    *(f"rules.{f.name}" for f in fields(MapRule)),
    "rules.ipv6_prefix_len",
    *(f"pool.{f.name}" for f in fields(Pool)),
)


@cache
def platform_names() -> tuple[str, ...]:
    """Names of all platforms, sorted."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/features.yml")))


@cache
def all_features() -> dict[str, Features]:
    """What every platform can do. Raises Refused with all that is wrong in the features.yml files."""
    documents = {name: (FOLDER / name / "features.yml").read_text("utf-8") for name in platform_names()}
    found: dict[str, Features] = {}
    problems: list[Problem] = []
    for name, text in documents.items():
        try:
            found[name] = parse_features(name, text)
        except Refused as error:
            problems.extend(error.problems)
    if problems:
        raise Refused(problems)
    return found


def driver(name: str) -> Driver:
    """The driver of a platform, imported on first use. Raises Refused for an unknown name."""
    if name not in platform_names():
        raise Refused(
            [Problem("ipv4aas_platform", f"{name} is unknown", f"one of {', '.join(platform_names())}")]
        )
    return cast(Driver, import_module(f".{name}.driver", __package__).DRIVER)


def parse_features(name: str, text: str) -> Features:
    """Features from the text of a features.yml. Raises Refused with everything that is wrong in it."""
    place = f"engine/platforms/{name}/features.yml"
    try:
        features = decode(Features, yaml.load(text, _LOADER), place)
    except yaml.YAMLError as error:
        raise Refused([Problem(place, f"not YAML: {error}", "a YAML mapping")]) from error
    except CodecError as error:
        raise Refused(
            [Problem(place, str(error).removeprefix(f"{place}: "), "see plan/capability.py")]
        ) from error
    problems = _platform_problems(name, features, place)
    seen = set()
    for index, row in enumerate(features.techniques):
        where = f"{place}.techniques[{index}]"
        problems += _feature_problems(row, where)
        for dialect in row.dialects:
            problems += _one_of(f"{where}.dialects", dialect, features.dialects)
        for option in row.unverified_options:
            problems += _one_of(f"{where}.unverified_options", option, features.options)
        if (row.technique, row.role) in seen:
            problems.append(Problem(where, f"{row.technique} {row.role} is there twice", "one row for each"))
        seen.add((row.technique, row.role))
    if problems:
        raise Refused(problems)
    return features


def _platform_problems(name: str, features: Features, place: str) -> list[Problem]:
    problems = _one_of(f"{place}.fragments", features.fragments, FRAGMENTS)
    for dialect, transport in features.transports.items():
        problems += _one_of(f"{place}.transports.{dialect}", transport, TRANSPORTS)
        if transport == BY_PERSON and not features.by_person(dialect):
            problems.append(Problem(f"{place}.access.{dialect}.why", "missing", "why a person has to"))
    if features.platform != name:
        problems.append(Problem(f"{place}.platform", f"{features.platform} is not the folder", name))
    if set(features.transports) != set(features.dialects):
        problems.append(
            Problem(f"{place}.transports", "not one for each dialect", f"keys {', '.join(features.dialects)}")
        )
    unknown = sorted(set(features.access) - set(features.dialects))
    if unknown:
        wrong = f"{', '.join(unknown)} is no dialect"
        problems.append(Problem(f"{place}.access", wrong, f"of {', '.join(features.dialects)}"))
    return problems


def _feature_problems(row: Feature, place: str) -> list[Problem]:
    problems = [
        *_one_of(f"{place}.technique", row.technique, TECHNIQUES),
        *_one_of(f"{place}.role", row.role, ROLES),
        *_one_of(f"{place}.state", row.state, ("yes", "no")),
        *_one_of(f"{place}.confidence", row.confidence, CONFIDENCES),
    ]
    for item in row.iid_formats:
        problems += _one_of(f"{place}.iid_formats", item, FORMATS)
    for item in row.deviations:
        problems += _one_of(f"{place}.deviations", item, DEVIATIONS)
    for item in row.not_carried:
        # "rules.ipv6_prefix_len (netconf)": in that dialect only.
        problems += _one_of(f"{place}.not_carried", item.split(" ")[0], CARRIABLE)
    if row.state == "no" and not row.reason:
        problems.append(Problem(f"{place}.reason", "missing", "why the platform cannot do it"))
    if row.state == "yes" and not row.source:
        problems.append(Problem(f"{place}.source", "missing", "the document that the row follows"))
    for word, limit in row.limits.items():
        problems += _one_of(f"{place}.limits", word, WORDS)
        if not _is_range(limit):
            problems.append(Problem(f"{place}.limits.{word}", f"{limit!r} is not a range", "[least, most]"))
    return problems


def _one_of(place: str, value: str, allowed: Iterable[str]) -> list[Problem]:
    allowed = tuple(allowed)
    return [] if value in allowed else [Problem(place, f"{value} is unknown", f"one of {', '.join(allowed)}")]


def _is_range(limit: Any) -> bool:
    return (
        isinstance(limit, list)
        and len(limit) == 2
        and all(type(n) is int for n in limit)
        and limit[0] <= limit[1]
    )
