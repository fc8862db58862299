# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux with our own engine: its language is the model itself, as JSON. All of it is ours."""

from __future__ import annotations

import json
from typing import Any

from ...codec import CodecError, decode, encode
from ...plan.model import NodePlan
from ...techniques.service import NodeConfiguration, Service
from .. import located
from ..diff import line_diff
from ..driver import NO_CHANGE, Change

_EMPTY = NodeConfiguration(node="", services=())
_DEVICE = "device"


class Linux:
    """The driver."""

    name = "linux"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The whole document: there is no vendor's language to put it into."""
        options = {_DEVICE: node.options[_DEVICE]} if _DEVICE in node.options else {}
        configuration = NodeConfiguration(node=node.name, services=node.services, **options)
        return {"document": _write(configuration)}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. Empty where no service runs."""
        configuration = _read(text)
        return _write(configuration) if configuration.services else ""

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. Nothing has to be taken over from ``wanted``."""
        return _read(text).services

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. The engine takes a whole document and finds the difference itself."""
        before, after = self.owned(running, dialect), self.owned(wanted, dialect)
        if before == after:
            return NO_CHANGE
        return Change(after or _write(_EMPTY), before or _write(_EMPTY), line_diff(before, after))


def _read(text: str) -> NodeConfiguration:
    if not text.strip():
        return _EMPTY
    try:
        return decode(NodeConfiguration, json.loads(text), "configuration")
    except json.JSONDecodeError as error:
        raise located.not_json(error) from error
    except CodecError as error:
        raise located.with_line(text, str(error)) from error


def _write(configuration: NodeConfiguration) -> str:
    return json.dumps(encode(configuration), indent=2) + "\n"


DRIVER = Linux()
