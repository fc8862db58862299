# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that need the gateways' counters, and the lines of the demonstration made from them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.engine.verify.probes import judge
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import FAIL, NOT_APPLICABLE, PASS, Verdict

ROOT = Path(__file__).resolve().parents[3]
RULE = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4)
GATEWAY = Service(
    name="hall7",
    technique="map-e",
    role="gateway",
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(RULE,),
)
EDGE = replace(GATEWAY, role="edge", end_user_prefix=IPv6Network("2001:3e8:6000:ff::/64"))
MESH = replace(EDGE, rules=(replace(RULE, forwarding=True),))
FINE = Verdict("reach", PASS, "", {"udp": True})


def status(pid: int = 1, packets: int = 0, **counters: int) -> dict[str, Any]:
    side = {"packets_in": packets, "packets_out": 0}
    services = {"hall7": {"counters": counters}, "other": {"counters": {"decapsulated": pid}}}
    return {"pid": pid, "services": services, "traffic": {"native": side, "softwire": side}}


def test_counters_of_all_gateways_are_added() -> None:
    before = {"br1": status(packets=5, decapsulated=3), "br2": status(drop_no_rule=7)}
    after = {"br1": status(packets=9, decapsulated=4, hairpinned=2), "br2": status(drop_no_rule=7)}
    assert judge.counted(before, after, "hall7") == {"decapsulated": 1, "hairpinned": 2, "packets": 8}


def test_a_restart_says_nothing() -> None:
    with pytest.raises(ValueError, match="br1 was started anew"):
        judge.counted({"br1": status(1)}, {"br1": status(2)}, "hall7")


@pytest.mark.parametrize(
    ("edge", "counts", "cause"),
    [
        (EDGE, {"hairpinned": 4, "packets": 8}, ""),
        (EDGE, {}, "the plan has no mesh, but no gateway turned the packets round"),
        (MESH, {}, ""),
        (MESH, {"packets": 2}, "the plan has a mesh, but 2 packets crossed a gateway"),
    ],
)
def test_way_between_customers(edge: Service, counts: dict[str, int], cause: str) -> None:
    verdict = judge.p2p(edge, FINE, counts)
    assert verdict.cause == cause
    assert verdict.passed is (not cause)


def test_failed_probe_stays_failed() -> None:
    probe = Verdict("p2p_peer", FAIL, "UDP from the peer does not arrive")
    assert judge.p2p(MESH, probe, {}).cause == probe.cause
    assert (
        judge.drafts(EDGE, GATEWAY, replace(probe, cause="no answer to tcp"), {}).cause == "no answer to tcp"
    )


def test_old_draft_is_named_with_both_formats() -> None:
    dead = Verdict("reach", FAIL, "no answer to icmp, tcp, udp", {"tcp": False})
    verdict = judge.drafts(EDGE, GATEWAY, dead, {"iid_format_draft-03": 5})
    assert verdict.verdict == FAIL
    for word in ("2001:3e8:6000:ff::/64", "draft-03", "rfc7597", "MAP007", "no answer to icmp, tcp, udp"):
        assert word in verdict.cause
    # Also where the gateways are of the old draft and the edge is not.
    old = replace(GATEWAY, interface_identifier="draft-03")
    assert (
        "of rfc7597, the gateways draft-03" in judge.drafts(EDGE, old, dead, {"iid_format_rfc7597": 5}).cause
    )
    assert judge.drafts(EDGE, old, FINE, {"iid_format_draft-03": 5}).passed


XLAT = Service(
    name="clat",
    technique="464xlat",
    role="edge",
    gateway_address=IPv6Address("2001:db8::99"),
    translation_prefix=IPv6Network("2001:db8:64::/96"),
    end_user_prefix=IPv6Network("2001:db8:1::/64"),
)
OTHER_PREFIX = replace(XLAT, translation_prefix=IPv6Network("2001:db8:65::/96"))
NAT64 = replace(XLAT, technique="nat64", role="gateway", end_user_prefix=None)
PLANE = Service(
    name="wifi",
    technique="sa46t",
    role="edge",
    gateway_address=IPv6Address("2001:db8::99"),
    plane=Plane(IPv6Network("2001:db8:46::/64"), 1),
    inside=(IPv4Network("192.168.46.0/24"),),
)
OTHER_PLANE = replace(PLANE, plane=Plane(IPv6Network("2001:db8:46::/64"), 2))
DS_LITE = Service(name="line", technique="ds-lite", role="edge", gateway_address=IPv6Address("2001:db8::99"))
DEAD = Verdict("drafts", FAIL, "no answer to icmp, tcp, udp")


