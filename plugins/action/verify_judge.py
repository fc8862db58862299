# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what a probe saw together with what the gateways counted meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.verify_judge import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction

if TYPE_CHECKING:
    from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
    from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Verdict


class ActionModule(FleetAction):
    """verify_judge"""

    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.ipv4aas.fleet.engine.codec import encode
        from ansible_collections.ipv4aas.fleet.engine.verify.probes import judge

        before, after = (_by_host(options[when]) for when in ("before", "after"))
        if before.keys() != after.keys():
            raise Failed("before, after: not of the same gateways")
        edge = self._edge(options)
        try:
            counts = judge.counted(before, after, edge.name)
        except ValueError as error:
            raise Failed(str(error)) from error
        probe = _verdict(options["probe"])
        if options["check"] == "p2p":
            verdict = judge.p2p(edge, probe, counts)
        elif options["check"] == "drafts":
            gateway = plan_file.service_of(options["plan"], next(iter(after)), edge.name)
            verdict = judge.drafts(edge, gateway, probe, counts, _running(options["running"], edge.name))
        else:
            verdict = judge.spoof(probe, _verdict(options["seen"] or {}), counts)
        result: dict[str, Any] = encode(verdict) | {"seconds": probe.seconds}
        if verdict.passed:
            return {"changed": False, **result}
        raise Failed(f"{verdict.check}: {verdict.cause}", **result)

    def _edge(self, options: Mapping[str, Any]) -> Service:
        edge = options["edge"] or self.variable("ipv4aas_vantage_of")
        if not edge:
            raise Failed("edge: missing; name the edge before this host, or set ipv4aas_vantage_of")
        return plan_file.service_of(options["plan"], edge, options["service"])


def _by_host(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Host -> status, from the results of a loop over hosts."""
    return {result["item"]: json.loads(result["stdout"]) for result in results}


def _running(configuration: Mapping[str, Any], name: str) -> Service | None:
    """What the edge says it runs of a service."""
    from ansible_collections.ipv4aas.fleet.engine.codec import decode
    from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration

    if not configuration:
        return None
    services = decode(NodeConfiguration, configuration, "running").services
    return next((service for service in services if service.name == name), None)


def _verdict(result: Mapping[str, Any]) -> Verdict:
    from ansible_collections.ipv4aas.fleet.engine.codec import decode
    from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Verdict

    if "verdict" not in result:
        raise Failed(str(result.get("msg", "the probe came to no verdict")))
    names = ("check", "verdict", "cause", "details", "seconds")
    return decode(Verdict, {name: result[name] for name in names}, "probe")
