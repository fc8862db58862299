# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NETCONF against netconfd with the vendors' own YANG models: deployment, refusals, faults."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.transport.connect import netconf_access, session_for
from ansible_collections.ipv4aas.fleet.engine.transport.netconf import NetconfSession
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from faults import MOMENTS, roll_out, roll_out_and_die
from ncclient.transport.errors import SessionCloseError
from netconf_devices import Make, goes_back, running, target
from nodes import MOVED, node, rendered
from servers import NetconfDevice, model_folder, new_key

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(model_folder() is None, reason="IPV4AAS_YANG names no folder of YANG models"),
]

WITHIN = 2  # seconds
# Where the death of a session is not heard of, a whole timeout passes first: it may be over by then.
OWN_REVERT = "^changed, (reverts by itself in at most|has reverted by itself by now)"


def within(moment: str) -> int:
    """Seconds to confirm: enough to come to the moment, no more than the test has to wait for their end."""
    return {"before confirm": 6, "after confirm": 60}.get(moment, WITHIN)


@pytest.fixture
def xr(make_device: Make) -> NetconfDevice:
    return make_device("asr9000")


PLAN = node("asr9000", "netconf")
MOVED_PLAN = node("asr9000", "netconf", MOVED)


def test_deploys_and_a_second_run_changes_nothing(xr: NetconfDevice) -> None:
    before = running(xr)
    first = roll_out(PLAN, target(xr), confirm_within=30)
    assert first.changed
    assert first.left == "changed and confirmed"
    assert first.after == registry.driver("asr9000").owned(rendered(PLAN), "netconf")
    assert "+" in first.diff
    after = running(xr)
    second = roll_out(PLAN, target(xr), confirm_within=30)
    assert not second.changed
    assert second.diff == ""
    assert running(xr) == after
    # Everything is changed, then removed: what is left is what was there at first.
    moved = roll_out(MOVED_PLAN, target(xr), confirm_within=30)
    assert moved.changed
    empty = replace(PLAN, services=())
    assert roll_out(empty, target(xr), confirm_within=30).changed
    assert running(xr) == before


def test_survives_a_restart(xr: NetconfDevice) -> None:
    roll_out(PLAN, target(xr), confirm_within=30)
    after = running(xr)
    xr.restart()
    assert running(xr) == after


def test_check_mode_only_shows(xr: NetconfDevice) -> None:
    before = running(xr)
    outcome = roll_out(PLAN, target(xr), confirm_within=30, check_mode=True)
    assert outcome.changed
    assert outcome.left == "unchanged"
    assert "+" in outcome.diff
    assert running(xr) == before


def test_a_failed_check_takes_the_change_back(xr: NetconfDevice) -> None:
    before = running(xr)
    seen: list[str] = []

    def unhappy() -> list[str]:
        seen.append(running(xr))
        return ["no answer over the tunnel", "the counter stands still"]

    with pytest.raises(TransportError) as caught:
        roll_out(PLAN, target(xr), confirm_within=30, post_check=unhappy)
    assert caught.value.step == "check"
    assert caught.value.left == "unchanged"
    assert "no answer over the tunnel; the counter stands still" in str(caught.value)
    assert "ipv4aas-hall7" in seen[0]
    assert running(xr) == before


@pytest.mark.parametrize("moment", MOMENTS)
def test_device_dies(xr: NetconfDevice, moment: str) -> None:
    check_fault(xr, moment, lambda: crash(xr, moment))


@pytest.mark.parametrize("moment", MOMENTS)
def test_session_is_cut(xr: NetconfDevice, moment: str) -> None:
    check_fault(xr, moment, lambda: crash(xr, moment, xr.drop_sessions))


@pytest.mark.parametrize("moment", MOMENTS)
def test_controller_dies(xr: NetconfDevice, moment: str, tmp_path: Path) -> None:
    check_fault(
        xr,
        moment,
        lambda: roll_out_and_die(
            MOVED_PLAN, target(xr), confirm_within=within(moment), moment=moment, folder=tmp_path
        ),
    )


