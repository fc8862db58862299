# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-T (RFC 7599)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="map-t",
    title="MAP-T",
    source="RFC 7599",
    mapping="rule",
    carriage="translation",
    napt="edge",
    gateway="BR",
    edge="CE",
)
