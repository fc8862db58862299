# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's plan in the language of its platform."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
)

from ..plan.capability import ALLOW_UNVERIFIED, OWN_TEMPLATE, Feature
from ..plan.model import NodePlan
from ..problem import Problem, Refused
from ..techniques import TECHNIQUES
from ..techniques.service import Service
from . import registry

_EVERY_TECHNIQUE = "all.j2"


def render(node: NodePlan, templates: Path, dialect: str | None = None) -> str:
    """Configuration of the services of a node; empty where it carries none.

    The template is ``templates/<platform>/all.j2`` where one serves every technique, else
    ``<technique>.<dialect>.j2`` where there is one for the dialect, else ``<technique>.j2``; or the
    operator's own file that ``ipv4aas_options.template`` names.
    Raises Refused where the platform cannot do it, or where its syntax is unverified and the host's
    options do not say ``allow_unverified: true``.
    """
    try:
        return _render(node, templates, dialect)
    except Refused as error:
        # Who refuses names the node; in the inventory it is one of the hosts.
        raise Refused(
            replace(problem, place=f"hosts.{problem.place}") if _is_of(node, problem) else problem
            for problem in error.problems
        ) from error


def _is_of(node: NodePlan, problem: Problem) -> bool:
    return problem.place == node.name or problem.place.startswith(f"{node.name}.")


def _render(node: NodePlan, templates: Path, dialect: str | None) -> str:
    if node.refused:
        raise Refused([Problem(node.name, node.refused, "a fallback host, or another platform")])
    if not node.services:
        return ""
    dialect = dialect or node.dialect
    _check(node, dialect)
    # First, as it says whether the services can be together on the node.
    template = _own_template(node) or _template_of(node, templates / node.platform, dialect)
    context = registry.driver(node.platform).context(node, dialect)
    try:
        text = (
            _environment(template.parent)
            .get_template(template.name)
            .render(**context, node=node, services=node.services)
        )
    except TemplateNotFound as error:
        own = f".ipv4aas_options.{OWN_TEMPLATE}" if OWN_TEMPLATE in node.options else ""
        wrong = f"there is no template {error.name} in {template.parent}"
        raise Refused([Problem(f"{node.name}{own}", wrong, "give the path of a file that exists")]) from error
    return normalised(text)


@cache
def _environment(folder: Path) -> Environment:
    """Kept, so that a template is compiled once for the whole fleet; on disk, for a process a host."""
    return Environment(
        loader=FileSystemLoader(folder),
        bytecode_cache=_byte_code(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # names and numbers of our own models, no HTML
    )


def _byte_code() -> FileSystemBytecodeCache | None:
    """A folder that only this user can write to; None where the system offers none."""
    try:
        return FileSystemBytecodeCache()
    except RuntimeError:
        return None


def normalised(text: str) -> str:
    """No blanks at the end of a line, no empty lines around, one newline at the end."""
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines).strip("\n") + "\n" if any(lines) else ""


def _technique(node: NodePlan) -> str:
    names = sorted({service.technique for service in node.services})
    if len(names) > 1:
        raise Refused(
            [Problem(node.name, f"carries {', '.join(names)}", "services of one technique on one node")]
        )
    return names[0]


def _check(node: NodePlan, dialect: str) -> None:
    features = registry.all_features()[node.platform]
    if dialect not in features.dialects:
        raise Refused(
            [
                Problem(
                    f"{node.name}.ipv4aas_dialect",
                    f"{dialect} is unknown",
                    f"one of {', '.join(features.dialects)}",
                )
            ]
        )
    allowed = node.options.get(ALLOW_UNVERIFIED) is True
    own = OWN_TEMPLATE in node.options
    switch = f"{node.name}.ipv4aas_options.{ALLOW_UNVERIFIED}"
    if own:
        if not allowed:
            raise Refused(
                [Problem(switch, "your own template is unverified", "true, once you have tried it")]
            )
        return
    problems = []
    for service in node.services:
        feature = features.feature(service.technique, service.role)
        problems += _feature_problems(node, feature, service, dialect)
        if feature and feature.state == "yes" and feature.is_unverified(node.options) and not allowed:
            wrong = f"{service.technique} on {node.platform} is unverified"
            problems.append(Problem(switch, wrong, "true, to try it"))
    if problems:
        raise Refused(set(problems))


def _feature_problems(
    node: NodePlan, feature: Feature | None, service: Service, dialect: str
) -> list[Problem]:
    if feature is None or feature.state == "no":
        reason = feature.reason if feature else f"no {service.technique} {service.role} is known for it"
        return [
            Problem(
                f"{node.name}.ipv4aas_platform",
                f"{node.platform}: {reason}",
                "another platform or a fallback",
            )
        ]
    if not feature.in_dialect(dialect):
        wrong = f"{node.platform} has no words for {service.technique} {service.role} in {dialect}"
        right = f"one of {', '.join(feature.dialects)}"
        return [Problem(f"{node.name}.ipv4aas_dialect", wrong, right)]
    identifier = service.interface_identifier
    if TECHNIQUES[service.technique].mapping == "rule" and identifier not in feature.iid_formats:
        return [
            Problem(
                f"{node.name}.ipv4aas_platform",
                f"{node.platform} cannot be told to use the {identifier} interface identifier",
                f"interface_identifier {' or '.join(feature.iid_formats)}, or a fallback",
            )
        ]
    return []


def _own_template(node: NodePlan) -> Path | None:
    return Path(node.options[OWN_TEMPLATE]) if OWN_TEMPLATE in node.options else None


def _template_of(node: NodePlan, folder: Path, dialect: str) -> Path:
    if (folder / _EVERY_TECHNIQUE).is_file():
        return folder / _EVERY_TECHNIQUE
    technique = _technique(node)
    special = folder / f"{technique}.{dialect}.j2"
    return special if special.is_file() else folder / f"{technique}.j2"
