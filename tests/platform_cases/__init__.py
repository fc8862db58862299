# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shared tests have to know of each platform: one file a platform, each with a ``CASE``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from .case import Case

_HERE = Path(__file__).parent
_SHARED = ("__init__", "case", "provisioned", "services", "terminal")

CASES: dict[str, Case] = {
    path.stem: import_module(f".{path.stem}", __package__).CASE
    for path in sorted(_HERE.glob("*.py"))
    if path.stem not in _SHARED and not path.stem.endswith("_device")
}

# (platform, dialect, technique, role) of everything that features.yml calls possible.
SEATS = [
    (case.platform, dialect, row.technique, row.role)
    for case in CASES.values()
    for dialect in case.features.dialects
    for row in case.rows(dialect)
]
LANGUAGES = [(case.platform, dialect) for case in CASES.values() for dialect in case.features.dialects]
# (platform, dialect, name of the golden file).
GOLDENS = [
    (platform, dialect, name)
    for platform, dialect in LANGUAGES
    for name, services in CASES[platform].golden.items()
    if services[0].technique in {row.technique for row in CASES[platform].rows(dialect)}
]
