# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WAPI over HTTPS: what is asked of an Infoblox grid, and what is left of a change when something breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import CapabilityMissing, TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from emulated_nios import PASSWORD, USER, EmulatedNios
from emulated_rest import CUT_BEFORE, FAULTS, certificate
from platform_cases import CASES
from platform_cases.case import TEMPLATES
from platform_cases.infoblox import DNS64, told
from platform_cases.infoblox_device import InfobloxDevice, facts
from platform_cases.services import shownet

CASE, DRIVER = CASES["infoblox"], registry.driver("infoblox")
OTHER = IPv6Network("2001:db8:64::/96")
HALL, CONFERENCE = (
    shownet("nat64", RESOLVER, name="hall", dns64=DNS64),
    shownet(
        "464xlat", RESOLVER, name="conference", dns64=replace(DNS64, private=()), translation_prefix=OTHER
    ),
)
AFTR = told("ds-lite", name="aftr", aftr_name="aftr.example.net")
MOVED = replace(HALL, dns64=replace(DNS64, private=(), clients=()))
FIRST = CASE.node(HALL, AFTR)
SECOND = CASE.node(MOVED, CONFERENCE, told("map-e", name="br"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def grid(certificates: tuple[Path, Path]) -> Iterator[EmulatedNios]:
    server = EmulatedNios(certificates[1])
    yield server
    server.stop()


@pytest.fixture
def reach(grid: EmulatedNios, certificates: tuple[Path, Path]) -> Target:
    return Target(
        host="127.0.0.1",
        port=grid.port,
        username=USER,
        password=PASSWORD,
        ca_file=str(certificates[0]),
        timeout=30,
    )


def roll_out(node: NodePlan, target: Target, **options: Any) -> Outcome:
    text = render(node, TEMPLATES) if node.services else ""
    with session_for("infoblox", "wapi", target, allow_weaker=True, options=node.options) as session:
        return deploy(session, DRIVER, node, text, "wapi", **options)


def shown(server: EmulatedNios) -> str:
    device = InfobloxDevice()
    device.nios = server.nios
    return device.show()


def stored(server: EmulatedNios) -> list[str]:
    return facts(shown(server), "wapi")


def preload(server: EmulatedNios, node: NodePlan) -> None:
    device = InfobloxDevice()
    device.nios = server.nios
    device.apply(DRIVER.change("", render(node, TEMPLATES), "wapi").payload)
    server.running = server._snapshot()


def test_deploys_and_a_second_run_changes_nothing(grid: EmulatedNios, reach: Target) -> None:
    foreign = stored(grid)
    first = roll_out(FIRST, reach)
    assert (first.changed, first.left) == (True, "changed and confirmed")
    assert grid.restarts == [{"restart_option": "RESTART_IF_NEEDED", "services": ["DHCP", "DNS"]}]
    assert grid.running == grid._snapshot()
    assert set(foreign) <= set(stored(grid))
    assert not roll_out(FIRST, reach).changed
    assert roll_out(SECOND, reach).changed
    assert not roll_out(SECOND, reach).changed
    assert len(grid.restarts) == 2
    assert set(foreign) <= set(stored(grid))
    assert roll_out(replace(SECOND, services=()), reach).changed
    assert stored(grid) == foreign
    assert grid.cookies == set()


def test_ours_is_behind_the_operators_in_his_lists(grid: EmulatedNios, reach: Target) -> None:
    roll_out(FIRST, reach)
    [view] = grid.nios.search("view", {"name": "default"}, ["dns64_groups"])
    assert view["dns64_groups"] == ["default", "ipv4aas", "ipv4aas-hall"]
    [network] = grid.nios.search(
        "ipv6network", {"network": "2001:db8:1::/64", "network_view": "default"}, ["options"]
    )
    assert [option["name"] for option in network["options"]] == [
        "dhcp6.name-servers",
        "hall7-s46-mape",
        "ipv4aas-aftr-name",
    ]
    assert network["options"][0]["use_option"] is True


def test_a_field_that_is_not_wanted_any_more_is_emptied(grid: EmulatedNios, reach: Target) -> None:
    preload(grid, CASE.node(HALL))
    roll_out(CASE.node(MOVED), reach)
    [group] = grid.nios.search("dns64group", {"name": "ipv4aas-hall"}, ["mapped", "clients", "prefix"])
    assert group["mapped"] == []
    assert group["clients"] == [{"address": "Any", "permission": "ALLOW"}]
    assert group["prefix"] == "64:ff9b::/96"


def test_check_mode_only_looks(grid: EmulatedNios, reach: Target) -> None:
    before = stored(grid)
    outcome = roll_out(FIRST, reach, check_mode=True)
    assert outcome.changed
    assert '+   "dns64group/ipv4aas-hall": {' in outcome.diff
    assert stored(grid) == before
    assert [each for each in grid.requests if not each.startswith("GET")] == ["POST /wapi/v2.12/logout"]


def test_needs_the_consent_to_the_weaker_mode(grid: EmulatedNios, reach: Target) -> None:
    with (
        pytest.raises(CapabilityMissing, match="WAPI has no confirmed commit"),
        session_for("infoblox", "wapi", reach) as session,
    ):
        deploy(session, DRIVER, FIRST, render(FIRST, TEMPLATES), "wapi")


def test_a_failed_check_takes_the_change_back(grid: EmulatedNios, reach: Target) -> None:
    preload(grid, FIRST)
    before = stored(grid)
    seen: list[list[str]] = []

    def unhappy() -> list[str]:
        seen.append(stored(grid))
        return ["no AAAA"]

    with pytest.raises(TransportError, match="no AAAA") as caught:
        roll_out(SECOND, reach, post_check=unhappy)
    assert caught.value.left == "unchanged"
    assert seen[0] != before
    assert stored(grid) == before
    assert grid.restarts == []


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (
            {"view": "plain"},
            "view/plain: use_dns64, dns64_enabled is off, so that its dns64_groups are not in use",
        ),
        ({"view": "nobody"}, "view/nobody: does not exist"),
        (
            {"network": "2001:db8:ff01::/64"},
            "ipv6network/default/2001:db8:ff01::/64: use_options is off, so that its options are not in use",
        ),
    ],
)
def test_what_the_operator_has_to_prepare_is_told(
    grid: EmulatedNios, reach: Target, options: dict[str, str], wrong: str
) -> None:
    before = stored(grid)
    with pytest.raises(TransportError) as caught:
        roll_out(CASE.node(HALL, AFTR, **options), reach)
    assert (caught.value.step, caught.value.wrong, caught.value.left) == ("propose", wrong, "unchanged")
    assert stored(grid) == before


