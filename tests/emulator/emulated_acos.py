# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for an A10 Thunder: aXAPI v3 over HTTPS with the objects of platform_cases.a10_device.

The words of refusals are those that ACOS 4 and 5 answer with, where public clients show them; running and
startup are apart, and a restart goes back to startup.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from emulated_rest import RestServer
from platform_cases.a10_device import COLLECTIONS, SINGLE, Acos, Refusal

USER, PASSWORD = "ops", "s3cret-of-acos"
PARTITIONS = ("shared", "cgn1")


class EmulatedAcos(RestServer):
    """``device`` holds the running objects of the shared partition, ``partitions`` those of all."""

    def __init__(self, host_file: Path) -> None:
        self.partitions = {name: Acos() for name in PARTITIONS}
        self.startup = {name: copy.deepcopy(acos.objects) for name, acos in self.partitions.items()}
        self.signatures: dict[str, str] = {}  # signature -> active partition
        self.logins = 0
        super().__init__(host_file)

    @property
    def device(self) -> Acos:
        return self.partitions["shared"]

    def expire(self) -> None:
        """Every signature is too old now."""
        self.signatures.clear()

    def restart(self) -> None:
        """What was not written to memory is gone."""
        self.expire()
        for name, acos in self.partitions.items():
            acos.objects = copy.deepcopy(self.startup[name])

    def answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, str, dict[str, str]]:
        try:
            status, document = self._answer(method, path.removeprefix("/axapi/v3/"), headers, body)
        except Refusal as refusal:
            error = {"code": refusal.code, "from": "CM", "msg": refusal.message}
            status, document = refusal.status, {"response": {"status": "fail", "err": error}}
        return status, "" if status == 204 else json.dumps(document), {"Content-Type": "application/json"}

    def _answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, Any]:
        document = json.loads(body) if body else {}
        if (method, path) == ("POST", "auth"):
            return self._log_in(document["credentials"])
        signature = str(headers.get("Authorization", "")).removeprefix("A10 ")
        if signature not in self.signatures:
            return 401, _denied(401, "Invalid admin session.")
        if (method, path) == ("POST", "logoff"):
            del self.signatures[signature]
            return 200, {"response": {"status": "OK"}}
        first, _slash, key = path.partition("/")
        if first in ("partition", "active-partition"):
            if key not in PARTITIONS:
                raise Refusal(404, 1023460352, f"Object specified does not exist (object: {first})")
            if first == "active-partition":
                self.signatures[signature] = key
            return 200, {first: {"partition-name": key}}
        if path == "write/memory":
            return self._write(document["memory"])
        return self._object(self.partitions[self.signatures[signature]], method, path, document)

    def _log_in(self, credentials: dict[str, str]) -> tuple[int, Any]:
        if (credentials["username"], credentials["password"]) != (USER, PASSWORD):
            return 403, _denied(403, f"Incorrect user name or password: {credentials['password']}")
        self.logins += 1
        signature = f"signature{self.logins}"
        self.signatures[signature] = "shared"
        return 200, {"authresponse": {"signature": signature, "description": "the signature should be set"}}

    def _write(self, memory: dict[str, str]) -> tuple[int, Any]:
        name = memory.get("specified-partition", "shared")
        assert memory["partition"] == ("shared" if name == "shared" else "specified")
        self.startup[name] = copy.deepcopy(self.partitions[name].objects)
        return 200, {"response": {"status": "OK", "msg": "Write memory OK"}}

    def _object(self, acos: Acos, method: str, path: str, document: Any) -> tuple[int, Any]:
        if unquote(path) not in COLLECTIONS and unquote(path) not in SINGLE:
            # A slash in a key has to be hidden.
            assert max((c for c in COLLECTIONS if path.startswith(f"{c}/")), key=len).count(
                "/"
            ) + 1 == path.count("/")
        path = unquote(path)
        if method == "GET":
            found = acos.get(path)
            return (204, None) if found is None else (200, found)
        {"POST": acos.post, "PUT": acos.put}[method](path, document) if method != "DELETE" else acos.delete(
            path
        )
        return 200, {"response": {"status": "OK"}}


def _denied(code: int, error: str) -> dict[str, Any]:
    return {"authorizationschema": {"code": code, "error": error, "auth_uri": "/axapi/v3/auth"}}
