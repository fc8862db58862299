# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work for many names, in processes: all have a result, also those of a process that dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import controller, side_by_side
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.controller import Controller
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.side_by_side import Lost, Work

NAMES = [f"r{number:02}" for number in range(40)]
SECONDS = 20.0


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "cores", lambda: 2)


def run(
    carry_out: Callable[[str, Controller], Any],
    *,
    names: list[str] = NAMES,
    threads: int = 4,
    of_whom: Controller | None = None,
) -> dict[str, Any]:
    """All results; each name has one."""
    work = Work(lambda name: name, carry_out)
    with closing(side_by_side.side_by_side(work, names, threads, of_whom or controller.parent())) as found:
        pairs = list(found)
    assert multiprocessing.active_children() == []
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_many_names_have_a_process_for_each_core() -> None:
    def carry_out(name: str, _controller: Controller) -> tuple[str, int]:
        time.sleep(0.01)
        return name.upper(), os.getpid()

    found = run(carry_out)
    assert {name: upper for name, (upper, _pid) in found.items()} == {name: name.upper() for name in NAMES}
    processes = {pid for _upper, pid in found.values()}
    assert len(processes) == 2 and os.getpid() not in processes


@pytest.mark.parametrize("few", [{"names": NAMES[:19]}, {"threads": 1}])
def test_few_names_have_none(few: dict[str, Any]) -> None:
    assert set(run(lambda name, _controller: os.getpid(), **few).values()) == {os.getpid()}


def test_the_names_of_a_process_that_dies_are_lost_and_the_others_are_not() -> None:
    def carry_out(name: str, _controller: Controller) -> str:
        if name == "r07":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return name

    found = run(carry_out)
    assert sorted(found) == NAMES
    lost = {name for name, result in found.items() if isinstance(result, Lost)}
    # As many as it had at that moment: two threads, and two names ahead.
    assert "r07" in lost and len(lost) <= 4
    assert {found[name].why for name in lost} == {"the process that was at it was ended by signal 9"}
    assert all(found[name] == name for name in NAMES if name not in lost)


def test_where_all_processes_die_every_name_is_told() -> None:
    found = run(lambda name, _controller: os._exit(3))
    assert sorted(found) == NAMES
    assert {result.why for result in found.values()} == {
        "the process that was at it ended with status 3",
        "every process that could have begun it has died",
    }


def test_a_result_that_cannot_be_told_is_lost() -> None:
    found = run(lambda name, _controller: (lambda: name) if name == "r03" else name)
    assert found.pop("r03").why.startswith("its result cannot be told: ")
    assert found == {name: name for name in NAMES if name != "r03"}


def test_a_thread_that_is_told_to_exit_says_so() -> None:
    def carry_out(name: str, _controller: Controller) -> str:
        if name == "r03":
            raise SystemExit("enough")
        return name

    assert run(carry_out)["r03"] == Lost("SystemExit: enough")


def until_alone(folder: Path) -> Callable[[str, Controller], str]:
    """Work that ends when its controller is gone, and leaves a file then; another one when it begins."""

    def carry_out(name: str, of_whom: Controller) -> str:
        (folder / f"{name}.begun").write_text(str(os.getpid()))
        end = time.monotonic() + SECONDS
        while of_whom.alive() and time.monotonic() < end:
            time.sleep(0.01)
        (folder / f"{name}.{'late' if of_whom.alive() else 'ended'}").touch()
        return name

    return carry_out


def names_of(folder: Path, kind: str) -> set[str]:
    return {path.stem for path in folder.glob(f"*.{kind}")}


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_where_the_controller_dies_what_has_begun_ends_and_nothing_else_begins(tmp_path: Path) -> None:
    died = Controller(1, lambda: len(names_of(tmp_path, "begun")) < 4)
    assert run(until_alone(tmp_path), of_whom=died) == {}
    assert names_of(tmp_path, "ended") == names_of(tmp_path, "begun")
    assert len(names_of(tmp_path, "begun")) == 4


def test_processes_end_where_the_one_above_them_is_killed(tmp_path: Path) -> None:
    above = multiprocessing.get_context("fork").Process(target=lambda: run(until_alone(tmp_path)))
    above.start()
    wait_for(lambda: len(names_of(tmp_path, "begun")) == 4)
    assert above.pid is not None
    os.kill(above.pid, signal.SIGKILL)
    above.join()
    wait_for(lambda: len(names_of(tmp_path, "ended")) == 4)
    assert len(names_of(tmp_path, "begun")) == 4
    for pid in {int(path.read_text()) for path in tmp_path.glob("*.begun")}:
        wait_for(lambda pid=pid: not running(pid))


def running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has asked for its status has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_signal_to_the_group_ends_the_processes(tmp_path: Path) -> None:
    """As Ansible's worker hands on what ansible-playbook is sent."""

    def worker() -> None:
        os.setsid()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
        run(until_alone(tmp_path))

    above = multiprocessing.get_context("fork").Process(target=worker)
    above.start()
    wait_for(lambda: len(names_of(tmp_path, "begun")) == 4)
    assert above.pid is not None
    os.killpg(above.pid, signal.SIGTERM)
    above.join()
    for pid in {int(path.read_text()) for path in tmp_path.glob("*.begun")}:
        wait_for(lambda pid=pid: not running(pid))
    assert names_of(tmp_path, "ended") == set()
