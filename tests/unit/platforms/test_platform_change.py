# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes on devices that run an operator's own configuration: ours changes, his does not."""

from __future__ import annotations

import platform_devices as devices
import platform_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver


def deploy(box, device, wanted, dialect):
    """What deploy does: read, change, apply. Returns the change."""
    change = box.change(box.owned(device.show(), dialect), wanted, dialect)
    device.apply(change.payload)
    return change


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
def test_entry_in_an_instance_of_the_operator(dialect):
    """cgv6_instance: only our map-e entry comes and goes, the instance and its interfaces stay."""
    box = driver("asr9000")
    device = devices.device("asr9000", dialect)
    foreign = devices.facts(device.show(), dialect)
    node = samples.node("asr9000", samples.service("asr9000"), cgv6_instance="OPERATOR")
    wanted = samples.render(node, samples.TEMPLATES, dialect)
    change = deploy(box, device, wanted, dialect)
    assert "service-inline" not in change.payload
    assert box.owned(device.show(), dialect) == wanted
    assert set(foreign) < set(devices.facts(device.show(), dialect))
    deploy(box, device, "", dialect)
    assert devices.facts(device.show(), dialect) == foreign


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
def test_from_an_instance_of_the_operator_to_our_own(dialect):
    box = driver("asr9000")
    device = devices.device("asr9000", dialect)
    foreign = devices.facts(device.show(), dialect)
    node = samples.node("asr9000", samples.service("asr9000"), cgv6_instance="OPERATOR")
    for _ in range(2):
        deploy(box, device, samples.render(node, samples.TEMPLATES, dialect), dialect)
        own = samples.rendered("asr9000", dialect, samples.service("asr9000"))
        deploy(box, device, own, dialect)
        assert box.owned(device.show(), dialect) == own
        assert set(foreign) < set(devices.facts(device.show(), dialect))


@pytest.mark.parametrize(
    ("platform", "dialect", "payload"),
    [
        ("asr9000", "cli", ["service cgv6 ipv4aas", " no service-type map-e ipv4aas-hall7", "!"]),
        (
            "juniper_mx",
            "cli",
            [
                "delete services softwire softwire-concentrator map-e ipv4aas-hall7",
                "delete services softwire rule ipv4aas-hall7",
                "delete services service-set ipv4aas softwire-rules ipv4aas-hall7",
            ],
        ),
        ("openwrt", "uci", ["delete network.aas_hall7"]),
    ],
)
def test_service_that_goes_takes_only_its_own(platform, dialect, payload):
    service, other = samples.service(platform), samples.service(platform, samples.FULL, name="hall8")
    running, wanted = (samples.rendered(platform, dialect, *kept) for kept in ((service, other), (other,)))
    assert driver(platform).change(running, wanted, dialect).payload.splitlines() == payload


@pytest.mark.parametrize(
    ("platform", "dialect", "by_hand", "payload"),
    [
        (
            "asr9000",
            "cli",
            "service cgv6 ipv4aas\n service-type map-e ipv4aas-hall7\n"
            "  sharing-ratio 128\n  address-family ipv4\n",
            "service cgv6 ipv4aas\n service-type map-e ipv4aas-hall7\n"
            "  no address-family ipv4\n  sharing-ratio 64\n !\n!\n",
        ),
        (
            "juniper_mx",
            "cli",
            "set services softwire softwire-concentrator map-e ipv4aas-hall7 version-03\n"
            "set services softwire softwire-concentrator map-e ipv4aas-hall7 psid-offset 6\n",
            "delete services softwire softwire-concentrator map-e ipv4aas-hall7 version-03\n"
            "set services softwire softwire-concentrator map-e ipv4aas-hall7 psid-offset 4\n",
        ),
        (
            "openwrt",
            "uci",
            "set network.aas_hall7.offset='6'\nset network.aas_hall7.ttl='3'\n"
            "add_list network.aas_hall7.dns='192.0.2.1'\n",
            "delete network.aas_hall7.ttl\ndelete network.aas_hall7.dns\nset network.aas_hall7.offset='4'\n",
        ),
    ],
)
def test_smallest_change(platform, dialect, by_hand, payload):
    box = driver(platform)
    device = devices.device(platform, dialect)
    wanted = samples.rendered(platform, dialect, samples.service(platform))
    deploy(box, device, wanted, dialect)
    device.apply(by_hand)
    edited = device.show()
    change = deploy(box, device, wanted, dialect)
    assert sorted(change.payload.splitlines()) == sorted(payload.splitlines())
    device.apply(change.undo)
    assert sorted(device.show().splitlines()) == sorted(edited.splitlines())


def test_option_that_became_a_list():
    box = driver("openwrt")
    device = devices.device("openwrt", "uci")
    wanted = samples.rendered("openwrt", "uci", samples.service("openwrt", samples.SHARED, samples.SECOND))
    deploy(box, device, wanted, "uci")
    device.apply("delete network.aas_hall7.rule\nadd_list network.aas_hall7.rule='x'\n")
    edited = device.show()
    device.apply(deploy(box, device, wanted, "uci").undo)
    assert device.show() == edited
