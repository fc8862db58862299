# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IIJ SEIL."""

from __future__ import annotations

from .case import Case
from .seil_x86_device import SeilEditor
from .services import shownet

CASE = Case(
    platform="seil_x86",
    options={"tunnel": 7, "aftr_name": "aftr.example.jp"},
    device=SeilEditor,
    golden={"ds-lite": (shownet("ds-lite", "edge", mss_clamp=1420),)},
    endings={"cli": "txt", "recipe": "recipe"},
)