def test_a_refused_object_is_told_and_what_was_done_before_is_taken_back(
    grid: EmulatedNios, reach: Target
) -> None:
    """The grid has a definition of option 64 of the operator's."""
    grid.nios._put_in(
        "ipv6dhcpoptiondefinition", {"name": "aftr", "code": 64, "type": "string", "space": "DHCPv6"}
    )
    before = stored(grid)
    with pytest.raises(TransportError) as caught:
        roll_out(FIRST, reach)
    assert (caught.value.step, caught.value.left) == ("apply", "unchanged")
    assert caught.value.wrong == (
        "ipv6dhcpoptiondefinition/ipv4aas-aftr-name: POST ipv6dhcpoptiondefinition: status 400: "
        "An option with code 64 exists.; all is taken back"
    )
    assert stored(grid) == before


@pytest.mark.parametrize("fault", [*FAULTS, "expired", "gone"])
def test_a_fault_at_any_request_leaves_nothing_half_done(
    certificates: tuple[Path, Path], reach: Target, fault: str
) -> None:
    """Whatever breaks at whichever request: the old, the new, or an error that names what differs."""
    server = EmulatedNios(certificates[1])
    preload(server, FIRST)
    roll_out(SECOND, replace(reach, port=server.port))
    server.stop()
    # Reads are many and all the same: some of them.
    numbers = [n for n, each in enumerate(server.requests) if not each.startswith("GET") or n % 12 == 0]
    verdicts = set()
    for number in numbers:
        server = EmulatedNios(certificates[1])
        where = replace(reach, port=server.port)
        preload(server, FIRST)
        old = stored(server)
        server.fault = broken(server, number, fault)
        left, said = outcome(where)
        assert PASSWORD not in said
        server.fault = lambda *_: ""
        check_left(left, old, server)
        verdicts.add(left.split(" in ")[0])
        roll_out(SECOND, where)
        assert not DRIVER.change(shown(server), render(SECOND, TEMPLATES), "wapi")
        assert DRIVER.parse(shown(server), "wapi", SECOND.services) == SECOND.services
        server.stop()
    assert "unchanged" in verdicts or fault == "expired"
    assert any("does not revert by itself" in verdict for verdict in verdicts) == (fault == "gone")


def outcome(target: Target) -> tuple[str, str]:
    """How the grid was left, and the message of the error."""
    try:
        return roll_out(SECOND, target).left, ""
    except TransportError as error:
        return error.left, str(error)


def broken(server: EmulatedNios, number: int, fault: str) -> Any:
    def at(here: int, method: str, path: str) -> str:
        if fault == "gone":
            return CUT_BEFORE if here >= number else ""
        if here != number:
            return ""
        if fault == "expired":
            server.expire()
            return ""
        return fault

    return at


def check_left(left: str, old: list[str], server: EmulatedNios) -> None:
    now = stored(server)
    if left == "unchanged":
        assert now == old
    elif "changed and confirmed" in left or "not active before the services restart" in left:
        assert DRIVER.parse(shown(server), "wapi", SECOND.services) == SECOND.services
    else:
        named = left.removeprefix("changed, does not revert by itself, in ").split(" (of")[0].split(", ")
        differ = {
            each for each in set(now) ^ set(old) if not any(each.startswith(f".{path}") for path in named)
        }
        assert differ == set(), left


def test_a_wrong_password_is_told_without_it(grid: EmulatedNios, reach: Target) -> None:
    with pytest.raises(TransportError) as caught:
        roll_out(FIRST, replace(reach, password="hunter2-of-the-test"))
    assert "does not let ops in with the password (GET grid: wrong user name or password)" in str(
        caught.value
    )
    assert "hunter2" not in str(caught.value)
    assert caught.value.left == "unchanged"


def test_networks_are_read_page_by_page(grid: EmulatedNios, reach: Target) -> None:
    with session_for("infoblox", "wapi", reach) as session:
        text = session.read()
    assert text.count('"ipv6network/') == 62
    assert sum("_page_id" in each for each in grid.requests) == 2
