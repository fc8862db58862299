# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices for the transport tests."""

from __future__ import annotations

import sys
from pathlib import Path

# The servers are shared with other integration tests, the emulators with other transports.
TESTS = Path(__file__).resolve().parents[2]
for folder in (TESTS / "integration", TESTS / "emulator", Path(__file__).parent):
    sys.path.insert(0, str(folder))
