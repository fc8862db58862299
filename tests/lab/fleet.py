# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planned services in a laboratory, without Ansible: for tests and bench.

Needs the checkout as ansible_collections.ipv4aas.fleet on the path, as tests/conftest.py makes it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration, Service
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Assignment, Verdict
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.bundle import BUNDLES, write
from lab import Lab
from topology import INVENTORY, host_variables, services

TOKEN = "laboratory"


def fleet_plan(inventory: Path = INVENTORY, of: str | None = None, **changes: Any) -> FleetPlan:
    """The plan of an inventory; ``changes`` are put into the service ``of``, or into each."""
    wanted = {
        name: service | (changes if of in (None, name) else {})
        for name, service in services(inventory).items()
    }
    hosts = {
        name: values | {"ipv4aas_services": wanted} for name, values in host_variables(inventory).items()
    }
    return build_plan(hosts, all_features())


class Fleet:
    """Software nodes, responders and probes on the hosts of a laboratory that is up."""

    def __init__(
        self, lab: Lab, folder: Path, plan: FleetPlan | None = None, inventory: Path = INVENTORY
    ) -> None:
        self.lab, self.plan = lab, plan or fleet_plan(inventory)
        self.hosts = host_variables(inventory)
        self.nodes = [
            name for name, node in self.plan.nodes.items() if node.platform == "linux" and node.services
        ]
        self._programs = {name: folder / f"ipv4aas-{name}.pyz" for name in ("node", "probe")}
        for name, path in self._programs.items():
            write(BUNDLES[name], path)

    @property
    def references(self) -> list[str]:
        """Addresses of the host on the internet."""
        return next(
            v["ipv4aas_reference_addresses"]
            for v in self.hosts.values()
            if "ipv4aas_reference_addresses" in v
        )

    def service(self, host: str, name: str | None = None) -> Service:
        """What the plan says a node has to run; without a name its first service."""
        return next(one for one in self.plan.nodes[host].services if name in (None, one.name))

    def gateways_of(self, service: str) -> dict[str, Service]:
        """Nodes that are gateways of a service, with it."""
        return {
            host: one
            for host in self.nodes
            for one in self.plan.nodes[host].services
            if (one.name, one.role) == (service, "gateway")
        }

    def node(self, host: str, *argv: str, feed: str | None = None) -> dict[str, Any]:
        """What ``ipv4aas-node`` answers on a host."""
        program = ("python3", str(self._programs["node"]))
        answer: dict[str, Any] = json.loads(self.lab.on(host, *program, *argv, feed=feed))
        return answer

    def start(self, hosts: Iterable[str] | None = None) -> None:
        """Start nodes with what is planned for them."""
        for host in hosts or self.nodes:
            self.node(host, "start")
            self.run(host, *self.plan.nodes[host].services)

    def run(self, host: str, *services: Service) -> None:
        """Make a node run services, for good."""
        document = json.dumps(encode(NodeConfiguration(node=host, services=services)))
        self.node(host, "begin")
        self.node(host, "propose", feed=document)
        self.node(host, "apply", "--within", "60")
        self.node(host, "confirm")

    def respond(self, host: str, addresses: list[str], *, control: int = 8597, web: int = 80) -> None:
        """Start a responder that bears the host's name."""
        words = ["--name", host] + [word for address in addresses for word in ("--address", address)]
        argv = ("python3", str(self._programs["probe"]), "responder", *words, "--detach")
        self.lab.on(host, *argv, "--control-port", str(control), "--web-port", str(web), feed=TOKEN + "\n")

    def probe(
        self,
        host: str,
        check: str,
        *,
        edge: str,
        peer: str | None = None,
        service: str | None = None,
        plan: FleetPlan | None = None,
        **more: Any,
    ) -> Verdict:
        """The verdict of a probe on a host; ``plan`` where another one than that of the fleet is meant."""
        nodes = (plan or self.plan).nodes
        asked = next(one for one in nodes[edge].services if service in (None, one.name))
        gateway = next(iter(self.gateways_of(asked.name)))
        task = Assignment(
            service=asked,
            references=(),
            token=TOKEN,
            gateway=next(one for one in nodes[gateway].services if one.name == asked.name),
            peer=nodes[peer].services[0] if peer else None,
        )
        document = encode(task) | {"references": self.references, "more": more}
        done = subprocess.run(
            self.lab.enter(host, "python3", str(self._programs["probe"]), check),
            input=json.dumps(document),
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return Verdict(**json.loads(done.stdout))

    def gateways(self, service: str) -> dict[str, Any]:
        """Status of every software gateway of a service."""
        return {host: self.node(host, "status") for host in self.gateways_of(service)}


def changed(service: Service, **values: Any) -> Service:
    """A service with other values; those of a rule go to all its rules."""
    of_rule = {name: values.pop(name) for name in ("psid_offset", "forwarding") if name in values}
    rules = tuple(replace(rule, **of_rule) for rule in service.rules)
    return replace(service, rules=rules, **values)
