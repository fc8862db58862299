# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels of the software node and of all that it needs: wheels.py FOLDER.

They are built where the sources differ from those of the last time, so that the same sources stay the same
release. Prints "changed" or "unchanged". Needs pip, and a package index for what is built with and needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRA = "exporter"
FILES = ("pyproject.toml", "constraints.txt", "README.md", "COPYING")
STAMP = "sources.sha256"
EPOCH = "315532800"  # 1980: the first moment that an archive can hold


def sources() -> list[Path]:
    """Everything that goes in, as paths below the root."""
    engine = (path for path in (ROOT / "engine").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return [Path(name) for name in FILES] + sorted(path.relative_to(ROOT) for path in engine)


def digest() -> str:
    """Of the names and contents of the sources."""
    found = hashlib.sha256()
    for path in sources():
        found.update(f"{path}\0{hashlib.sha256((ROOT / path).read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def build(target: Path) -> None:
    """Fill the folder with wheels, in place of what was there. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        # A copy: setuptools leaves files beside the sources, which may be read-only and may be stale.
        copy, made = Path(folder, "sources"), Path(folder, "wheels")
        for path in sources():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, copy / path)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
        argv = [*pip, "--wheel-dir", str(made), "--constraint", "constraints.txt", f".[{EXTRA}]"]
        subprocess.run(argv, cwd=copy, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, check=True)
        target.mkdir(parents=True, exist_ok=True)
        (target / STAMP).unlink(missing_ok=True)
        for old in target.glob("*.whl"):
            old.unlink()
        for wheel in made.iterdir():
            shutil.copyfile(wheel, target / wheel.name)


def write(target: Path) -> str:
    """Build where the sources are others; says whether it did."""
    wanted, stamp = digest(), target / STAMP
    if stamp.is_file() and stamp.read_text("ascii") == wanted:
        return "unchanged"
    build(target)
    stamp.write_text(wanted, "ascii")
    return "changed"


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
