# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with nft: the real program checks what it is given, where it is there and may."""

from __future__ import annotations

import os
import shutil
import subprocess


class NftDevice:
    """The file, which is the collection's as a whole."""

    def __init__(self, empty: str) -> None:
        self._text = empty
        self._real = shutil.which("nft") is not None and os.geteuid() == 0

    def show(self) -> str:
        return self._text

    def apply(self, payload: str) -> None:
        if payload:
            if self._real:
                done = subprocess.run(
                    ["nft", "--check", "--file", "/dev/stdin"],
                    input=payload,
                    text=True,
                    capture_output=True,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
            assert payload.count("{") == payload.count("}")
            self._text = payload