@pytest.mark.parametrize(
    ("edge", "running", "words"),
    [
        (
            XLAT,
            OTHER_PREFIX,
            ("edge 2001:db8:1::/64", "prefix 2001:db8:65::/96", "gateways 2001:db8:64::/96", "X004"),
        ),
        (
            PLANE,
            OTHER_PLANE,
            ("edge 192.168.46.0/24", "2 of 2001:db8:46::/64", "1 of 2001:db8:46::/64", "SA001"),
        ),
    ],
)
def test_an_edge_that_computes_otherwise_is_named(
    edge: Service, running: Service, words: tuple[str, ...]
) -> None:
    verdict = judge.drafts(edge, edge, DEAD, {}, running)
    assert verdict.verdict == FAIL
    for word in (*words, DEAD.cause):
        assert word in verdict.cause
    assert judge.drafts(edge, edge, FINE, {}, edge).verdict == PASS
    assert judge.drafts(edge, edge, FINE, {}).verdict == PASS
    # Nothing answers, and the formats are the same: then that is all that can be said.
    assert judge.drafts(edge, edge, DEAD, {}, edge).cause == DEAD.cause


def test_a_resolver_with_another_prefix_is_named() -> None:
    told = replace(FINE, details={"dns64_prefixes": {"2001:db8::53": ["2001:db8:65::/96"]}})
    verdict = judge.drafts(NAT64, NAT64, told, {}, NAT64)
    assert (
        "resolver 2001:db8::53 uses the translation prefix 2001:db8:65::/96, the gateways 2001:db8:64::/96"
        in verdict.cause
    )
    assert "X004" in verdict.cause
    told = replace(FINE, details={"dns64_prefixes": {"2001:db8::53": ["2001:db8:64::/96"]}})
    assert judge.drafts(NAT64, NAT64, told, {}, NAT64).verdict == PASS


def test_where_nothing_is_computed_there_is_nothing_to_disagree_about() -> None:
    verdict = judge.drafts(DS_LITE, DS_LITE, FINE, {}, DS_LITE)
    assert verdict.verdict == NOT_APPLICABLE
    assert verdict.passed
    assert "the B4 is told the address of its AFTR" in verdict.cause
    assert judge.drafts(DS_LITE, DS_LITE, DEAD, {}, DS_LITE).verdict == FAIL


def test_way_between_customers_without_rules() -> None:
    assert judge.p2p(DS_LITE, FINE, {"hairpinned": 3}).details["way"] == "by the gateway"
    assert "no gateway turned the packets round" in judge.p2p(DS_LITE, FINE, {}).cause
    assert judge.p2p(PLANE, FINE, {}).details["way"] == "direct"
    assert judge.p2p(PLANE, FINE, {"packets": 4}).passed  # the other host may be at a gateway
    nobody = Verdict("p2p_peer", NOT_APPLICABLE, "no other host")
    assert judge.p2p(PLANE, nobody, {}) == Verdict("p2p", NOT_APPLICABLE, "no other host")


