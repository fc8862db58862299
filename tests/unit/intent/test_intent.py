# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory as Ansible hands it over: what is accepted, and that nothing else gets through."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
from ansible_collections.ipv4aas.fleet.engine.intent.model import (
    Customers,
    Dns64Intent,
    EamEntry,
    Forward,
    Gateway,
    HostIntent,
    PlaneIntent,
    Rule,
    ServiceIntent,
    Sharing,
    Subscriber,
)
from ansible_collections.ipv4aas.fleet.engine.intent.read import (
    examine,
    plain,
    read_intent,
    shown_example,
)
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from fleet_samples import expect_table
from hypothesis import given, settings
from hypothesis import strategies as st

DOCS = Path(__file__).resolve().parents[3] / "docs" / "inventory.md"

SERVICE = MappingProxyType(
    {
        "technique": "map-e",
        "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
        "ipv4_pools": ["130.129.255.92/30"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
        "gateway": {"address": "2001:3e8:0:2900::1"},
    }
)
EDGE = MappingProxyType(
    {
        "ipv4aas_role": "edge",
        "ipv4aas_platform": "linux",
        "ipv4aas_carries": ["hall7"],
        "ipv4aas_customer_prefix": "2001:3e8:6000:42::/64",
    }
)


def read(service=(), host=()):
    """The one service and the one edge, with changes."""
    values = {"ipv4aas_services": {"hall7": dict(SERVICE) | dict(service)}} | dict(EDGE) | dict(host)
    intent = read_intent({"ce42": values})
    return intent.services["hall7"], intent.hosts["ce42"]


def problems(service=(), host=()):
    with pytest.raises(Refused) as refused:
        read(service, host)
    return {problem.place: problem for problem in refused.value.problems}


class Tagged(str):
    """As ansible-core 2.19 hands over text."""


def test_text_is_accepted_for_numbers_and_flags():
    service, host = read(
        {"backbone_mtu": " 1400 ", "strict_identifiers": "Yes", "sharing": {"customers_per_address": "64"}},
        {"ipv4aas_deploy": "off"},
    )
    assert (service.backbone_mtu, service.strict_identifiers, host.deploy) == (1400, True, False)
    assert service.sharing == Sharing(customers_per_address=64, reserved_ports=1024)


@pytest.mark.parametrize(
    ("wanted", "meant"), [(False, "off"), ("off", "off"), ("auto", "auto"), (1400, 1400), ("1400", 1400)]
)
def test_yaml_reads_off_as_false(wanted, meant):
    assert read({"mss_clamp": wanted})[0].mss_clamp == meant


@pytest.mark.parametrize("word", [True, "on", 1.5, 100, "100000", ["auto"], {}])
def test_clamp_is_not_anything(word):
    assert "ipv4aas_services.hall7.mss_clamp" in problems({"mss_clamp": word})


@pytest.mark.parametrize(
    ("reserved", "offset"), [(0, 0), (1, 16), (64, 10), (1024, 6), (4096, 4), (32768, 1)]
)
def test_reserved_ports_are_the_psid_offset(reserved, offset):
    assert Sharing(customers_per_address=2, reserved_ports=reserved).psid_offset == offset


@pytest.mark.parametrize(("customers", "length"), [(1, 0), (2, 1), (64, 6), (65536, 16)])
def test_customers_are_the_psid_length(customers, length):
    assert Sharing(customers_per_address=customers).psid_len == length


def test_nothing_of_ansible_is_left():
    given_ = {Tagged("a"): MappingProxyType({"b": (Tagged("c"), 1, True, None)}), "gone": None}
    result = plain(given_)
    assert result == {"a": {"b": ["c", 1, True, None]}}
    assert type(result["a"]["b"][0]) is str and type(result["a"]) is dict
    _, host = read(host={"ipv4aas_platform": Tagged("linux"), "ipv4aas_options": {"a": [Tagged("b")]}})
    assert type(host.platform) is str and type(host.options["a"][0]) is str


def test_a_key_without_value_is_not_given():
    service, host = read({"rules": None, "topology": None}, {"ipv4aas_lan": None, "ipv4aas_fallback": None})
    assert (service.rules, service.topology, host.lan, host.fallback) == (None, "hub", (), None)


def test_only_hosts_of_ours_count():
    values = {"ipv4aas_services": {"hall7": dict(SERVICE)}}
    hosts = {
        "ce42": values | dict(EDGE),
        "printer": {"ansible_host": "192.0.2.7"},
        "other": {"ipv4aas_customer_prefix": "nonsense"},
        "third": values,
    }
    assert list(read_intent(hosts).hosts) == ["ce42"]


def test_ansible_host_is_kept_only_where_it_is_an_ipv4_address():
    assert str(read(host={"ansible_host": "192.0.2.7"})[1].management) == "192.0.2.7"
    assert read(host={"ansible_host": "ce42.example.net"})[1].management is None
    assert read(host={"ansible_host": "2001:db8::1"})[1].management is None


def test_variables_of_roles_are_not_ours_but_misspelt_ones_are():
    read(host={"ipv4aas_build_directory": "x", "ipv4aas_within": 60})
    assert (
        problems(host={"ipv4aas_platfrom": "x"})["hosts.ce42.ipv4aas_platfrom"].right
        == "use ipv4aas_platform"
    )


def test_models_are_frozen():
    service, _ = read()
    with pytest.raises(ValueError, match="frozen"):
        service.backbone_mtu = 9000


def test_all_at_once():
    found = problems(
        {"technique": "map-x", "backbone_mtu": 1, "sharing": {"customers_per_address": 3}, "colour": "red"},
        {"ipv4aas_lan": ["10.0.0.1/8", "x"], "ipv4aas_deploy": 7},
    )
    assert set(found) == {
        "ipv4aas_services.hall7.technique",
        "ipv4aas_services.hall7.backbone_mtu",
        "ipv4aas_services.hall7.sharing.customers_per_address",
        "ipv4aas_services.hall7.colour",
        "hosts.ce42.ipv4aas_lan[0]",
        "hosts.ce42.ipv4aas_lan[1]",
        "hosts.ce42.ipv4aas_deploy",
    }


@pytest.mark.parametrize(
    ("pool", "wrong"),
    [
        ("224.0.0.0/30", "multicast"),
        ("127.0.0.0/30", "the loopback address"),
        ("169.254.0.0/30", "link-local"),
        ("240.0.0.0/30", "reserved"),
        ("0.0.0.0/30", "the unspecified address"),
    ],
)
def test_addresses_that_no_host_may_have_are_nobodys(pool, wrong):
    shared = {key: SERVICE[key] for key in SERVICE if key not in ("customers", "ipv4_pools", "sharing")}
    given = {
        "ipv4_pools[0]": SERVICE | {"ipv4_pools": [pool]},
        "rules[0].ipv4_prefix": shared
        | {"rules": [{"ipv6_prefix": "2001:db8::/56", "ipv4_prefix": pool, "ea_length": 8}]},
    }
    for key, service in given.items():
        reading = examine({"ce42": dict(EDGE) | {"ipv4aas_services": {"hall7": service}}})
        assert f"ipv4aas_services.hall7.{key}: {pool} is {wrong}; " in "\n".join(map(str, reading.problems))


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "a\nb", "x" * 201])
def test_the_name_of_a_host_can_be_that_of_a_folder(name):
    [problem] = examine({name: dict(EDGE) | {"ipv4aas_services": {"hall7": dict(SERVICE)}}}).problems
    assert str(problem).startswith(f"hosts.{name}: cannot be the name of a folder")
    for good in ("Zürich-東京", "r1.example.net", "r 1"):
        assert not examine({good: dict(EDGE) | {"ipv4aas_services": {"hall7": dict(SERVICE)}}}).problems


