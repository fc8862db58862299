# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the software node as one file that needs nothing but Python: node_zipapp.py TARGET.

The same sources give the same octets. Prints "changed" or "unchanged".
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

ENGINE = Path(__file__).resolve().parents[1] / "engine"
PACKAGE = "ipv4aas_engine"
# The rooms that use the standard library only, see docs/architecture.md.
PARTS = ("__init__.py", "codec.py", "mapping", "techniques", "packet", "node")
MAIN = f"import sys\nfrom {PACKAGE}.node.cli import main\nsys.exit(main())\n"
SHEBANG = b"#!/usr/bin/env python3\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def sources() -> dict[str, bytes]:
    """Name in the archive -> content."""
    found = (path for part in PARTS for path in [ENGINE / part, *(ENGINE / part).rglob("*")])
    files = {
        f"{PACKAGE}/{path.relative_to(ENGINE).as_posix()}": path.read_bytes()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {"__main__.py": MAIN.encode(), **dict(sorted(files.items()))}


def archive(files: dict[str, bytes]) -> bytes:
    """The file as it is written."""
    stream = io.BytesIO()
    stream.write(SHEBANG)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def write(target: Path) -> str:
    """Writes ``target`` where its content differs; says whether it did."""
    content = archive(sources())
    if target.is_file() and target.read_bytes() == content:
        target.touch()
        return "unchanged"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o755)
    return "changed"


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
