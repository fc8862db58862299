# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One row a technique. Adding a technique adds its file and its line here."""

from __future__ import annotations

from types import MappingProxyType

from . import ds_lite, lw4o6, map_e, map_t, nat64, sa46t, sa46t_pr, sa46t_pt, xlat464
from .row import Technique

_ROWS = (
    map_e.ROW,
    map_t.ROW,
    lw4o6.ROW,
    ds_lite.ROW,
    xlat464.ROW,
    nat64.ROW,
    sa46t.ROW,
    sa46t_pr.ROW,
    sa46t_pt.ROW,
)

TECHNIQUES = MappingProxyType({row.name: row for row in _ROWS})

__all__ = ["TECHNIQUES", "Technique"]
