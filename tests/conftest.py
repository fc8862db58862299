# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the checkout where Python finds it as ansible_collections.ipv4aas.fleet."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "build" / "collections"


def _collection_path() -> str:
    if ROOT.parts[-3:] == ("ansible_collections", "ipv4aas", "fleet"):
        return str(ROOT.parents[2])
    link = TREE / "ansible_collections" / "ipv4aas" / "fleet"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(ROOT)
    return str(TREE)


sys.path.insert(0, _collection_path())

# How long an example takes says something of the machine, nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
