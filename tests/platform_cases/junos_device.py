# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models of Junos in both languages: a set of statements, and a datastore. Not the code under test."""

from __future__ import annotations

import re
from collections.abc import Collection

import platform_devices as devices
from lxml import etree


class JunosCli:
    """Statements; a leaf holds one value. What follows ``single`` is the value of a leaf."""

    def __init__(self, foreign: Collection[str], single: str) -> None:
        self.statements = list(foreign)
        self._single = re.compile(rf"(.* (?:{single})) \S+")

    def show(self) -> str:
        return "## Last commit: 2026-06-11\n" + "".join(f"set {line}\n" for line in sorted(self.statements))

    def apply(self, payload: str) -> None:
        for line in payload.splitlines():
            verb, path = line.split(" ", 1)
            if verb == "delete":
                kept = [item for item in self.statements if item != path and not item.startswith(f"{path} ")]
                assert len(kept) < len(self.statements), f"nothing to delete: {path}"
                self.statements = kept
                continue
            assert verb == "set", line
            leaf = self._single.fullmatch(path)
            if leaf:
                self.statements = [item for item in self.statements if not item.startswith(f"{leaf[1]} ")]
            if path not in self.statements:
                self.statements.append(path)


class JunosNetconf(devices.NetconfDevice):
    """A datastore that knows which tags are leaf-lists: another value is another element."""

    def __init__(self, foreign: str, leaf_lists: Collection[str] = ()) -> None:
        super().__init__(foreign)
        self._leaf_lists = leaf_lists

    def _identity(self, element):
        names = (child.text for child in element if etree.QName(child).localname == "name")
        key = next(names, None)
        if key is None and len(element) == 0 and etree.QName(element).localname in self._leaf_lists:
            key = element.text
        return element.tag, key


def leaf_facts(text: str, dialect: str) -> list[str]:
    """What a device shows, without order, and for XML without containers that hold nothing."""
    if dialect == "cli":
        return sorted(text.splitlines())

    def paths(element, above):
        name = etree.QName(element).localname
        keys = (child.text for child in element if etree.QName(child).localname == "name")
        here = f"{above}/{name}[{next(keys, '')}]"
        if len(element) == 0:
            yield f"{here}={element.text or ''}"
        for child in element:
            yield from paths(child, here)

    return sorted(line for line in paths(etree.fromstring(text), "") if not line.endswith("[]="))
