# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text is read once for whoever asks, each thread for itself."""

from __future__ import annotations

import threading

from ansible_collections.ipv4aas.fleet.engine.platforms.reading import once


def test_the_very_same_text_is_read_once():
    asked = []

    @once
    def read(text: str, *, upper: bool = False) -> tuple[str, ...]:
        asked.append((text, upper))
        return tuple(text.upper() if upper else text)

    text, same = "".join(["a", "b"]), "".join(["a", "b"])
    assert read(text) == read(text) == ("a", "b")
    assert len(asked) == 1
    assert read(text, upper=True) == ("A", "B")
    assert read(same) == ("a", "b")
    assert asked == [("ab", False), ("ab", True), ("ab", False)]
    other = threading.Thread(target=read, args=(same,))
    other.start()
    other.join()
    assert len(asked) == 4
