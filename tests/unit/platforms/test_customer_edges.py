# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Customer routers: from an inventory and back, published examples, refusals, changes by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from ipaddress import IPv6Address, IPv6Network

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.plan_file import why_not
from platform_cases import CASES
from platform_cases.case import ROOT, TEMPLATES
from platform_cases.services import shownet

OPENWRT = {"uplink": "wan6"}
IX = {"tunnel": 3, "unnumbered": "GigaEthernet1.0"}
RTX = {"tunnel": 3}
SEIL = {"tunnel": 3, "aftr_name": "aftr.isp.example"}
# Platform, technique and the options that an engineer writes for it.
PLANNED = [
    *(("openwrt", technique, OPENWRT) for technique in ("map-e", "map-t", "lw4o6", "ds-lite", "464xlat")),
    ("awplus", "map-e", {}),
    ("nec_ix", "ds-lite", IX),
    ("nec_ix", "map-e", {"tunnel": 3, "provider": "ocn"}),
    ("yamaha_rtx", "ds-lite", RTX),
    ("yamaha_rtx", "map-e", RTX | {"provider": "v6plus", "nat_descriptor": 30}),
    ("seil_x86", "ds-lite", SEIL),
    ("aterm", "ds-lite", {}),
    ("aterm", "464xlat", {}),
]


# What the text has to say of the other end.
GATEWAY = "2001:db8:0:46::1"
FAR_END = {
    "map-e": GATEWAY,
    "map-t": "2001:db8:0:64::/64",
    "lw4o6": GATEWAY,
    "ds-lite": GATEWAY,
    "464xlat": "2001:db8:0:64::/64",
    ("nec_ix", "map-e"): "map-e ocn",
    ("yamaha_rtx", "map-e"): "type v6plus",
    ("seil_x86", "ds-lite"): "aftr.isp.example",
}


@cache
def small_isp():
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / "small-isp")])
    variables = VariableManager(loader=loader, inventory=inventory)
    return {host.name: variables.get_vars(host=host) for host in inventory.get_hosts()}


def planned(platform, technique, options, **host):
    """The node of a customer of the small ISP, whose router is of a platform."""
    hosts = {name: dict(values) for name, values in small_isp().items()}
    for values in hosts.values():
        service = values["ipv4aas_services"]["home"] | {"technique": technique}
        values["ipv4aas_services"] = {"home": service}
    hosts["bob"] |= {"ipv4aas_platform": platform, "ipv4aas_options": options} | host
    return build_plan(hosts, all_features()).nodes["bob"]


@pytest.mark.parametrize(("platform", "technique", "options"), PLANNED)
def test_from_an_inventory_and_back(platform, technique, options):
    node = planned(platform, technique, options)
    assert node.refused is None and [service.technique for service in node.services] == [technique]
    for dialect in all_features()[platform].dialects:
        text = render(node, TEMPLATES, dialect)
        assert driver(platform).parse(text, dialect, node.services) == node.services
        assert FAR_END.get((platform, technique), FAR_END[technique]) in text


@pytest.mark.parametrize(
    ("platform", "reason"),
    [
        ("aterm", "by hand: the router has no remote configuration; the file is a check sheet"),
        ("seil_x86", "by hand: how a line is taken back is in no document that was read"),
    ],
)
def test_what_only_a_person_can_do_is_not_deployed(platform, reason):
    options = SEIL if platform == "seil_x86" else {}
    node = planned(platform, "ds-lite", options)
    assert not node.deploy and node.refused is None
    assert why_not(node) == reason
    other = planned("nec_ix", "ds-lite", IX)
    assert other.deploy and why_not(other) == ""


@pytest.mark.parametrize(
    ("platform", "technique", "role"),
    [("fitelnet", "map-e", "edge"), ("seil_x86", "map-e", "edge"), ("ix3740", "nat64", "gateway")],
)
def test_what_is_not_public_is_refused(platform, technique, role):
    row = all_features()[platform].feature(technique, role)
    assert row.state == "no"
    options = {"tunnel": 1, "aftr_name": "aftr.example.jp"}
    node = replace(node_of("aterm", technique), platform=platform, role=role, dialect="cli", options=options)
    node = replace(node, services=(shownet(technique, role),))
    with pytest.raises(Refused, match=f"{platform}: {re.escape(row.reason)}; another platform or a fallback"):
        render(node, TEMPLATES)


def node_of(platform, technique, **options):
    return CASES[platform].node(shownet(technique, "edge"), **options)


