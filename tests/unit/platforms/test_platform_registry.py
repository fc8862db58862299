# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features.yml files, what render refuses, and the page that is made from them."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import platform_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.platforms.guide import document
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver, platform_names
from ansible_collections.ipv4aas.fleet.engine.platforms.render import normalised, render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused

PAGE = samples.ROOT / "docs" / "platforms.md"


def test_every_platform_has_features_and_a_driver_of_its_name():
    assert set(samples.OPTIONS) | {"fx5000", "seil_x86"} <= set(platform_names())
    assert set(all_features()) == set(platform_names())
    for name in platform_names():
        assert driver(name).name == name


def test_unknown_platform():
    with pytest.raises(Refused, match=r"ipv4aas_platform: asr is unknown; one of .*asr9000, .*fx5000"):
        driver("asr")


def test_page_is_up_to_date():
    text = document(all_features())
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(text, "utf-8")
    assert text == PAGE.read_text("utf-8")


FEATURES = """\
platform: box
title: A box
dialects: [cli]
transports: {cli: ssh}
confirmed_commit: false
techniques:
  - {technique: map-e, role: gateway, state: "yes", confidence: vendor, source: its manual}
"""


def test_good_features():
    assert registry.parse_features("box", FEATURES).feature("map-e", "gateway").source == "its manual"
    assert registry.parse_features("box", FEATURES).feature("map-e", "edge") is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("platform: box", "platform: other", ".platform: other is not the folder; box"),
        ("title: A box", "titel: A box", ": unknown titel; see plan/capability.py"),
        ("title: A box\n", "", ": missing title; see plan/capability.py"),
        ('"yes"', "yes", ".techniques[0].state: expected str, got True"),
        ('"yes"', '"maybe"', ".techniques[0].state: maybe is unknown; one of yes, no"),
        ('"yes"', '"no"', ".techniques[0].reason: missing; why the platform cannot do it"),
        (", source: its manual", "", ".techniques[0].source: missing; the document that the row follows"),
        ("vendor", "sure", ".techniques[0].confidence: sure is unknown; one of vendor, public, derived"),
        ("map-e", "map-x", ".techniques[0].technique: map-x is unknown; one of map-e"),
        ("role: gateway", "role: br", ".techniques[0].role: br is unknown; one of gateway, edge"),
        ("cli: ssh", "cli: telnet", ".transports.cli: telnet is unknown; one of netconf, ssh, https, local"),
        ("{cli: ssh}", "{xml: netconf}", ".transports: not one for each dialect; keys cli"),
        ("manual}", "manual, limits: {ports: [1, 2]}}", ".techniques[0].limits: ports is unknown; one of"),
        (
            "manual}",
            "manual, limits: {rules: [2, 1]}}",
            ".techniques[0].limits.rules: [2, 1] is not a range; [least, most]",
        ),
        ("manual}", "manual, limits: {rules: 5}}", ".techniques[0].limits.rules: 5 is not a range"),
        (
            "manual}",
            "manual, iid_formats: [rfc]}",
            ".techniques[0].iid_formats: rfc is unknown; one of rfc7597, draft-03",
        ),
        (
            "manual}",
            "manual, not_carried: [mtu]}",
            ".techniques[0].not_carried: mtu is unknown; one of name,",
        ),
        (
            "manual}",
            "manual, unverified_options: [card]}",
            ".techniques[0].unverified_options: card is unknown; one of ",
        ),
        (
            "manual}",
            "manual, deviations: [lazy]}",
            ".techniques[0].deviations: lazy is unknown; one of keeps_failures,",
        ),
        ("title:", "fragments: both\ntitle:", ".fragments: both is unknown; one of outer, inner, none"),
        ("title:", "title: [", ": not YAML: "),
        ("cli: ssh", "cli: person", ".access.cli.why: missing; why a person has to"),
    ],
)
def test_bad_features(before, after, message):
    assert before in FEATURES
    with pytest.raises(Refused, match=re.escape(f"engine/platforms/box/features.yml{message}")):
        registry.parse_features("box", FEATURES.replace(before, after))


def test_language_that_a_person_brings():
    text = FEATURES.replace("{cli: ssh}", "{cli: person}\naccess: {cli: {why: it has no remote door}}")
    box = registry.parse_features("box", text)
    assert box.by_person("cli") == "it has no remote door"
    assert registry.parse_features("box", FEATURES).by_person("cli") == ""
    assert "Configured in `cli` by a person (it has no remote door)." in document({"box": box})


def test_unknown_fragments_are_not_made_up():
    box = registry.parse_features("box", FEATURES.replace("title:", "fragments: unknown\ntitle:"))
    assert "too big is in no document that was read." in document({"box": box})


def test_all_faults_of_features_at_once():
    text = FEATURES.replace("cli: ssh", "cli: telnet").replace("vendor", "sure").replace("map-e", "map-x")
    twice = text + text.splitlines(keepends=True)[-1]
    with pytest.raises(Refused) as error:
        registry.parse_features("box", twice)
    assert len(error.value.problems) == 6
    assert "map-x gateway is there twice" in str(error.value)


