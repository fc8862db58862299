# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PT (draft-matsuhira-m46e-pt)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="sa46t-pt",
    title="SA46T-PT",
    source="draft-matsuhira-m46e-pt",
    mapping="plane-rewrite",
    carriage="encapsulation",
    napt="nowhere",
    gateway="SA46T-PT",
    edge=None,
)