@pytest.mark.parametrize(
    ("platform", "technique", "options", "message"),
    [
        (
            "nec_ix",
            "map-e",
            {"provider": None},
            "box.ipv4aas_options.provider: nec_ix has no command for MAP rules: it takes them from the "
            "server of a provider; ocn where the rules of the plan are that provider's, else a "
            "fallback host with ipv4aas_fallback_when: always",
        ),
        (
            "nec_ix",
            "map-e",
            {"provider": "v6plus"},
            "provider: v6plus is no provider that nec_ix knows; ocn where",
        ),
        (
            "nec_ix",
            "ds-lite",
            {"unnumbered": ""},
            "box.ipv4aas_options.unnumbered: '' does not fit; an interface",
        ),
        (
            "nec_ix",
            "ds-lite",
            {"tunnel": 256},
            "box.ipv4aas_options.tunnel: 256 does not fit; a number in 0..255",
        ),
        (
            "yamaha_rtx",
            "map-e",
            {"provider": "nobody"},
            "nobody is no provider that yamaha_rtx knows; ocn or v6plus",
        ),
        (
            "yamaha_rtx",
            "map-e",
            {"nat_descriptor": None},
            "options.nat_descriptor: missing; a number in 1..65535, the first of 1 that nobody uses",
        ),
        (
            "yamaha_rtx",
            "ds-lite",
            {"tunnel": True},
            "box.ipv4aas_options.tunnel: True does not fit; a number in 1..",
        ),
        (
            "seil_x86",
            "ds-lite",
            {"aftr_name": 7},
            "box.ipv4aas_options.aftr_name: 7 does not fit; the name of the",
        ),
        (
            "seil_x86",
            "ds-lite",
            {"tunnel": None},
            "box.ipv4aas_options.tunnel: missing; a number in 0..511, the first",
        ),
    ],
)
def test_refused(platform, technique, options, message):
    node = node_of(platform, technique, **options)
    missing = {name for name, value in options.items() if value is None}
    node = replace(node, options={name: value for name, value in node.options.items() if name not in missing})
    with pytest.raises(Refused, match=re.escape(message)):
        render(node, TEMPLATES)


# Published configurations as their authors wrote them, but for addresses for documents and our description.
IX_TRANSIX = """\
! NEC Portable Internetwork Core Operating System Software
hostname ix
!
interface Tunnel0.0
  tunnel mode 4-over-6
  description ipv4aas-hall7
  tunnel destination 2001:0DB8:8888::0001
  ip unnumbered GigaEthernet1.0
  ip mtu 1460
  ip tcp adjust-mss auto
  ip ufs-cache timeout tcp 60
  ip ufs-cache timeout udp 60
  no shutdown
!
"""
RTX_TRANSIX = """\
# RTX830 Rev.15.02.03
ip route default gateway tunnel 1
tunnel select 1
 tunnel encapsulation ipip
 description tunnel ipv4aas-hall7
 tunnel endpoint address 2001:db8:8888:0::1
 ip tunnel mtu 1460
 ip tunnel tcp mss limit auto
 ip tunnel secure filter in 200030 200039
 tunnel enable 1
"""
RTX_V6PLUS = """\
tunnel select 1
 tunnel encapsulation map-e
 tunnel map-e type v6plus
 ip tunnel mtu 1460
 ip tunnel secure filter in 200030 200039
 description tunnel ipv4aas-hall7
 ip tunnel nat descriptor 1000
 tunnel enable 1
nat descriptor address outer 1000 map-e
nat descriptor masquerade static 1000 1 192.168.100.2 tcp www
nat descriptor type 1000 masquerade
"""
SEIL_BLOG = """\
hostname ""
interface lan1 media auto
interface tunnel0 tunnel dslite 2001:db8:8888::1
interface tunnel0 unnumbered
interface tunnel0 description "ipv4aas-hall7"
interface tunnel0 tcp-mss auto
interface tunnel0 mtu 1460
route add default tunnel0
"""
SA_W = """\
interface.tunnel0.description   : ipv4aas-hall7
interface.tunnel0.ipv6.dslite.aftr : 2001:db8:8888::1
interface.tunnel0.ipv4.tcp-mss  : 1404
interface.tunnel0.mtu           : 1460
route.ipv4.0.gateway     : tunnel0
"""
AFTR = IPv6Address("2001:db8:8888::1")


