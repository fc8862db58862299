# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule server of HB46PP by role and transport, asked over HTTP by customers and by somebody else."""

from __future__ import annotations

import http.client
import json
import socket

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.provision import hb46pp
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from conftest import Helper

pytestmark = [pytest.mark.root, pytest.mark.servers]

SERVER, CUSTOMER, STRANGER = "2001:3e8:0:46::1", "2001:3e8:6000:42::1", "2001:db8::1"
NAMES = {"enabler_name": "ShowNet"}
ALL = "?vendorid=acde48&product=R1&version=1_0&capability=464xlat,dslite,lw4o6,map_e,map_t,hubspoke"


@pytest.fixture(scope="module")
def server(net, helper) -> Helper:
    box = helper("rules")
    box.customer = net.host("cpe")
    net.cable(box.host, "lan", box.customer, "wan")
    box.host.ip(f"addr add {SERVER}/128 dev lan", "route add 2001::/16 dev lan")
    box.customer.ip(
        *(f"addr add {each}/128 dev wan" for each in (CUSTOMER, STRANGER)), "route add 2001::/16 dev wan"
    )
    box.role(service_host_platform="hb46pp", service_host_port=8046)
    return box


def roll_out(server: Helper, *services):
    node = samples.node("hb46pp", *services, **NAMES)
    with DaemonSession(server.run, daemon_of("hb46pp", "json")) as session:
        return deploy(session, driver("hb46pp"), node, samples.rendered("hb46pp", *services, **NAMES), "json")


def ask(server: Helper, source: str, query: str = ALL, method: str = "GET"):
    """Status and answer."""
    connection = http.client.HTTPConnection(SERVER, 8046, timeout=60)
    connection.sock = server.customer.socket(socket.AF_INET6, socket.SOCK_STREAM)
    connection.sock.settimeout(60)
    connection.sock.bind((source, 0))
    connection.sock.connect((SERVER, 8046))
    connection.request(method, f"/rule.cgi{query}")
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, json.loads(body) if reply.status == 200 and body else None


@pytest.mark.parametrize("technique", samples.PROVISIONED)
def test_customer_is_told_what_the_plan_says(server, technique):
    fields = {"bindings": (samples.hall7_binding(0x42),)} if technique == "lw4o6" else {}
    service = samples.provisioner_service(technique, **fields)
    assert roll_out(server, service).changed
    assert not roll_out(server, service).changed
    status, answer = ask(server, CUSTOMER)
    assert status == 200 and answer["enabler_name"] == "ShowNet"
    told = hb46pp.fields(answer)
    assert {name: getattr(service, name) for name in told} == told


def test_who_is_no_customer_and_what_is_no_request(server):
    roll_out(server, samples.provisioner_service("map-e"))
    assert ask(server, STRANGER) == (403, None)
    assert ask(server, CUSTOMER, "") == (400, None)
    assert ask(server, CUSTOMER, method="POST")[0] == 501
    assert ask(server, CUSTOMER, "?capability=dslite")[1]["order"] == []


def test_a_table_that_is_none_is_refused(server):
    before = server.read(daemon_of("hb46pp", "json").file)
    with DaemonSession(server.run, daemon_of("hb46pp", "json")) as session:
        session.begin()
        change = driver("hb46pp").change(before, "[\n", "json")
        with pytest.raises(TransportError, match="Expecting"):
            session.propose(change)
    assert server.read(daemon_of("hb46pp", "json").file) == before
