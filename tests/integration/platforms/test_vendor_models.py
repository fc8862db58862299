# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NETCONF payloads against a real server that knows the vendors' own models.

Cisco's and Juniper's modules are not part of the project: IPV4AAS_YANG names their folder. Of
Junos' interfaces the server knows only the few leaves in models/, written for this test.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import platform_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.transport.connect import netconf_access
from ncclient import manager
from platform_cases import CASES
from servers import NetconfDevice, loadable_models, model_folder

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(model_folder() is None, reason="IPV4AAS_YANG does not name a folder of YANG models"),
]

OWN_MODELS = Path(__file__).parent / "models"
MODELS = {
    "asr9000": ("cisco-xr", ["Cisco-IOS-XR-um-service-cfg"]),
    "juniper_mx": ("juniper", ["junos-conf-root", "junos-conf-services", "junos-conf-interfaces"]),
    "juniper_srx": ("juniper-es", ["junos-es-conf-root", "junos-es-conf-security"]),
}
# Platforms whose every technique is tried, from their case in tests/platform_cases.
CASED = ("juniper_mx", "juniper_srx")
# netconfd takes no empty element for a number, not even to delete it: these come to an empty device.
ALONE = ("ds-lite-quota",)
FOREIGN = {
    "asr9000": """
      <service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-service-cfg"><cgv6s><cgv6>
        <cgv6-name>OPERATOR</cgv6-name>
        <service-inline><interfaces><interface><interface-name>TenGigE0/1/0/0</interface-name></interface>
        </interfaces></service-inline>
        <service-type><map-es><map-e><map-e-name>MAPE-1</map-e-name>
          <br-endpoint-address>2001:db8::1</br-endpoint-address><sharing-ratio>16</sharing-ratio>
        </map-e></map-es><map-t-ciscos><map-t-cisco><map-t-cisco-name>MAPT-1</map-t-cisco-name>
          <cpe-domains><cpe-domain-name><cpe-domain-name>ipv4aas-hall7</cpe-domain-name>
          <address>192.0.2.0</address><ipv6-prefix>2001:db8::</ipv6-prefix></cpe-domain-name></cpe-domains>
        </map-t-cisco></map-t-ciscos></service-type>
      </cgv6></cgv6s></service>""",
    "juniper_mx": """
      <configuration xmlns="http://yang.juniper.net/junos/conf/root">
        <interfaces xmlns="http://yang.juniper.net/junos/conf/interfaces"><interface><name>si-0/0/0</name>
          <unit><name>7</name><family><inet/></family></unit></interface>
          <interface><name>ms-1/0/0</name><unit><name>0</name><family><inet/></family></unit></interface>
        </interfaces>
        <services xmlns="http://yang.juniper.net/junos/conf/services">
          <softwire><softwire-concentrator><map-e><name>OPERATOR</name><ea-bits-len>12</ea-bits-len></map-e>
          </softwire-concentrator></softwire>
          <service-set><name>SSET9</name><softwire-rules><name>SW9</name></softwire-rules></service-set>
        </services>
      </configuration>""",
    "juniper_srx": """
      <configuration xmlns="http://yang.juniper.net/junos-es/conf/root">
        <security xmlns="http://yang.juniper.net/junos-es/conf/security">
          <softwires><softwire-name><name>OPERATOR</name></softwire-name></softwires>
          <nat><source><pool><name>OPERATOR</name><address><name>192.0.2.1/32</name></address></pool>
            <rule-set><name>RS9</name><from><zone>dmz</zone></from><to><zone>untrust</zone></to>
              <rule><name>ipv4aas-hall7</name><src-nat-rule-match>
                <source-address>192.168.0.0/16</source-address><source-address>172.16.0.0/12</source-address>
              </src-nat-rule-match><then><source-nat><pool><pool-name>OPERATOR</pool-name></pool></source-nat>
              </then></rule></rule-set></source></nat>
        </security>
      </configuration>""",
}


@pytest.fixture(params=["asr9000", "juniper_mx"])
def device(request, tmp_path):
    """A platform's name and a session with a server that has foreign configuration."""
    folder, modules = MODELS[request.param]
    base = model_folder()
    assert base is not None
    paths = [base / folder, loadable_models(base / "ietf", tmp_path / "ietf"), OWN_MODELS]
    server = NetconfDevice(tmp_path / "device", paths, modules)
    server.start()
    try:
        with manager.connect_ssh(
            host="127.0.0.1",
            port=server.port,
            username="root",
            key_filename=str(server.ssh.user_key),
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=30,
        ) as session:
            commit(
                session,
                f'<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{FOREIGN[request.param]}</config>',
            )
            yield request.param, session
    finally:
        server.stop()


def commit(session, payload):
    session.edit_config(payload, target="candidate")
    session.commit()


def read(platform, session):
    """The running configuration as deploy asks for it; read back since netconfd may commit nothing."""
    return session.get_config("running", filter=("subtree", netconf_access(platform).filter)).data_xml


