# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration's lines: ``lines.py COMMAND``.

``start``; ``record NAME VERDICT`` takes what was seen from standard input; ``checks`` and ``faults`` take
verdicts of the verify role as JSON, of the network as planned and of one with a fault; ``planned`` looks at
the plan and the configurations that were written; ``tiers`` takes what nodes say of themselves. ``table``
prints everything and ends with 1 where a line failed or was not reached.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

BUILD = Path("build")
RESULTS = BUILD / "demo" / "results.json"

# Name -> (place in the list of the demonstration, what the line shows), in the order of the run.
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
    "deploy": ("4", "gateways, edges and helpers deployed over SSH"),
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
    "planes": ("5", "SA46T: the same private networks in two planes"),
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
PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "n/a"
FOUND = {
    FAIL: "found",
    PASS: "missed",
    NOT_APPLICABLE: "missed",
}  # what a verdict means where there is a fault
BROKEN = "broken"  # the probe itself came to no verdict
WORSE = (NOT_APPLICABLE, PASS, FAIL, BROKEN)

# The second table: all checks for all services, as planned and with a fault that has to be found.
SERVICES = {
    "hall7": "MAP-E",
    "hall7_dslite": "DS-Lite",
    "hall7_464xlat": "464XLAT",
    "freewifi_a": "NAT64/DNS64",
    "freewifi": "SA46T",
}
CHECKS = {
    "mtu": "1 MTU and MSS",
    "fragments": "2 fragments",
    "tcp_udp": "3 TCP and UDP",
    "icmp": "4 ICMP",
    "web": "5 web",
    "p2p": "6 P2P",
    "drafts": "7 draft interop",
}
FIRST = "hall7"  # whose verdicts are lines of the first table too


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
    elif command in ("checks", "faults"):
        asked = json.load(sys.stdin)
        if command == "checks":
            record(of_checks({host: found for host, found in asked.items() if found["service"] == FIRST}))
        note(command, asked)
    elif command == "tiers":
        _write(json.loads(RESULTS.read_text()) | {"tiers": tiers_of(json.load(sys.stdin))})
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


def note(kind: str, asked: dict[str, dict[str, Any]]) -> None:
    """Keep verdicts, host -> {service, verdicts}: the worst of a check where several hosts were asked."""
    document = json.loads(RESULTS.read_text())
    cells = document.setdefault(kind, {})
    for found in asked.values():
        row = cells.setdefault(found["service"], {})
        for verdict in found["verdicts"]:
            cell = {
                "verdict": verdict.get("verdict", BROKEN),
                "cause": verdict.get("cause", verdict.get("msg", "")),
                "seconds": verdict.get("seconds", 0),
            }
            check = verdict.get("check", "?")
            row[check] = max(row.get(check, cell), cell, key=lambda one: WORSE.index(one["verdict"]))
    _write(document)


def tiers_of(status: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Host -> service -> tier, why not a better one, packets that the programs took."""
    return {
        host: node["fast_path"]["services"]
        or {name: {"why": node["fast_path"]["why"]} for name in node["services"]}
        for host, node in status.items()
    }


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


def of_checks(asked: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Lines from verdicts, host -> {service, verdicts}: a check passes where it does on every host."""
    verdicts = {host: found["verdicts"] for host, found in asked.items()}
    lines: dict[str, dict[str, Any]] = {}
    for check in dict.fromkeys(verdict.get("check", "?") for found in verdicts.values() for verdict in found):
        of = {
            host: v
            for host, found in verdicts.items()
            for v in found
            if v.get("check") == check and v["verdict"] != NOT_APPLICABLE
        }
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
        customer = d["customer"]
        return f"{d['ports_seen']} of {customer['ports']} ports at once, in all {customer['ranges']} ranges"
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
    """Print; 1 where a line failed or was not reached, or a check of a service said something else."""
    from rich.console import Console

    document = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"lines": {}}
    # In a file or a pipe it need not be folded to 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 160)
    good = _print_lines(console, document["lines"])
    wrong, notes = _print_checks(console, document.get("checks", {}), document.get("faults", {}))
    for text in notes:
        console.print(text, highlight=False)
    _print_tiers(console, document.get("tiers", {}))
    done = sum(line["verdict"] == PASS for line in document["lines"].values())
    cells = len(SERVICES) * len(CHECKS)
    console.print(
        f"{done} of {len(LINES)} lines pass; {cells - wrong} of {cells} checks are as they should be"
    )
    return 0 if good and not wrong else 1


def _print_lines(console: Any, lines: dict[str, Any]) -> bool:
    from rich.table import Table

    shown = Table(title="ShowNet 2013", show_lines=False)
    for heading in ("", "what", "verdict"):
        shown.add_column(heading, overflow="fold")
    shown.add_column("s", justify="right")
    shown.add_column("seen", overflow="fold")
    for name, (item, title) in LINES.items():
        line = lines.get(name)
        if line is None:
            shown.add_row(item, title, "[red]not reached[/red]", "", "")
        else:
            colour = "green" if line["verdict"] == PASS else "red"
            shown.add_row(
                *(item, title, f"[{colour}]{line['verdict']}[/{colour}]", f"{line['seconds']:.1f}"),
                line["text"],
            )
    console.print(shown)
    return all(lines.get(name, {}).get("verdict") == PASS for name in LINES)


def _print_checks(console: Any, checks: dict[str, Any], faults: dict[str, Any]) -> tuple[int, list[str]]:
    """The grid; how many of its cells are wrong, and what there is to say to them."""
    from rich.table import Table

    shown = Table(title="Seven checks, five services: as planned / with a fault")
    shown.add_column("")
    for service, title in SERVICES.items():
        shown.add_column(f"{title}\n{service}")
    wrong, notes = 0, []
    for check, title in CHECKS.items():
        row = []
        for service in SERVICES:
            planned, faulty = checks.get(service, {}).get(check), faults.get(service, {}).get(check)
            cell, fine = cell_of(planned, faulty)
            row.append(f"[{'green' if fine else 'red'}]{cell}[/]")
            wrong += not fine
            for verdict, kind in ((planned, "as planned"), (faulty, "fault")):
                if verdict and verdict["cause"]:
                    notes.append(f"{title}, {SERVICES[service]}, {kind}: {shortened(verdict['cause'])}")
        shown.add_row(title, *row)
    console.print(shown)
    return wrong, notes


def _print_tiers(console: Any, tiers: dict[str, Any]) -> None:
    from rich.table import Table

    shown = Table(title="Who forwards: eBPF programs (tc, xdp) or the core behind the TUN device")
    for heading in ("node", "service", "tier"):
        shown.add_column(heading)
    shown.add_column("packets of the programs", justify="right")
    shown.add_column("why", overflow="fold")
    for host, services in tiers.items():
        for name, found in services.items():
            packets = f"{found['packets']:,}" if "packets" in found else ""
            shown.add_row(host, name, found.get("tier", "tun"), packets, found["why"])
    console.print(shown)


def cell_of(planned: dict[str, Any] | None, faulty: dict[str, Any] | None) -> tuple[str, bool]:
    """Text, and whether it is as it should be: passes as planned, and the fault is found."""
    if planned is None:
        return "not reached", False
    if planned["verdict"] == NOT_APPLICABLE:
        return NOT_APPLICABLE, True
    found = "not asked" if faulty is None else FOUND.get(faulty["verdict"], faulty["verdict"])
    return f"{planned['verdict']} / {found}", planned["verdict"] == PASS and found == "found"


def shortened(text: str, size: int = 140) -> str:
    """As much as a line holds."""
    return text if len(text) <= size else f"{text[: size - 3]}..."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
