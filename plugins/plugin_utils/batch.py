# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts in one task: threads of one process, where Ansible would start a process for each host.

Variables are Ansible's, whose templates know nothing of threads: each host's are looked up before its turn.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, ClassVar, TypeVar

from ansible import constants
from ansible.utils.display import Display

from . import device
from .action import Failed, FleetAction, Skipped, argument_spec
from .device import Elsewhere, Host
from .own_options import OwnOptions, looked_up

T, R = TypeVar("T"), TypeVar("R")
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
    def one(self, host: Host, options: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a host, of which ``options`` are the own ones. Runs in a thread, beside others.

        Raises Skipped, Elsewhere, Failed, or anything else for a failure.
        """

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        threads = options["threads"] or variables.get("ansible_forks") or constants.DEFAULT_FORKS
        orders = self._orders(options, variables)
        results: dict[str, dict[str, Any]] = {}
        for name, result in side_by_side(lambda order: self._result(*order), orders, threads):
            if result is not None:
                results[name] = result
                self._tell(name, result)
        in_order = {name: results[name] for name in options["hosts"] if name in results}
        failed = [name for name, result in in_order.items() if result.get("failed")]
        return {
            "changed": any(result.get("changed") for result in in_order.values()),
            "hosts": in_order,
            "failed_hosts": failed,
            "elsewhere": [name for name in options["hosts"] if name not in results],
        }

    def _orders(
        self, options: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> Iterator[tuple[str, tuple[Host, Mapping[str, Any] | Failed]]]:
        """Each host, with its options or why there are none, when it is asked for."""
        hostvars, current = variables["hostvars"], variables["inventory_hostname"]
        names = {*device.VARIABLES, *self.VARIABLES, *options["host_variables"].values()}
        own = OwnOptions(
            argument_spec(*self.DOCUMENTS), options, looked_up(current, hostvars[current], names)
        )
        for name in options["hosts"]:
            variable = looked_up(name, hostvars[name], names)
            order: Mapping[str, Any] | Failed
            try:
                order = own.of(variable)
            except Failed as error:
                order = error
            yield name, (Host(name=name, variable=variable, run=None), order)

    def _result(self, host: Host, options: Mapping[str, Any] | Failed) -> dict[str, Any] | None:
        """Of one host; None where it needs a task of its own."""
        try:
            if isinstance(options, Failed):
                raise options
            return self.one(host, options)
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


def side_by_side(
    work: Callable[[T], R], orders: Iterable[tuple[str, T]], threads: int
) -> Iterator[tuple[str, R]]:
    """The result of each order by its name, the first that is ready first."""
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            futures = {pool.submit(work, order): name for name, order in orders}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            # What has begun comes to its end; nothing else begins.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
