# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT64 (RFC 6146)."""

from __future__ import annotations

from .row import Technique

ROW = Technique(
    name="nat64",
    title="NAT64",
    source="RFC 6146",
    mapping="session",
    carriage="translation",
    napt="gateway",
    gateway="NAT64",
    edge=None,
)
