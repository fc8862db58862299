# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that stands for jool on a host: it keeps one instance in the file that JOOL_STATE names.

Like the real one it takes neither another pool6 nor static entries for an instance that is there
(docs/en/config-atomic.md of Jool), and prints what 4.1.9 prints with --csv --no-headers.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(words: list[str]) -> int:
    path = Path(os.environ["JOOL_STATE"])
    state = json.loads(path.read_text()) if path.exists() else None
    if words[0] == "-i":
        words = words[2:]
    match words:
        case ["file", "handle", name]:
            state = handled(json.loads(Path(name).read_text()), state)
        case ["instance", "remove"]:
            state = None
        case _ if state is None:
            return fail("This namespace lacks an instance named 'ipv4aas'.")
        case ["global", "display", *_]:
            print(f"manually-enabled,TRUE\npool6,{state['pool6']}")
        case ["bib", "display", protocol, *_]:
            for name, inside, outside, static in state["bib"]:
                if f"--{name.lower()}" == protocol:
                    print(",".join((name, *inside.split("#"), *outside.split("#"), static)))
        case ["bib", "add" | "remove" as verb, protocol, inside, outside]:
            entry = [protocol.removeprefix("--").upper(), inside, outside, "1"]
            if (entry in state["bib"]) == (verb == "add"):
                return fail("cannot")
            state["bib"] = [e for e in state["bib"] if e != entry] + ([entry] if verb == "add" else [])
        case _:
            return fail(f"usage: {words}")
    path.write_text(json.dumps(state)) if state else path.unlink(missing_ok=True)
    return 0


def handled(document, state):
    if document["framework"] != "netfilter":
        sys.exit(fail("Unknown framework"))
    if state is None:
        entries = [
            [e["protocol"], e["ipv6 address"], e["ipv4 address"], "1"] for e in document.get("bib", ())
        ]
        state = {"bib": entries, "sessions": 0}
    elif document["global"]["pool6"] != state["pool6"]:
        sys.exit(fail("pool6 is immutable"))
    return state | {"pool6": document["global"]["pool6"], "pool4": document.get("pool4", [])}


def fail(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
