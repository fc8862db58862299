# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can do which service, and who sits in whose seat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..intent.model import ALWAYS, LINUX, VARIABLE, HostIntent
from ..intent.wording import all_of, any_of, closest
from ..problem import Problem
from ..techniques import TECHNIQUES
from ..techniques.service import Service
from .capability import ALLOW_UNVERIFIED, COMMON_OPTIONS, OWN_TEMPLATE, Features
from .limits import beyond_limits

OPTIONAL = "optional:"  # how the meaning of an option starts that may be left out


@dataclass(frozen=True, slots=True, order=True)
class Lack:
    """Why a platform cannot do a service, and what helps beside another host."""

    why: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Seat:
    """A host that has a role, and who does its work."""

    host: HostIntent
    refused: str | None  # why its platform cannot
    taken_by: HostIntent | None

    @property
    def runner(self) -> HostIntent:
        """The host that does the work."""
        return self.taken_by or self.host


def lacking(features: Features, service: Service, dialect: str | None = None) -> Lack | None:
    """What a platform lacks for a service in its role, None where it can do it. No dialect: in any one."""
    title = TECHNIQUES[service.technique].title
    feature = features.feature(service.technique, service.role)
    if feature is None or feature.state != "yes":
        reason = f": {feature.reason}" if feature is not None else ""
        own = "give your own template in ipv4aas_options, " if OWN_TEMPLATE in features.options else ""
        return Lack(f"{features.platform} is no {title} {service.role}{reason}", own)
    if dialect in features.dialects and not feature.in_dialect(dialect):
        words = f"use the dialect {any_of(feature.dialects)}, "
        return Lack(f"{features.platform} has no words for {title} {service.role} in {dialect}", words)
    beyond = beyond_limits(feature, service)
    if not beyond:
        return None
    return Lack(
        f"{features.platform} cannot take {service.name}: {'; '.join(beyond)}", "change the service, "
    )


def take_seat(host: HostIntent, lacks: Sequence[Lack], hosts: Mapping[str, HostIntent]) -> Seat:
    """Seats the host itself or its fallback."""
    refused = "; ".join(lack.why for lack in lacks) or None
    wanted = host.fallback is not None and (refused is not None or host.fallback_when == ALWAYS)
    return Seat(host, refused, hosts.get(host.fallback or "") if wanted else None)


def refusal(host: HostIntent, lacks: Sequence[Lack], able: Sequence[str]) -> Iterator[Problem]:
    """The problems of a host that cannot do its work and has no fallback; ``able`` platforms could."""
    ways = [f"name a {LINUX} host in {VARIABLE}fallback"] if LINUX in able else []
    ways += [f"use {any_of(able)}"] if able else []
    for lack in lacks:
        right = f"{lack.help}{', or '.join(ways) or 'take the seat away'}"
        yield Problem(host.place("platform"), lack.why, right)


def fallback_refusal(host: HostIntent, lacks: Sequence[Lack], able: Sequence[str]) -> Iterator[Problem]:
    """The problems of a host whose fallback cannot do the work either; ``able`` platforms could."""
    for lack in lacks:
        wrong = f"{host.fallback} cannot take the seat: {lack.why}"
        other = f"use {any_of(able)} in it, " if able else ""
        yield Problem(host.place("fallback"), wrong, f"{lack.help}{other}or take the seat away")


def platform_problems(host: HostIntent, features: Mapping[str, Features]) -> Iterator[Problem]:
    """A platform that does not exist."""
    assert host.platform is not None  # intent/check.py
    if host.platform not in features:
        near = closest(host.platform, features)
        known = f" (known: {all_of(sorted(features))})"
        right = f"use {near}{known}" if near else f"use {any_of(sorted(features))}"
        yield Problem(host.place("platform"), f"there is no platform {host.platform}", right)


def has_own_template(host: HostIntent) -> bool:
    """Whether the operator says how the device is configured, whatever we know of its platform."""
    return OWN_TEMPLATE in host.options


def unverified_problems(
    host: HostIntent, features: Features, kinds: Iterable[tuple[str, str]]
) -> Iterator[Problem]:
    """Syntax that nobody has confirmed, without the operator's consent. ``kinds``: technique and role."""
    rows = (features.feature(technique, role) for technique, role in kinds)
    unverified = any(row is not None and row.is_unverified(host.options) for row in rows)
    if host.options.get(ALLOW_UNVERIFIED) is True or not (unverified or has_own_template(host)):
        return
    what = "a template of your own" if has_own_template(host) else f"the syntax of {features.platform}"
    place = f"{host.place('options')}.{ALLOW_UNVERIFIED}"
    yield Problem(place, f"{what} is unverified", "use true, once you have tried it")


def device_problems(host: HostIntent, features: Features) -> Iterator[Problem]:
    """Dialect and options that the platform does not have, or options that it needs."""
    if host.dialect is not None and host.dialect not in features.dialects:
        wrong = f"{features.platform} does not speak {host.dialect}"
        yield Problem(host.place("dialect"), wrong, f"use {any_of(features.dialects)}")
    place = host.place("options")
    for name, meaning in features.options.items():
        if name not in host.options and not meaning.startswith(OPTIONAL):
            yield Problem(f"{place}.{name}", f"is missing for {features.platform}", f"give {meaning}")
    for name in host.options:
        if name not in features.options and name not in COMMON_OPTIONS:
            near = closest(name, features.options)
            right = f"use {near}" if near else f"remove it (known: {all_of(features.options) or 'none'})"
            yield Problem(f"{place}.{name}", f"{features.platform} has no such option", right)
