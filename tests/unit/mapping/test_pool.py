# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 7422: the rows of the vectors, and for all algorithms: ports have one owner, and owners their ports."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.keyed import Permutation
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import (
    ALGORITHMS,
    Addresses,
    Deterministic,
    Pool,
    PoolError,
)
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from hypothesis import given
from hypothesis import strategies as st

VECTORS = Path(__file__).parents[2] / "vectors" / "deterministic_nat_rfc7422.json"
ROWS = {row["id"]: row for row in json.loads(VECTORS.read_text())["vectors"]}
INSIDE = IPv4Network("198.51.100.0/28")  # section 2.3: its 14 hosts are the subscribers
OUTSIDE = (IPv4Network("192.0.2.1/32"),)
EXAMPLE = Deterministic(OUTSIDE, 14, 2)
SEVERAL = (IPv4Network("192.0.2.0/30"), IPv4Network("203.0.113.7/32"))


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "inside" in row["input"]])
def test_published_ranges(name: str) -> None:
    given_, first_last = ROWS[name]["input"], ROWS[name]["expect"]["ports"]
    mapping = Deterministic(
        (IPv4Network(given_["outside"]),),
        given_["C"],
        given_["D"],
        given_["R"],
        given_["A"],
    )
    number = int(IPv4Address(given_["inside"])) - int(INSIDE[1])
    ((address, ports),) = mapping.ports(number).items()
    assert str(IPv4Address(address)) == given_["outside"]
    assert [ports[0], ports[-1]] == first_last
    assert len(ports) == ROWS["det-dynamic"]["expect"]["block"]
    assert {mapping.owner(address, port) for port in ports} == {number}


def test_published_dynamic_part() -> None:
    row = ROWS["det-dynamic"]
    assert EXAMPLE.block == row["expect"]["block"]
    assert [EXAMPLE.dynamic_ports[0], EXAMPLE.dynamic_ports[-1]] == row["expect"]["dynamic"]
    asked = ROWS["det-rev-58204"]["input"]
    assert EXAMPLE.owner(int(IPv4Address(asked["outside"])), asked["port"]) == "dynamic"


def test_without_a_dynamic_part_nobody_owns_the_rest() -> None:
    mapping = Deterministic(OUTSIDE, 1000)
    address = mapping.addresses[0]
    assert (mapping.block, len(mapping.dynamic_ports)) == (64, 0)
    assert [mapping.owner(address, port) for port in (0, 1023, 1024, 65023, 65024, 65535)] == [
        "reserved", "reserved", 0, 999, "reserved", "reserved",
    ]  # fmt: skip


VARIABLES = st.fixed_dictionaries(
    {
        "outside": st.sampled_from([OUTSIDE, SEVERAL, (IPv4Network("192.0.2.0/29"),)]),
        "compression": st.integers(1, 40),
        "dynamic": st.integers(0, 5),
        "reserved": st.sampled_from([0, 1024, 4096, 60000]),
        "algorithm": st.sampled_from(ALGORITHMS),
        "key": st.binary(min_size=1, max_size=80),
    }
)


@given(VARIABLES, st.data())
def test_forward_and_reverse_agree(variables: dict[str, Any], data: st.DataObject) -> None:
    """Of every port that a subscriber has it is the owner, and who owns a port has it."""
    mapping = Deterministic(**variables)
    number = data.draw(st.integers(0, mapping.subscribers - 1))
    mine = mapping.ports(number)
    total = sum(len(ports) for ports in mine.values())
    if variables["algorithm"] == "round-robin":
        assert total == mapping.block // len(mapping.addresses) * len(mapping.addresses)
    elif variables["algorithm"] == "interlaced":
        assert total == mapping.block
    else:
        assert (len(mine), total) == (1, mapping.block)
    for address, ports in mine.items():
        for index in {0, len(ports) // 2, len(ports) - 1} if len(ports) else ():
            assert mapping.owner(address, ports[index]) == number
            assert ports.index(ports[index]) == index
    address = data.draw(st.sampled_from(list(mapping.addresses)))
    port = data.draw(st.integers(0, 65535))
    owner = mapping.owner(address, port)
    if isinstance(owner, int):
        assert port in mapping.ports(owner)[address]
    else:
        assert (owner == "dynamic") == (port in mapping.dynamic_ports)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_subscribers_never_share_a_port(algorithm: str) -> None:
    mapping = Deterministic(SEVERAL, 7, 1, 50000, algorithm, b"k")
    seen: set[tuple[int, int]] = set()
    for number in range(mapping.subscribers):
        mine = {(address, port) for address, ports in mapping.ports(number).items() for port in ports}
        assert not mine & seen
        seen |= mine
    assert min(port for _other, port in seen) >= 50000


def test_each_algorithm_by_hand() -> None:
    """RFC 7422 section 2.2, two addresses, C = 2, six ports each."""
    first, second = (int(IPv4Address(text)) for text in ("192.0.2.0", "192.0.2.1"))

    def ports(algorithm: str) -> list[dict[int, list[int]]]:
        mapping = Deterministic((IPv4Network("192.0.2.0/31"),), 2, 0, 65524, algorithm)
        return [{a: list(p) for a, p in mapping.ports(n).items()} for n in range(4)]

    base = 65524
    assert ports("sequential")[1] == {first: [base + n for n in (6, 7, 8, 9, 10, 11)]}
    assert ports("sequential")[2] == {second: [base + n for n in (0, 1, 2, 3, 4, 5)]}
    assert ports("staggered")[1] == {first: [base + n for n in (1, 3, 5, 7, 9, 11)]}
    assert ports("round-robin")[1] == {a: [base + n for n in (3, 4, 5)] for a in (first, second)}
    assert ports("interlaced")[0] == {
        first: [base + n for n in (0, 4, 8)], second: [base + n for n in (2, 6, 10)]
    }  # fmt: skip
    assert ports("interlaced")[3] == {
        first: [base + n for n in (3, 7, 11)], second: [base + n for n in (1, 5, 9)]
    }  # fmt: skip


def test_random_ports_depend_on_the_key() -> None:
    def ports(key: bytes) -> list[int]:
        ((_address, mine),) = Deterministic(OUTSIDE, 16, key=key, algorithm="random").ports(3).items()
        return list(mine)

    picks = [ports(key) for key in (b"one", b"one", b"two")]
    assert picks[0] == picks[1] != picks[2]
    assert len(set(picks[0]) & set(picks[2])) < len(picks[0]) // 2
    assert sorted(picks[0]) != picks[0]


@given(st.integers(1, 3000), st.binary(max_size=70), st.integers(0, 0xFFFFFFFF))
def test_permutation_is_one(size: int, key: bytes, number: int) -> None:
    shuffle = Permutation(size, key, number)
    places = [shuffle(value) for value in range(size)]
    assert sorted(places) == list(range(size))
    assert [shuffle.back(place) for place in places] == list(range(size))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compression": 0}, "C is at least 1"),
        ({"reserved": 65536}, "R from 0"),
        ({"compression": 70000}, "64512 ports are too few for C . D = 70000"),
        ({"algorithm": "other"}, "none of sequential, staggered"),
        ({"algorithm": "random"}, "needs a key"),
        ({"algorithm": "round-robin", "outside": (IPv4Network("10.0.0.0/16"),)}, "needs as many ports"),
        ({"outside": ()}, "no address"),
        ({"outside": (*OUTSIDE, IPv4Network("192.0.2.0/30"))}, "overlaps"),
    ],
)
def test_variables_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PoolError, match=message):
        Deterministic(**({"outside": OUTSIDE, "compression": 14} | changes))