def node_of(platform, role, **options):
    service = replace(samples.service("asr9000"), role=role)
    made = samples.node("asr9000", service)
    return replace(made, platform=platform, role=role, options=options, dialect="cli")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (node_of("fx5000", "gateway"), "fx5000: no manual or configuration of the FX5000 is public"),
        (node_of("seil_x86", "edge"), "seil_x86: MAP-E was in special firmware of 2013"),
        (node_of("asr9000", "edge"), "box.ipv4aas_platform: asr9000: no map-e edge is known for it"),
        (
            node_of("asr9000", "gateway"),
            "box.ipv4aas_options.inline_interfaces: missing; a list of interfaces",
        ),
        (node_of("juniper_mx", "gateway"), "box.ipv4aas_options.service_interface: missing"),
        (
            node_of("juniper_mx", "gateway", service_interface="si-0/0/0", service_units=[1, 1]),
            "box.ipv4aas_options.service_units: [1, 1] does not fit; two numbers",
        ),
        (
            replace(samples.node("openwrt", samples.service("openwrt")), options={}),
            "box.ipv4aas_options.uplink: missing; the interface that holds the End-user prefix",
        ),
        (
            samples.node("asr9000", samples.service("asr9000", interface_identifier="draft-03")),
            "asr9000 cannot be told to use the draft-03 interface identifier; interface_identifier rfc7597",
        ),
        (
            samples.node("asr9000", samples.service("asr9000", samples.PREFIX, samples.EXPLICIT)),
            "ipv4aas_services.hall7.rules[0]: asr9000 box cannot express 192.0.2.0/24: IOS XR takes",
        ),
        (
            samples.node("juniper_mx", samples.service("juniper_mx", samples.EXPLICIT)),
            "juniper_mx box cannot express 192.0.2.1/32: a concentrator takes every PSID of an address",
        ),
        (
            samples.node("juniper_mx", samples.service("juniper_mx", samples.PREFIX)),
            "an IPv4 prefix per customer has another meaning there than in RFC 7597",
        ),
        (
            samples.node("openwrt", samples.service("openwrt", samples.PREFIX)),
            "openwrt box cannot express 192.0.2.0/24: mapcalc takes wrong bits",
        ),
        (
            samples.node(
                "juniper_mx",
                samples.service("juniper_mx", samples.SHARED, samples.SECOND),
                samples.service("juniper_mx", samples.FULL, name="hall7_2"),
            ),
            "ipv4aas_services.hall7_2: rule 1 would be ipv4aas-hall7_2 on box, as one of service hall7",
        ),
        (
            samples.node("openwrt", *(samples.service("openwrt", name=name) for name in ("a-b", "a_b"))),
            "box: a-b, a_b are one name in UCI; names that differ by letters",
        ),
        (
            replace(samples.node("asr9000", samples.service("asr9000")), refused="it is too old"),
            "box: it is too old; a fallback host, or another platform",
        ),
        (
            replace(samples.node("asr9000", samples.service("asr9000")), dialect="xml"),
            "box.ipv4aas_dialect: xml is unknown; one of cli, netconf",
        ),
    ],
)
def test_refused(node, message):
    with pytest.raises(Refused, match=re.escape(message)):
        render(node, samples.TEMPLATES)


def test_all_inexpressible_rules_at_once():
    node = samples.node(
        "asr9000", samples.service("asr9000", samples.PREFIX, samples.SHARED, samples.EXPLICIT)
    )
    with pytest.raises(Refused) as error:
        render(node, samples.TEMPLATES)
    assert [problem.place for problem in error.value.problems] == [
        "ipv4aas_services.hall7.rules[0]",
        "ipv4aas_services.hall7.rules[2]",
    ]


def test_unverified_needs_the_switch(monkeypatch):
    box = all_features()["asr9000"]
    row = replace(box.techniques[0], confidence="unverified")
    monkeypatch.setattr(registry, "all_features", lambda: {"asr9000": replace(box, techniques=(row,))})
    node = samples.node("asr9000", samples.service("asr9000"))
    with pytest.raises(
        Refused, match=r"box\.ipv4aas_options\.allow_unverified: map-e on asr9000 is unverified"
    ):
        render(node, samples.TEMPLATES)
    allowed = replace(node, options=node.options | {"allow_unverified": True})
    assert render(allowed, samples.TEMPLATES).startswith("service cgv6 ipv4aas\n")


def test_template_of_the_operators_own(tmp_path):
    own = tmp_path / "fx.j2"
    own.write_text("map-e {{ services[0].gateway_address }}  \n\n")
    node = node_of("fx5000", "gateway", template=str(own), allow_unverified=True)
    assert render(node, samples.TEMPLATES) == "map-e 2001:3e8:0:2900::1\n"
    with pytest.raises(
        Refused, match=r"allow_unverified: your own template is unverified; true, once you have"
    ):
        render(node_of("fx5000", "gateway", template=str(own)), samples.TEMPLATES)
    missing = node_of("fx5000", "gateway", template=str(tmp_path / "none.j2"), allow_unverified=True)
    with pytest.raises(
        Refused,
        match=r"hosts\.box\.ipv4aas_options\.template: there is no template none\.j2 in .*; give the path",
    ):
        render(missing, samples.TEMPLATES)
    for call in (
        lambda: driver("fx5000").owned("", "cli"),
        lambda: driver("fx5000").parse("", "cli", ()),
        lambda: driver("fx5000").change("", "", "cli"),
    ):
        with pytest.raises(Refused, match="fx5000 cannot be read back"):
            call()


def test_no_services_is_no_configuration():
    assert render(samples.node("asr9000"), samples.TEMPLATES) == ""


def test_normalised():
    assert normalised("\n a  \n\nb\n\n") == " a\n\nb\n"
    assert normalised(" \n") == ""
