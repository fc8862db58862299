# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number that the operator uses is not taken: what it is, and what would be right."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import Careful, occupied
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from platform_cases import CASES, LANGUAGES

TUNNEL = "another number in ipv4aas_options.tunnel"
DOMAIN = "another number in ipv4aas_options.first_domain"
INSTANCE = "another number in ipv4aas_options.instance_ids"
CLASS_LIST = "another name of the service: a class list of another type has it"
# Where the device model has something of the operator's: golden file, options, and what is said.
TAKEN = [
    ("nec_ix", "cli", "ds-lite", {"tunnel": 0}, [f"interface Tunnel0.0 is the operator's; {TUNNEL}"]),
    ("nec_ix", "cli", "map-e", {"tunnel": 1}, [f"interface Tunnel1.0 is the operator's; {TUNNEL}"]),
    ("yamaha_rtx", "cli", "ds-lite", {"tunnel": 1}, [f"tunnel select 1 is the operator's; {TUNNEL}"]),
    (
        "yamaha_rtx",
        "cli",
        "map-e",
        {"tunnel": 2, "nat_descriptor": 1000},
        [
            f"tunnel select 2 is the operator's; {TUNNEL}",
            "nat descriptor 1000 is the operator's; another number in ipv4aas_options.nat_descriptor",
        ],
    ),
    ("seil_x86", "cli", "ds-lite", {"tunnel": 0}, [f"interface tunnel0 is the operator's; {TUNNEL}"]),
    ("seil_x86", "recipe", "ds-lite", {"tunnel": 1}, [f"interface tunnel1 is the operator's; {TUNNEL}"]),
    (
        "vyos",
        "cli",
        "ds-lite",
        {"tunnel": "tun2"},
        ["interfaces tunnel tun2 is the operator's; another name in ipv4aas_options.tunnel"],
    ),
    *(
        (
            "a10",
            dialect,
            "ds-lite",
            {"lsn_lid": 7},
            ["cgnv6/lsn-lid/7 is the operator's; another number in ipv4aas_options.lsn_lid"],
        )
        for dialect in ("axapi", "cli")
    ),
    *(
        (
            "huawei_ne40e",
            "cli",
            technique,
            {"instance_ids": {"hall7": number}},
            [f"{technique} instance id {number} is the operator's; {INSTANCE}"],
        )
        for technique, number in (("map-e", 2), ("ds-lite", 3), ("nat64", 4))
    ),
    # Instances of another kind may have the number.
    ("huawei_ne40e", "cli", "map-t", {"instance_ids": {"hall7": 2}}, []),
    *(
        (
            "juniper_mx",
            dialect,
            "shownet",
            {"service_units": [7, 1]},
            ["interfaces si-0/0/0 unit 7 is the operator's; other units in ipv4aas_options.service_units"],
        )
        for dialect in ("cli", "netconf")
    ),
    ("cisco_iosxe", "cli", "ds-lite", {"tunnel": 7}, [f"interface Tunnel7 is the operator's; {TUNNEL}"]),
    (
        "cisco_iosxe",
        "cli",
        "map-t-two-rules",
        {"first_domain": 7},
        [
            f"nat64 map-t domain 7 is the operator's; {DOMAIN}",
            f"event manager environment _ipv4aas_map_t_8 is the operator's; {DOMAIN}",
        ],
    ),
]
# What the operator adds to the device model, since one with it would hold no service of ours.
ADDED = [
    (
        "vyos",
        "cli",
        "nat64",
        "set nat64 source rule 100 source prefix '64:ff9b::/96'\n",
        ["nat64 source rule 100 is the operator's; another number in ipv4aas_options.rule"],
    ),
    (
        "cisco_iosxe",
        "cli",
        "nat64",
        "nat64 prefix stateful 64:FF9B::/96\n",
        ["nat64 prefix stateful is the operator's; a router has one"],
    ),
]


def wanted(platform, dialect, name, **options):
    return CASES[platform].rendered(dialect, *CASES[platform].golden[name], **options)


@pytest.mark.parametrize(("platform", "dialect", "name", "options", "said"), TAKEN)
def test_number_of_the_operator(platform, dialect, name, options, said):
    text = CASES[platform].device(dialect).show()
    assert occupied(driver(platform), text, wanted(platform, dialect, name, **options), dialect) == said


