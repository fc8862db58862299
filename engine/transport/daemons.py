# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons of Debian that the collection configures, from daemons.yml beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import yaml

from ..codec import decode
from .daemon import Daemon

FILE = Path(__file__).with_suffix(".yml")

# By platform.
DAEMONS: Mapping[str, Daemon] = MappingProxyType(
    decode(dict[str, Daemon], yaml.safe_load(FILE.read_text("utf-8")), FILE.name)
)
