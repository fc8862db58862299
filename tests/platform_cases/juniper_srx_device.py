# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SRX with an operator's own configuration that looks like ours."""

from __future__ import annotations

from .junos_device import JunosCli, JunosNetconf

_SINGLE = (
    "softwire-concentrator|softwire-type|mtu-v6|session-limit-per-prefix|port range(?! to)|range to"
    "|block-size|maximum-blocks-per-host|last-block-recycle-timeout|limit-ports-per-host|ipv6-prefix-length"
    "|inactivity-timeout|max-session-number"
)
_RULE = "security nat source rule-set OPERATOR rule ipv4aas-hall7"
FOREIGN = (
    "version 12.3X48-D30",
    'system login message "set security nat source pool ipv4aas-hall7 address 192.0.2.0/24"',
    *(f"interfaces xe-0/0/{n} unit 0 family inet address 192.0.2.{n}/31" for n in range(60)),
    *(f"routing-options static route 10.{n}.0.0/16 next-hop 192.0.2.1" for n in range(100)),
    "security forwarding-options family inet6 mode flow-based",
    "security softwires softwire-name ipv4aas softwire-concentrator 2001:db8::1",
    "security softwires softwire-name OPERATOR softwire-type IPv4-in-IPv6",
    "security softwires rule-set ipv4aas-hall7 match-direction input",
    "security softwires map-e ipv4aas-x role CE",
    "security nat source address-persistent",
    "security nat source pool OPERATOR address 198.51.100.128/32 to 198.51.100.130/32",
    "security nat source pool OPERATOR port range 2000",
    "security nat source pool OPERATOR port range to 3000",
    "security nat source pool my-ipv4aas-hall7 address 198.51.100.140/32",
    "security nat source rule-set OPERATOR from zone dmz",
    "security nat source rule-set OPERATOR to zone untrust",
    f"{_RULE} match source-address 192.168.0.0/16",
    f"{_RULE} then source-nat pool OPERATOR",
    "security nat static rule-set ipv4aas-hall7 from zone dmz",
    "security nat static rule-set ipv4aas-hall7 rule ipv4aas-hall7 match destination-address 64:ff9b::/96",
    "security nat static rule-set ipv4aas-hall7 rule ipv4aas-hall7 then static-nat inet",
    "security nat destination rule-set ipv4aas from zone untrust",
    "security nat proxy-arp interface xe-0/0/1.0 address 198.51.100.64/26",
    "security policies from-zone trust to-zone untrust policy ipv4aas-hall7 match source-address any",
    "security policies from-zone trust to-zone untrust policy ipv4aas-hall7 then permit",
    "security zones security-zone trust interfaces xe-0/0/0.0",
    *(f"security address-book global address ipv4aas-{n} 192.0.2.{n}/32" for n in range(60)),
)
FOREIGN_XML = (
    '<configuration xmlns="http://yang.juniper.net/junos-es/conf/root">'
    '<security xmlns="http://yang.juniper.net/junos-es/conf/security"><nat><source>'
    "<pool><name>OPERATOR</name><address><name>198.51.100.128/32</name></address></pool>"
    + "".join(
        f"<pool><name>P{n}</name><address><name>203.0.113.{n}/32</name></address></pool>" for n in range(60)
    )
    + "<rule-set><name>OPERATOR</name><from><zone>dmz</zone></from><to><zone>untrust</zone></to>"
    "<rule><name>ipv4aas-hall7</name><src-nat-rule-match><source-address>192.168.0.0/16</source-address>"
    "<source-address>172.16.0.0/12</source-address></src-nat-rule-match>"
    "<then><source-nat><pool><pool-name>OPERATOR</pool-name></pool></source-nat></then></rule></rule-set>"
    "</source><static><rule-set><name>ipv4aas-hall7</name><from><zone>dmz</zone></from></rule-set></static></nat>"
    "<softwires><map-e><name>ipv4aas-x</name><role>CE</role></map-e><softwire-name><name>ipv4aas</name>"
    "<softwire-concentrator>2001:db8::1</softwire-concentrator>"
    "</softwire-name></softwires></security></configuration>"
)
LEAF_LISTS = ("zone", "source-address", "destination-address")


def device(dialect: str):
    """A device without anything of ours."""
    return JunosCli(FOREIGN, _SINGLE) if dialect == "cli" else JunosNetconf(FOREIGN_XML, LEAF_LISTS)
