# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the demonstration: ``lines.py start | record NAME VERDICT | planned | checks | table``.

``record`` takes what was seen from standard input, ``checks`` verdicts of the verify role as JSON;
``planned`` looks at the plan and the configurations that were written. ``table`` prints all lines
and ends with 1 where one failed or was not reached.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

BUILD = Path("build")
RESULTS = BUILD / "demo" / "results.json"

# Name -> (place in the list of issue 2, what the line shows), in the order of the run.
LINES = {
    "lab": ("", "laboratory: namespaces, sshd, BGP"),
    "plan": ("1", "the whole inventory compiled"),
    "lint": ("2", "lint rules, with their places"),
    "lint_wrong": ("2", "a wrong inventory stops, all errors at once"),
    "asr9000": ("3", "Cisco ASR9000: CLI and NETCONF, parsed back"),
    "openwrt": ("3", "OpenWrt edge: UCI, parsed back"),
    "juniper_mx": ("3", "Juniper MX: CLI and NETCONF, parsed back"),
    "linux": ("3", "packet engine: JSON, parsed back"),
    "fx5000": ("3", "FX5000 refused, fallback takes the seat"),
    "seil_x86": ("3", "SEIL/x86 refused, fallbacks take the seats"),
    "deploy": ("4", "two gateways, three edges deployed over SSH"),
    "mtu": ("5", "1 MTU and MSS, both directions"),
    "fragments": ("5", "2 fragments, in and out of order"),
    "tcp_udp": ("5", "3 TCP and UDP"),
    "icmp": ("5", "4 ICMP: echo, traceroute, too big"),
    "web": ("5", "5 web: the whole port set in use"),
    "p2p": ("5", "6 P2P through the gateway"),
    "p2p_inbound": ("5", "6 P2P: inbound to a mapped port"),
    "p2p_mesh": ("5", "6 P2P directly, after redeploy with a mesh"),
    "drafts": ("5", "7 draft interop: all of one format"),
    "drafts_named": ("5", "7 draft interop: a draft-03 edge is named"),
    "spoof": ("5", "forged packets dropped, counted by reason"),
    "anycast_udp": ("6", "one gateway stopped: UDP stream goes on"),
    "anycast_tcp": ("6", "one gateway stopped: TCP download goes on"),
    "anycast_back": ("6", "the gateway is back and carries again"),
    "second_deploy": ("7", "second deploy changes nothing"),
    "drift_none": ("7", "no drift"),
    "drift_found": ("7", "PSID offset changed by hand: drift says what"),
    "check_mode": ("7", "deploy with check mode shows the diff"),
    "repair": ("7", "deploy repairs it"),
    "session": ("7", "TCP session by the other gateway survives"),
}
PASS, FAIL = "pass", "fail"


def main(argv: list[str]) -> int:
    """One command."""
    command, *words = argv
    if command == "start":
        _write({"at": time.time(), "lines": {}})
    elif command == "record":
        name, verdict = words
        record({name: {"verdict": verdict, "text": sys.stdin.read().strip()}})
    elif command == "planned":
        record(of_plan(json.loads((BUILD / "plan.json").read_text())))
    elif command == "checks":
        record(of_checks(json.load(sys.stdin)))
    else:
        return table()
    return 0


def record(lines: dict[str, dict[str, Any]]) -> None:
    """Add lines. Where a line does not say what it took, it took all the time since the last one."""
    document = json.loads(RESULTS.read_text())
    now = time.time()
    for name, line in lines.items():
        assert name in LINES, name
        line.setdefault("seconds", round(now - document["at"], 1))
        document["lines"][name] = line
    _write(document | {"at": now})


