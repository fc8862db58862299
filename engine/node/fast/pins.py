# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlives the process: files of bpffs that keep links, programs and maps.

Each node has a folder of its own, named after its network namespace and state folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import zlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, unquote

from .libbpf import library

BPFFS = Path("/sys/fs/bpf")
_TOP = BPFFS / "ipv4aas"
_OWN_NAMESPACE = "/proc/thread-self/ns/net"


def instance(state: Path) -> str:
    """Name of a node's folder: two nodes of one machine share neither namespace nor state."""
    return f"{os.stat(_OWN_NAMESPACE).st_ino}-{zlib.crc32(os.fsencode(state.resolve())):08x}"


class Pins:
    """The folder of one node; `fault` says why nothing can be kept."""

    def __init__(self, name: str, *, make: bool = True) -> None:
        """With `make`, bpffs is mounted where it is not, and the folder made."""
        self._folder, self.fault = _TOP / name, ""
        try:
            if make and not _is_mounted():
                _mount()
            if make:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            self.fault = f"{BPFFS}: {error.strerror}; mount -t bpf bpf {BPFFS}"

    def names(self) -> list[str]:
        """Of all files."""
        try:
            return sorted(path.name for path in self._folder.iterdir())
        except OSError:
            return []

    def path(self, name: str) -> Path:
        """Of a file, which need not be there."""
        return self._folder / name

    def keep(self, name: str, descriptor: int) -> None:
        """A link, program or map, in place of what has the name; nothing where nothing can be kept."""
        if self.fault:
            return
        new = self.path(f"{name}-new")
        self.drop(new.name)
        if library().bpf_obj_pin(descriptor, os.fsencode(new)):
            self.fault = f"{new}: {os.strerror(ctypes.get_errno())}"
            return
        try:
            os.replace(new, self.path(name))
        except OSError as error:
            self.fault = f"{new}: {error.strerror}"

    def name_of(self, kind: str, build: bytes, owner: str, name: str) -> str:
        """A map's file: of whom it is, and which programs it is good for. bpffs allows no dot."""
        safe = quote(owner, safe="").replace(".", "%2E").replace("_", "%5F")
        return f"{_good_for(kind, build)}{safe}_{name}"

    def owners(self, kind: str, build: bytes) -> set[str]:
        """Of whom there are maps of a kind that these programs can read."""
        start = _good_for(kind, build)
        names = (name.removeprefix(start) for name in self.names() if name.startswith(start))
        return {unquote(name.split("_")[0]) for name in names}

    def keep_only(self, kind: str, descriptors: Mapping[str, int]) -> None:
        """These maps of a kind and no others."""
        for name in self.names():
            if name.startswith(f"{kind}_") and name not in descriptors:
                self.drop(name)
        for name, descriptor in descriptors.items():
            self.keep(name, descriptor)

    def open(self, name: str) -> int | None:
        """A descriptor of what is kept; None: nothing."""
        if self.fault:
            return None
        found = int(library().bpf_obj_get(os.fsencode(self.path(name))))
        return None if found < 0 else found

    def drop(self, name: str) -> None:
        """Keep it no longer."""
        with contextlib.suppress(OSError):  # it is not there, or not ours
            self.path(name).unlink()

    def clear(self) -> None:
        """Keep nothing."""
        for name in self.names():
            self.drop(name)
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def _good_for(kind: str, build: bytes) -> str:
    return f"{kind}_{sha256(build).hexdigest()[:12]}_"


def _is_mounted() -> bool:
    return any(place == str(BPFFS) and kind == "bpf" for place, kind in _mounts())


def _mounts() -> Iterator[tuple[str, str]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        yield place, kind


def _mount() -> None:
    c = ctypes.CDLL(None, use_errno=True)
    if c.mount(b"bpf", os.fsencode(BPFFS), b"bpf", ctypes.c_ulong(0), b"mode=700"):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
