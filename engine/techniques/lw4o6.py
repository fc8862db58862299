# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lw4o6 (RFC 7596)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="lw4o6",
    title="lw4o6",
    source="RFC 7596",
    mapping="binding",
    carriage="encapsulation",
    napt="edge",
    gateway="lwAFTR",
    edge="lwB4",
)