def test_a_broken_service_hides_neither_hosts_nor_services():
    values = {"ipv4aas_services": {"bad": {"technique": 1}, "good": dict(SERVICE)}} | dict(EDGE)
    reading = examine({"ce42": values | {"ipv4aas_carries": ["bad"]}, "ce43": values})
    assert set(reading.intent.services) == {"good"}
    assert set(reading.intent.hosts) == {"ce42"}
    assert {p.place for p in reading.problems} == {
        "ipv4aas_services.bad.technique",
        "hosts.ce43.ipv4aas_carries[0]",
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["2001:db8::/32", "10.0.0.0/8", "::1", "1.2.3.4", "fe80::1%x", "64", "::/0", "0.0.0.0/0"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
SERVICE_KEYS = [name for name in ServiceIntent.model_fields if name != "name"]
HOST_KEYS = [info.alias for name, info in HostIntent.model_fields.items() if name != "name"]


@settings(max_examples=400, deadline=None)
@given(
    service=st.dictionaries(st.sampled_from(SERVICE_KEYS), JSON, max_size=3),
    host=st.dictionaries(st.sampled_from(HOST_KEYS), JSON, max_size=3),
    inside=st.dictionaries(
        st.sampled_from([*Customers.model_fields, *Gateway.model_fields]), JSON, max_size=2
    ),
    rule=st.dictionaries(st.sampled_from(list(Rule.model_fields)), JSON, max_size=4),
)
def test_nothing_but_problems_comes_out_of_nonsense(service, host, inside, rule):
    nested = {"customers": inside, "gateway": inside, "rules": [rule]} if inside or rule else {}
    values = {"ipv4aas_services": {"hall7": dict(SERVICE) | nested | service}} | dict(EDGE) | host
    for problem in examine({"ce42": values}).problems:  # KeyError: an error of pydantic without our words
        assert problem.place and problem.wrong and problem.right
        for word in ("pydantic", "Input should", "validation error"):
            assert word not in str(problem)


def without_it(info):
    if info.is_required():
        return "required"
    if info.default_factory or info.default in (None, ()):
        return ""
    if isinstance(info.default, tuple):
        return ", ".join(map(str, info.default))
    return str(info.default).lower() if isinstance(info.default, bool) else str(info.default)


@pytest.mark.parametrize(
    "model",
    [
        ServiceIntent,
        Customers,
        Sharing,
        Gateway,
        Rule,
        Subscriber,
        PlaneIntent,
        EamEntry,
        Dns64Intent,
        HostIntent,
        Forward,
    ],
)
def test_reference_of_the_inventory(model):
    rows = [["key", "meaning", "without it", "example"]]
    for name, info in model.model_fields.items():
        if info.description:
            example = f"`{shown_example(info.examples)}`" if info.examples else ""
            rows.append([f"`{info.alias or name}`", info.description, without_it(info), example])
    expect_table(DOCS, model.__name__, rows)
