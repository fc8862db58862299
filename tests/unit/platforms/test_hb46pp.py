# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HB46PP: answers there and back, the specification's own example, and what the rule server gives to whom."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.provision import hb46pp
from ansible_collections.ipv4aas.fleet.engine.provision.hb46pp import AnswerError
from ansible_collections.ipv4aas.fleet.engine.provision.rule_server import Table, reply
from hypothesis import given, settings
from hypothesis import strategies as st

BOX = driver("hb46pp")
NAMES = {"enabler_name": "ShowNet", "isp_name": "Hall 7", "ttl": 3600}
# Values of the example in section 3.4 of the specification.
EXAMPLE = {
    "map_e": {
        "version": 0,
        "mesh": True,
        "br": "2001:db8:1::1",
        "rules": [
            {"ipv6": "2001:db8:1:2000::/52", "ipv4": "203.0.113.0/24", "ea_length": 12, "psid_offset": 4}
        ],
    },
    "dslite": {"aftr": "aftr.example.net"},
    "map_t": {
        "dmr": "2001:db8:5::/64",
        "rules": [
            {"ipv6": "2001:db8:5:100::/56", "ipv4": "203.0.113.32/28", "ea_length": 8, "psid_offset": 4}
        ],
    },
    "464xlat": {"nat64prefix": "2001:db8:6::/96"},
}


def rendered(*services, **options):
    return samples.rendered("hb46pp", *services, **(NAMES | options))


def round_trip(*services):
    text = rendered(*services)
    assert BOX.owned(text, "json") == text
    assert BOX.parse(text, "json", services) == services
    return text


@pytest.mark.parametrize("word", EXAMPLE)
def test_example_of_the_specification(word):
    document = {"enabler_name": "A VNE", "ttl": 86400, "order": [word], word: EXAMPLE[word]}
    found = hb46pp.fields(document)
    service = replace(samples.provisioner_service(found["technique"]), **found)
    assert hb46pp.answer(service, hb46pp.Names(enabler_name="A VNE")) == document


def test_meaning_of_what_is_left_out():
    """Section 3.4: no version is draft-03, no mesh is hub and spoke; 1 is as good as true."""
    plain = {key: EXAMPLE["map_e"][key] for key in ("br", "rules")}
    found = hb46pp.fields({"order": ["map_e"], "map_e": plain})
    assert found["interface_identifier"] == "draft-03" and not found["rules"][0].forwarding
    assert hb46pp.fields({"order": ["map_e"], "map_e": plain | {"mesh": 1}})["rules"][0].forwarding


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rules_there_and_back(data):
    mesh = data.draw(st.booleans())
    rules = data.draw(st.lists(samples.map_rules(), min_size=1, max_size=5))
    map_e = samples.provisioner_service(
        "map-e",
        rules=tuple(replace(rule, forwarding=mesh) for rule in rules),
        interface_identifier=data.draw(st.sampled_from(["rfc7597", "draft-03"])),
    )
    hub = tuple(replace(rule, forwarding=False) for rule in rules)
    round_trip(map_e, samples.provisioner_service("map-t", name="hall8", rules=hub))


def test_bindings_of_two_gateways():
    first, second = (
        samples.hall7_binding(1),
        samples.hall7_binding(2, gateway_address=IPv6Address("2001:db8::2")),
    )
    service = samples.provisioner_service("lw4o6", bindings=(first, second))
    answers = json.loads(round_trip(service))[0]["answers"]
    assert answers["2001:3e8:6000:2::/64"]["lw4o6"] == {
        "lwaftr": "2001:db8::2",
        "ipv6": "2001:3e8:6000:2::/64",
        "ipv4": "130.129.255.92",
        "psid": 2,
        "psid_length": 6,
        "psid_offset": 0,
    }


def test_aftr_without_a_name_is_told_by_address():
    text = round_trip(samples.provisioner_service("ds-lite", aftr_name=""))
    assert f'"aftr": "{samples.BORDER_RELAY}"' in text


MESHED = replace(samples.HALL7_RULE, forwarding=True)
EXPLICIT = MapRule(IPv6Network("2001:db8:60::/64"), IPv4Network("192.0.2.1/32"), 0, 6, 8, 52)
MAP_E = samples.provisioner_service("map-e")