def test_forged_packets_have_to_be_counted_exactly() -> None:
    sent = Verdict(
        "spoof", PASS, "", {"sent": [{"case": "a", "counter": "drop_no_rule", "cookies": ["1", "2"]}]}
    )
    seen = Verdict("seen", PASS, "")
    assert judge.spoof(sent, seen, {"drop_no_rule": 2}).passed
    for counts in ({}, {"drop_no_rule": 1}, {"drop_no_rule": 3}, {"drop_other": 2}):
        assert "2 packets should be counted as drop_no_rule" in judge.spoof(sent, seen, counts).cause
    leaked = Verdict("seen", FAIL, "1 of 2 packets reached the internet")
    assert judge.spoof(sent, leaked, {"drop_no_rule": 2}).cause == leaked.cause


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that keeps the demonstration's table, in a folder of its own."""
    spec = importlib.util.spec_from_file_location("lines", ROOT / "playbooks" / "shownet2013" / "lines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    module.main(["start"])
    return module


def found(*verdicts: dict[str, Any], service: str = "hall7") -> dict[str, Any]:
    """What the playbook keeps of one host."""
    return {"service": service, "verdicts": list(verdicts)}


def test_check_passes_only_where_it_does_on_every_host(lines: Any) -> None:
    good = {"check": "spoof", "verdict": PASS, "cause": "", "seconds": 1.0, "details": {"counted": {"a": 2}}}
    bad = good | {"verdict": FAIL, "cause": "leaks"}
    assert lines.of_checks({"h1": found(good), "h2": found(good)})["spoof"] == {
        "verdict": PASS,
        "text": "h1, h2: a 2",
        "seconds": 2.0,
    }
    mixed = lines.of_checks({"h1": found(good), "h2": found(bad)})["spoof"]
    assert (mixed["verdict"], mixed["text"]) == (FAIL, "h2: leaks")


def test_table_is_good_only_when_every_line_was_reached(
    lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    *most, last = lines.LINES
    right = {"verdict": PASS, "cause": "", "seconds": 0.0}
    wrong = right | {"verdict": FAIL, "cause": "no answer"}
    for kind, verdict in (("checks", right), ("faults", wrong)):
        cells = [verdict | {"check": check} for check in lines.CHECKS]
        lines.note(kind, {service: found(*cells, service=service) for service in lines.SERVICES})
    lines.record({name: {"verdict": PASS, "text": "seen"} for name in most})
    assert lines.main(["table"]) == 1
    assert "not reached" in capsys.readouterr().out
    lines.record({last: {"verdict": PASS, "text": "seen"}})
    assert lines.main(["table"]) == 0
    lines.record({last: {"verdict": FAIL, "text": "not so"}})
    assert lines.main(["table"]) == 1
    assert json.loads(lines.RESULTS.read_text())["lines"][last]["text"] == "not so"


@pytest.mark.parametrize(
    ("planned", "faulty", "cell"),
    [
        (None, None, ("not reached", False)),
        ("pass", "fail", ("pass / found", True)),
        ("pass", "pass", ("pass / missed", False)),
        ("pass", None, ("pass / not asked", False)),
        ("pass", "broken", ("pass / broken", False)),
        ("fail", "fail", ("fail / found", False)),
        ("broken", "fail", ("broken / found", False)),
        ("n/a", None, ("n/a", True)),
    ],
)
def test_cell_of_the_second_table(
    lines: Any, planned: str | None, faulty: str | None, cell: tuple[str, bool]
) -> None:
    verdicts = [word and {"verdict": word, "cause": ""} for word in (planned, faulty)]
    assert lines.cell_of(*verdicts) == cell


def test_the_worst_of_several_hosts_counts(lines: Any) -> None:
    def told(verdict: str) -> dict[str, Any]:
        return found({"check": "p2p", "verdict": verdict, "cause": verdict, "seconds": 1.0})

    lines.note("checks", {"h1": told("n/a"), "h2": told("pass")})
    assert json.loads(lines.RESULTS.read_text())["checks"]["hall7"]["p2p"]["verdict"] == "pass"
    lines.note("checks", {"h3": told("fail"), "h4": told("pass")})
    assert json.loads(lines.RESULTS.read_text())["checks"]["hall7"]["p2p"]["cause"] == "fail"
    # A probe that could not be run has no verdict.
    lines.note("checks", {"h5": found({"check": "p2p", "msg": "no python"})})
    assert json.loads(lines.RESULTS.read_text())["checks"]["hall7"]["p2p"]["verdict"] == "broken"


def test_line_has_to_be_known(lines: Any) -> None:
    with pytest.raises(AssertionError):
        lines.record({"invented": {"verdict": PASS, "text": ""}})


def test_refusal_without_a_fallback_fails_its_line(lines: Any) -> None:
    node = {"platform": "fx5000", "refused": "no", "seat_taken_by": "br2"}
    plan: dict[str, Any] = {"services": {}, "findings": [], "nodes": {"fx5k": node}}
    assert lines.of_plan(plan)["fx5000"] == {"verdict": PASS, "text": "no -> br2 for fx5k"}
    plan["nodes"]["fx5k"] = node | {"seat_taken_by": None}
    assert lines.of_plan(plan)["fx5000"]["verdict"] == FAIL
    assert lines.of_plan(plan)["asr9000"] == {"verdict": FAIL, "text": "nothing written"}


def test_playbook_records_every_line(lines: Any) -> None:
    text = "".join(path.read_text() for path in (ROOT / "playbooks" / "shownet2013").glob("*.yml"))
    by_script = {"plan", "lint", "asr9000", "openwrt", "juniper_mx", "linux", "fx5000", "seil_x86"}
    by_script |= {"mtu", "fragments", "tcp_udp", "icmp", "web", "p2p", "p2p_inbound", "drafts", "spoof"}
    for name in lines.LINES.keys() - by_script:
        assert f"line: {name}\n" in text, name
