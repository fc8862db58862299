# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the samples of the unit tests and the fuzzer where these tests find them."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = ("fuzz", "unit/node", "integration", "integration/node")
sys.path[:0] = [str(TESTS), *(str(TESTS / folder) for folder in FOLDERS)]