def _write(document: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")


def of_plan(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Lines 1 to 3: what was compiled, what the lint rules say, what was rendered and refused."""
    services = [
        f"{name}: {s['customers']} customers on {s['ipv4_addresses']} addresses,"
        f" {s['ports_per_customer']} ports each, IPv4 MTU {s['ipv4_mtu']}, MSS {s['tcp_mss']}"
        for name, s in plan["services"].items()
    ]
    findings = [f"{finding['rule']} {finding['place']}" for finding in plan["findings"]]
    lines = {
        "plan": _line(f"{len(plan['nodes'])} nodes; {'; '.join(services)}"),
        "lint": _line("; ".join(findings) or "nothing to say"),
    }
    for platform in ("asr9000", "openwrt", "juniper_mx", "linux"):
        # What cannot be parsed back into its plan is not written (action render).
        written = sorted(str(path.relative_to(BUILD)) for path in BUILD.glob(f"nodes/*/{platform}.*"))
        lines[platform] = _line(", ".join(written) or "nothing written", good=bool(written))
    for platform in ("fx5000", "seil_x86"):
        refused = {
            name: node
            for name, node in plan["nodes"].items()
            if node["platform"] == platform and node["refused"] and node["seat_taken_by"]
        }
        seats = ", ".join(f"{node['seat_taken_by']} for {name}" for name, node in refused.items())
        reason = next((node["refused"] for node in refused.values()), "not refused")
        lines[platform] = _line(f"{reason} -> {seats}", good=bool(refused))
    return lines


def _line(text: str, *, good: bool = True) -> dict[str, Any]:
    return {"verdict": PASS if good else FAIL, "text": text}


def of_checks(verdicts: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Lines from verdicts, host -> list: a check passes where it does on every host."""
    lines: dict[str, dict[str, Any]] = {}
    for check in dict.fromkeys(verdict.get("check", "?") for found in verdicts.values() for verdict in found):
        of = {host: v for host, found in verdicts.items() for v in found if v.get("check") == check}
        failed = [f"{host}: {v['cause']}" for host, v in of.items() if v["verdict"] != PASS]
        first = next(iter(of.values()))
        lines[check] = {
            "verdict": FAIL if failed else PASS,
            "text": "; ".join(failed) or f"{', '.join(of)}: {describe(check, first['details'])}",
            "seconds": round(sum(v["seconds"] for v in of.values()), 1),
        }
    return lines


def describe(check: str, d: dict[str, Any]) -> str:
    """The figures of one passed check, in a line."""
    if check == "mtu":
        return f"IPv4 MTU {d['planned_ipv4_mtu']} both ways, MSS {d['mss_seen_outside']} seen on both sides"
    if check == "fragments":
        return f"{d['cases']} cases as they should be"
    if check == "tcp_udp":
        flows = sum(map(len, d["flows"].values()))
        customer = d["customer"]
        return f"{flows} flows, one source each, in {customer['ports']} ports of {customer['ipv4']}"
    if check == "icmp":
        return f"traceroute {' > '.join(d['traceroute'])}; {d['too_big']}"
    if check == "web":
        ranges = f"{d['ranges_used']} of {d['ranges']} ranges"
        return f"{d['ports_seen']} of {d['ports_owned']} ports at once, in {ranges}"
    if check == "p2p":
        packets = d["udp"]["sent"]
        return f"{d['way']}: TCP and {packets} UDP packets, gateways saw {d['gateway_packets']} packets"
    if check == "p2p_inbound":
        return f"internet to port {d['outside_port']} reaches inside port {d['inside_port']}"
    if check == "drafts":
        return f"all sources are {d['planned']}"
    if check == "spoof":
        return ", ".join(f"{reason} {number}" for reason, number in sorted(d["counted"].items()))
    return ""


def table() -> int:
    """Print; 1 where a line failed or was not reached."""
    from rich.console import Console
    from rich.table import Table

    document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"lines": {}}
    shown = Table(title="ShowNet 2013, MAP-E", show_lines=False)
    for heading, justify in (
        ("", "left"),
        ("what", "left"),
        ("verdict", "left"),
        ("s", "right"),
        ("seen", "left"),
    ):
        shown.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    good = True
    for name, (item, title) in LINES.items():
        line = document["lines"].get(name)
        if line is None:
            shown.add_row(item, title, "[red]not reached[/red]", "", "")
        else:
            colour = "green" if line["verdict"] == PASS else "red"
            shown.add_row(
                *(item, title, f"[{colour}]{line['verdict']}[/{colour}]", f"{line['seconds']:.1f}"),
                line["text"],
            )
        good = good and line is not None and line["verdict"] == PASS
    # In a file or a pipe it need not be folded to 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(shown)
    done = sum(line["verdict"] == PASS for line in document["lines"].values())
    console.print(f"{done} of {len(LINES)} lines pass")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
