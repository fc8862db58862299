# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be right before a change is confirmed: a command's word, and probes from behind real edges.

The probes are ipv4aas.fleet.verify in a process of its own, for the hosts behind edges that the change
concerns. What cannot be asked is a problem, never a success.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import context
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Check

from . import journal, plan_file, rollout
from .language import TEMPLATES

DEVICE_STATE = "what the device itself says it runs"
VANTAGES, REFERENCES = "ipv4aas_vantages", "ipv4aas_references"
# Of the command line of the run: what the probes' own run needs to reach the same hosts.
_FLAGS = {
    "inventory": "-i",
    "extra_vars": "-e",
    "vault_ids": "--vault-id",
    "vault_password_files": "--vault-password-file",
}


class Judge:
    """Decides whether a change is kept: one source after the other, each of which may have nothing to ask.

    A source gives what is asked, in words, and the check; ``told`` says by what was judged, if it was.
    """

    def __init__(self, *sources: Callable[[], tuple[str, Check] | None]) -> None:
        self._sources = sources
        self.told: list[str] = []

    def __call__(self) -> list[str]:
        """The problems of the first that has any."""
        self.told = [DEVICE_STATE]
        for source in self._sources:
            found = source()
            if found is not None:
                self.told.append(found[0])
                if problems := found[1]():
                    return problems
        return []

    @property
    def words(self) -> str:
        """By what was judged; empty where nothing was."""
        return ", ".join(self.told)


def command(host: str, words: Sequence[str], seconds: float) -> Check:
    """The check that a command makes, which finds the host in IPV4AAS_HOST and has so many seconds."""

    def check() -> list[str]:
        environment = {**os.environ, "IPV4AAS_HOST": host}
        try:
            done = subprocess.run(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return [f"{words[0]} did not end within {seconds:g} s"]
        if done.returncode == 0:
            return []
        return [f"{words[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"]

    return check


def places(variables: Mapping[str, Any]) -> dict[str, str | None]:
    """The hosts that probes can start from, and the edge that each is behind."""
    return {
        host: variables["hostvars"][host].get("ipv4aas_vantage_of")
        for host in variables.get("groups", {}).get(VANTAGES, ())
    }


def vantages(node: NodePlan, plan: str, places: Mapping[str, str | None], dest: str) -> list[str]:
    """Those of the places from which a packet's whole way stands as planned once this node does.

    The edge is the node, or carries a service of it where it is none itself. It and, where the node is no
    gateway, the service's gateways are as the plan says, by the journal: with an edge of the old plan a
    probe could not succeed.
    """
    stands: dict[str, bool] = {node.name: True}

    def ready(names: Collection[str]) -> bool:
        for name in names:
            if name not in stands:
                stands[name] = _stands(plan, name, dest)
        return all(stands[name] for name in names)

    found = []
    for host, edge in places.items():
        if node.role == EDGE and edge != node.name:
            continue
        carried = plan_file.nodes(plan, [edge]) if edge else []
        # A vantage asks the first service of its edge.
        service = carried[0].services[0].name if carried and carried[0].services else None
        if service in {each.name for each in node.services}:
            gateways = [] if node.role == GATEWAY else plan_file.gateways(plan, service)
            if ready([edge, *gateways]):
                found.append(host)
    return found


def _stands(plan: str, host: str, dest: str) -> bool:
    """Whether the last that the journal knows of a host is what the plan says now."""
    record, nodes = journal.last(dest, host), plan_file.nodes(plan, [host])
    if record is None or not record.stands or not nodes:
        return False
    return record.plan == rollout.digest(render(nodes[0], TEMPLATES, nodes[0].dialect))


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Checks of ipv4aas.fleet.verify from some hosts, for all hosts of a run that wait at the same time."""

    vantages: tuple[str, ...]
    checks: tuple[str, ...]
    plan: str
    folder: Path  # of the run's records
    seconds: float  # that there are

    def __call__(self) -> list[str]:
        """What is wrong; empty where every host got through."""
        waiting_since = time.monotonic()
        with (self.folder / ".probes").open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            last = json.loads(file.read() or "{}")
            # What was asked after this change was made tells of this change too.
            if last.get("since", 0.0) >= waiting_since and set(self.vantages) <= set(last["vantages"]):
                return list(last["problems"])
            since = time.monotonic()
            problems = self._ask()
            file.truncate(0)
            json.dump({"since": since, "vantages": self.vantages, "problems": problems}, file)
        return problems

    def _ask(self) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                done = subprocess.run(
                    self._command(folder),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=self.seconds,
                )
            except subprocess.TimeoutExpired:
                return [f"the probes from {', '.join(self.vantages)} did not end within {self.seconds:g} s"]
            return judge(self.vantages, Path(folder), done.returncode, done.stdout + done.stderr)

    def _command(self, folder: str) -> list[str]:
        words = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "ipv4aas.fleet.verify",
            "--skip-tags",
            "counted",
        ]
        for name, flag in _FLAGS.items():
            for value in context.CLIARGS.get(name) or ():
                words += [flag, str(value)]
        more = {"verify_plan": self.plan, "verify_checks": list(self.checks), "verify_dest": folder}
        # A colon would part the name of a host that is an IPv6 address.
        limit = ",".join([*self.vantages, REFERENCES])
        return [*words, "--skip-tags", "counted", "-e", json.dumps(more), "--limit", limit]


def judge(hosts: Collection[str], folder: Path, code: int, said: str) -> list[str]:
    """What is wrong, from the verdicts that each host left in the folder; without one that is good, that."""
    problems = []
    for host in hosts:
        path = folder / f"{host}.json"
        verdicts = json.loads(path.read_text("utf-8")) if path.is_file() else []
        told = [f"{host}: {each['msg']}" for each in verdicts if each.get("verdict") == "fail"]
        if not told and not any(each.get("verdict") == "pass" for each in verdicts):
            told = [f"no probe could be run from {host}"]
        problems += told
    if code != 0 and (not problems or any("no probe" in problem for problem in problems)):
        problems.append(f"ipv4aas.fleet.verify ended with {code}: ... {said.strip()[-600:]}")
    return problems
