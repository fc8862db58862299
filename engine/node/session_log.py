# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session logs of a node on disk (RFC 6888 section 4): packet/natlog.py says what is in them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from ..packet.natlog import Record, to_line
from ..techniques.service import Service

FOLDER = "sessions"  # in the state's


class SessionLogs:
    """A file a service, which grows; where somebody moved it away (log rotation), a new one is begun.

    What cannot be written is lost, and the service goes on: `fault` says so until something was written,
    `faults` how many times it happened.
    """

    def __init__(self, folder: Path, since_1970: Callable[[float], float]) -> None:
        """`since_1970` makes seconds since 1970 of a time of the packets' clock."""
        self._folder, self._since_1970 = folder, since_1970
        self._files: dict[Path, IO[str]] = {}
        self.fault, self.faults = "", 0

    def write(self, service: Service, record: Record) -> None:
        """One line, on disk at the next flush() at the latest."""
        self.write_of(service.name, record)

    def write_of(self, name: str, record: Record) -> None:
        """The same, by the name of a service, which may be gone."""
        line = to_line(record._replace(time=round(self._since_1970(record.time), 3))) + "\n"
        path = self.path(name)
        try:
            file = self._files.get(path)
            if file is None:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                file = self._files[path] = path.open("a", encoding="ascii")
            file.write(line)
        except OSError as error:
            self._give_up(path, error)

    def path(self, name: str) -> Path:
        """The file of a service."""
        return self._folder / f"{quote(name, safe='')}.log"

    def flush(self) -> None:
        """Everything is in the files; to be called every second."""
        if self._files:
            self.fault = ""
        for path, file in list(self._files.items()):
            try:
                file.flush()
                if not path.exists():
                    del self._files[path]
                    file.close()
            except OSError as error:
                self._give_up(path, error)

    def view(self) -> dict[str, Any]:
        """For display."""
        return {"faults": self.faults} | ({"fault": self.fault} if self.fault else {})

    def close(self) -> None:
        """The end."""
        self.flush()
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _give_up(self, path: Path, error: OSError) -> None:
        self.faults += 1
        self.fault = f"{path}: {error.strerror}; records are lost"
        file = self._files.pop(path, None)
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def since_1970(moment: float) -> float:
    """Seconds since 1970 at a time of the monotonic clock."""
    return time.time() - time.monotonic() + moment
