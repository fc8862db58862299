# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a probe on the current host and returns its verdict."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.verify import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import bundle, plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction

if TYPE_CHECKING:
    from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Resolver

# Reads so many octets of program from standard input and runs it with the rest of that input.
RUN_FROM_STDIN = """
import runpy, sys, tempfile
with tempfile.NamedTemporaryFile(suffix=".pyz") as program:
    program.write(sys.stdin.buffer.read(int(sys.argv[1])))
    program.flush()
    sys.argv = [program.name, *sys.argv[2:]]
    runpy.run_path(program.name, run_name="__main__")
"""


class ActionModule(FleetAction):
    """verify"""

    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        verdict = self._ask(options["check"], self._assignment(options))
        if verdict["verdict"] != "fail":
            return {"changed": False, **verdict}
        raise Failed(f"{verdict['check']}: {verdict['cause']}", **verdict)

    def _assignment(self, options: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.ipv4aas.fleet.engine.codec import encode

        edge = options["edge"] or self.variable("ipv4aas_vantage_of")
        if not edge:
            raise Failed("edge: missing; name the edge before this host, or set ipv4aas_vantage_of")
        service = plan_file.service_of(options["plan"], edge, options["service"])
        gateway = plan_file.gateway_of(options["plan"], service.name)
        peer = options["peer"]
        if options["check"] == "dns64" and not (options["resolver"] and options["more"].get("address")):
            raise Failed(
                "resolver, more.address: missing; name a resolver of the plan, and where it is asked"
            )
        return {
            "service": encode(service),
            "references": options["references"],
            "token": options["token"],
            "gateway": encode(gateway) if gateway else None,
            "peer": encode(plan_file.service_of(options["plan"], peer, service.name)) if peer else None,
            "resolver": encode(self._resolver(options["plan"], options["resolver"])),
            "more": options["more"],
        }

    def _resolver(self, plan: str, name: str | None) -> Resolver | None:
        """With what its platform is known to do otherwise than RFC 6147."""
        from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
        from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER
        from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Resolver

        if name is None:
            return None
        node = plan_file.planned(plan, name)
        if node.role != RESOLVER:
            raise Failed(f"resolver: {name} is of the role {node.role}; name a resolver")
        platform = all_features()[node.platform]
        rows = (platform.feature(service.technique, RESOLVER) for service in node.services)
        deviations = dict.fromkeys(name for row in rows if row for name in row.deviations)
        return Resolver(name=name, services=node.services, deviations=tuple(deviations))

    def _ask(self, check: str, assignment: Mapping[str, Any]) -> dict[str, Any]:
        program = bundle.content(bundle.BUNDLES["probe"])
        command = shlex.join([self._python(), "-c", RUN_FROM_STDIN, str(len(program)), check])
        answer = self._low_level_execute_command(command, in_data=program + json.dumps(assignment).encode())
        try:
            return json.loads(answer["stdout"])
        except ValueError as error:
            said = (answer["stderr"] or answer["stdout"]).strip()
            raise Failed(f"{check}: the probe could not be run: {said}") from error

    def _python(self) -> str:
        path = str(self.variable("ansible_python_interpreter") or "auto")
        return "python3" if path.startswith("auto") else path