@pytest.mark.parametrize(
    ("platform", "dialect", "text", "technique", "kept"),
    [
        ("nec_ix", "cli", IX_TRANSIX, "ds-lite", 8),
        ("yamaha_rtx", "cli", RTX_TRANSIX, "ds-lite", 7),
        ("yamaha_rtx", "cli", RTX_V6PLUS, "map-e", 9),
        ("seil_x86", "cli", SEIL_BLOG, "ds-lite", 5),
        ("seil_x86", "recipe", SA_W, "ds-lite", 4),
    ],
)
def test_published_configuration(platform, dialect, text, technique, kept):
    box = driver(platform)
    owned = box.owned(text, dialect)
    assert len([line for line in owned.splitlines() if line != "!"]) == kept
    assert box.owned(owned, dialect) == owned
    [found] = box.parse(text, dialect, ())
    assert (found.name, found.technique, found.role, found.ipv6_mtu) == ("hall7", technique, "edge", 1500)
    if technique == "ds-lite":
        assert found.gateway_address == AFTR
    if platform == "seil_x86":
        assert found.mss_clamp == 1404  # MTU 1460 - 56, as its maker's page computes auto
    # What its author has beside our lines stays when the service goes.
    gone = box.change(owned, "", dialect).payload
    assert not re.search("filter|ufs-cache|static|route", gone)
    wanted = shownet(technique, "edge")
    assert box.parse(text, dialect, (wanted,))[0].inside == wanted.inside


@pytest.mark.parametrize(
    ("platform", "technique", "line", "payload"),
    [
        (
            "nec_ix",
            "ds-lite",
            ("ip mtu 1460", "ip mtu 1400"),
            "interface Tunnel7.0\n  ip mtu 1460\n",
        ),
        ("nec_ix", "ds-lite", ("  no shutdown\n", ""), "interface Tunnel7.0\n  no shutdown\n"),
        (
            "nec_ix",
            "map-e",
            ("  ip napt hairpinning\n", "  ip napt hairpinning\n  tunnel destination 2001:db8::1\n"),
            "interface Tunnel7.0\n  no tunnel destination 2001:db8::1\n",
        ),
        (
            "yamaha_rtx",
            "ds-lite",
            ("tunnel endpoint address 2001:3e8:0:2900::1", "tunnel endpoint name gw.example.jp"),
            "tunnel select 7\n tunnel endpoint address 2001:3e8:0:2900::1\n",
        ),
        (
            "yamaha_rtx",
            "map-e",
            ("nat descriptor type 2000 masquerade", "nat descriptor type 2000 nat"),
            "nat descriptor type 2000 masquerade\n",
        ),
        (
            "awplus",
            "map-e",
            ("offset 4", "offset 6"),
            "softwire-configuration ipv4aas-hall7\n no rule 10\n rule 10 ipv4-prefix 130.129.255.92/30"
            " ipv6-prefix 2001:3e8:6000::/56 ea-length 8 offset 4\n",
        ),
        (
            "awplus",
            "map-e",
            ("br-address 2001:3e8:0:2900::1", "br-address 2001:3e8:0:2900::2"),
            "softwire-configuration ipv4aas-hall7\n br-address 2001:3e8:0:2900::1\n",
        ),
    ],
)
def test_smallest_change_after_one_by_hand(platform, technique, line, payload):
    box, text = driver(platform), CASES[platform].rendered("cli", shownet(technique, "edge"))
    before, after = line
    assert before in text
    assert box.change(box.owned(text.replace(before, after), "cli"), text, "cli").payload == payload


def test_tunnel_that_is_off_carries_nothing():
    for platform, line in (("nec_ix", "  no shutdown\n"), ("yamaha_rtx", " tunnel enable 7\n")):
        text = CASES[platform].rendered("cli", shownet("ds-lite", "edge"))
        assert driver(platform).parse(text.replace(line, ""), "cli", (shownet("ds-lite", "edge"),)) == ()


def test_quotation_marks_mean_nothing():
    for platform in ("nec_ix", "yamaha_rtx"):
        box, text = driver(platform), CASES[platform].rendered("cli", shownet("ds-lite", "edge"))
        quoted = text.replace("ipv4aas-hall7", '"ipv4aas-hall7"')
        assert box.owned(quoted, "cli") == text
        assert not box.change(box.owned(quoted, "cli"), text, "cli")


def test_tunnels_are_numbered_by_name():
    services = [shownet("ds-lite", "edge", name=name) for name in ("b", "a")]
    text = CASES["nec_ix"].rendered("cli", *services)
    assert re.findall(r"Tunnel(\d+)\.0\n  description (\S+)", text) == [
        ("7", "ipv4aas-a"),
        ("8", "ipv4aas-b"),
    ]
    assert driver("nec_ix").parse(text, "cli", tuple(services)) == tuple(services)


def test_awplus_reads_other_spellings():
    box, wanted = driver("awplus"), shownet("map-e", "edge")
    text = (
        "softwire-configuration ipv4aas-hall7\n rule 7 ipv4-prefix 130.129.255.93/30 ipv6-prefix"
        " 2001:03E8:6000:0::/56 offset 4 ea-length 8\n br-address 2001:3E8:0:2900:0::1\n method static\n!\n"
    )
    assert box.parse(text, "cli", (wanted,)) == (wanted,)
    with pytest.raises(ParseError, match="not understood; pairs of"):
        box.parse(text.replace("offset 4", "forwarding offset 4"), "cli", ())
    [found] = box.parse(text.replace("ea-length 8", "ea-length 8 forwarding"), "cli", ())
    assert found.mesh


