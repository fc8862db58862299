# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes a run over many hosts: lock, order, document, report."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.utils.display import Display
from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.rollout import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import journal, lock, plan_file, rollout
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.table import some

_BATCH = re.compile(r"[1-9][0-9]*%?")  # what Ansible takes for serial; there 0 is all


class ActionModule(FleetAction):
    """rollout"""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN, ModuleDocFragment.DEST)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        do = {"free": self._ask, "open": self._open, "closed": self._close}
        return do[options["state"]](options)

    def _ask(self, options: Mapping[str, Any]) -> dict[str, Any]:
        found = lock.holder(options["dest"])
        if found is not None and found.alive and not self._task.check_mode:
            raise Failed(lock.held(options["dest"], found))
        return {"changed": False}

    def _open(self, options: Mapping[str, Any]) -> dict[str, Any]:
        self._ask(options)
        dest = options["dest"]
        run, targets = _planned(options)
        answer: dict[str, Any] = {
            "changed": False,
            "run": run.run,
            "order": list(run.order),
            "canary": list(run.canary),
            "rest": [host for host in run.order if host not in run.canary],
            "targets": targets,
        }
        if not run.order and not run.stand:
            answer["warnings"] = [_why_nobody(options)]
        if self._task.check_mode:
            return answer
        # The parent of this worker is ansible-playbook: it lives as long as the run.
        dead = lock.take(dest, run.run, run.who, run.started, os.getppid())
        if dead is not None:
            self._tell_of(dest, dead)
        path = rollout.write(dest, run)
        return answer | {"document": path}

    def _close(self, options: Mapping[str, Any]) -> dict[str, Any]:
        dest = options["dest"]
        run = rollout.read(dest, options["run"]) if options["run"] else None
        if self._task.check_mode or run is None:
            return {"changed": False}
        if run.verdict == rollout.RUNNING:
            run = run.closed(dest)
            rollout.write(dest, run)
        lock.release(dest, run.run)
        text = run.text()
        Display().display(text)
        return {"changed": False, "verdict": run.verdict, "text": text}

    def _tell_of(self, dest: str, dead: lock.Holder) -> None:
        """The run whose controller died: its document says so from now on."""
        left = rollout.read(dest, dead.run)
        said = f"{dead} has died; its lock is taken over\n"
        if left is not None and left.verdict == rollout.RUNNING:
            left = left.closed(dest, rollout.INTERRUPTED)
            rollout.write(dest, left)
            said += left.text()
        Display().warning(said, formatted=True)


def _why_nobody(options: Mapping[str, Any]) -> str:
    """Why no host is to be changed."""
    if options["kind"] == rollout.ROLLBACK:
        return f"nothing is to be taken back: {options['of']} changed none of the hosts of this play"
    plan, hosts = options["plan"], options["hosts"]
    reasons = {node.name: plan_file.why_not(node) for node in plan_file.nodes(plan, hosts)}
    told = [f"{host} ({reasons.get(host, 'not in the plan')})" for host in hosts]
    return f"nothing is to be deployed to any of {some(told, 5)}"


def _planned(options: Mapping[str, Any]) -> tuple[rollout.Run, dict[str, str]]:
    """The run as it is to be; of a rollback, to before which run each host goes back."""
    dest, of, plan = options["dest"], options["of"] or "", Path(options["plan"])
    for batch in options["batches"]:
        if not _BATCH.fullmatch(str(batch)):
            raise Failed(f"batches: {batch} is no size of a batch; a number of hosts such as 5, or 10%")
    digest = plan_file.digest(options["plan"]) if plan.is_file() else ""
    stand: tuple[str, ...] = ()
    targets: dict[str, str] = {}
    if options["kind"] == rollout.ROLLBACK:
        targets = rollout.to_take_back(dest, of, options["through"])
        hosts = [host for host in options["hosts"] if host in targets]
        absent = sorted(targets.keys() - set(hosts))
        if absent:
            Display().warning(f"{of} changed these too, which are not among the hosts: {', '.join(absent)}")
    else:
        planned = plan_file.hosts_to_configure(options["plan"])
        hosts = [host for host in options["hosts"] if host in planned]
        if of:
            stand = rollout.to_resume(dest, of, digest, hosts)
            hosts = [host for host in hosts if host not in stand]
    first = [host for host in hosts if host in options["canary"]]
    run = rollout.Run(
        run=rollout.new_name(dest, options["run"]),
        kind=options["kind"],
        of=of,
        who=journal.who(),
        controller=socket.gethostname(),
        started=journal.now(),
        plan=digest,
        order=(*first, *(host for host in hosts if host not in first)),
        canary=tuple(first),
        batches=tuple(options["batches"]),
        stand=stand,
    )
    return run, targets
