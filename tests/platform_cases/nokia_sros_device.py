# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models of SR OS: what its two command lines take, what they refuse, and what they show."""

from __future__ import annotations

import re

_ROUTER = r'(?:router "Base"|service vprn "[^"]+")'
_N, _V6, _V4 = r"\d+", r"[0-9a-f:]+", r"[0-9.]+"
_POLICY = r'service nat nat-policy "[^"]{1,32}"'
_POOL = rf'{_ROUTER} nat outside pool "[^"]{{1,32}}"'
_INSIDE = rf"{_ROUTER} nat inside large-scale"
_DOMAIN = r'service nat map-t domain "[^"]{1,32}"'
_RULE = rf'{_DOMAIN} mapping-rule "[^"]{{1,32}}"'
_STATE = "admin-state (?:enable|disable)"
# Values that the model has; a leaf, with its value last, or an entry of a list.
LEAVES = (
    rf"{_POOL} (?:type large-scale|nat-group [1-4]|port-reservation ports {_N}|{_STATE})",
    rf"{_POOL} (?:port-forwarding range-end {_N}|watermarks (?:high|low) {_N})",
    rf'{_POLICY} (?:pool router-instance "[^"]+"|pool name "[^"]+"|block-limit {_N}|tcp mss-adjust {_N})',
    rf"{_POLICY} (?:filtering (?:endpoint-independent|address-and-port-dependent)|timeouts udp normal {_N})",
    rf'{_INSIDE} nat-policy "[^"]+"',
    rf"{_INSIDE} dual-stack-lite (?:subscriber-prefix-length {_N}|{_STATE})",
    rf"{_INSIDE} dual-stack-lite endpoint {_V6} (?:tunnel-mtu {_N}|ip-fragmentation \S+|reassembly \S+)",
    rf"{_INSIDE} nat64 (?:prefix {_V6}/{_N}|ipv6-mtu {_N}|ip-fragmentation \S+|{_STATE})",
    rf"{_INSIDE} nat64 (?:subscriber-prefix-length {_N}|drop-zero-ipv4-checksum (?:true|false))",
    rf"{_DOMAIN} (?:dmr-prefix {_V6}/{_N}|mtu {_N}|tcp-mss-adjust {_N}|fpe {_N}|map-t-group {_N}|{_STATE})",
    rf"{_RULE} (?:rule-prefix {_V6}/{_N}|ipv4-prefix {_V4}/{_N}|ea-length {_N}|psid-offset {_N}|{_STATE})",
    rf"{_RULE} statistics-collection (?:true|false)",
)
ENTRIES = (
    rf"{_POOL} address-range {_V4} end {_V4}",
    rf'{_ROUTER} nat map map-domain "[^"]+"',
)
# What has to be there where a thing is enabled.
NEEDED = {"nat outside pool": "nat-group", "mapping-rule": "rule-prefix", "map-t": "dmr-prefix"}
IMMUTABLE = re.compile(rf"{_POOL} (?:type|nat-group)")

FOREIGN = (
    'system name "ipv4aas-hall7"',
    *(f'router "Base" interface "to-{n}" ipv4 primary address 10.0.{n}.1' for n in range(60)),
    *(f'router "Base" static-routes route 172.16.{n}.0/24 route-type unicast blackhole' for n in range(60)),
    "isa nat-group 1 admin-state enable",
    "isa nat-group 1 redundancy active-mda-limit 1",
    'service nat nat-policy "OPERATOR" pool router-instance "9999"',
    'service nat nat-policy "OPERATOR" pool name "ipv4aas"',
    'service nat nat-policy "OPERATOR" block-limit 4',
    'service nat nat-policy "ipv4aas" timeouts udp normal 120',
    'service nat map-t domain "OPERATOR" dmr-prefix 2001:db8:9::/64',
    'service nat map-t domain "OPERATOR" mapping-rule "ipv4aas-hall7" rule-prefix 2001:db8:6000::/56',
    'service nat map-t domain "OPERATOR" mapping-rule "ipv4aas-hall7" admin-state disable',
    'service vprn "9999" customer "1"',
    'service vprn "9999" nat outside pool "ipv4aas" type large-scale',
    'service vprn "9999" nat outside pool "ipv4aas" nat-group 1',
    'service vprn "9999" nat outside pool "ipv4aas" address-range 192.0.2.100 end 192.0.2.110',
    'service vprn "9999" nat outside pool "ipv4aas" admin-state enable',
    'service vprn "10001" customer "1"',
    'service vprn "10001" nat inside large-scale nat-policy "OPERATOR"',
    'service vprn "10001" nat inside large-scale dual-stack-lite endpoint 2001:db8::1 tunnel-mtu 1460',
    'service vprn "10001" nat inside large-scale dual-stack-lite admin-state enable',
    'service vprn "10001" nat map map-domain "OPERATOR"',
    'service vprn "10001" description "nat inside large-scale nat-policy ipv4aas-hall7"',
)


class MdCli:
    """The model-driven command line: lines of a candidate, checked as a whole."""

    def __init__(self) -> None:
        self.lines = list(FOREIGN)

    def show(self) -> str:
        head = "# TiMOS-B-25.10.R1 both/x86_64 Nokia 7750 SR\n# Configuration format version 25.10\n\n"
        return head + "".join(f"    /configure {line}\n" for line in sorted(self.lines))

    def apply(self, payload: str) -> None:
        before = list(self.lines)
        for line in payload.splitlines():
            if line.startswith("delete /configure "):
                self._delete(line.removeprefix("delete /configure "))
            else:
                assert line.startswith("/configure "), line
                self._set(line.removeprefix("/configure "))
        self._check(before)

    def _delete(self, path: str) -> None:
        kept = [line for line in self.lines if line != path and not line.startswith(f"{path} ")]
        assert len(kept) < len(self.lines), f"nothing to delete: {path}"
        self.lines = kept

    def _set(self, line: str) -> None:
        entry = any(re.fullmatch(form, line) for form in ENTRIES)
        assert entry or any(re.fullmatch(form, line) for form in LEAVES), f"unknown: {line}"
        if not entry:
            start = line.rsplit(" ", 1)[0]
            self.lines = [old for old in self.lines if old.rsplit(" ", 1)[0] != start]
        if line not in self.lines:
            self.lines.append(line)

    def _check(self, before: list[str]) -> None:
        """What a commit refuses: references to nothing, things that lack what they need."""
        for line in self.lines:
            for form, target in (
                (rf'{_INSIDE} nat-policy ("[^"]+")', "service nat nat-policy {} "),
                (rf'{_ROUTER} nat map map-domain ("[^"]+")', "service nat map-t domain {} "),
                (rf'{_POLICY} pool name ("[^"]+")', "nat outside pool {} type"),
            ):
                match = re.fullmatch(form, line)
                found = match and [old for old in self.lines if target.format(match[1]) in old]
                assert match is None or found, f"refers to nothing: {line}"
            match = re.fullmatch(rf"({_RULE}|{_DOMAIN}|{_POOL}) admin-state enable", line)
            if match:
                words = {
                    "nat outside pool": "nat-group",
                    "mapping-rule": "rule-prefix",
                    "map-t": "dmr-prefix",
                }
                word = next(value for key, value in words.items() if key in match[1])
                assert any(old.startswith(f"{match[1]} {word} ") for old in self.lines), f"no {word}: {line}"
        for line in before:
            start = line.rsplit(" ", 1)[0]
            if IMMUTABLE.fullmatch(start):
                changed = [new for new in self.lines if new.startswith(f"{start} ") and new != line]
                assert not changed, f"cannot change: {line}"
