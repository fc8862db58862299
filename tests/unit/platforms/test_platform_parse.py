# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading back: other spellings mean the same, other values do not, and nonsense is named by its line."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address

import platform_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver

# Per language: what is written otherwise with the same meaning.
SPELLINGS = {
    ("asr9000", "cli"): [
        ("130.129.255.92/30", "130.129.255.92 255.255.255.252"),
        ("br-endpoint-address", "aftr-endpoint-address"),
        ("2001:3e8:0:2900::1", "2001:03E8:0:2900:0:0:0:1"),
        ("2001:3e8:6000::/56", "2001:3E8:6000:0::/56"),
        ("\n ", "\n  "),
        ("\n", "   \r\n"),
        ("service cgv6", "Tue Jun 11 10:00:00.123 JST\n!! IOS XR\nhostname x\nservice cgv6"),
    ],
    ("asr9000", "netconf"): [
        ("2001:3e8:0:2900::1", "2001:03E8:0:2900:0:0:0:1"),
        ("<service xmlns=", "<s:service xmlns:s="),
        ("<config xmlns", "<rpc-reply message-id='1'><data xmlns"),
        ("\n", ""),
    ],
    ("juniper_mx", "cli"): [
        ("2001:3e8:0:2900::1", "2001:03E8:0:2900:0:0:0:1"),
        ("2001:3e8:6000::/56", "2001:3e8:6000:0000::/56"),
        ("set interfaces", '## Last commit: today\nset system login message "it\'s"\nset interfaces'),
        ("\n", "\r\n"),
    ],
    ("juniper_mx", "netconf"): [
        ("http://yang.juniper.net/junos/conf/root", "http://xml.juniper.net/xnm/1.1/xnm"),
        (' xmlns="http://yang.juniper.net/junos/conf/services"', ""),
        ("2001:3e8:0:2900::1", "2001:03E8:0:2900:0:0:0:1"),
    ],
    ("openwrt", "uci"): [
        (
            "config interface 'aas_hall7'",
            "package network\n\nconfig interface wan6\n\nconfig interface aas_hall7",
        ),
        ("'8'", '"8"'),
        (
            "config",
            "package firewall\n\nconfig interface aas_x\n\toption proto map\npackage network\n\nconfig",
        ),
        ("config", "config banner\n\toption text 'a\nconfig interface aas_x\n\toption proto map\n'\nconfig"),
        ("option ealen '8'", "option ealen 8  # a comment"),
        ("\toption mtu", "\toption legacymap 'off'\n    option mtu"),
        ("2001:3e8:6000::", "2001:3E8:6000:0:0:0:0:0"),
    ],
}
CASES = [(*language, before, after) for language, pairs in SPELLINGS.items() for before, after in pairs]


@pytest.mark.parametrize(("platform", "dialect", "before", "after"), CASES)
def test_other_spelling_of_the_same(platform, dialect, before, after):
    services = (samples.service(platform),)
    text = samples.rendered(platform, dialect, *services)
    assert before in text
    other = text.replace(before, after)
    if "s:service" in other:
        other = other.replace("</service>", "</s:service>")
        other = re.sub(r"<(/?)(?!/|s:service|/?config)(\w)", r"<\1s:\2", other)
    if "rpc-reply" in other:
        other = other.replace("</config>", "</data></rpc-reply>")
    assert driver(platform).parse(other, dialect, services) == services
    assert not driver(platform).change(other, text, dialect)


# Lines that carry nothing of the service itself, only what makes the device do it.
SCAFFOLD = re.compile(
    r"service-inline|inline|interface|cgv6|unit|family|inet|service-domain|match-direction|term|softwire-rules"
    r"|next-hop|proto|tunlink|encaplimit|<then>|xmlns|<rule>|<name>(t1|1|2|ipv4aas|ipv4aas-hall7)<|<map-e>ipv4aas"
)
VALUE = re.compile(r"(?<=[ >'])(?P<value>[0-9a-f:.]*[0-9:.][0-9a-f:.]*)(?P<rest>(/\d+)?('|<|$))")


def other_value(match: re.Match[str]) -> str:
    """Another value of the same kind."""
    value = match["value"]
    if value.isdecimal():
        return f"{int(value) * 2 or 1}{match['rest']}"
    if value.startswith("255."):
        return f"255.255.255.240{match['rest']}"
    step = 1 << 72 if value.endswith("::") else 64 if "." in value else 1
    return f"{ip_address(value) + step}{match['rest']}"


def differs(box, text, dialect, services):
    """Whether parse sees other services in a text, or that it is none."""
    try:
        return box.parse(text, dialect, services) != services
    except ParseError:
        return True


