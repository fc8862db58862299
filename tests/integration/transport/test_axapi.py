# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""aXAPI over HTTPS: what is asked of an A10, and what is left of a change when something breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import CapabilityMissing, TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from emulated_acos import PASSWORD, USER, EmulatedAcos
from emulated_rest import CUT_AFTER, CUT_BEFORE, FAULTS, certificate
from platform_cases import CASES
from platform_cases.a10_device import A10Device
from platform_cases.services import POOL, shownet

CASE, DRIVER = CASES["a10"], registry.driver("a10")
PLAT, AFTR, BR = (
    shownet("464xlat", "gateway", name="plat", mss_clamp=1400),
    shownet("ds-lite", "gateway", name="aftr", pool=replace(POOL, ipv4=(IPv4Network("203.0.113.128/26"),))),
    shownet("map-e", "gateway", name="br"),
)
OPTIONS: dict[str, Any] = {"lsn_lid": {"plat": 101, "aftr": 102}}
# The second plan moves the pool (made anew), drops a service, changes a domain and adds one.
MOVED_PLAT = replace(
    PLAT, pool=replace(POOL, ipv4=(IPv4Network("198.51.100.0/25"), IPv4Network("192.0.2.0/28")))
)
MOVED_BR = replace(BR, interface_identifier="draft-03")
LWAFTR = shownet("lw4o6", "gateway", name="lwaftr", hairpinning=False)


def plan(*services: Any, **options: Any) -> NodePlan:
    return replace(CASE.node(*services), options=OPTIONS | options)


FIRST, SECOND = plan(PLAT, AFTR, BR), plan(MOVED_PLAT, MOVED_BR, LWAFTR)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def acos(certificates: tuple[Path, Path]) -> Iterator[EmulatedAcos]:
    server = EmulatedAcos(certificates[1])
    yield server
    server.stop()


@pytest.fixture
def reach(acos: EmulatedAcos, certificates: tuple[Path, Path]) -> Target:
    return Target(
        host="127.0.0.1",
        port=acos.port,
        username=USER,
        password=PASSWORD,
        ca_file=str(certificates[0]),
        timeout=30,
    )


def rendered(node: NodePlan) -> str:
    from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
    from platform_cases.case import TEMPLATES

    return render(node, TEMPLATES)


def roll_out(node: NodePlan, target: Target, **options: Any) -> Outcome:
    with session_for("a10", "axapi", target, allow_weaker=True, options=node.options) as session:
        return deploy(session, DRIVER, node, rendered(node), "axapi", **options)


def facts(acos: EmulatedAcos) -> dict[str, Any]:
    """The objects without what the device numbers them with."""
    found = copy.deepcopy(acos.device.objects)
    for body in found.values():
        body.pop("uuid", None)
        if body.get("hairpinning") == "filter-none":
            del body["hairpinning"]
    return {path: body for path, body in found.items() if body}


def preload(acos: EmulatedAcos, node: NodePlan) -> None:
    """The device runs a plan already, also after a restart."""
    device = A10Device()
    device.acos = acos.device
    device.apply(DRIVER.change("", rendered(node), "axapi").payload)
    acos.startup["shared"] = copy.deepcopy(acos.device.objects)


def test_deploys_and_a_second_run_changes_nothing(acos: EmulatedAcos, reach: Target) -> None:
    foreign = facts(acos)
    first = roll_out(FIRST, reach)
    assert (first.changed, first.left) == (True, "changed and confirmed")
    assert acos.startup["shared"] == acos.device.objects
    assert not roll_out(FIRST, reach).changed
    assert roll_out(SECOND, reach).changed
    assert not roll_out(SECOND, reach).changed
    assert {path: body for path, body in facts(acos).items() if path in foreign and "global" not in path} == {
        path: body for path, body in foreign.items() if "global" not in path
    }
    assert acos.device.objects["cgnv6/nat64/global"]["icmp"] == foreign["cgnv6/nat64/global"]["icmp"]
    assert roll_out(replace(SECOND, services=()), reach).changed
    assert facts(acos) == foreign
    assert acos.signatures == {}


def test_requests_of_a_change(acos: EmulatedAcos, reach: Target) -> None:
    preload(acos, plan(PLAT))
    roll_out(plan(replace(PLAT, pool=replace(POOL, ipv4=(IPv4Network("198.51.100.0/25"),)))), reach)
    asked = [each.replace("/axapi/v3/", "") for each in acos.requests if not each.startswith("GET")]
    assert asked == [
        "POST auth",
        "DELETE cgnv6/lsn-lid/101",
        "DELETE cgnv6/nat/pool/ipv4aas-plat",
        "POST cgnv6/nat/pool",
        "POST cgnv6/lsn-lid",
        "POST write/memory",
        "POST logoff",
    ]
    acos.requests.clear()
    roll_out(plan(replace(PLAT, translation_prefix=None, technique="ds-lite")), reach)
    assert "DELETE /axapi/v3/cgnv6/nat64/prefix/64:ff9b::%2F96" in acos.requests


