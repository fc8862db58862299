# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Path MTUs that are remembered."""

from __future__ import annotations

import tracemalloc

from ansible_collections.ipv4aas.fleet.engine.packet.path_mtu import LIFETIME, PathMtus


def test_narrower_only_until_the_time_is_over() -> None:
    paths = PathMtus(10)
    assert paths.get(1, 0.0) is None
    assert paths.lower(1, 1400, 0.0)
    assert not paths.lower(1, 1450, 1.0)
    assert paths.lower(1, 1300, 100.0)
    assert paths.get(1, 99.0 + LIFETIME) == 1300
    assert paths.get(2, 0.0) is None
    assert paths.get(1, 100.0 + LIFETIME) is None
    assert len(paths) == 0
    assert paths.lower(1, 1450, 200.0 + LIFETIME)


def test_a_repeated_message_does_not_lengthen_the_time() -> None:
    paths = PathMtus(10)
    paths.lower(1, 1400, 0.0)
    paths.lower(1, 1400, LIFETIME - 1)
    assert paths.get(1, LIFETIME) is None


def test_who_listens_hears_of_each_that_comes_and_goes() -> None:
    told: list[tuple[int, int, float]] = []
    paths = PathMtus(2)
    paths.lower(1, 1400, 0.0)
    paths.tell(lambda *path: told.append(path))
    paths.lower(1, 1450, 1.0)
    paths.lower(2, 1300, 1.0)
    paths.lower(3, 1300, 2.0)
    assert told == [(1, 1400, LIFETIME), (2, 1300, LIFETIME + 1), (1, 0, 2.0), (3, 1300, LIFETIME + 2)]
    del told[:]
    paths.get(2, LIFETIME + 1)
    assert told == [(2, 0, LIFETIME + 1)]
    paths.tell(None)
    paths.lower(4, 1300, LIFETIME + 1)
    assert len(told) == 1


def test_the_oldest_goes_and_the_memory_is_bounded() -> None:
    tracemalloc.start()
    paths = PathMtus(4096)
    for number in range(20000):
        paths.lower(number << 100, 1280 + number % 200, float(number) / 1000)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(paths) == 4096
    assert paths.get(0, 20.0) is None and paths.get(19999 << 100, 20.0) is not None
    print(f"{used / 4096:.0f} octets a path")
    assert used < 1_600_000
