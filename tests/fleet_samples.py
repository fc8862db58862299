# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms and inventories for the tests of intent, plan and lint."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import MappingProxyType

import yaml
from ansible_collections.ipv4aas.fleet.engine.plan.capability import Feature, Features
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES

GOLDEN = Path(__file__).resolve().parent / "golden"


def feature(role, **more):
    return Feature(
        **{
            "technique": "map-e",
            "role": role,
            "state": "yes",
            "confidence": "public",
            "iid_formats": ("rfc7597", "draft-03"),
        }
        | more
    )


def platform(name, *techniques, **more):
    given = {
        "platform": name,
        "title": name,
        "dialects": ("cli",),
        "transports": {"cli": "ssh"},
        "confirmed_commit": True,
        "techniques": techniques,
    }
    return Features(**given | more)


def every_technique():
    """Rows of a platform that runs all techniques."""
    for row in TECHNIQUES.values():
        yield feature("gateway", technique=row.name)
        if row.edge:
            yield feature("edge", technique=row.name)


def helping(role, *techniques):
    return (feature(role, technique=name) for name in techniques)


# Made by hand, so that these tests do not follow changes of the real platforms.
FEATURES = MappingProxyType(
    {
        features.platform: features
        for features in (
            platform(
                "linux",
                *every_technique(),
                dialects=("json",),
                options={"device": "optional: TUN"},
            ),
            platform(
                "bigbr",
                feature(
                    "gateway",
                    limits={"name_length": [1, 13], "sharing_ratio": [1, 32768], "rules": [1, 16]},
                    iid_formats=("rfc7597",),
                    not_carried=("mss_clamp", "fragmentation", "ipv6_mtu"),
                ),
                dialects=("cli", "netconf"),
                options={"interfaces": "interfaces on which MAP-E runs", "unit": "optional: its unit"},
                fragments="none",
                accepts_outer_fragments=False,
            ),
            platform(
                "homece",
                feature(
                    "edge",
                    limits={"name_length": [1, 7], "ea_len": [0, 48], "psid_offset": [0, 16]},
                    iid_formats=("rfc7597", "draft-03"),
                    not_carried=("mss_clamp", "fragmentation"),
                    caveats=("MAP018: only the first port range is used", "something else"),
                ),
                options={"uplink": "IPv6 interface that holds the End-user prefix"},
                fragments="outer",
            ),
            platform(
                "oldce",
                feature("edge"),
                ipv6_mtu_fixed=1280,
                icmpv4_encapsulation=False,
                accepts_fragmented_icmp=False,
            ),
            platform("dns", *helping("resolver", "464xlat", "nat64")),
            platform(
                "dhcp",
                *helping("provisioner", "map-e", "map-t", "lw4o6", "ds-lite"),
                feature("provisioner", technique="464xlat", state="no", reason="no DHCPv6 option carries it"),
            ),
            platform("ra", *helping("router", "464xlat", "nat64")),
            platform("jumboce", feature("edge"), ipv6_mtu_fixed=9192),
            platform(
                "opaque",
                feature("edge", state="no", reason="no public syntax"),
                feature("gateway", state="no", reason="no manual"),
            ),
        )
    }
)


def hostvars(text):
    """Host variables from the short form of an inventory: services and hosts."""
    return hostvars_of(yaml.safe_load(text))


def hostvars_of(document):
    """As hostvars, from the parsed form."""
    shared = {"ipv4aas_services": document["services"]} if "services" in document else {}
    return {name: shared | (values or {}) for name, values in document["hosts"].items()}


def expect(path, text):
    """The file holds the text; UPDATE_GOLDEN=1 writes it."""
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


def expect_table(path, name, rows):
    """The part of a document between ``<!-- name -->`` and ``<!-- end -->`` is this table."""
    header, *body = ("| " + " | ".join(row) + " |" for row in rows)
    table = "\n".join([header, "|---" * len(rows[0]) + "|", *body])
    text = path.read_text()
    wanted, found = re.subn(
        rf"(?s)(<!-- {name} -->\n).*?(<!-- end -->)", lambda match: f"{match[1]}\n{table}\n\n{match[2]}", text
    )
    assert found == 1
    expect(path, wanted)