def test_deploy_change_and_undo(device):
    platform, session = device
    box = driver(platform)
    first = (samples.service(platform),)
    second = (
        samples.service(platform, samples.SECOND, samples.FULL),
        samples.service(platform, samples.SHARED, name="hall8"),
    )
    untouched = read(platform, session)
    assert box.owned(untouched, "netconf") == ""
    changes = []
    for services in (first, second):
        wanted = samples.rendered(platform, "netconf", *services)
        change = box.change(box.owned(read(platform, session), "netconf"), wanted, "netconf")
        assert change
        commit(session, change.payload)
        running = read(platform, session)
        assert box.parse(running, "netconf", services) == services
        assert box.owned(running, "netconf") == wanted
        assert not box.change(running, wanted, "netconf")
        changes.append(change)
    for change in reversed(changes):
        commit(session, change.undo)
    assert read_paths(read(platform, session)) == read_paths(untouched)


@pytest.mark.parametrize("device", list(CASED), indirect=True)
def test_every_technique_and_the_way_from_each_to_the_next(device):
    """What is in tests/platform_cases, one after the other on one device, and all of it away again."""
    platform, session = device
    box, case = driver(platform), CASES[platform]
    untouched = read(platform, session)
    assert box.owned(untouched, "netconf") == ""
    changes = []

    def deploy(wanted):
        changes.append(box.change(box.owned(read(platform, session), "netconf"), wanted, "netconf"))
        commit(session, changes[-1].payload)
        return read(platform, session)

    for name, services in case.golden.items():
        if not all(case.features.feature(one.technique, one.role).in_dialect("netconf") for one in services):
            continue
        if name in ALONE:
            deploy("")
        wanted = case.rendered("netconf", *services)
        running = deploy(wanted)
        assert box.parse(running, "netconf", services) == services
        assert box.owned(running, "netconf") == wanted
        if name in ALONE:
            deploy("")
    assert len(changes) > 2
    for change in reversed(changes):
        commit(session, change.undo)
    assert read_paths(read(platform, session)) == read_paths(untouched)


@pytest.mark.parametrize("device", ["asr9000"], indirect=True)
def test_map_t_of_ios_xr(device):
    """From MAP-E to MAP-T, a rule more, another prefix of a rule, and all the way back."""
    platform, session = device
    box, case = driver(platform), CASES[platform]
    (one,), (two,) = case.golden["map-t"], case.golden["map-t-two-rules"]
    (map_e,) = case.golden["shownet"]
    moved = replace(two, rules=(replace(two.rules[0], ipv4_prefix=IPv4Network("192.0.2.8/30")), two.rules[1]))
    untouched = read(platform, session)
    changes = []
    for service in (map_e, one, two, moved, map_e, one):
        wanted = case.rendered("netconf", service)
        change = box.change(box.owned(read(platform, session), "netconf"), wanted, "netconf")
        commit(session, change.payload)
        running = read(platform, session)
        assert box.parse(running, "netconf", (service,)) == (service,)
        assert box.owned(running, "netconf") == wanted
        changes.append(change)
    for change in reversed(changes):
        commit(session, change.undo)
    assert read_paths(read(platform, session)) == read_paths(untouched)


def test_parameter_changed_by_hand_is_one_leaf(device):
    platform, session = device
    box = driver(platform)
    services = (samples.service(platform),)
    wanted = samples.rendered(platform, "netconf", *services)
    commit(session, wanted)
    before, after = {"asr9000": ("ratio>64<", "ratio>128<"), "juniper_mx": ("offset>4<", "offset>6<")}[
        platform
    ]
    assert before in wanted
    commit(session, wanted.replace(before, after))
    running = read(platform, session)
    assert box.parse(running, "netconf", services) != services
    change = box.change(running, wanted, "netconf")
    assert [line for line in change.diff.splitlines() if line[0] in "+-"] == [
        f"{sign} {line}"
        for sign, text in (("-", after), ("+", before))
        for line in lines_with(wanted, before, text)
    ]
    commit(session, change.payload)
    assert box.parse(read(platform, session), "netconf", services) == services


def lines_with(text, mark, other):
    return [line.replace(mark, other) for line in text.splitlines() if mark in line]


def read_paths(text):
    """Every leaf with its way from the root, without the empty containers that a server may keep."""
    from lxml import etree

    def paths(element, above):
        here = (*above, etree.QName(element).localname)
        if len(element) == 0 and (element.text or "").strip():
            yield (*here, element.text.strip())
        for child in element:
            yield from paths(child, here)

    return sorted(paths(etree.fromstring(text.encode()), ()))


@pytest.mark.parametrize("device", ["juniper_srx"], indirect=True)
def test_zone_filtering_and_port_changed_by_hand(device):
    """A leaf-list, a choice and a leaf, each changed back by the smallest edit."""
    platform, session = device
    box, case = driver(platform), CASES["juniper_srx"]
    services = case.golden["nat64"]
    wanted = case.rendered("netconf", *services)
    commit(session, wanted)
    by_hand = case.rendered("netconf", *case.golden["464xlat"], from_zone="dmz")
    by_hand = by_hand.replace("any-remote-host", "target-host").replace("<low>1024<", "<low>2048<")
    commit(session, box.change(wanted, by_hand, "netconf").payload)
    running = read(platform, session)
    assert box.owned(running, "netconf") == by_hand
    assert box.parse(running, "netconf", services) != services
    change = box.change(running, wanted, "netconf")
    assert "dst-addr" not in change.payload
    commit(session, change.payload)
    assert box.owned(read(platform, session), "netconf") == wanted
    commit(session, change.undo)
    assert box.owned(read(platform, session), "netconf") == by_hand
