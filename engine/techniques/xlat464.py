# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""464XLAT (RFC 6877)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="464xlat",
    title="464XLAT",
    source="RFC 6877",
    mapping="session",
    carriage="translation",
    napt="gateway",
    gateway="PLAT",
    edge="CLAT",
)