@pytest.mark.parametrize(
    ("service", "options", "messages"),
    [
        (MAP_E, {"enabler_name": ""}, ("helper.ipv4aas_options: enabler_name is empty; enabler_name, and",)),
        (
            MAP_E,
            {"enabler_name": "x" * 300, "ttl": 604801},
            ("enabler_name has more than 256 octets; ttl 604801",),
        ),
        (MAP_E, {"ttl": "long"}, ("hosts.helper.ipv4aas_options.ttl: expected int, got 'long'",)),
        (
            replace(MAP_E, rules=(MAP_E.rules[0], MESHED)),
            {},
            ("services.hall7: hb46pp helper cannot tell it: some rules are for other customers to use",),
        ),
        (replace(MAP_E, rules=(EXPLICIT,)), {}, ("a PSID that is given cannot be told",)),
        (replace(MAP_E, technique="map-t", rules=(MESHED,)), {}, ("a mesh cannot be told with MAP-T",)),
        (replace(MAP_E, rules=MAP_E.rules * 257), {}, ("257 rules, 1 to 256 can be told",)),
        (
            replace(MAP_E, technique="map-t", rules=MAP_E.rules * 201),
            {},
            ("201 rules, 1 to 200 can be told",),
        ),
        (replace(MAP_E, delegations=()), {}, ("it has no customers",)),
        (
            samples.provisioner_service("lw4o6", delegations=()),
            {},
            ("2001:3e8:6000::8281:ff5c:0 is in no prefix that customers have",),
        ),
    ],
)
def test_refused(service, options, messages):
    with pytest.raises(Refused) as error:
        rendered(service, **options)
    assert all(message in str(error.value) for message in messages)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"map_e"\n', '"map_x"\n', "[0]: is no entry of ours: no answer of the specification"),
        ('"br"', '"dmr"', "[0]: is no entry of ours: no answer of the specification: br is missing"),
        (
            '"length": 64',
            '"length": "64"',
            "[0]: is no entry of ours: [0].delegations[0].length: expected int",
        ),
        ('"service"', '"name"', "[0]: is no entry of ours: 'service'"),
        ("[\n", "{\n", "line "),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_place(before, after, message):
    text = rendered(MAP_E)
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        BOX.parse(text.replace(before, after), "json", ())


def test_customers_that_are_not_told_the_same():
    document = json.loads(rendered(MAP_E))
    other = document[0]["answers"]["2001:3e8:6000::/56"] | {"map_e": EXAMPLE["map_e"]}
    document[0]["answers"]["2001:db8::/48"] = other
    with pytest.raises(ParseError, match=re.escape("[0]: customers are not told the same")):
        BOX.parse(json.dumps(document), "json", ())


LW4O6 = samples.provisioner_service("lw4o6")


@pytest.mark.parametrize(
    ("service", "before", "after", "message"),
    [
        (
            MAP_E,
            '"2001:3e8:6000::/56": {',
            '"2001:3e8:6100::/56": {',
            "answers are for 2001:3e8:6100::/56, customers have 2001:3e8:6000::/56",
        ),
        (
            LW4O6,
            '"2001:3e8:6000:42::/64": {',
            '"2001:3e8:6000:43::/64": {',
            "the answer for 2001:3e8:6000:43::/64 is that of 2001:3e8:6000:42::/64",
        ),
        (
            LW4O6,
            '"ipv6": "2001:3e8:6000:42::/64"',
            '"ipv6": "2001:3e8:6000:43::/64"',
            "the answer for 2001:3e8:6000:42::/64 is that of 2001:3e8:6000:43::/64",
        ),
        (
            LW4O6,
            '"ipv6": "2001:3e8:6000:42::/64"',
            '"ipv6": "2001:db8:42::/64"',
            "2001:db8:42::8281:ff5d:2 is in no prefix that customers have",
        ),
    ],
)
def test_customers_that_get_the_answer_of_another(service, before, after, message):
    text = rendered(service)
    assert text.count(before) == 1
    with pytest.raises(ParseError, match=re.escape(f"line 2: [0]: {message}")):
        BOX.parse(text.replace(before, after), "json", (service,))


def test_answer_of_another_kind():
    with pytest.raises(AnswerError, match="no answer of the specification"):
        hb46pp.fields([])


@pytest.fixture
def table(tmp_path):
    """MAP-E for all of hall 7, lw4o6 for three customers of another hall."""
    file = tmp_path / "table.json"
    binding = samples.hall7_binding(5)
    shorter = samples.provisioner_service("lw4o6", name="hall8", bindings=(binding,))
    file.write_text(rendered(MAP_E, shorter))
    return Table(file), file


@pytest.mark.parametrize(
    ("source", "target", "status", "order"),
    [
        ("2001:3e8:6000:42::1", "/rule?vendorid=acde48&capability=map_e,dslite,hubspoke", 200, ["map_e"]),
        ("2001:3e8:6000:5::1", "/?capability=lw4o6,map_e&unknown=1", 200, ["lw4o6"]),  # longest prefix
        ("2001:3e8:6000:42::1%eth0", "/?capability=dslite", 200, []),
        ("2001:3e8:6000:42::1", "/?product=x", 400, None),
        ("2001:db8::1", "/?capability=map_e", 403, None),
        ("192.0.2.1", "/?capability=map_e", 403, None),
    ],
)
def test_reply(table, source, target, status, order):
    found, answer = reply(table[0], source, target)
    assert found == status
    assert (answer and answer["order"]) == order if order is not None else answer is None
    if order == []:
        assert "map_e" not in answer and answer["enabler_name"] == "ShowNet"


def test_table_is_read_anew_and_a_broken_one_is_not(table, capsys):
    answers, file = table
    customer = IPv6Address("2001:3e8:6000:42::1")
    assert answers.find(customer)["order"] == ["map_e"]
    for content, order, later in (
        ("[{}]", ["map_e"], 1),
        (rendered(samples.provisioner_service("ds-lite")), ["dslite"], 2),
    ):
        file.write_text(content)
        os.utime(file, (later, later))
        assert answers.find(customer)["order"] == order
    assert "the old table stays" in capsys.readouterr().err
