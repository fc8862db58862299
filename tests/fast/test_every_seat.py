# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This kernel takes the programs of every seat; what scripts/on-kernel asks an older one first."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from _pytest.mark import ParameterSet
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import library
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import (
    TC,
    XDP,
    ServiceProgram,
    needs_sessions,
)
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import KernelSessions
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from fuzz_seats import SEATS

pytestmark = pytest.mark.root


HOW: dict[str, tuple[str, dict[str, bool]]] = {
    "tc": (TC, {"redirect": True}),
    "tc, the kernel routes": (TC, {"redirect": False}),
    "tc, decapsulation in two steps": (TC, {"redirect": True, "old_decapsulation": True}),
    "xdp": (XDP, {"redirect": True}),
}


TWO = (IPv4Network("203.0.113.0/31"),)
MANY = tuple(IPv4Network(f"203.0.113.{2 * n}/31") for n in range(16))
CUSTOMERS = IPv6Network("2001:db8:1::/54")
POOLS: dict[str, Pool] = {
    "blocks": Pool(
        ipv4=TWO,
        block_size=1000,
        ports_per_subscriber=9,
        sessions_per_subscriber=12,
        new_sessions_per_second=1,
    ),
    "ranges": Pool(
        ipv4=TWO,
        deterministic=True,
        subscribers=CUSTOMERS,
        subscriber_prefix_len=56,
        block_size=8,
        first_port=65472,
        dynamic_blocks=3,
    ),
    "networks": Pool(ipv4=MANY, subscribers=IPv6Network("2001:db8:1::/96")),
}
MOST = 700_000  # steps of the verifier, which gives up at 10^6: not all ways to set a seat up are loaded here
VERIFIED = 216  # where struct bpf_prog_info has them


def services() -> Iterator[ParameterSet]:
    """Every seat; those that share addresses by sessions with every kind of pool."""
    for seat, found in SEATS.items():
        service = replace(found.service, eam=(), mss_clamp=1200)
        yield pytest.param(service, id=" ".join(seat))
        if service.pool is not None and needs_sessions(service):
            for name, pool in POOLS.items():
                yield pytest.param(replace(service, pool=pool), id=" ".join((*seat, name)))


def verified(descriptor: int) -> int:
    """How many steps the verifier took."""
    found, size = ctypes.create_string_buffer(512), ctypes.c_uint32(512)
    assert not library().bpf_obj_get_info_by_fd(descriptor, found, ctypes.byref(size))
    return int.from_bytes(found.raw[VERIFIED : VERIFIED + 4], sys.byteorder)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("service", [*services()])
def test_loads(service: Service, how: str) -> None:
    hook, settings = HOW[how]
    sessions = KernelSessions(service, limit=1000, logs=True) if needs_sessions(service) else None
    program = ServiceProgram(service, hook, sessions=sessions, **settings)
    assert verified(program.program.descriptor) < MOST
    program.close()
    if sessions is not None:
        sessions.close()
