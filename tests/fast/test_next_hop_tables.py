# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How next hops come into the programs' tables: no packet sees half of an old and half of a new one."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast import turns
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import BpfError, Map
from ansible_collections.ipv4aas.fleet.engine.node.fast.next_hops import Hop, Prefix
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.node.fast.routing import FEW_ROUTES, Tries
from fuzz_seats import SEATS

pytestmark = pytest.mark.root


def to(device: int, networks: int = 1) -> dict[Prefix, Hop]:
    """So many routes by a device."""
    hop = Hop(device, 1500, bytes([device] * 6), bytes(6))
    return {(socket.AF_INET, 24, bytes([10, 0, n, 0])): hop for n in range(networks)}


@pytest.fixture
def program() -> Iterator[ServiceProgram]:
    made = ServiceProgram(SEATS["map-e", "gateway"].service, TC, redirect=True)
    yield made
    made.close()


@pytest.fixture
def tries(program: ServiceProgram) -> Tries:
    return Tries(program.layouts, program.maps)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each wait for a grace period of the kernel's gave."""
    found: list[bool] = []
    real = turns.wait_for_readers
    monkeypatch.setattr(turns, "wait_for_readers", lambda: found.append(real()) or found[-1])
    return found


def few(program: ServiceProgram, tries: Tries) -> list[int]:
    """Devices of the set of IPv4 that programs look through."""
    value = tries._few.unpack(program.maps["few_routes"].get(bytes(4)) or b"")
    return [route["hop"]["device"] for route in value["sets"][value["in_use"]]["four"]]


def test_a_set_is_written_again_when_no_packet_can_be_in_it(program, tries, waits):
    tries.write(to(1))
    assert not waits, "nobody has used the other one"
    tries.write(to(2))
    assert waits == [True]
    assert few(program, tries)[0] == 2
    tries.write(to(2))
    assert len(waits) == 1, "nothing is new, so nothing is written"
    tries.write(to(3, FEW_ROUTES + 1))
    assert few(program, tries) == [0] * FEW_ROUTES


def test_a_successor_leaves_the_set_in_use_alone(program, tries, monkeypatch):
    tries.write(to(1))
    seen: list[int] = []
    update = Map.update

    def watched(self: Map, key: bytes, value: bytes, flags: int = 0) -> None:
        update(self, key, value, flags)
        if self.name == "few_routes":
            seen.append(few(program, tries)[0])

    monkeypatch.setattr(Map, "update", watched)
    Tries(program.layouts, program.maps).write(to(2))
    assert seen == [1, 2]


def test_after_a_long_time_nobody_is_waited_for(tries, waits, monkeypatch):
    tries.write(to(1))
    monkeypatch.setattr(turns, "_LONG", 0.0)
    tries.write(to(2))
    assert not waits


class Full(Map):
    """A map that takes nothing behind its first entry."""

    room = 1

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        if not self.room:
            raise BpfError(errno.ENOMEM, self.name)
        self.room -= 1
        super().update(key, value, flags)


def test_what_could_not_be_written_is_not_believed_until_all_is_as_it_was(program, tries):
    tries.write(to(1, 2))
    real = tries._maps[socket.AF_INET]
    tries._maps[socket.AF_INET] = Full(real.name, real.descriptor, real.key_size, real.value_size)
    tries.write(to(2, 2))
    until = program.maps["hops_until"]
    assert until.get(bytes(4)) == (1).to_bytes(8, "little")
    tries._maps[socket.AF_INET] = real
    tries.write(to(1, 2))
    assert until.get(bytes(4)) != (1).to_bytes(8, "little")
    for prefix, hop in to(1, 2).items():
        assert tries._hop.unpack(real.get(tries._key(prefix)) or b"")["device"] == hop.device
