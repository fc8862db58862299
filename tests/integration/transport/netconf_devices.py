# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netconfd as an ASR 9000, an MX or an SRX: the vendor's models, and some hundred lines that are not ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from lxml import etree
from servers import NetconfDevice
from waiting import wait_until

Make = Callable[..., NetconfDevice]

# Of Junos' interfaces the server knows the few leaves that the platform tests wrote.
OWN_MODELS = Path(__file__).resolve().parents[1] / "platforms" / "models"
FOLDERS = {"asr9000": "cisco-xr", "juniper_mx": "juniper", "juniper_srx": "juniper-es"}
MODULES = {
    "asr9000": ["Cisco-IOS-XR-um-service-cfg"],
    "juniper_mx": ["junos-conf-root", "junos-conf-services", "junos-conf-interfaces"],
    "juniper_srx": ["junos-es-conf-root", "junos-es-conf-security"],
}
_XR_ENTRY = """
<map-e>
  <map-e-name>customer-{0}</map-e-name>
  <br-endpoint-address>2001:db8::{0}</br-endpoint-address>
  <contiguous-ports>32</contiguous-ports>
  <cpe-domain>
    <ipv4><prefix>203.0.113.{0}</prefix><mask>255.255.255.255</mask></ipv4>
    <ipv6><prefix>2001:db8:{0}::</prefix></ipv6>
  </cpe-domain>
  <sharing-ratio>256</sharing-ratio>
</map-e>"""
_MX_ENTRY = """
<map-e>
  <name>customer-{0}</name>
  <softwire-address>2001:db8::{0}</softwire-address>
  <ipv4-prefix>203.0.113.{0}/32</ipv4-prefix>
  <mape-prefix>2001:db8:{0}::/48</mape-prefix>
  <ea-bits-len>8</ea-bits-len>
  <psid-length>8</psid-length>
</map-e>"""
_SRX_ENTRY = """
<pool>
  <name>customer-{0}</name>
  <address><name>203.0.113.{0}/32</name></address>
  <port><range><low>2000</low><to><high>3000</high></to></range></port>
</pool>"""
_FOREIGN = {
    "asr9000": (
        """<service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-service-cfg"><cgv6s><cgv6>
        <cgv6-name>CUSTOMERS</cgv6-name><service-type><map-es>{}</map-es></service-type>
        </cgv6></cgv6s></service>""",
        _XR_ENTRY,
    ),
    "juniper_mx": (
        """<configuration xmlns="http://yang.juniper.net/junos/conf/root">
        <services xmlns="http://yang.juniper.net/junos/conf/services"><softwire><softwire-concentrator>{}
        </softwire-concentrator></softwire></services></configuration>""",
        _MX_ENTRY,
    ),
    "juniper_srx": (
        """<configuration xmlns="http://yang.juniper.net/junos-es/conf/root">
        <security xmlns="http://yang.juniper.net/junos-es/conf/security"><nat><source>{}
        <rule-set><name>CUSTOMERS</name><from><zone>dmz</zone></from><to><zone>untrust</zone></to></rule-set>
        </source></nat></security></configuration>""",
        _SRX_ENTRY,
    ),
}


def foreign(platform: str) -> str:
    """A configuration that is none of ours."""
    frame, entry = _FOREIGN[platform]
    entries = "".join(entry.format(number) for number in range(1, 61))
    return f'<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{frame.format(entries)}</config>'


def target(device: NetconfDevice) -> Target:
    """How to log in."""
    return Target(
        host="127.0.0.1",
        port=device.port,
        username="root",
        key_file=str(device.ssh.user_key),
        known_hosts=str(device.ssh.known_hosts),
        timeout=30,
    )


def running(device: NetconfDevice, platform: str = "asr9000") -> str:
    """The running configuration in one form."""
    with session_for(platform, "netconf", target(device)) as session:
        return canonical(session.read())


def goes_back(device: NetconfDevice, before: str) -> None:
    """Waits until it runs again what it ran before. It goes back in an idle second only: asked seldom."""
    device.settle()
    wait_until(lambda: running(device) == before, pause=2.5)


def canonical(text: str) -> str:
    """XML without blanks between elements."""
    tree = etree.fromstring(text.encode(), etree.XMLParser(remove_blank_text=True))
    return etree.tostring(tree, method="c14n").decode()
