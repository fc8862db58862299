# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MTU and MSS of a service on its nodes, by its technique's row."""

from __future__ import annotations

from ..intent.model import AUTO, OFF
from ..techniques import Technique


def mss_clamp(technique: Technique, ipv6_mtu: int, wanted: str | int) -> int:
    """Octets to clamp TCP MSS to, 0 for off. ``wanted`` is auto, off or octets."""
    if wanted == OFF:
        return 0
    if wanted == AUTO:
        return technique.tcp_mss(ipv6_mtu)
    return int(wanted)
