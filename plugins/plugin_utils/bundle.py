# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the engine as one file that needs nothing but Python: bundle.py NAME TARGET.

The same sources give the same octets. Prints "changed" or "unchanged".
"""

from __future__ import annotations

import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ENGINE = Path(__file__).resolve().parents[2] / "engine"
PACKAGE = "ipv4aas_engine"
SHEBANG = b"#!/usr/bin/env python3\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """What goes in, as paths below the engine, and the module whose main() is run."""

    module: str
    parts: tuple[str, ...]


# All of it uses the standard library only, see docs/architecture.md.
BUNDLES = {
    "node": Bundle("node.cli", ("codec.py", "problem.py", "mapping", "techniques", "packet", "node")),
    "probe": Bundle(
        "verify.probes.cli",
        (
            *("codec.py", "mapping", "techniques", "packet/checksum.py", "verify/probes"),
            *("provision/dns64.py", "provision/dns64_synthesis.py", "provision/records.py"),
        ),
    ),
}


def content(bundle: Bundle) -> bytes:
    """The file as it is written."""
    stream = io.BytesIO()
    stream.write(SHEBANG)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _files(bundle).items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def write(bundle: Bundle, target: Path) -> str:
    """Writes the file where its content differs; says whether it did."""
    data = content(bundle)
    if target.is_file() and target.read_bytes() == data:
        target.touch()
        return "unchanged"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o755)
    return "changed"


def _files(bundle: Bundle) -> dict[str, bytes]:
    """Name in the archive -> content."""
    paths = {ENGINE / "__init__.py"}
    for part in bundle.parts:
        top = ENGINE / part
        paths.update([top] if top.is_file() else (*top.rglob("*.py"), *top.rglob("*.bpf.o")))
        paths.update(folder / "__init__.py" for folder in top.parents if ENGINE in folder.parents)
    files = {f"{PACKAGE}/{path.relative_to(ENGINE).as_posix()}": path.read_bytes() for path in sorted(paths)}
    main = f"import sys\nfrom {PACKAGE}.{bundle.module} import main\nsys.exit(main())\n"
    return {"__main__.py": main.encode(), **files}


if __name__ == "__main__":
    print(write(BUNDLES[sys.argv[1]], Path(sys.argv[2])))