def crash(device: NetconfDevice, moment: str, fault: Callable[[], None] | None = None) -> None:
    """A deployment during which the device, or the session, dies."""
    with pytest.raises(TransportError) as caught:
        roll_out(
            MOVED_PLAN,
            target(device),
            confirm_within=within(moment),
            moment=moment,
            fault=fault or device.kill,
        )
    applied = MOMENTS.index(moment) >= MOMENTS.index("after apply")
    expected = {
        "after confirm": "changed and confirmed",
        "before confirm": "changed and confirmed, or",
    }.get(moment, OWN_REVERT if applied else "unchanged")
    assert re.search(expected, caught.value.left)


def check_fault(device: NetconfDevice, moment: str, fault: Callable[[], None]) -> None:
    """Afterwards the device holds the old or the new whole, nothing is locked, a re-run completes."""
    roll_out(PLAN, target(device), confirm_within=30)
    old = running(device)
    fault()
    if device.process is None:
        device.restart()
    elif moment in ("after apply", "before confirm"):
        goes_back(device, old)
    else:
        device.settle()
    found = running(device)
    again = roll_out(MOVED_PLAN, target(device), confirm_within=30)
    new = running(device)
    assert new != old
    if moment == "after confirm":
        assert found == new
        assert not again.changed
    else:
        assert found == old
        assert again.changed
    assert "customer-60" in new
    assert not roll_out(MOVED_PLAN, target(device), confirm_within=30).changed
    assert running(device) == new


@pytest.mark.parametrize("moment", ["after propose", "after apply"])
def test_a_server_that_stops_answering(xr: NetconfDevice, moment: str) -> None:
    roll_out(PLAN, target(xr), confirm_within=30)
    old = running(xr)
    impatient = replace(target(xr), timeout=3)
    with pytest.raises(TransportError) as caught:
        roll_out(MOVED_PLAN, impatient, confirm_within=10, moment=moment, fault=xr.freeze)
    xr.thaw()
    expected = {
        "after propose": ("apply", "unchanged"),
        "after apply": ("read back", "changed, reverts by itself"),
    }
    step, left = expected[moment]
    assert caught.value.step == step
    assert caught.value.left.startswith(left)
    goes_back(xr, old)
    assert roll_out(MOVED_PLAN, target(xr), confirm_within=30).changed
    assert not roll_out(MOVED_PLAN, target(xr), confirm_within=30).changed


