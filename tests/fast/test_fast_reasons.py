# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verdict of the programs has a line in the table of reasons."""

from __future__ import annotations

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.figures import events
from ansible_collections.ipv4aas.fleet.engine.node.fast.layout import Layouts
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import Object
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, read_object
from ansible_collections.ipv4aas.fleet.engine.node.reasons import REASONS

INTERNAL = {"GO_ON", "FOREIGN", "VERDICTS"}


@pytest.mark.parametrize("hook", [TC, XDP])
def test_verdicts(hook: str) -> None:
    item = Object(read_object(hook), hook)
    verdicts = Layouts(item).enum("verdict").keys() - INTERNAL
    item.close()
    assert "punt_ttl" in verdicts
    assert not set(events(dict.fromkeys(verdicts, (1, 0)), {})) - set(REASONS)
