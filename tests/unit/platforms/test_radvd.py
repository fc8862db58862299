# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""radvd: what is rendered is what is read back, and what cannot be is told."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.provision.pref64 import lifetime_for
from ansible_collections.ipv4aas.fleet.engine.techniques.service import ROUTER
from hypothesis import given, settings
from hypothesis import strategies as st

BOX = driver("radvd")
SERVICE = replace(samples.resolver_service(), role=ROUTER, dns64=None)
INTERFACES = {
    "wlan0": {"prefixes": ["2001:db8:1::/64"], "resolvers": ["2001:db8::53", "2001:db8::54"], "interval": 30},
    "eth1": None,
}


def rendered(*services, interfaces=None):
    return samples.rendered("radvd", *services, interfaces=INTERFACES if interfaces is None else interfaces)


@settings(max_examples=40, deadline=None)
@given(st.lists(samples.pref64s(), min_size=1, max_size=3))
def test_parse_of_render_is_the_service(prefixes):
    services = tuple(replace(SERVICE, name=f"s{n}", translation_prefix=p) for n, p in enumerate(prefixes))
    text = rendered(*services)
    assert BOX.owned(text, "conf") == text
    assert BOX.parse(text, "conf", services) == services
    assert not BOX.change(text, text, "conf")


def test_service_that_nobody_planned():
    [found] = BOX.parse(rendered(SERVICE), "conf", ())
    assert (found.name, found.role, found.translation_prefix) == ("conference", "router", samples.PREF64)


@pytest.mark.parametrize(
    ("interval", "lifetime"), [(600, 1800), (30, 96), (5, 16), (1800, 5400), (30000, 65528)]
)
def test_lifetime(interval, lifetime):
    """RFC 8781 section 4.1: three intervals, rounded up to 8 seconds, at most 65528."""
    assert lifetime_for(interval) == lifetime


def test_without_services_an_interface_stays_that_sends_nothing():
    """radvd takes no file without an interface."""
    change = BOX.change(rendered(SERVICE), "", "conf")
    assert "interface lo { AdvSendAdvert off; };" in change.payload
    assert BOX.owned(change.payload, "conf") == "" and BOX.parse(change.payload, "conf", (SERVICE,)) == ()
    assert BOX.change("", rendered(SERVICE), "conf").undo == change.payload


@pytest.mark.parametrize(
    ("services", "interfaces", "messages"),
    [
        ((SERVICE,), {}, ("helper.ipv4aas_options.interfaces: {} does not fit; a mapping of interface",)),
        (
            (
                replace(SERVICE, translation_prefix=None),
                replace(SERVICE, name="b", translation_prefix=IPv6Network("::/65")),
            ),
            {
                "eth1": {"prefix": "2001:db8::/64"},
                "eth2": {"interval": 1801},
                "eth3": {"prefixes": ["x"]},
                "eth4": 5,
            },
            (
                "ipv4aas_services.b.gateway.translation_prefix: length /65",
                "ipv4aas_services.conference.gateway.translation_prefix: missing",
                "interfaces.eth1: prefix is unknown",
                "interfaces.eth2: interval 1801 is outside 4..1800 seconds",
                "interfaces.eth3: ",
                "interfaces.eth4: ",
            ),
        ),
    ],
)
def test_refused_with_everything_at_once(services, interfaces, messages):
    with pytest.raises(Refused) as error:
        rendered(*services, interfaces=interfaces)
    for message in messages:
        assert message in str(error.value)
    assert len(error.value.problems) == len(messages)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("    # service conference\n", "", "is no service's; expected '# service NAME' before it"),
        ("AdvSendAdvert on;", "AdvManagedFlag on;", "line 3: AdvManagedFlag on;: is not understood"),
        ("nat64prefix 2001:db8:64::/96", "nat64prefix PLAT", "PLAT is not an IPv6 prefix"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_line(before, after, message):
    text = rendered(SERVICE)
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        BOX.parse(text.replace(before, after), "conf", (SERVICE,))


def test_interfaces_that_announce_different_prefixes():
    text = rendered(SERVICE)
    at = text.rindex("2001:db8:64::/96")
    other = text[:at] + "2001:db8:65::/96" + text[at + len("2001:db8:64::/96") :]
    with pytest.raises(ParseError, match="service conference has 2001:db8:64::/96 on another interface"):
        BOX.parse(other, "conf", (SERVICE,))