def test_questions_that_have_no_answer() -> None:
    with pytest.raises(PoolError, match=r"subscriber 14 is outside 0\.\.13"):
        EXAMPLE.ports(14)
    with pytest.raises(ValueError, match=r"192\.0\.2\.9 is not in the pool"):
        EXAMPLE.owner(int(IPv4Address("192.0.2.9")), 2000)


# The pool of a gateway

POOL = Pool(
    ipv4=(IPv4Network("192.0.2.0/31"),),
    deterministic=True,
    block_size=4032,
    subscribers=IPv6Network("2001:db8:1::/59"),
    dynamic_blocks=0,
)


def test_a_pool_numbers_its_subscribers() -> None:
    realm = int(IPv6Address("2001:db8:1:5::77"))
    assert POOL.number(realm) == 5
    assert POOL.subscriber(5) == IPv6Network("2001:db8:1:5::/64")
    with pytest.raises(PoolError, match="not in 2001:db8:1::/59"):
        POOL.number(int(IPv6Address("2001:db8:1:20::")))


def test_ranges_of_a_pool() -> None:
    mapping = POOL.arithmetic()
    assert (mapping.compression, mapping.block, mapping.subscribers) == (16, 4032, 32)
    without = Pool(ipv4=POOL.ipv4, deterministic=True, subscribers=POOL.subscribers)
    assert without.arithmetic() == mapping
    shared = Pool(ipv4=POOL.ipv4, deterministic=True, block_size=4032, dynamic_blocks=2,
                  subscribers=IPv6Network("2001:db8:1::/60"))  # fmt: skip
    assert (shared.arithmetic().compression, shared.arithmetic().dynamic) == (14, 2)


def test_pools_that_cannot_be() -> None:
    with pytest.raises(PoolError, match=r"32 subscribers in .* ranges of 8064 ports for 16"):
        Pool(ipv4=POOL.ipv4, deterministic=True, block_size=8064, subscribers=POOL.subscribers).arithmetic()
    with pytest.raises(PoolError, match="subscribers' prefix"):
        Pool(ipv4=POOL.ipv4, deterministic=True).arithmetic()
    with pytest.raises(PoolError, match="block size 70000"):
        Pool(ipv4=POOL.ipv4, block_size=70000)


def test_addresses_are_one_sequence() -> None:
    """RFC6888-REQ-3: ranges that are not contiguous."""
    addresses = Addresses(SEVERAL)
    texts = [str(IPv4Address(address)) for address in addresses]
    assert texts == ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.7"]
    assert [addresses.index(address) for address in addresses] == list(range(5))
    assert addresses[4] in addresses
    assert addresses[4] + 1 not in addresses


@given(st.integers(0, 16), st.integers(0, 16), st.data())
def test_index_is_the_inverse_of_nth(offset: int, psid_len: int, data: st.DataObject) -> None:
    psid_len = min(psid_len, 16 - offset)
    ports = PortSet(offset, psid_len, data.draw(st.integers(0, (1 << psid_len) - 1)))
    at = data.draw(st.integers(0, len(ports) - 1))
    assert ports.index(ports.nth(at)) == at


def test_a_subscriber_may_be_larger_than_the_prefix_of_all() -> None:
    """One range then, for whoever is in the prefix."""
    pool = Pool(
        ipv4=OUTSIDE, deterministic=True, subscriber_prefix_len=56, subscribers=IPv6Network("2001:db8::/64")
    )
    assert pool.arithmetic().compression == 1
    assert pool.number(int(IPv6Address("2001:db8::ffff:1"))) == 0
    with pytest.raises(PoolError):
        pool.number(int(IPv6Address("2001:db8:0:1::")))
