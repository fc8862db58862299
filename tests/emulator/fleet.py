#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""emulated_fleet for programs of their own; tests import that one, since tests/lab has a ``fleet`` too."""

from __future__ import annotations

import sys

from emulated_fleet import Device, Fleet, main, megabytes

__all__ = ["Device", "Fleet", "megabytes"]

if __name__ == "__main__":
    sys.exit(main())