@pytest.mark.parametrize(("platform", "dialect", "name", "added", "said"), ADDED)
def test_what_the_operator_added(platform, dialect, name, added, said):
    device = CASES[platform].device(dialect)
    device.apply(added)
    assert occupied(driver(platform), device.show(), wanted(platform, dialect, name), dialect) == said


@pytest.mark.parametrize(
    ("platform", "dialect", "name"),
    [
        (platform, dialect, name)
        for platform, dialect in LANGUAGES
        if hasattr(driver(platform), "occupied")
        for name, services in CASES[platform].golden.items()
        if services[0].technique in {row.technique for row in CASES[platform].rows(dialect)}
    ],
)
def test_free_numbers_and_our_own_are_not_taken(platform, dialect, name):
    """Nor what the operator has prepared for a service; before, with it, and after it is gone."""
    box: Careful = driver(platform)
    device = CASES[platform].device(dialect)
    ours = wanted(platform, dialect, name)
    assert box.occupied(device.show(), ours, dialect) == []
    change = box.change(box.owned(device.show(), dialect), ours, dialect)
    device.apply(change.payload)
    assert box.occupied(device.show(), ours, dialect) == []
    assert box.occupied(device.show(), "", dialect) == []
    device.apply(change.undo)
    assert box.occupied(device.show(), ours, dialect) == []


@pytest.mark.parametrize(
    ("platform", "name", "place", "around"),
    [
        ("juniper_mx", "shownet", "services softwire", True),
        ("juniper_mx", "shownet", "interfaces si-0/0/0", True),
        ("juniper_mx", "shownet", "interfaces si-0/0/9", False),
        # Our own is activated again.
        ("juniper_mx", "shownet", "interfaces si-0/0/0 unit 1", False),
        ("juniper_srx", "ds-lite", "security nat source", True),
        ("juniper_srx", "ds-lite", "security nat destination", False),
    ],
)
def test_what_the_operator_has_deactivated_around_ours(platform, name, place, around):
    """Junos: all the lines of ours are there, and none is at work."""
    ours, box = wanted(platform, "cli", name), driver(platform)
    text = f"{ours}deactivate {place}\n"
    said = f"{place} is deactivated, and what is planned with it; activate it on the device"
    assert occupied(box, text, ours, "cli") == [said] * around
    assert occupied(box, text, "", "cli") == []
    assert bool(box.change(box.owned(text, "cli"), ours, "cli")) == (place.endswith("unit 1"))


def test_place_that_a_device_has_one_of():
    """A10: the class list of NAT64, and a translation prefix."""
    prefix = "cgnv6/nat64/prefix/2001:db8:64::/96"
    theirs = {
        "cgnv6/nat64/global": {"inside": {"source": {"class-list": "customers0"}}},
        prefix: {"prefix-val": "2001:0DB8:64::/96", "class-list": "customers0"},
    }
    assert occupied(driver("a10"), json.dumps(theirs), wanted("a10", "axapi", "nat64"), "axapi") == [
        f"{prefix} is the operator's; another translation prefix of the service",
        "cgnv6/nat64/global is the operator's; a device or a partition has one: "
        "another partition in ipv4aas_options.partition",
    ]


@pytest.mark.parametrize("dialect", ["axapi", "cli"])
@pytest.mark.parametrize(("name", "used"), [("nat64", True), ("ds-lite", True), ("map-e", False)])
def test_class_list_of_another_type(dialect, name, used):
    """A10: a name has one class list, and that of the model for DNS is in the way of hall9."""
    case = CASES["a10"]
    services = (replace(service, name="hall9") for service in case.golden[name])
    ours = case.rendered(dialect, *services)
    said = f"class-list/ipv4aas-hall9 is the operator's; {CLASS_LIST}"
    assert occupied(driver("a10"), case.device(dialect).show(), ours, dialect) == [said] * used


@pytest.mark.parametrize("kind", ["", " ac", " ipv4", " ipv6 file customers", " string-case-insensitive"])
def test_class_list_of_any_other_type(kind):
    text = f"class-list ipv4aas-hall7{kind}\n!\n"
    [said] = occupied(driver("a10"), text, wanted("a10", "cli", "nat64"), "cli")
    assert said.startswith("class-list/ipv4aas-hall7 is the operator's")
    assert driver("a10").owned(text, "cli") == ""
