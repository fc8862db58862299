# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One row a technique. Adding a technique adds its file and its line here."""

from __future__ import annotations

from types import MappingProxyType

from . import map_e
from .row import Technique

TECHNIQUES = MappingProxyType({row.name: row for row in (map_e.ROW,)})

__all__ = ["TECHNIQUES", "Technique"]
