# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-E (RFC 7597)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="map-e",
    title="MAP-E",
    source="RFC 7597",
    mapping="rule",
    carriage="encapsulation",
    napt="edge",
    gateway="BR",
    edge="CE",
)
