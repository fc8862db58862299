# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of an operator, some hundred lines each, of which nothing is ours."""

from __future__ import annotations

_XR_INTERFACE = """interface TenGigE0/1/0/{0}
 description customer {0}
 ipv4 address 203.0.113.{0} 255.255.255.254
!
"""
_XR_MAP = """ service-type map-e customer-{0}
  br-endpoint-address 2001:db8::{0}
  contiguous-ports 32
  cpe-domain ipv4 prefix 198.51.{0}.0/24
  cpe-domain ipv6 prefix 2001:db8:{0}::/48
  sharing-ratio 256
 !
"""
_XR = (
    "hostname asr9k\n"
    + "".join(_XR_INTERFACE.format(number) for number in range(60))
    + "route-policy PASS\n  pass\nend-policy\n!\nrouter static\n address-family ipv4 unicast\n"
    + "".join(f"  192.0.2.{number}/32 Null0\n" for number in range(60))
    + " !\n!\nservice cgv6 CUSTOMERS\n"
    + "".join(_XR_MAP.format(number) for number in range(1, 40))
    + "!\n"
)
_JUNOS = (
    "set system host-name mx\n"
    + "".join(
        f"set interfaces xe-0/0/{number} unit 0 family inet address 203.0.113.{number}/31\n"
        for number in range(120)
    )
    + "set interfaces si-0/0/0 unit 7 family inet\n"
    + "".join(
        "set services softwire softwire-concentrator map-e "
        f"customer-{number} softwire-address 2001:db8::{number}\n"
        for number in range(1, 120)
    )
    + "set protocols lldp interface all\n"
)

# By platform, in the language of its command line.
FOREIGN = {"asr9000": _XR, "juniper_mx": _JUNOS}
