# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a NAPT that an earlier process left in the kernel, with programs that may still use them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...packet.napt import SessionView
from ...packet.natlog import Log
from .compiled import read_object
from .layout import Layouts
from .leases import Leases, Ledger
from .libbpf import CONSTANTS, Map, Object
from .pins import Pins
from .session_entries import SessionEntries

# Maps that are kept, by the names of their pins: bpffs allows no dot.
KEPT = {
    **{name: name for name in ("napt_bindings", "further_sessions", "tallies", "subscribers", "records")},
    "constants": CONSTANTS,
}


class LeftTables:
    """Read only; found() says whether they are there."""

    def __init__(self, item: Object, maps: dict[str, Map]) -> None:
        """Who makes it hands both over."""
        self._object, self._maps = item, maps
        layouts = Layouts(item)
        self._entries, self._ledger = SessionEntries(layouts, maps), Ledger(layouts, maps)

    @classmethod
    def found(cls, pins: Pins, owner: str) -> LeftTables | None:
        """Those of a service, if they were made by the very same programs. Raises Unsupported or BpfError."""
        build = read_object("napt")
        there = {name: pins.open(pins.name_of("napt", build, owner, pin)) for pin, name in KEPT.items()}
        descriptors = [descriptor for descriptor in there.values() if descriptor is not None]
        if len(descriptors) < len(KEPT):
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        item = Object(build, f"sessions of {owner}")
        sizes = {name: (item.key_size(name), item.value_size(name)) for name in there}
        return cls(item, {name: Map(name, d, *sizes[name]) for name, d in there.items() if d is not None})

    def views(self) -> Iterator[SessionView]:
        """All sessions; what comes and goes meanwhile may be missed."""
        return self._entries.views()

    def end(self, log: Log) -> Leases:
        """What was held at the end, after the log got what nobody has told it yet."""
        ring = self._ledger.listen(log)
        ring.consume()
        ring.close()
        return self._ledger.held()

    def close(self) -> None:
        """Lets go of them."""
        for item in self._maps.values():
            item.close()
        self._object.close()