@pytest.mark.parametrize(
    ("platform", "technique", "before", "after", "message"),
    [
        (
            "awplus",
            "map-e",
            " method static\n",
            "",
            "line 1: softwire-configuration ipv4aas-hall7: needs method",
        ),
        (
            "awplus",
            "map-e",
            "method static",
            "method proprietary",
            "line 2: method proprietary: proprietary takes",
        ),
        ("awplus", "map-e", " offset 4", "", "has no offset"),
        ("awplus", "map-e", "offset 4", "offset 17", "17 is not a number in 0..16"),
        (
            "awplus",
            "map-e",
            "ea-length 8",
            "psid-length 6 psid 0x34",
            "psid-length is for a rule without EA bits",
        ),
        ("awplus", "map-e", "ea-length 8", "ea-len 8", "not understood; pairs of ipv4-prefix, ipv6-prefix"),
        (
            "awplus",
            "map-e",
            "method static",
            "map-version draft3",
            "line 2: map-version draft3: not understood",
        ),
        (
            "nec_ix",
            "ds-lite",
            "4-over-6",
            "6-over-4",
            "line 3: tunnel mode 6-over-4: 6-over-4 is not one of 4-over-6",
        ),
        (
            "nec_ix",
            "ds-lite",
            "  tunnel mode 4-over-6\n",
            "",
            "line 1: interface Tunnel7.0: has no tunnel mode",
        ),
        ("nec_ix", "ds-lite", "destination 2001", "destination fqdn x", "is not an IPv6 address"),
        ("nec_ix", "ds-lite", "ip mtu 1460", "ip mtu 0", "line 6: ip mtu 0: 0 is not a number in 68..65535"),
        (
            "yamaha_rtx",
            "ds-lite",
            "ipip",
            "l2tp",
            "line 3: tunnel encapsulation l2tp: l2tp is not one of ipip, map-e",
        ),
        (
            "yamaha_rtx",
            "ds-lite",
            "endpoint address 2001",
            "endpoint name x",
            "has no tunnel endpoint address",
        ),
        ("seil_x86", "ds-lite", "tunnel dslite aftr.example.jp", "tunnel 192.0.2.1 192.0.2.2", "has no AFTR"),
        ("seil_x86", "ds-lite", "mtu 1460", "mtu x", "line 3: interface tunnel7 mtu x: x is not a number"),
        ("aterm", "ds-lite", "`1500`", "`1000`", "1000 is not a number in 1280..65535"),
        ("aterm", "ds-lite", ": DS-Lite", ": MAP-E", "MAP-E is not one of DS-Lite, 464XLAT"),
        (
            "aterm",
            "ds-lite",
            "## Service `hall7`: DS-Lite",
            "## hall7",
            "not a service; expected ## Service `NAME`",
        ),
        ("aterm", "ds-lite", "- AFTR address", "- address", "has no AFTR address"),
    ],
)
def test_error_says_the_line(platform, technique, before, after, message):
    case = CASES[platform]
    dialect = case.features.dialects[0]
    text = case.rendered(dialect, shownet(technique, "edge"))
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        driver(platform).parse(text.replace(before, after), dialect, (shownet(technique, "edge"),))


def test_name_of_the_aftr_says_nothing_of_its_address():
    text = CASES["seil_x86"].rendered("cli", shownet("ds-lite", "edge"))
    [found] = driver("seil_x86").parse(text, "cli", ())
    assert found.gateway_address == IPv6Address(0)


def test_sheet_with_what_was_seen_is_compared_with_the_plan():
    service = shownet("464xlat", "edge", translation_prefix=IPv6Network("2001:db8:64::/96"))
    text = CASES["aterm"].rendered("md", service)
    [seen] = driver("aterm").parse(text.replace("`2001:db8:64::/96`", "`64:ff9b::/96`"), "md", (service,))
    assert seen == replace(service, translation_prefix=IPv6Network("64:ff9b::/96"))


def test_sheet_of_a_router_without_its_prefixes_is_refused():
    node = CASES["aterm"].node(
        shownet("464xlat", "edge", translation_prefix=None, end_user_prefix=None),
    )
    with pytest.raises(Refused) as refused:
        render(node, TEMPLATES)
    assert "box.ipv4aas_customer_prefix: missing" in str(refused.value)
    assert "ipv4aas_services.hall7.gateway.translation_prefix: missing" in str(refused.value)