@pytest.mark.parametrize(("platform", "dialect"), samples.LANGUAGES)
def test_every_changed_parameter_is_seen(platform, dialect):
    box = driver(platform)
    services = (samples.service(platform),)
    text = samples.rendered(platform, dialect, *services)
    lines = text.splitlines()
    seen = 0
    for index, line in enumerate(lines):
        changed = VALUE.sub(other_value, line)
        if SCAFFOLD.search(line) or changed == line:
            continue
        seen += 1
        other = "\n".join([*lines[:index], changed, *lines[index + 1 :]]) + "\n"
        assert box.change(other, text, dialect), changed
        assert differs(box, other, dialect, services), changed
    assert seen == {"asr9000": 5 + (dialect == "netconf"), "juniper_mx": 7, "openwrt": 9}[platform]


@pytest.mark.parametrize(("platform", "dialect"), samples.LANGUAGES)
def test_every_missing_line_is_seen(platform, dialect):
    """Without any one line: another service, an error, or at least a change to make."""
    box = driver(platform)
    text = samples.rendered(platform, dialect, samples.service(platform))
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if dialect == "netconf" and (line.count("<") != 2 or "name>" in line):
            continue  # half an element is no XML, an entry without its name is no entry
        if line.strip() == "!" or line.startswith("config"):
            continue
        other = "".join([*lines[:index], *lines[index + 1 :]])
        assert box.change(other, text, dialect), line


MAP_E = "set services softwire softwire-concentrator map-e ipv4aas-hall7"
ERRORS = {
    ("asr9000", "cli"): [
        ("sharing-ratio 64", "sharing-ratio 63", "line 9: sharing-ratio 63: 63 is not a power of two"),
        ("ports 64", "ports 65536", "line 6: contiguous-ports 65536: 64 (sharing ratio) x 65536"),
        ("  sharing-ratio 64\n", "", "line 4: service-type map-e ipv4aas-hall7: has no sharing-ratio"),
        ("ratio 64", "ratio 64\n  path-mtu 1500", "line 10: path-mtu 1500: not understood; one of br-end"),
        ("ratio 64", "ratio 64\n  sharing-ratio 32", "sharing-ratio is there twice"),
        ("2900::1", "2900::g", "line 5: br-endpoint-address 2001:3e8:0:2900::g: 2001:3e8:0:2900::g is not"),
        ("/30", "/33", "line 7: cpe-domain ipv4 prefix 130.129.255.92/33: 130.129.255.92/33 is not an IPv4"),
        ("/56", "/129", "line 8: cpe-domain ipv6 prefix 2001:3e8:6000::/129: 2001:3e8:6000::/129 is not"),
        ("sharing-ratio 64", "sharing-ratio 1", "line 6: contiguous-ports 64: would exclude ports"),
    ],
    ("asr9000", "netconf"): [
        ("ratio>64<", "ratio>63<", "line 31: <sharing-ratio>63</sharing-ratio>: 63 is not a power of two"),
        ("<mask>255.255.255.252</mask>", "", "<map-e> ipv4aas-hall7: has no cpe-domain ipv4 prefix"),
        ("</config>", "", "not XML"),
    ],
    ("juniper_mx", "cli"): [
        ("psid-length 6", "psid-length 5", f"line 12: {MAP_E} psid-length 5: PSID length 5 does not go with"),
        ("psid-offset 4", "psid-offset 11", "PSID offset 11 + PSID length 6 = 17 is more than the 16 bits"),
        ("ea-bits-len 8", "ea-bits-len 49", "49 is not a number in 0..48"),
        ("ea-bits-len 8", "copy-dscp", "has no ea-bits-len"),
        ("ea-bits-len 8", f"ea-bits-len 8\n{MAP_E} flow 3", f"line 11: {MAP_E} flow 3: not understood"),
    ],
    ("juniper_mx", "netconf"): [
        ("<mtu-v6>1500", "<mtu-v6>1200", "<mtu-v6>1200</mtu-v6>: 1200 is not a number in 1280..9192"),
    ],
    ("openwrt", "uci"): [
        ("'8'", "'8", "line 10: option ealen '8: not UCI: a quotation that does not end"),
        ("'ignore'", "'ignore", "line 14: option encaplimit 'ignore: not UCI: a quotation that does not end"),
        ("\toption ealen '8'", "\tealen 8", "line 10: ealen 8: not UCI: expected package, config"),
        ("option ealen '8'", "option '' '8'", "line 10: option '' '8': not UCI: expected package, config"),
        ("'map-e'", "'map-x'", "line 3: option maptype 'map-x': map-x is not one of map-e, map-t, lw4o6"),
        ("option offset '4'", "option psid '5'", "line 12: option psid '5': a PSID that is given"),
        ("option ip6prefix '", "option x '", "config interface 'aas_hall7': has no ipv6prefix"),
        ("option ealen", "option rule 'type=map-e,fast'\n\toption ealen", "fast is not understood; one of"),
    ],
}


@pytest.mark.parametrize(
    ("platform", "dialect", "before", "after", "message"),
    [(*language, *case) for language, cases in ERRORS.items() for case in cases],
)
def test_error_says_the_line(platform, dialect, before, after, message):
    services = (samples.service(platform),)
    text = samples.rendered(platform, dialect, *services)
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        driver(platform).parse(text.replace(before, after), dialect, services)


