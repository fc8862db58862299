# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts in one task: threads of a few processes, where Ansible would start a process for each host.

Variables are Ansible's, whose templates know nothing of threads: each host's are looked up before its turn.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Any, ClassVar

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused

from . import controller, device, plan_file
from .action import Failed, FleetAction, Skipped, argument_spec
from .controller import Controller
from .device import Elsewhere, Host
from .own_options import OwnOptions, looked_up
from .side_by_side import Lost, Work, side_by_side

Order = tuple[Host, Mapping[str, Any]] | Exception  # a host and its options, or why there is none
_COLORS = {
    "failed": constants.COLOR_ERROR,
    "changed": constants.COLOR_CHANGED,
    "skipping": constants.COLOR_SKIP,
    "ok": constants.COLOR_OK,
}


class BatchAction(FleetAction):
    """Does for many hosts what another action does for one; a subclass says what that is."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    VARIABLES: ClassVar[tuple[str, ...]] = ()  # of each host, beside those of its device

    @abstractmethod
    def one(self, host: Host, options: Mapping[str, Any], controller: Controller) -> dict[str, Any]:
        """The result of a host, of which ``options`` are the own ones. Runs in a thread, beside others.

        Raises Skipped, Elsewhere, Failed, or anything else for a failure.
        """

    def lost(self, name: str, options: Mapping[str, Any], why: str) -> None:
        """What is to be put right where a process has died at a host; ``options`` are those of the task."""

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        threads = options["threads"] or variables.get("ansible_forks") or constants.DEFAULT_FORKS
        of_whom = controller.parent()
        work = Work(self._orders(options, variables), self._result)
        _import_drivers(options["plan"])
        results: dict[str, dict[str, Any]] = {}
        elsewhere = set()
        with closing(side_by_side(work, options["hosts"], threads, of_whom)) as found:
            for name, result in found:
                if isinstance(result, Lost):
                    self.lost(name, options, result.why)
                    result = {"failed": True, "msg": result.why}
                if result is None:
                    elsewhere.add(name)
                    continue
                results[name] = result
                self._tell(name, result)
        if not of_whom.alive():
            raise Failed("the controller has died")
        in_order = {name: results[name] for name in options["hosts"] if name in results}
        return {
            "changed": any(result.get("changed") for result in in_order.values()),
            "hosts": in_order,
            "failed_hosts": [name for name, result in in_order.items() if result.get("failed")],
            "elsewhere": [name for name in options["hosts"] if name in elsewhere],
        }

    def _orders(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> Callable[[str], Order]:
        """Gives the order of a host."""
        hostvars, current = variables["hostvars"], variables["inventory_hostname"]
        names = {*device.VARIABLES, *self.VARIABLES, *options["host_variables"].values()}
        current_variable = looked_up(current, hostvars[current], names)
        own = OwnOptions(argument_spec(*self.DOCUMENTS), options, self._task.args, current_variable)

        def order(name: str) -> Order:
            try:
                variable = looked_up(name, hostvars[name], names)
                return Host(name=name, variable=variable, run=None), own.of(variable)
            except Exception as error:
                return error

        return order

    def _result(self, order: Order, of_whom: Controller) -> dict[str, Any] | None:
        """Of one host; None where it needs a task of its own."""
        try:
            if isinstance(order, Exception):
                raise order
            return self.one(*order, of_whom)
        except Elsewhere:
            return None
        except Skipped as error:
            return {"skipped": True, "skipped_reason": str(error), "msg": str(error)}
        except Failed as error:
            return {**error.result, "failed": True, "msg": str(error)}
        except Exception as error:
            return {"failed": True, "msg": str(error) or type(error).__name__}

    def _tell(self, name: str, result: Mapping[str, Any]) -> None:
        """For people, as Ansible tells of a host."""
        if self._task.no_log:
            return
        diff = result.get("diff") or {}
        if self._task.diff and diff.get("prepared"):
            Display().display(f"{name}:\n{diff['prepared'].rstrip()}")
        state = next((state for state in ("failed", "changed") if result.get(state)), "ok")
        state = "skipping" if result.get("skipped") else state
        why = f" => {result['msg']}" if result.get("msg") else ""
        Display().display(f"{state}: [{name}]{why}", color=_COLORS[state])


def _import_drivers(plan: str) -> None:
    """Once, where each process would do it. Whatever is wrong is told of the hosts that it concerns."""
    with suppress(Failed, Refused):
        for platform in plan_file.platforms(plan):
            driver(platform)
