# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered configurations, line by line: tests/golden/platforms, and the vendors' own examples.

``UPDATE_GOLDEN=1`` writes the golden files anew.
"""

from __future__ import annotations

import os

import platform_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from platform_cases import CASES

GOLDEN = samples.ROOT / "tests" / "golden" / "platforms"
ENDINGS = {"cli": "txt", "netconf": "xml", "uci": "uci"}


def cases(platform: str) -> dict[str, tuple[Service, ...]]:
    """Services by the name of their golden file."""
    made = {
        "shownet": (samples.service(platform),),
        "full-address": (samples.service(platform, samples.FULL),),
        "offset-0": (samples.service(platform, samples.SECOND),),
        "three-rules-two-services": (
            samples.service(platform, samples.SHARED, samples.SECOND),
            samples.service(platform, samples.FULL, name="hall8"),
        ),
    }
    if platform != "asr9000":
        made["draft-03"] = (samples.service(platform, interface_identifier="draft-03", ipv6_mtu=9000),)
    if platform == "openwrt":
        made["mesh"] = (samples.service(platform, samples.with_forwarding(samples.SHARED)),)
    return made


ALL = [(platform, dialect, case) for platform, dialect in samples.LANGUAGES for case in cases(platform)]


@pytest.mark.parametrize(("platform", "dialect", "case"), ALL)
def test_golden(platform, dialect, case):
    services = cases(platform)[case]
    text = samples.rendered(platform, dialect, *services)
    path = GOLDEN / platform / f"{case}.{ENDINGS[dialect]}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")
    assert driver(platform).parse(text, dialect, services) == services


def test_no_golden_file_is_left_over():
    expected = {f"{platform}/{case}.{ENDINGS[dialect]}" for platform, dialect, case in ALL}
    # Those of test_every_platform.py.
    expected |= {
        f"{case.platform}/{name}.{ending}"
        for case in CASES.values()
        for name in case.golden
        for ending in case.endings.values()
        if case.platform in samples.ROLES
    }
    found = (path for platform in samples.ROLES for path in (GOLDEN / platform).iterdir())
    assert {str(path.relative_to(GOLDEN)) for path in found} == expected


# The examples of the vendors' documents with ShowNet's parameters, in the names that we give.
VENDOR_EXAMPLES = {
    ("asr9000", "cli"): """\
service cgv6 ipv4aas
 service-inline interface TenGigE0/0/0/0
 service-inline interface TenGigE0/0/0/1
 service-type map-e ipv4aas-hall7
  br-endpoint-address 2001:3e8:0:2900::1
  contiguous-ports 64
  cpe-domain ipv4 prefix 130.129.255.92/30
  cpe-domain ipv6 prefix 2001:3e8:6000::/56
  sharing-ratio 64
 !
!
""",
    ("juniper_mx", "cli"): """\
set interfaces si-0/0/0 unit 1 family inet
set interfaces si-0/0/0 unit 1 family inet6
set interfaces si-0/0/0 unit 1 service-domain inside
set interfaces si-0/0/0 unit 2 family inet
set interfaces si-0/0/0 unit 2 family inet6
set interfaces si-0/0/0 unit 2 service-domain outside
set services softwire softwire-concentrator map-e ipv4aas-hall7 softwire-address 2001:3e8:0:2900::1
set services softwire softwire-concentrator map-e ipv4aas-hall7 ipv4-prefix 130.129.255.92/30
set services softwire softwire-concentrator map-e ipv4aas-hall7 mape-prefix 2001:3e8:6000::/56
set services softwire softwire-concentrator map-e ipv4aas-hall7 ea-bits-len 8
set services softwire softwire-concentrator map-e ipv4aas-hall7 psid-offset 4
set services softwire softwire-concentrator map-e ipv4aas-hall7 psid-length 6
set services softwire softwire-concentrator map-e ipv4aas-hall7 mtu-v6 9192
set services softwire softwire-concentrator map-e ipv4aas-hall7 version-03
set services softwire rule ipv4aas-hall7 match-direction input
set services softwire rule ipv4aas-hall7 term t1 then map-e ipv4aas-hall7
set services service-set ipv4aas softwire-rules ipv4aas-hall7
set services service-set ipv4aas next-hop-service inside-service-interface si-0/0/0.1
set services service-set ipv4aas next-hop-service outside-service-interface si-0/0/0.2
""",
    ("openwrt", "uci"): """\
config interface 'aas_hall7'
	option proto 'map'
	option maptype 'map-e'
	option tunlink 'wan6'
	option peeraddr '2001:3e8:0:2900::1'
	option ipaddr '130.129.255.92'
	option ip4prefixlen '30'
	option ip6prefix '2001:3e8:6000::'
	option ip6prefixlen '56'
	option ealen '8'
	option psidlen '6'
	option offset '4'
	option legacymap '1'
	option mtu '1460'
	option encaplimit 'ignore'
""",
}
VENDOR_FIELDS = {
    "asr9000": {},
    "juniper_mx": {"interface_identifier": "draft-03", "ipv6_mtu": 9192},
    "openwrt": {"interface_identifier": "draft-03"},
}


@pytest.mark.parametrize(("platform", "dialect"), VENDOR_EXAMPLES)
def test_lines_of_the_vendor(platform, dialect):
    service = samples.service(platform, **VENDOR_FIELDS[platform])
    assert samples.rendered(platform, dialect, service) == VENDOR_EXAMPLES[platform, dialect]
