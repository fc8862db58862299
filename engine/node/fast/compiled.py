# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled programs of the package, and what this kernel lets them do."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ...packet import ipv6
from .libbpf import Object
from .tables import Unsupported


def read_object(name: str) -> bytes:
    """The programs of one C source. Raises Unsupported where the package was built without them."""
    file = files(__package__).joinpath("objects", f"{name}.bpf.o")
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise Unsupported(f"{file} is not there: built without the fast path") from None


@cache
def old_decapsulation() -> bool:
    """Whether tc takes an outer header off in two steps only (before Linux 6.3). Raises as Object does."""
    probe = Object(read_object("probe"), "probe")
    try:
        probe.load()
        tunnelled = ipv6.write(0, 20, ipv6.IPV4, 1, 1) + b"\x45" + bytes(19)
        refused, _, _ = probe.programs["decapsulation"].run(bytes(12) + b"\x86\xdd" + tunnelled)
    finally:
        probe.close()
    return bool(refused)