def test_netconf_of_ios_xr_tells_no_prefix_length():
    """The length comes from the wanted service; bits beyond it still show as another prefix."""
    box = driver("asr9000")
    rule = replace(samples.SHARED, ipv6_prefix=IPv6Network("2001:3e8:6000::/48"))
    services = (samples.service("asr9000", rule),)
    text = samples.rendered("asr9000", "netconf", *services)
    assert box.parse(text, "netconf", services) == services
    (unwanted,) = box.parse(text, "netconf", ())
    assert unwanted.rules[0].ipv6_prefix == IPv6Network("2001:3e8:6000::/56")
    (moved,) = box.parse(text.replace("2001:3e8:6000::", "2001:3e8:6000:1::"), "netconf", services)
    assert moved.rules[0].ipv6_prefix == IPv6Network("2001:3e8:6000:1::/64")


def test_command_line_of_ios_xr_may_tell_none_either():
    """Where the router shows the prefix without its length, it is neither drift nor a change."""
    box = driver("asr9000")
    services = (samples.service("asr9000"),)
    text = samples.rendered("asr9000", "cli", *services)
    bare = text.replace("::/56", "::")
    assert box.parse(bare, "cli", services) == services
    assert not box.change(bare, text, "cli")
    moved = bare.replace("2001:3e8:6000::", "2001:3e8:7000::")
    assert box.parse(moved, "cli", services) != services
    assert "  cpe-domain ipv6 prefix 2001:3e8:6000::\n" in box.change(moved, text, "cli").payload


def test_defaults_of_a_device_count():
    """What a line that is missing means: 9192 and 4 on Junos, 1280 + 40 and 6 on OpenWrt."""
    service = samples.service("juniper_mx")
    text = samples.rendered("juniper_mx", "cli", service)
    short = "".join(line for line in text.splitlines(True) if not re.search("mtu-v6|psid-", line))
    assert driver("juniper_mx").parse(short, "cli", (service,)) == (replace(service, ipv6_mtu=9192),)
    service = samples.service("openwrt")
    text = samples.rendered("openwrt", "uci", service)
    short = "".join(line for line in text.splitlines(True) if not re.search("mtu|offset|psidlen|ealen", line))
    rule = replace(samples.SHARED, psid_offset=6)
    assert driver("openwrt").parse(short, "uci", (service,)) == (
        replace(service, rules=(rule,), ipv6_mtu=1320),
    )
    legacy = short.replace("option proto", "option legacymap 'on'\n\toption proto")
    draft = replace(
        service, rules=(replace(rule, psid_offset=4),), ipv6_mtu=1320, interface_identifier="draft-03"
    )
    assert driver("openwrt").parse(legacy, "uci", (service,)) == (draft,)


def test_deactivated_concentrator_is_none():
    box = driver("juniper_mx")
    service = samples.service("juniper_mx")
    text = samples.rendered("juniper_mx", "cli", service)
    line = "services softwire softwire-concentrator map-e ipv4aas-hall7"
    assert box.parse(f"{text}deactivate {line}\n", "cli", (service,)) == ()
    assert box.change(f"{text}deactivate {line}\n", text, "cli").payload == f"activate {line}\n"
    assert box.parse(f"{text}deactivate services softwire\n", "cli", (service,)) == ()
    xml = samples.rendered("juniper_mx", "netconf", service)
    for mark in ('inactive="inactive"', 'xmlns:j="http://yang.juniper.net/junos/jcmd" j:active="false"'):
        assert box.parse(xml.replace("<map-e>\n", f"<map-e {mark}>\n"), "netconf", (service,)) == ()


@pytest.mark.parametrize(("platform", "dialect"), samples.LANGUAGES)
def test_service_that_nobody_wants_is_found(platform, dialect):
    known, other = samples.service(platform), samples.service(platform, samples.FULL, name="other")
    text = samples.rendered(platform, dialect, known, other)
    found = driver(platform).parse(text, dialect, (known,))
    assert found[0] == known
    assert found[1].name == "other"
    assert found[1].rules[0].ipv4_prefix == IPv4Network("198.51.100.0/24")


def test_rules_of_one_service_with_two_gateways():
    service = samples.service("asr9000", samples.SHARED, samples.SECOND)
    text = samples.rendered("asr9000", "cli", service)
    first, second = text.split("ipv4aas-hall7_2")
    with pytest.raises(
        ParseError, match="gateway_address is 2001:db8::1, but 2001:3e8:0:2900::1 for the first rule"
    ):
        driver("asr9000").parse(
            f"{first}ipv4aas-hall7_2{second.replace('2001:3e8:0:2900::1', '2001:db8::1')}", "cli", ()
        )


@pytest.mark.parametrize(("platform", "dialect"), samples.LANGUAGES)
@pytest.mark.parametrize("name", ["a_2", "a-2", "A"])
def test_service_whose_name_looks_numbered(platform, dialect, name):
    services = (samples.service(platform, samples.SHARED, name=name),)
    text = samples.rendered(platform, dialect, *services)
    assert driver(platform).parse(text, dialect, services) == services
