# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models of devices: they take commands as a device does, and show what they then run.

Each has ``show()`` (what the driver reads), ``apply(payload)``, and starts with a few hundred lines
of an operator's own configuration. They are written without the code under test.
"""

from __future__ import annotations

import copy
import re
import shlex
from typing import ClassVar

from lxml import etree

NETCONF = "{urn:ietf:params:xml:ns:netconf:base:1.0}"


class XrDevice:
    """IOS XR: nested submodes; a command with one value replaces the old value."""

    SINGLE = (
        "br-endpoint-address",
        "contiguous-ports",
        "cpe-domain ipv4 prefix",
        "cpe-domain ipv6 prefix",
        "sharing-ratio",
    )
    FOREIGN = (
        "hostname asr9k\nlogging console debugging\n"
        + "".join(
            f"interface TenGigE0/0/0/{n}\n description speed {n}\n ipv4 address 192.0.2.{n}/24\n!\n"
            for n in range(40)
        )
        + "prefix-set IPV4AAS\n  130.129.255.92/30\nend-set\n!\n"
        + "route-policy PASS\n  if destination in IPV4AAS then\n    pass\n  endif\nend-policy\n!\n"
        + "router static\n"
        + " address-family ipv4 unicast\n"
        + "".join(f"  10.{n}.0.0/16 192.0.2.1\n" for n in range(60))
        + " !\n!\n"
        + "service cgv6 OPERATOR\n service-inline interface TenGigE0/0/0/9\n service-type map-e MAPE-1\n"
        + "  br-endpoint-address 2001:db8::1\n  contiguous-ports 8\n  cpe-domain ipv4 prefix 192.0.2.0/24\n"
        + "  cpe-domain ipv6 prefix 2001:db8::/48\n  sharing-ratio 64\n !\n"
        + " service-type map-t-cisco MAPT-1\n  sharing-ratio 64\n  cpe-domain ipv6 vrf default\n !\n!\n"
    )

    def __init__(self) -> None:
        self.tree: dict = {}
        self._enter(self.FOREIGN)

    def show(self) -> str:
        head = (
            "Tue Jun 11 10:00:00.123 JST\n!! IOS XR Configuration 7.10.1\n!! Last change at Tue Jun 11\n!\n"
        )
        return head + "".join(self._lines(self.tree, 0)) + "end\n"

    def apply(self, payload: str) -> None:
        self._enter(payload)

    def _lines(self, tree, depth):
        for text, below in tree.items():
            yield f"{' ' * depth}{text}\n"
            if below:
                yield from self._lines(below, depth + 1)
                yield f"{' ' * depth}!\n"

    def _enter(self, text):
        modes = [(-1, self.tree)]
        for line in text.splitlines():
            words = line.strip()
            if not words or words == "!":
                continue
            indent = len(line) - len(line.lstrip())
            while modes[-1][0] >= indent:
                modes.pop()
            here = modes[-1][1]
            if words.startswith("no "):
                del here[words[3:]]  # a KeyError is a command that the device would refuse
                continue
            for start in self.SINGLE:
                if words.startswith(f"{start} "):
                    for old in [old for old in here if old.startswith(f"{start} ")]:
                        del here[old]
            modes.append((indent, here.setdefault(words, {})))


class JunosDevice:
    """Junos: a set of statements; a leaf holds one value."""

    SINGLE = re.compile(
        r"(.* (?:softwire-address|ipv4-prefix|mape-prefix|ea-bits-len|psid-offset|psid-length|mtu-v6"
        r"|match-direction|service-domain|then map-e|(?:in|out)side-service-interface)) \S+"
    )
    FOREIGN = (
        "version 23.4R2",
        'system login message "it\'s ipv4aas-hall7 here"',
        *(f"interfaces xe-0/0/{n} unit 0 family inet address 192.0.2.{n}/31" for n in range(60)),
        "interfaces si-0/0/0 unit 7 family inet",
        "interfaces si-0/0/0 unit 7 service-domain inside",
        "interfaces si-0/0/0 unit 8 service-domain outside",
        *(f"routing-options static route 10.{n}.0.0/16 next-hop 192.0.2.1" for n in range(100)),
        "services softwire softwire-concentrator map-e OPERATOR softwire-address 2001:db8::1",
        "services softwire softwire-concentrator map-e OPERATOR ipv4-prefix 192.0.2.0/24",
        "services softwire softwire-concentrator map-t ipv4aas-hall7 ea-bits-len 8",
        "services softwire rule SW9 match-direction input",
        "services softwire rule SW9 term t1 then map-e OPERATOR",
        "services service-set SSET9 softwire-rules SW9",
        "services service-set SSET9 next-hop-service inside-service-interface si-0/0/0.7",
        "services service-set SSET9 next-hop-service outside-service-interface si-0/0/0.8",
    )

    def __init__(self) -> None:
        self.statements = list(self.FOREIGN)

    def show(self) -> str:
        return "## Last commit: 2026-06-11\n" + "".join(f"set {line}\n" for line in sorted(self.statements))

    def apply(self, payload: str) -> None:
        for line in payload.splitlines():
            verb, path = line.split(" ", 1)
            if verb == "delete":
                kept = [item for item in self.statements if item != path and not item.startswith(f"{path} ")]
                assert len(kept) < len(self.statements), f"nothing to delete: {path}"
                self.statements = kept
                continue
            assert verb == "set", line
            leaf = self.SINGLE.fullmatch(path)
            if leaf:
                self.statements = [item for item in self.statements if not item.startswith(f"{leaf[1]} ")]
            if path not in self.statements:
                self.statements.append(path)


class UciDevice:
    """OpenWrt: named sections with options, changed by uci batch."""

    FOREIGN: ClassVar[dict] = {
        "loopback": {"": "interface", "device": "lo", "proto": "static"},
        "wan6": {"": "interface", "proto": "dhcpv6", "device": "eth1", "reqprefix": "64"},
        **{f"vlan{n}": {"": "bridge-vlan", "vlan": str(n), "ports": ["lan1:t", "lan2"]} for n in range(60)},
        "wanmap": {
            "": "interface",
            "proto": "map",
            "maptype": "map-e",
            "peeraddr": "2001:db8::1",
            "psid": "5",
        },
        "aas_dhcp": {"": "interface", "proto": "dhcp", "device": "eth2"},
        "aas_rt": {"": "route", "proto": "map", "note": "it's not ours"},
    }

    def __init__(self) -> None:
        self.sections = copy.deepcopy(self.FOREIGN)

    def show(self) -> str:
        lines = ["package network\n"]
        for name, options in self.sections.items():
            lines.append(f"config {options['']} '{name}'")
            for key, value in options.items():
                if isinstance(value, list):
                    lines += [f"\tlist {key} '{item}'" for item in value]
                elif key:
                    lines.append(f"\toption {key} " + "'" + value.replace("'", "'\\''") + "'")
            lines.append("")
        return "\n".join(lines)

    def apply(self, payload: str) -> None:
        for line in payload.splitlines():
            verb, argument = line.split(" ", 1)
            path, _, value = "".join(shlex.split(argument)).partition("=")
            package, name, *option = path.split(".")
            assert package == "network"
            if verb == "delete" and option:
                del self.sections[name][option[0]]
            elif verb == "delete":
                del self.sections[name]
            elif verb == "add_list":
                self.sections[name].setdefault(option[0], []).append(value)
            elif option:
                assert verb == "set"
                self.sections[name][option[0]] = value
            else:
                self.sections[name] = {"": value}


class NetconfDevice:
    """A datastore that takes edit-config with operations (RFC 6241 section 7.2), merge by default."""

    def __init__(self, foreign: str) -> None:
        self.root = etree.fromstring(f"<data>{foreign}</data>", etree.XMLParser(remove_blank_text=True))

    def show(self) -> str:
        return etree.tostring(self.root, encoding="unicode")

    def apply(self, payload: str) -> None:
        if payload:
            self._merge(self.root, etree.fromstring(payload, etree.XMLParser(remove_blank_text=True)))

    def _merge(self, target, edit):
        for child in edit:
            operation = child.get(f"{NETCONF}operation", "merge")
            old = next((item for item in target if self._identity(item) == self._identity(child)), None)
            if operation == "delete":
                assert old is not None, f"data-missing: {child.tag}"
                target.remove(old)
                continue
            assert operation == "merge", operation
            if old is None:
                old = etree.SubElement(target, child.tag)
            if len(child):
                self._merge(old, child)
            else:
                old.text = child.text

    @staticmethod
    def _identity(element):
        name = etree.QName(element).localname
        key = next((c.text for c in element if etree.QName(c).localname in ("name", f"{name}-name")), None)
        return element.tag, key


XR_FOREIGN_XML = (
    '<service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-service-cfg"><cgv6s><cgv6>'
    "<cgv6-name>OPERATOR</cgv6-name>"
    "<service-inline><interfaces><interface><interface-name>TenGigE0/1/0/0</interface-name></interface></interfaces>"
    "</service-inline><service-type><map-es><map-e><map-e-name>MAPE-1</map-e-name>"
    "<sharing-ratio>16</sharing-ratio></map-e></map-es>"
    "<map-t-ciscos><map-t-cisco><map-t-cisco-name>MAPT-1</map-t-cisco-name></map-t-cisco></map-t-ciscos>"
    "</service-type></cgv6></cgv6s></service>"
    '<host-names xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-hostname-cfg"><host-name>asr9k</host-name></host-names>'
)
JUNOS_FOREIGN_XML = (
    '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
    '<interfaces xmlns="http://yang.juniper.net/junos/conf/interfaces">'
    + "".join(
        f"<interface><name>xe-0/0/{n}</name><unit><name>1</name><family><inet/></family></unit></interface>"
        for n in range(60)
    )
    + "<interface><name>si-0/0/0</name><unit><name>7</name><family><inet/></family>"
    "<service-domain>inside</service-domain></unit></interface></interfaces>"
    '<services xmlns="http://yang.juniper.net/junos/conf/services">'
    "<service-set><name>SSET9</name><softwire-rules><name>SW9</name></softwire-rules><next-hop-service>"
    "<inside-service-interface>si-0/0/0.7</inside-service-interface></next-hop-service></service-set>"
    "<softwire><rule><name>SW9</name><match-direction>input</match-direction></rule><softwire-concentrator>"
    "<map-e><name>OPERATOR</name><ea-bits-len>8</ea-bits-len></map-e>"
    "<map-t><name>ipv4aas-hall7</name><ea-bits-len>8</ea-bits-len></map-t>"
    "</softwire-concentrator></softwire></services></configuration>"
)


def device(platform: str, dialect: str):
    """A device with an operator's configuration and nothing of ours."""
    if dialect == "netconf":
        return NetconfDevice(XR_FOREIGN_XML if platform == "asr9000" else JUNOS_FOREIGN_XML)
    return {"asr9000": XrDevice, "juniper_mx": JunosDevice, "openwrt": UciDevice}[platform]()


def facts(text: str, dialect: str) -> list[str]:
    """What a device shows, without order, and for XML without containers that hold nothing."""
    if dialect != "netconf":
        return sorted(text.splitlines()) if dialect == "cli" and "set " in text[:60] else text.splitlines()

    def paths(element, above):
        name = etree.QName(element).localname
        key = next((c.text for c in element if etree.QName(c).localname in ("name", f"{name}-name")), "")
        here = f"{above}/{name}[{key}]"
        if (element.text or "").strip():
            yield f"{here}={element.text}"
        for child in element:
            yield from paths(child, here)

    return sorted(paths(etree.fromstring(text), ""))
