# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XR with MAP-E and MAP-T, on the command line and over NETCONF."""

from __future__ import annotations

from lxml import etree
from platform_devices import XR_FOREIGN_XML, NetconfDevice, XrDevice

# Keys of lists that have more than one, by the tag of an entry (Cisco-IOS-XR-um-service-cfg).
KEYS = {
    "cpe-domain-name": ("cpe-domain-name", "address"),
    "ext-domain-name": ("ext-domain-name", "prefix", "length"),
}


class Cli(XrDevice):
    """With an operator's own MAP-T beside ours."""

    SINGLE = (
        *XrDevice.SINGLE,
        "cpe-domain ipv4 prefix length",
        "cpe-domain ipv6 prefix length",
        "cpe-domain ipv6 vrf",
    )
    FOREIGN = (
        XrDevice.FOREIGN
        + "service cgv6 ipv4aas2\n service-inline interface TenGigE0/0/0/8\n"
        + " service-type map-t-cisco MAPT-ipv4aas-hall7\n  cpe-domain ipv6 vrf default\n"
        + "  cpe-domain ipv6 prefix length 48\n  cpe-domain ipv4 prefix length 24\n  sharing-ratio 64\n"
        + "  contiguous-ports 8\n"
        + "  cpe-domain-name ipv4aas-hall7 ipv4-prefix 192.0.2.0 ipv6-prefix 2001:db8::\n"
        + "  ext-domain-name ext1 ipv6-prefix 2001:db8:ffff::/64 ipv4-vrf default\n !\n!\n"
    )


class Netconf(NetconfDevice):
    """Knows the lists that have several keys; refuses an entry without all of them."""

    def __init__(self) -> None:
        super().__init__(
            XR_FOREIGN_XML.replace(
                "<map-t-cisco-name>MAPT-1</map-t-cisco-name>",
                "<map-t-cisco-name>MAPT-1</map-t-cisco-name><cpe-domains><cpe-domain-name>"
                "<cpe-domain-name>ipv4aas-hall7</cpe-domain-name><address>192.0.2.0</address>"
                "<ipv6-prefix>2001:db8::</ipv6-prefix></cpe-domain-name></cpe-domains>",
            )
        )

    @staticmethod
    def _identity(element):
        name = etree.QName(element).localname
        if name in KEYS and len(element):
            values = {etree.QName(child).localname: child.text for child in element}
            return element.tag, tuple(values[key] for key in KEYS[name])
        return NetconfDevice._identity(element)


def device(dialect: str) -> Cli | Netconf:
    """A router with an operator's configuration and nothing of ours."""
    return Netconf() if dialect == "netconf" else Cli()


def facts(text: str, dialect: str) -> list[str]:
    """What a router shows: lines, or every leaf with its list entries, without empty containers."""
    if dialect == "cli":
        return text.splitlines()

    def paths(element, above):
        name = etree.QName(element).localname
        key = Netconf._identity(element)[1]
        here = f"{above}/{name}[{key or ''}]"
        if (element.text or "").strip():
            yield f"{here}={element.text}"
        for child in element:
            yield from paths(child, here)

    return sorted(paths(etree.fromstring(text), ""))
