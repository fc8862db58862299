# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the features.yml files say, for people: docs/platforms.md and the answer of platforms_info."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..plan.capability import UNKNOWN_FRAGMENTS, Feature, Features
from ..plan.limits import WORDS
from ..provision.dns64_synthesis import deviation_words
from ..techniques.service import EDGE, GATEWAY

_HEAD = """\
# Platforms

Made from `engine/platforms/*/features.yml`. Confidence says where the syntax comes from: `vendor` the
vendor's own document, model or source code, `public` a configuration that others published, `derived`
names of the vendor's model in a spelling that was concluded, `unverified` neither. Unverified output needs
`allow_unverified: true` in `ipv4aas_options`.

"""


@dataclass(frozen=True, slots=True)
class Row:
    """One technique in one role on one platform."""

    box: Features
    feature: Feature

    @property
    def technique(self) -> str:
        return self.feature.technique

    @property
    def role(self) -> str:
        return self.feature.role

    @property
    def platform(self) -> str:
        return self.box.platform

    @property
    def caveats(self) -> tuple[str, ...]:
        """What to know before it is used, with what it does otherwise than the standard."""
        return (*self.feature.caveats, *map(deviation_words, self.feature.deviations))

    @property
    def possible(self) -> bool:
        return self.feature.state == "yes"

    @property
    def confidence(self) -> str:
        """Empty for what is not possible."""
        return self.feature.confidence if self.possible else ""


def rows(features: Mapping[str, Features]) -> list[Row]:
    """By technique, role and platform."""
    found = (Row(box, row) for box in features.values() for row in box.techniques)
    return sorted(found, key=lambda row: (row.technique, row.role, row.platform))


def document(features: Mapping[str, Features]) -> str:
    """Markdown: one table of technique x role x platform, then a section for each platform."""
    table = _table(
        ("technique", "role", "platform", "", "confidence", "source"),
        (
            (
                row.technique,
                row.role,
                f"[{row.platform}](#{row.platform})",
                row.feature.state,
                row.confidence,
                row.feature.source,
            )
            for row in rows(features)
        ),
    )
    return _HEAD + table + "".join(_section(name, features[name]) for name in sorted(features))


def overview(found: Sequence[Row]) -> str:
    """Plain text: a table, then reason or source and caveats of each row."""
    head = ("technique", "role", "platform", "possible", "confidence")
    cells = [
        head,
        *((row.technique, row.role, row.platform, row.feature.state, row.confidence) for row in found),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    for row in found:
        feature = row.feature
        said = (f"source: {feature.source}",) if row.possible else (f"not possible: {feature.reason}",)
        lines += ["", f"{row.technique} {row.role} on {row.box.title}"]
        lines += [f"  - {text}" for text in (*said, *row.caveats)]
    return "\n".join(lines) + "\n"


def _section(name: str, box: Features) -> str:
    languages = ", ".join(_language(box, dialect) for dialect in box.dialects)
    note = f" ({box.confirmed_commit_note})" if box.confirmed_commit_note else ""
    lines = [
        f"Configured in {languages}.",
        f"Commit that reverts by itself: {'yes' if box.confirmed_commit else 'no'}{note}.",
    ]
    if any(row.state == "yes" and row.role in (GATEWAY, EDGE) for row in box.techniques):
        lines.append(_fragments(box))
    text = f"\n## {name}\n\n{box.title}. {' '.join(lines)}\n"
    if box.options:
        options = ((f"`{option}`", meaning) for option, meaning in box.options.items())
        text += "\n" + _table(("`ipv4aas_options`", "meaning"), options)
    return text + "".join(_feature(Row(box, row)) for row in box.techniques)


def _language(box: Features, dialect: str) -> str:
    why = box.by_person(dialect)
    return f"`{dialect}` by a person ({why})" if why else f"`{dialect}` over {box.transports[dialect]}"


def _fragments(box: Features) -> str:
    if box.fragments == UNKNOWN_FRAGMENTS:
        return "What it does with packets that are too big is in no document that was read."
    cut = {"outer": "the IPv6 packet", "inner": "the IPv4 packet", "none": "nothing"}[box.fragments]
    refused = [
        words
        for words, accepted in (
            ("IPv6 fragments", box.accepts_outer_fragments),
            ("fragmented ICMP", box.accepts_fragmented_icmp),
            ("ICMP for IPv4", box.icmpv4_encapsulation),
        )
        if not accepted
    ]
    return f"What is too big: it cuts {cut}." + (
        f" It does not carry {', '.join(refused)}." if refused else ""
    )


def _feature(shown: Row) -> str:
    row = shown.feature
    text = f"\n### {row.technique}, {row.role}\n\n"
    if row.state != "yes":
        return f"{text}No: {row.reason}.\n"
    if row.dialects:
        text += f"- Only in {', '.join(f'`{dialect}`' for dialect in row.dialects)}.\n"
    text += "".join(f"- {caveat}.\n" for caveat in shown.caveats)
    if row.not_carried:
        text += f"- Not in its configuration, so neither set nor checked: {', '.join(row.not_carried)}.\n"
    if row.iid_formats:
        text += f"- Interface identifier: {', '.join(row.iid_formats)}.\n"
    if row.limits:
        limits = ((WORDS[word][0], str(least), str(most)) for word, (least, most) in row.limits.items())
        text += "\n" + _table(("limit", "least", "most"), limits)
    return text


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
