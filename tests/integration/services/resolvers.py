# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolvers under test: deploying services to one, and asking it as the check dns64 of verify does."""

from __future__ import annotations

import json
import subprocess
import sys

import helper_samples as samples
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Assignment, Resolver


def configured(box, platform, *services):
    """Deploys services to a resolver."""
    node = samples.node(platform, *services)
    with DaemonSession(box.run, daemon_of(platform, "conf")) as session:
        deploy(session, driver(platform), node, samples.rendered(platform, *services), "conf")


def deviations(platform):
    """What a resolver does otherwise than RFC 6147, as its features.yml tells."""
    return all_features()[platform].feature("nat64", RESOLVER).deviations


def dns64_verdict(client, program, platform, planned, known, **more):
    """That of the check dns64, asked by a client with the probe."""
    task = Assignment(
        service=planned,
        references=(),
        token="",
        resolver=Resolver(name=platform, services=(planned,), deviations=known),
    )
    done = subprocess.run(
        client.command(sys.executable, str(program), "dns64"),
        input=json.dumps(encode(task) | {"more": more}),
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
