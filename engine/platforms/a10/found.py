# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our objects of a device as they were read, with the place of each value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..naming import OURS
from ..objects import Body, Objects
from ..values import Leaf
from . import objects
from .objects import Kind, at

# Where a value of an object stands: its path, the value, and the keys that lead to it.
Locate = Callable[..., Leaf]


class Found:
    """Our objects of a device, with the place of each value in its text."""

    def __init__(self, ours: Objects, locate: Locate) -> None:
        self.objects = ours
        self._locate = locate

    def at(self, path: str, *keys: str) -> Leaf | None:
        """A value with its line; None where there is none."""
        value = at(self.objects[path], *keys)
        return None if value is None else self.leaf(path, value, *keys)

    def need(self, path: str, *keys: str) -> Leaf:
        """A value that has to be there."""
        found = self.at(path, *keys)
        if found is None:
            raise self.leaf(path, "").error(f"has no {'.'.join(keys)}")
        return found

    def leaf(self, path: str, value: object, *keys: str) -> Leaf:
        """A value at a place."""
        return self._locate(path, value, *keys)

    def of(self, kind: Kind) -> Iterator[tuple[str, Body]]:
        """Paths and objects of a kind."""
        for path, body in self.objects.items():
            if objects.kind_of(path) is kind:
                yield path, body

    def named(self, kind: Kind, name: str, asked: Leaf) -> str:
        """Path of the object that another one names."""
        path = f"{kind.path}/{name}"
        if path not in self.objects:
            raise asked.error(f"there is no {path} of ours")
        return path


def service_name(name: str) -> str:
    """The service that an object is named after."""
    return name.removeprefix(f"{OURS}-")
