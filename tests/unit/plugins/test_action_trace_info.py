# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action trace_info: one question, facts or an error that says what would be right."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.packet.natlog import BLOCK_ASSIGNED, Record, to_line
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan, NodePlan
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.plan_file import to_text

LINE = "2001:3e8:6000:42:0:8281:ff5d:2 > 2001:3e8:0:2900::1, IP 130.129.255.93.{} > 133.242.53.30.80"


@pytest.fixture
def planned(run_action, hostvars):
    """The action with the plan of the small fleet written."""
    assert not run_action("plan", variables={"hostvars": hostvars}).get("failed")

    def run(**args):
        result = run_action("trace_info", args)
        assert not result.get("changed")
        json.dumps(result)
        return result

    return run


def test_whose_it_was_and_what_he_has(planned):
    result = planned(ipv4="130.129.255.93", port=4230)
    (holder,) = result["holders"]
    assert (holder["customer"], holder["node"], holder["psid"]) == ("2001:3e8:6000:42::/64", "ce42", 2)
    assert result["text"] == (
        "hall7 (map-e): 2001:3e8:6000:42::/64 (ce42), 130.129.255.93, ports 4224-4287 8320-8383 12416-12479 "
        "16512-16575 and 11 more ranges, PSID 2, "
        "by arithmetic of the mapping rule 2001:3e8:6000::/56 130.129.255.92/30 EA 8 offset 4\n"
    )
    assert planned(customer="2001:3e8:6000:42::/64")["holders"] == result["holders"]
    assert planned(customer="2001:3e8:6000:42::7/64")["holders"] == result["holders"]


def test_a_packet(planned):
    result = planned(capture=LINE.format(4230))
    assert result["packet"]["source4"] == "130.129.255.93"
    assert [verdict["accepted"] for verdict in result["verdicts"]] == [True]
    lines = result["text"].splitlines()
    assert lines[0] == f"IP6 {LINE.format(4230).replace(', IP', ': IP')}"
    assert lines[1].startswith(
        "2001:3e8:6000:42:0:8281:ff5d:2: address of a customer, hall7; identifier rfc7597; hall7"
    )
    assert lines[2] == "2001:3e8:0:2900::1: address of the BR, hall7"
    assert lines[3].endswith(
        "(hall7): accepted, decapsulated: IPv4 packet taken out of the IPv6 domain; "
        "sends IP 130.129.255.93.4230 > 133.242.53.30.80"
    )
    assert "br1" in lines[3]


def test_a_packet_with_a_foreign_port(planned):
    result = planned(capture=LINE.format(5000))
    assert "not accepted, drop_spoofed_source: inner source or port is not the sender's\n" in result["text"]


def test_an_address(planned):
    assert planned(capture="2001:3e8:0:2900::1")["text"] == "2001:3e8:0:2900::1: address of the BR, hall7\n"
    result = planned(capture="2001:db8::1")
    assert (result["meanings"], result["text"]) == ([], "no address of any service of the plan\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "ipv4 or customer or capture: nothing is asked; ask one thing"),
        (
            {"ipv4": "192.0.2.1", "capture": "x"},
            "ipv4 or customer or capture: ipv4 and capture is asked; ask one thing",
        ),
        (
            {"ipv4": "192.0.2", "port": 70000, "time": "now"},
            "ipv4: Expected 4 octets in '192.0.2'; an IPv4 address such as 192.0.2.1\n"
            "port: 70000 is no port; 0 to 65535\n"
            "time: 'now' is no time; a time with its zone such as 2013-06-12T10:00:00+09:00",
        ),
        ({"ipv4": "130.129.255.93"}, "port: 130.129.255.93 is shared in hall7; the port, which says"),
        ({"capture": "hello"}, "capture: 'hello' shows no packet; an IPv6 address; a packet in hex, "),
        ({"customer": "hello"}, "customer: "),
    ],
)
def test_errors_say_what_would_be_right(planned, args, message):
    result = planned(**args)
    assert result["failed"] and result["msg"].startswith(message)


def test_without_a_plan(run_action):
    result = run_action("trace_info", {"ipv4": "192.0.2.1"})
    assert result["failed"] and "run ipv4aas.fleet.plan first" in result["msg"]


class TestSessions:
    POOL = Pool(ipv4=(IPv4Network("198.51.100.0/30"),), block_size=64, subscriber_prefix_len=56)
    SERVICE = Service(
        name="town",
        technique="ds-lite",
        role="gateway",
        gateway_address=IPv6Address("2001:db8:ffff::1"),
        pool=POOL,
    )

    def write(self, service: Service) -> None:
        node = NodePlan(name="aftr", role="gateway", platform="linux", services=(service,))
        Path("plan.json").write_text(to_text(FleetPlan(services={}, nodes={"aftr": node})))

    def test_log_and_time(self, run_action):
        self.write(self.SERVICE)
        subscriber, outside = int(IPv6Address("2001:db8:1::")), int(IPv4Address("198.51.100.1"))
        record = Record(1371000000.0, BLOCK_ASSIGNED, subscriber, 0, outside, 1024, 1087)
        Path("aftr.log").write_text(to_line(record) + "\n")
        asked = {"plan": "plan.json", "ipv4": "198.51.100.1", "port": 1050}
        assert "logs: only a log says" in run_action("trace_info", asked)["msg"]
        asked |= {"logs": ["aftr.log"], "time": "2013-06-12T10:30:00+09:00", "protocol": "tcp"}
        assert run_action("trace_info", asked)["text"] == (
            "town (ds-lite): 2001:db8:1::/56, 198.51.100.1, ports 1024-1087, "
            "from 2013-06-12T01:20:00+00:00 to now, by session log\n"
        )
        for named in ({"logs": ["aftr.log", "no.log"]}, {"key_file": "no.key"}):
            [(option, value)] = named.items()
            place, file = ("logs[1]", "no.log") if option == "logs" else (option, value)
            wrong = f"{place}: {file} cannot be read: No such file or directory; "
            assert run_action("trace_info", asked | named)["msg"].startswith(wrong)
        Path("aftr.log").write_text("x\n")
        assert run_action("trace_info", asked)["msg"].startswith("aftr.log:1: ")

    def test_the_key_is_read_from_a_file_and_not_shown(self, run_action):
        pool = replace(
            self.POOL, deterministic=True, algorithm="random", subscribers=IPv6Network("2001:db8::/52")
        )
        self.write(replace(self.SERVICE, pool=pool))
        Path("key").write_bytes(b"a very secret key")
        asked = {"plan": "plan.json", "customer": "2001:db8:0:100::/56", "key_file": "key"}
        result = run_action("trace_info", asked)
        (holder,) = result["holders"]
        assert (holder["evidence"], holder["customer"]) == ("deterministic NAT", "2001:db8:0:100::/56")
        assert "secret" not in json.dumps(result)
        port = holder["ports"][0][0]
        asked = {
            "plan": "plan.json",
            "ipv4": holder["ipv4"].removesuffix("/32"),
            "port": port,
            "key_file": "key",
        }
        assert run_action("trace_info", asked)["holders"] == [holder]