def test_check_mode_only_looks(acos: EmulatedAcos, reach: Target) -> None:
    before = facts(acos)
    outcome = roll_out(FIRST, reach, check_mode=True)
    assert outcome.changed
    assert '+   "cgnv6/lsn-lid/101": {' in outcome.diff
    assert facts(acos) == before
    assert [each for each in acos.requests if not each.startswith("GET")] == [
        "POST /axapi/v3/auth",
        "POST /axapi/v3/logoff",
    ]


def test_needs_the_consent_to_the_weaker_mode(acos: EmulatedAcos, reach: Target) -> None:
    with (
        pytest.raises(CapabilityMissing, match="aXAPI has no confirmed commit") as caught,
        session_for("a10", "axapi", reach) as session,
    ):
        deploy(session, DRIVER, FIRST, rendered(FIRST), "axapi")
    assert (caught.value.step, caught.value.left) == ("begin", "unchanged")
    assert acos.signatures == {}


def test_a_failed_check_takes_the_change_back(acos: EmulatedAcos, reach: Target) -> None:
    preload(acos, FIRST)
    before = facts(acos)
    seen: list[dict[str, Any]] = []

    def unhappy() -> list[str]:
        seen.append(facts(acos))
        return ["no way through"]

    with pytest.raises(TransportError, match="no way through") as caught:
        roll_out(SECOND, reach, post_check=unhappy)
    assert caught.value.left == "unchanged"
    assert seen[0] != before
    assert facts(acos) == before
    assert "POST /axapi/v3/write/memory" not in acos.requests


def test_nothing_of_somebody_elses_is_overwritten(acos: EmulatedAcos, reach: Target) -> None:
    """The LSN LID with the number of the plan, and the class list of nat64/global, are the operator's."""
    acos.device.objects["cgnv6/lsn-lid/101"] = {"lid-number": 101, "name": "theirs"}
    acos.device.objects["cgnv6/nat64/global"]["inside"] = {"source": {"class-list": "customers1"}}
    before = facts(acos)
    with pytest.raises(TransportError) as caught:
        roll_out(FIRST, reach)
    assert (caught.value.step, caught.value.left) == ("change", "unchanged")
    assert "cgnv6/lsn-lid/101 is the operator's; another number" in caught.value.wrong
    assert "cgnv6/nat64/global is the operator's; a device or a partition has one" in caught.value.wrong
    assert facts(acos) == before


def test_a_refused_object_is_told_and_what_was_done_before_is_taken_back(
    acos: EmulatedAcos, reach: Target
) -> None:
    preload(acos, plan(BR))
    acos.device.objects["cgnv6/nat/pool/CGN2"] = {
        "pool-name": "CGN2",
        "start-address": "203.0.113.190",
        "end-address": "203.0.113.200",
        "netmask": "/24",
    }
    before = facts(acos)
    with pytest.raises(TransportError) as caught:
        roll_out(plan(PLAT, AFTR, MOVED_BR), reach)
    assert (caught.value.step, caught.value.left) == ("apply", "unchanged")
    assert caught.value.wrong == (
        "cgnv6/nat/pool/ipv4aas-aftr: POST /cgnv6/nat/pool: status 400: IP address range overlaps with pool "
        "CGN2 (code 1023459393); all is taken back"
    )
    assert facts(acos) == before


def requests_of_a_change(
    make: Callable[[], EmulatedAcos], reach_of: Callable[[EmulatedAcos], Target]
) -> list[str]:
    server = make()
    preload(server, FIRST)
    roll_out(SECOND, reach_of(server))
    server.stop()
    return server.requests


