# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T (draft-matsuhira-m46e-fp)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="sa46t",
    title="SA46T",
    source="draft-matsuhira-m46e-fp",
    mapping="plane",
    carriage="encapsulation",
    napt="nowhere",
    gateway="SA46T",
    edge="SA46T",
)
