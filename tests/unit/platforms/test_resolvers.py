# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS64 by Unbound and by BIND: what is rendered is what is read back, and what cannot be is told."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.platforms.resolver import reverse_zone
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Dns64
from hypothesis import given, settings
from hypothesis import strategies as st

SERVICE = samples.resolver_service()
RESOLVERS = ("unbound", "bind")
OTHER_PREFIX = IPv6Network("2001:db8:65::/96")


@st.composite
def services(draw, platform):
    """One to three; Unbound has one prefix for all and no ``private``."""
    names = draw(
        st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), min_size=1, max_size=3, unique=True)
    )
    shared = draw(samples.pref64s())
    own = draw(st.lists(samples.pref64s(), min_size=len(names), max_size=len(names), unique=True))
    return tuple(
        samples.resolver_service(
            name=name,
            technique=draw(st.sampled_from(["nat64", "464xlat"])),
            translation_prefix=shared if platform == "unbound" else prefix,
            dns64=Dns64(
                exclude=draw(samples.networks6()),
                clients=draw(samples.networks6()),
                private=() if platform == "unbound" else draw(samples.networks4()),
            ),
        )
        for name, prefix in zip(names, own, strict=True)
    )


@pytest.mark.parametrize("platform", RESOLVERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_parse_of_render_is_the_service(platform, data):
    wanted = data.draw(services(platform))
    text = samples.rendered(platform, *wanted)
    box = driver(platform)
    assert box.owned(text, "conf") == text
    assert box.parse(text, "conf", wanted) == wanted
    assert not box.change(text, text, "conf")


@pytest.mark.parametrize("platform", RESOLVERS)
def test_whole_files_change_and_go_back(platform):
    box = driver(platform)
    first, second = (samples.rendered(platform, replace(SERVICE, name=name)) for name in ("a", "b"))
    change = box.change(first, second, "conf")
    assert (change.payload, change.undo) == (second, first)
    assert "- # service a\n+ # service b\n" in change.diff
    gone = box.change(second, "", "conf")
    assert (
        gone.undo == second
        and box.owned(gone.payload, "conf") == ""
        and gone.payload.startswith("# Written by")
    )
    assert box.change("", second, "conf").undo == gone.payload
    assert box.parse(gone.payload, "conf", (SERVICE,)) == ()


@pytest.mark.parametrize("platform", RESOLVERS)
def test_service_that_nobody_planned(platform):
    text = samples.rendered(platform, SERVICE)
    [found] = driver(platform).parse(text, "conf", ())
    assert (found.name, found.role, found.translation_prefix, found.dns64) == (
        "conference",
        "resolver",
        samples.PREF64,
        SERVICE.dns64,
    )


@pytest.mark.parametrize(
    ("prefix", "zone"),
    [
        ("64:ff9b::/96", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa."),
        ("2001:db8:122:300::/56", "3.0.2.2.1.0.8.b.d.0.1.0.0.2.ip6.arpa."),
        ("2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa."),
    ],
)
def test_reverse_zone(prefix, zone):
    assert reverse_zone(IPv6Network(prefix)) == zone


PRIVATE = samples.resolver_service(name="lan", dns64=Dns64(private=(IPv4Network("10.0.0.0/8"),)))


@pytest.mark.parametrize(
    ("platform", "given_services", "messages"),
    [
        (
            "unbound",
            (SERVICE, replace(PRIVATE, translation_prefix=OTHER_PREFIX)),
            (
                "lan.dns64.private: unbound helper synthesises from every A record; remove it",
                "lan.gateway.translation_prefix: unbound helper has one prefix, that of conference",
            ),
        ),
        (
            "bind",
            (replace(SERVICE, translation_prefix=None, dns64=None),),
            (
                "ipv4aas_services.conference.dns64: helper does not know how to synthesise; give dns64",
                "ipv4aas_services.conference.gateway.translation_prefix: helper has none",
            ),
        ),
        (
            "bind",
            (SERVICE, replace(SERVICE, name="hall7")),
            ("hall7.gateway.translation_prefix: bind helper has 2001:db8:64::/96 for conference already",),
        ),
        (
            "unbound",
            (replace(SERVICE, translation_prefix=IPv6Network("2001:db8::/65")),),
            ("gateway.translation_prefix: 2001:db8::/65: length /65 is not one of",),
        ),
        (
            "bind",
            (replace(SERVICE, technique="map-e"),),
            ("helper.ipv4aas_platform: bind: no map-e resolver is known for it",),
        ),
    ],
)
def test_refused_with_everything_at_once(platform, given_services, messages):
    with pytest.raises(Refused) as error:
        samples.rendered(platform, *given_services)
    for message in messages:
        assert message in str(error.value)
    assert len(error.value.problems) == len(messages)


UNBOUND, BIND = (samples.rendered(platform, SERVICE) for platform in RESOLVERS)


@pytest.mark.parametrize(
    ("platform", "text", "before", "after", "message"),
    [
        (
            "unbound",
            UNBOUND,
            "# service conference\n",
            "",
            "line 2: server:: is no service's; expected '# service NAME'",
        ),
        ("unbound", UNBOUND, "dns64-prefix", "dns64-synthall", "is not understood"),
        ("unbound", UNBOUND, "    dns64-prefix: 2001:db8:64::/96\n", "", "has 0 dns64-prefix, one was"),
        ("unbound", UNBOUND, "2001:db8:64::/96\n", "PLAT\n", "PLAT is not an IPv6 prefix"),
        ("unbound", UNBOUND, '"dns64 validator iterator"', '"validator iterator"', "the modules are not"),
        ("unbound", UNBOUND, " allow\n", " deny\n", "deny is not allow"),
        (
            "unbound",
            UNBOUND,
            "AAAA 2001:db8:64::c000:aa",
            "AAAA 2001:db8:65::c000:aa",
            "does not follow from",
        ),
        ("unbound", UNBOUND, '    local-zone: "ipv4only.arpa." static\n', "", "lacks local-zone"),
        ("bind", BIND, "dns64 2001", "dns65 2001", "line 3: dns65 2001:db8:64::/96 {: is not understood"),
        ("bind", BIND, "    mapped { any; };\n", "", "has no mapped"),
        ("bind", BIND, "{ any; }", "{ 10.0.0.0/8; any; }", "10.0.0.0/8 does not begin with !"),
        ("bind", BIND, "{ any; }", "{ !10.0.0.0/8; }", "does not end with any"),
        ("bind", BIND, "break-dnssec no", "break-dnssec yes", "break-dnssec yes;: is not understood"),
        ("bind", BIND, "clients { 2001:db8:1::/48; }", "clients { acl; }", "acl is not an IPv6 prefix"),
        ("bind", BIND.split("dns64 ")[0], "x", "x", "# service conference: has no dns64"),
        ("bind", BIND, "    break-dnssec no;\n};\n", "", "has no break-dnssec no; };"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_line(platform, text, before, after, message):
    assert before in text or before == after
    with pytest.raises(ParseError, match=re.escape(message)):
        driver(platform).parse(text.replace(before, after), "conf", (SERVICE,))


def test_line_that_unbound_lacks():
    lines = UNBOUND.splitlines(keepends=True)
    with pytest.raises(
        ParseError, match=r"# service conference: lacks local-data-ptr: \"2001:db8:64::c000:ab"
    ):
        driver("unbound").parse("".join(lines[:-1]), "conf", (SERVICE,))
