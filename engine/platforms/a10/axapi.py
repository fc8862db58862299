# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of aXAPI as a document of the interface itself."""

from __future__ import annotations

from functools import partial

from ...techniques.service import Service
from .. import objects as shared
from ..driver import Change
from ..objects import Objects, leaf, read, write
from . import objects
from .parse import services


def written(made: Objects) -> str:
    """The document of our objects."""
    return write(objects.owned(made))


def objects_of(text: str) -> Objects:
    """All objects of a document. Raises ParseError."""
    found = read(text)
    for path, body in found.items():
        if wrong := objects.fault(path, body):
            raise leaf(text, path, path).error(wrong)
    return found


def owned(text: str) -> str:
    """See platforms.driver.Driver."""
    return written(objects_of(text))


def parse(text: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """See platforms.driver.Driver."""
    ours = objects.owned(objects_of(text))
    return services(ours, partial(leaf, write(ours)), wanted)


def change(running: str, wanted: str) -> Change:
    """See platforms.driver.Driver. Edits of platforms.objects."""
    return shared.change(objects.owned(objects_of(running)), objects.owned(objects_of(wanted)), objects.ORDER)
