# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PR (draft-matsuhira-m46e-pr)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="sa46t-pr",
    title="SA46T-PR",
    source="draft-matsuhira-m46e-pr",
    mapping="plane-table",
    carriage="encapsulation",
    napt="nowhere",
    gateway="SA46T-PR",
    edge="SA46T-PR",
)