def test_a_request_that_comes_as_the_session_ends_does_not_wait(
    xr: NetconfDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent when those who wait were told, and ncclient has not closed the session yet."""
    with session_for("asr9000", "netconf", target(xr)) as session:
        session.begin()
        closing = session._connection._session
        with monkeypatch.context() as patched:
            patched.setattr(closing, "close", lambda: None)
            closing._dispatch_error(SessionCloseError("cut"))
            patched.setattr(type(session), "_alive", True)
            began = time.monotonic()
            with pytest.raises(TransportError, match="Not connected"):
                session.read()
        assert time.monotonic() - began < target(xr).timeout / 2


def test_takes_back_what_a_dead_run_left_pending(xr: NetconfDevice, tmp_path: Path) -> None:
    roll_out(PLAN, target(xr), confirm_within=30)
    roll_out_and_die(MOVED_PLAN, target(xr), confirm_within=300, moment="before confirm", folder=tmp_path)
    xr.settle()
    # Without begin() it would see the new configuration, say "nothing to do" and lose it later.
    outcome = roll_out(MOVED_PLAN, target(xr), confirm_within=30)
    assert outcome.changed
    assert outcome.before == registry.driver("asr9000").owned(rendered(PLAN), "netconf")


def test_refuses_somebody_elses_pending_commit(xr: NetconfDevice) -> None:
    with somebody_else(xr) as other:
        other.begin()
        driver = registry.driver("asr9000")
        other.propose(driver.change("", rendered(PLAN), "netconf"))
        other.apply(60)
        with pytest.raises(TransportError) as caught:
            roll_out(MOVED_PLAN, target(xr), confirm_within=WITHIN)
        assert caught.value.step == "begin"
        assert "locked" in caught.value.wrong
        other.confirm()
    assert not roll_out(PLAN, target(xr), confirm_within=30).changed


def test_refuses_foreign_uncommitted_edits_and_keeps_them(xr: NetconfDevice) -> None:
    with somebody_else(xr) as other:
        edit = rendered(PLAN).replace("ipv4aas", "theirs")
        other._connection.edit_config(edit, target="candidate")
        with pytest.raises(TransportError) as caught:
            roll_out(PLAN, target(xr), confirm_within=30)
        assert caught.value.step == "begin"
        assert "candidate" in caught.value.wrong
        assert "discard-changes needed" in caught.value.wrong
        assert caught.value.left == "unchanged"
        other._connection.commit()
    assert "theirs-hall7" in running(xr)


def test_refuses_a_foreign_lock(xr: NetconfDevice) -> None:
    with somebody_else(xr) as other:
        other._connection.lock("running")
        with pytest.raises(TransportError, match="lock denied"):
            roll_out(PLAN, target(xr), confirm_within=30)
    xr.settle()
    assert roll_out(PLAN, target(xr), confirm_within=30).changed


def test_leaves_the_pending_commit_of_another_run_of_ours_alone(xr: NetconfDevice) -> None:
    """Two controllers: the second is refused, and the first confirms what it has made."""
    wanted = rendered(PLAN)
    with session_for("asr9000", "netconf", target(xr)) as first:
        first.begin()
        before = registry.driver("asr9000").owned(first.read(), "netconf")
        first.propose(registry.driver("asr9000").change(before, wanted, "netconf"))
        first.apply(30)
        with pytest.raises(TransportError, match="candidate datastore cannot be locked") as caught:
            roll_out(MOVED_PLAN, target(xr), confirm_within=30)
        assert caught.value.left == "unchanged"
        first.confirm()
        assert registry.driver("asr9000").owned(first.read(), "netconf") == wanted


def somebody_else(device: NetconfDevice) -> NetconfSession:
    return NetconfSession(
        target(device), subtree_filter=netconf_access("asr9000").filter, persist_id="somebody else"
    )


def test_every_error_of_the_device_is_told(xr: NetconfDevice) -> None:
    before = running(xr)
    wrong = rendered(PLAN).replace(">64<", ">99999<")
    with session_for("asr9000", "netconf", target(xr)) as session:
        session.begin()
        change = registry.driver("asr9000").change("", wrong, "netconf")
        with pytest.raises(TransportError) as caught:
            session.propose(change)
    assert caught.value.step == "propose"
    assert caught.value.wrong.count("value not in range") == 2
    assert "contiguous-ports" in caught.value.wrong
    assert "sharing-ratio" in caught.value.wrong
    assert caught.value.left == "unchanged"
    assert running(xr) == before
    assert roll_out(PLAN, target(xr), confirm_within=30).changed


def test_unknown_host_key_is_refused(xr: NetconfDevice, tmp_path: Path) -> None:
    strange = replace(target(xr), known_hosts=str(tmp_path / "empty"))
    with pytest.raises(TransportError, match=r"host key of .* is not in"):
        roll_out(PLAN, strange, confirm_within=30)
    other = tmp_path / "other"
    other.write_text(xr.ssh.known_hosts.read_text().split()[0] + " " + new_public_key(tmp_path) + "\n")
    with pytest.raises(TransportError, match="shows another host key") as caught:
        roll_out(PLAN, replace(target(xr), known_hosts=str(other)), confirm_within=30)
    assert caught.value.step == "connect"
    assert roll_out(PLAN, replace(strange, verify_host_key=False), confirm_within=30).changed


def new_public_key(folder: Path) -> str:
    return " ".join(new_key(folder / "strange").with_suffix(".pub").read_text().split()[:2])


def test_a_password_is_in_no_message(xr: NetconfDevice) -> None:
    locked_out = replace(target(xr), key_file=None, password="s3cret-of-mine")
    with pytest.raises(TransportError) as caught:
        roll_out(PLAN, locked_out, confirm_within=30)
    assert caught.value.step == "connect"
    assert "s3cret-of-mine" not in repr((caught.value, locked_out)) + str(caught.value)
