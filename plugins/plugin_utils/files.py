# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes artefacts: only what differs, nothing in check mode."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar, cast

T = TypeVar("T")


class Files:
    """The artefacts below one folder. ``changed`` and ``diff`` are as Ansible wants them in a result."""

    def __init__(self, folder: str | Path, check_mode: bool) -> None:
        self.folder = Path(folder)
        self.check_mode = check_mode
        self.diff: list[dict[str, str]] = []

    @property
    def changed(self) -> bool:
        """Whether anything was, or in check mode would be, written or removed."""
        return bool(self.diff)

    def put(self, name: str, content: str) -> None:
        """Writes a file whole or not at all, where its content differs."""
        path = self.folder / name
        before = path.read_text("utf-8") if path.is_file() else ""
        if path.is_file() and before == content:
            return
        self._note(path, before, content)
        if not self.check_mode:
            replace(path, content)

    def keep_only(self, name: str, wanted: set[str]) -> None:
        """Removes from the folder ``name`` what is not wanted, given as paths below it."""
        top = self.folder / name
        there = {
            path.relative_to(top).as_posix(): path
            for folder, _folders, files in os.walk(top)
            for path in (Path(folder, file) for file in files)
        }
        for path in sorted(there[file] for file in there.keys() - wanted if there[file].is_file()):
            self._note(path, path.read_text("utf-8", "replace"), "")
            if not self.check_mode:
                path.unlink()
        if not self.check_mode and top.is_dir():
            kept = {file.partition("/")[0] for file in wanted & there.keys()}
            for path in top.iterdir():
                if path.is_dir() and path.name not in kept:
                    shutil.rmtree(path)

    def _note(self, path: Path, before: str, after: str) -> None:
        self.diff.append(
            {"before": before, "after": after, "before_header": str(path), "after_header": str(path)}
        )


def read_as(path: Path, make: Callable[[str], T]) -> T:
    """What ``make`` makes of the text of a file, once for as many hosts as ask. Raises what both raise."""
    there = path.stat()
    # One that was written anew is another file: see replace().
    return cast(T, _made(path, make, (there.st_ino, there.st_mtime_ns, there.st_size)))


@functools.lru_cache(maxsize=4)
def _made(path: Path, make: Callable[[str], Any], _which: tuple[int, ...]) -> Any:
    return make(path.read_text("utf-8"))


def replace(path: Path, content: str) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part; its folder as well."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        stream = _begin(temporary)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = _begin(temporary)
    try:
        with stream:
            stream.write(content)
        os.replace(temporary, path)
    except OSError:
        # Such as on a full disk, where it would take what is left.
        temporary.unlink(missing_ok=True)
        raise


def _begin(path: Path) -> IO[str]:
    # tempfile takes twice as long, and a rollout writes thousands.
    return open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o644))