@pytest.mark.parametrize("fault", [*FAULTS, "expired", "gone"])
def test_a_fault_at_any_request_leaves_nothing_half_done(
    certificates: tuple[Path, Path], reach: Target, fault: str
) -> None:
    """Whatever breaks at whichever request: the old, the new, or an error that names what differs."""

    def make() -> EmulatedAcos:
        return EmulatedAcos(certificates[1])

    def of(server: EmulatedAcos) -> Target:
        return replace(reach, port=server.port)

    requests = requests_of_a_change(make, of)
    # Reads are many and all the same: some of them.
    numbers = [n for n, each in enumerate(requests) if not each.startswith("GET") or n % 16 == 0]
    verdicts = set()
    for number in numbers:
        server = make()
        preload(server, FIRST)
        old = facts(server)
        server.fault = broken(server, number, fault)
        left, said = outcome(of(server))
        assert PASSWORD not in said
        assert not any(signature in said for signature in ("signature1", "signature2"))
        now = facts(server)
        server.fault = lambda *_: ""
        check_left(left, old, now, server)
        verdicts.add(left.split(" in ")[0])
        # Whatever was left, the next run completes; a restart keeps that, or the error had said it would not.
        roll_out(SECOND, of(server))
        server.restart()
        change = DRIVER.change(shown(server), rendered(SECOND), "axapi")
        assert bool(change) == ("lost at a restart" in left)
        server.stop()
    assert "unchanged" in verdicts or fault == "expired"
    assert any("does not revert by itself" in verdict for verdict in verdicts) == (fault == "gone")


def outcome(target: Target) -> tuple[str, str]:
    """How the device was left, and the message of the error."""
    try:
        return roll_out(SECOND, target).left, ""
    except TransportError as error:
        return error.left, str(error)


def broken(server: EmulatedAcos, number: int, fault: str) -> Any:
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


def check_left(left: str, old: dict[str, Any], now: dict[str, Any], server: EmulatedAcos) -> None:
    differ = {path for path in old.keys() | now.keys() if old.get(path) != now.get(path)}
    if left == "unchanged":
        assert differ == set()
    elif "changed and confirmed" in left or "lost at a restart" in left:
        assert DRIVER.parse(shown(server), "axapi", SECOND.services) == SECOND.services
    else:
        named = left.removeprefix("changed, does not revert by itself, in ").split(" (of")[0].split(", ")
        assert differ <= set(named), left
        assert len(named) <= len(differ) + 1


def shown(server: EmulatedAcos) -> str:
    device = A10Device()
    device.acos = server.device
    return device.show()


def test_a_save_that_is_not_sure_is_made_up_for(acos: EmulatedAcos, reach: Target) -> None:
    """The device saved the change and nobody heard of it; the second time it saves what is put back."""
    preload(acos, FIRST)
    before = facts(acos)
    saves = []

    def lost(number: int, method: str, path: str) -> str:
        if not path.endswith("/write/memory"):
            return ""
        saves.append(number)
        return CUT_AFTER if len(saves) == 1 else second

    second = ""
    acos.fault = lost
    with pytest.raises(TransportError) as caught:
        roll_out(SECOND, reach)
    assert (caught.value.step, caught.value.left) == ("confirm", "unchanged")
    acos.restart()
    assert facts(acos) == before
    second, saves[:] = CUT_BEFORE, []
    with pytest.raises(TransportError) as caught:
        roll_out(SECOND, reach)
    assert caught.value.left == "unchanged, but perhaps the change is saved"
    assert facts(acos) == before
    acos.restart()
    assert facts(acos) != before


def test_works_in_a_partition(acos: EmulatedAcos, reach: Target) -> None:
    shared = facts(acos)
    assert roll_out(plan(BR, partition="cgn1"), reach).changed
    assert facts(acos) == shared
    assert "cgnv6/map/encapsulation/domain/ipv4aas-br" in acos.startup["cgn1"]
    with pytest.raises(TransportError, match=r"GET /partition/cgn9: status 404") as caught:
        roll_out(plan(BR, partition="cgn9"), reach)
    assert (caught.value.step, caught.value.left) == ("connect", "unchanged")
    assert acos.signatures == {}


def test_a_wrong_password_is_told_without_it(acos: EmulatedAcos, reach: Target) -> None:
    wrong = replace(reach, password="hunter2-of-the-test")
    with pytest.raises(TransportError) as caught:
        roll_out(FIRST, wrong)
    assert "(POST /auth: Incorrect user name or password: ********)" in str(caught.value)
    assert "hunter2" not in repr(wrong) + str(caught.value)
    assert caught.value.left == "unchanged"


def test_a_certificate_of_an_unknown_authority_is_refused(acos: EmulatedAcos, reach: Target) -> None:
    with pytest.raises(TransportError, match=r"certificate of .* is not trusted") as caught:
        roll_out(FIRST, replace(reach, ca_file=None))
    assert caught.value.step == "connect"
    assert acos.requests == []
    assert roll_out(FIRST, replace(reach, ca_file=None, verify_certificate=False)).changed


def test_a_device_that_does_not_answer_is_given_up(acos: EmulatedAcos, reach: Target) -> None:
    acos.stop()
    with pytest.raises(TransportError, match="nothing listens on") as caught:
        roll_out(FIRST, reach)
    assert (caught.value.step, caught.value.left) == ("connect", "unchanged")
