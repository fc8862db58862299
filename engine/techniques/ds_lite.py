# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DS-Lite (RFC 6333)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="ds-lite",
    title="DS-Lite",
    source="RFC 6333",
    mapping="session",
    carriage="encapsulation",
    napt="gateway",
    gateway="AFTR",
    edge="B4",
)
