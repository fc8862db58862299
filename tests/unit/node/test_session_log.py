# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session log of a node, read back by who traces with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from random import Random

from ansible_collections.ipv4aas.fleet.engine.node.services import Services
from ansible_collections.ipv4aas.fleet.engine.node.session_log import SessionLogs
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration
from ansible_collections.ipv4aas.fleet.engine.verify.session_log import read_log
from session_samples import AFTR6, AFTR_SERVICE, B4, INSIDE, SERVER, pool
from unit.packet import packetkit as kit

BEGIN = 1_370_000_000


def date(moment: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + moment, UTC)


class Logged:
    """An AFTR that writes a log."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.log = SessionLogs(folder / "sessions", lambda moment: BEGIN + moment)
        self.path = self.log.path("t")
        self.services = Services(rng=Random(1), log=self.log.write)
        self.run(**changes)

    def run(self, **changes: object) -> None:
        service = replace(AFTR_SERVICE, **changes)
        self.services.reload(NodeConfiguration(node="box", services=(service,)), lambda wanted: 0)

    def open(self, sport: int, now: float) -> tuple[IPv4Address, int]:
        packet = kit.tunnel(B4, AFTR6, kit.udp(INSIDE, sport, SERVER, 53))
        ((out, _namespace),) = self.services.process(Packet(packet), now)
        return IPv4Address(kit.field(out.data, "src")), kit.field(out.data, "sport")

    def leases(self):
        self.log.flush()
        return read_log(self.path.read_text().splitlines(), "sessions.log")


def test_a_block_is_one_lease(tmp_path: Path) -> None:
    logged = Logged(tmp_path, pool=pool(block_size=64))
    outside = {logged.open(5000 + n, 10.0 + n) for n in range(9)}
    (lease,) = logged.leases()
    assert lease.subscriber(64) == IPv6Network("2001:db8:1:100::/64")
    assert (lease.since, lease.until, lease.protocol) == (date(10), None, 0)
    assert {address for address, _port in outside} == {lease.ipv4}
    assert all(lease.first_port <= port <= lease.last_port for _address, port in outside)
    assert SERVER not in logged.path.read_text()


def test_a_port_is_one_lease(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    address, port = logged.open(5000, 10.0)
    logged.services.expire(320.0)
    (lease,) = logged.leases()
    assert (lease.realm, lease.protocol) == (IPv6Address(B4), 17)
    assert (lease.ipv4, lease.first_port, lease.last_port) == (address, port, port)
    assert (lease.since, lease.until) == (date(10), date(320))


def test_the_end_of_a_service_is_told(tmp_path: Path) -> None:
    for changes in ({}, {"pool": pool(block_size=64)}):
        logged = Logged(tmp_path, **changes)
        logged.open(5000, 10.0)
        logged.services.expire(20.0)
        logged.services.stop()
        assert [lease.until for lease in logged.leases()] == [date(20)]
        logged.path.unlink()


def test_another_pool_is_told(tmp_path: Path) -> None:
    logged = Logged(tmp_path, pool=pool(block_size=64))
    logged.open(5000, 10.0)
    logged.services.expire(11.0)
    logged.run(pool=pool(block_size=64, ports_per_subscriber=64))
    logged.services.expire(12.0)
    lines = logged.leases()
    assert [lease.until for lease in lines] == [date(11), None]
    assert lines[0].first_port == lines[1].first_port


def test_nothing_is_written_where_ports_follow_by_arithmetic(tmp_path: Path) -> None:
    """RFC 7422."""
    logged = Logged(tmp_path, pool=pool(deterministic=True, subscribers=IPv6Network("2001:db8:1:100::/60")))
    logged.open(5000, 10.0)
    logged.log.flush()
    assert not logged.path.exists()


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.open(5000, 10.0)
    logged.log.flush()
    moved = logged.path.rename(tmp_path / "moved")
    logged.open(5001, 11.0)
    logged.log.flush()
    logged.open(5002, 12.0)
    logged.log.flush()
    assert [len(path.read_text().splitlines()) for path in (moved, logged.path)] == [2, 1]
    assert logged.path.parent.stat().st_mode & 0o777 == 0o700


def test_every_service_has_a_file_in_the_folder(tmp_path: Path) -> None:
    logged = Logged(tmp_path, name="../hall 7")
    logged.open(5000, 10.0)
    logged.log.flush()
    assert [path.name for path in (tmp_path / "sessions").iterdir()] == ["..%2Fhall%207.log"]


def test_a_full_disk_does_not_end_the_service(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.path.parent.mkdir()
    logged.path.symlink_to("/dev/full")
    assert logged.open(5000, 10.0)
    logged.log.flush()
    assert logged.log.fault == f"{logged.path}: No space left on device; records are lost"
    assert len({logged.open(5000 + n, 11.0) for n in range(200)}) == 200  # more than a buffer
    logged.log.flush()
    logged.path.unlink()
    logged.open(6000, 12.0)
    logged.log.flush()
    assert logged.log.fault == ""
    assert len(logged.path.read_text().splitlines()) == 1


def test_a_folder_that_cannot_be_made_does_not_end_the_service(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    (tmp_path / "sessions").write_text("in the way")
    assert logged.open(5000, 10.0)
    assert "records are lost" in logged.log.fault
