# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An MX with an operator's own configuration that looks like ours."""

from __future__ import annotations

from .junos_device import JunosCli, JunosNetconf

_SINGLE = (
    "softwire-address|dmr-prefix|ipv4-prefix|map[et]-prefix|ea-bits-len|psid-offset|psid-length|mtu-v6"
    "|session-limit-per-prefix|match-direction|service-domain|then (?:map-e|map-t|ds-lite)"
    "|(?:in|out)side-service-interface|range low|range high|block-size|max-blocks-per-address"
    "|limit-ports-per-address|source-pool|destination-prefix|mapping-type|address-pooling"
    "|dslite-ipv6-prefix-length"
)
_FOREIGN = (
    "version 23.4R2",
    'system login message "it\'s ipv4aas-hall7 here"',
    *(f"interfaces xe-0/0/{n} unit 0 family inet address 192.0.2.{n}/31" for n in range(60)),
    "interfaces si-0/0/0 unit 7 family inet",
    "interfaces si-0/0/0 unit 7 service-domain inside",
    "interfaces si-0/0/0 unit 8 service-domain outside",
    "interfaces ms-1/0/0 unit 0 family inet",
    *(f"routing-options static route 10.{n}.0.0/16 next-hop 192.0.2.1" for n in range(100)),
    "firewall filter ipv4aas-hall7 term t1 then accept",
    "services softwire softwire-concentrator map-e OPERATOR softwire-address 2001:db8::1",
    "services softwire softwire-concentrator v6rd ipv4aas-hall7 softwire-address 192.0.2.1",
    "services softwire softwire-concentrator ds-lite ipv4aas softwire-address 2001:db8::2",
    "services softwire rule SW9 match-direction input",
    "services softwire rule SW9 term ipv4aas-hall7 then map-e OPERATOR",
    "services softwire rule-set ipv4aas-hall7 rule SW9",
    "services nat pool OPERATOR address 198.51.100.128/26",
    "services nat pool OPERATOR port automatic",
    "services nat rule my-ipv4aas-hall7 match-direction input",
    "services nat rule my-ipv4aas-hall7 term t1 then translated source-pool OPERATOR",
    "services nat rule-set ipv4aas-hall7 rule my-ipv4aas-hall7",
    "services service-set SSET9 softwire-rules SW9",
    "services service-set SSET9 nat-rules my-ipv4aas-hall7",
    "services service-set SSET9 next-hop-service inside-service-interface si-0/0/0.7",
    "services service-set SSET9 next-hop-service outside-service-interface si-0/0/0.8",
)
_FOREIGN_XML = (
    '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
    '<interfaces xmlns="http://yang.juniper.net/junos/conf/interfaces">'
    + "".join(
        f"<interface><name>xe-0/0/{n}</name><unit><name>1</name><family><inet/></family></unit></interface>"
        for n in range(60)
    )
    + "<interface><name>si-0/0/0</name><unit><name>7</name><family><inet/></family>"
    "<service-domain>inside</service-domain></unit></interface>"
    "<interface><name>ms-1/0/0</name><unit><name>0</name><family><inet/></family></unit></interface></interfaces>"
    '<services xmlns="http://yang.juniper.net/junos/conf/services">'
    "<nat><pool><name>OPERATOR</name><address><name>198.51.100.128/26</name></address></pool>"
    "<rule><name>my-ipv4aas-hall7</name><term><name>t1</name><then><translated>"
    "<source-pool>OPERATOR</source-pool></translated></then></term></rule>"
    "<rule-set><name>ipv4aas-hall7</name><rule><name>my-ipv4aas-hall7</name></rule></rule-set></nat>"
    "<service-set><name>SSET9</name><softwire-rules><name>SW9</name></softwire-rules><next-hop-service>"
    "<inside-service-interface>si-0/0/0.7</inside-service-interface></next-hop-service></service-set>"
    "<softwire><rule><name>SW9</name><match-direction>input</match-direction></rule><softwire-concentrator>"
    "<map-e><name>OPERATOR</name><ea-bits-len>8</ea-bits-len></map-e>"
    "<v6rd><name>ipv4aas-hall7</name><softwire-address>192.0.2.1</softwire-address></v6rd>"
    "</softwire-concentrator></softwire></services></configuration>"
)


def device(dialect: str):
    """A device without anything of ours."""
    return JunosCli(_FOREIGN, _SINGLE) if dialect == "cli" else JunosNetconf(_FOREIGN_XML)
