# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte code of what an action imports late is kept.

Ansible's loader of collections compiles every source in every process, and a playbook has a process for each
host and task: some 5 ms a file. Python's own loader reads what it has compiled once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType


class _Finder(MetaPathFinder):
    """Finds what is below one package, as Python itself would."""

    def __init__(self, package: str) -> None:
        self._below = f"{package}."

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not path or not fullname.startswith(self._below):
            return None
        return _folder(path[0]).find_spec(fullname)


@cache
def _folder(path: str) -> FileFinder:
    return FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


def keep_byte_code(package: ModuleType) -> None:
    """In this process, for what is below a package that another loader than Python's own has found."""
    known = any(isinstance(finder, _Finder) for finder in sys.meta_path)
    if not known and not isinstance(package.__loader__, SourceFileLoader):
        sys.meta_path.insert(0, _Finder(package.__name__))
