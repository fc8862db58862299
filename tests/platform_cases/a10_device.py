# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of ACOS: objects below /axapi/v3, what may be done with them, and an operator's own ones."""

from __future__ import annotations

import copy
import json
from ipaddress import IPv4Address

NOT_FOUND, EXISTS, IN_USE, INVALID = 1023460352, 1023410183, 33619969, 1023459393
# Collection -> (name of one object, its key).
COLLECTIONS = {
    "class-list": ("class-list", "name"),
    "cgnv6/nat/pool": ("pool", "pool-name"),
    "cgnv6/nat/pool-group": ("pool-group", "pool-group-name"),
    "cgnv6/lsn-lid": ("lsn-lid", "lid-number"),
    "cgnv6/nat64/prefix": ("prefix", "prefix-val"),
    "cgnv6/map/encapsulation/domain": ("domain", "name"),
    "cgnv6/map/translation/domain": ("domain", "name"),
    "cgnv6/lw-4o6/binding-table": ("binding-table", "name"),
    "slb/server": ("server", "name"),
}
SINGLE = {"cgnv6/nat64/global": "global", "cgnv6/ds-lite/global": "global", "cgnv6/lw-4o6/global": "global"}

FOREIGN = {
    **{
        f"slb/server/s{n}": {
            "name": f"s{n}",
            "host": f"192.0.2.{n}",
            "uuid": f"u{n}",
            "port-list": [{"port-number": 80}],
        }
        for n in range(60)
    },
    **{
        f"class-list/customers{n}": {
            "name": f"customers{n}",
            "type": "ipv6",
            "ipv6-list": [{"ipv6-addr": f"2001:0DB8:{n:X}::/48", "v6-lsn-lid": 7}],
            "user-tag": "ipv4aas-hall7",
        }
        for n in range(40)
    },
    "class-list/ipv4aas": {"name": "ipv4aas", "type": "ipv4", "ipv4-list": [{"ipv4addr": "10.0.0.0/8"}]},
    "class-list/IPV4AAS-hall7": {"name": "IPV4AAS-hall7", "type": "dns"},
    "class-list/ipv4aas-hall9": {"name": "ipv4aas-hall9", "type": "dns"},
    "cgnv6/nat/pool/CGN": {
        "pool-name": "CGN",
        "start-address": "203.0.113.1",
        "end-address": "203.0.113.62",
        "netmask": "/26",
        "shared": 0,
        "uuid": "aa",
    },
    "cgnv6/lsn-lid/7": {
        "lid-number": 7,
        "name": "my-ipv4aas-hall7",
        "source-nat-pool": {"pool-name": "CGN", "shared": 0},
        "override": "none",
        "uuid": "ab",
    },
    "cgnv6/nat64/prefix/2001:db8:9999::/96": {"prefix-val": "2001:db8:9999::/96"},
    "cgnv6/nat64/global": {
        "icmp": {"send-on-port-unavailable": "admin-filtered", "send-on-user-quota-exceeded": "disable"},
        "uuid": "ac",
    },
    "cgnv6/ds-lite/global": {"ip-checksum-error": "fix", "uuid": "ad"},
    "cgnv6/lw-4o6/global": {"icmp-inbound": "handle", "hairpinning": "filter-none", "uuid": "ae"},
    "cgnv6/map/encapsulation/domain/SHOWNET": {
        "name": "SHOWNET",
        "description": "ipv4aas-hall7",
        "tunnel-endpoint-address": "2001:DB8::1",
        "basic-mapping-rule": {
            "prefix-rule-list": [{"name": "ipv4aas-hall7", "rule-ipv6-prefix": "2001:db8::/48"}]
        },
    },
}
_POOL_FIELDS = {"shared": 0, "vrid": 0}
_LID_FIELDS = {"override": "none", "respond-to-user-mac": 0, "drop-on-nat-pool-mismatch": 0}


class Refusal(Exception):
    """What ACOS answers with: HTTP status, code of the error, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


class Acos:
    """The store. It prints IPv6 addresses in capitals, gives each object a uuid, and shows defaults."""

    def __init__(self) -> None:
        self.objects = copy.deepcopy(FOREIGN)
        self.made = 0

    def get(self, path: str) -> dict | None:
        """An object, or a collection (None where it is empty)."""
        if path in SINGLE:
            return {SINGLE[path]: self._shown(path)}
        if path in COLLECTIONS:
            name = COLLECTIONS[path][0]
            found = [self._shown(one) for one in self.objects if self._collection(one) == path]
            return {f"{name}-list": found} if found else None
        if path not in self.objects:
            raise Refusal(404, NOT_FOUND, f"Object specified does not exist (object: {self._element(path)})")
        return {self._element(path): self._shown(path)}

    def post(self, path: str, document: dict) -> None:
        """Creates an object of a collection."""
        element, key = COLLECTIONS[path]
        body = copy.deepcopy(document[element])
        name = self._name(path, body[key])
        if f"{path}/{name}" in self.objects:
            raise Refusal(400, EXISTS, f"Object already exists (object: {element})")
        self._check(path, body)
        self.made += 1
        body["uuid"] = f"made-{self.made}"
        self.objects[f"{path}/{name}"] = body

    def put(self, path: str, document: dict) -> None:
        """Replaces an object."""
        self.get(path)
        body = copy.deepcopy(document[SINGLE.get(path) or self._element(path)])
        if path.startswith("cgnv6/nat/pool/"):
            raise Refusal(400, INVALID, "Modify is not allowed for this field: start-address")
        if "uuid" in body:
            raise Refusal(400, INVALID, "Modify is not allowed for this field: uuid")
        self._check(self._collection(path) or path, body)
        self.objects[path] = body | {"uuid": self.objects.get(path, {}).get("uuid", "kept")}

    def delete(self, path: str) -> None:
        """Deletes an object that no other one names."""
        self.get(path)
        collection, name = self._collection(path), path.split("/")[-1]
        assert collection is not None, f"DELETE of {path} would lose the operator's settings"
        for other, body in self.objects.items():
            if self._names(other, body, collection, name):
                raise Refusal(400, IN_USE, f"{name} is in use by {other}")
        del self.objects[path]

    def _names(self, other: str, body: dict, collection: str, name: str) -> bool:
        if collection in ("cgnv6/nat/pool", "cgnv6/nat/pool-group"):
            members = [member["pool-name"] for member in body.get("member-list", [])]
            return name in members or body.get("source-nat-pool", {}).get("pool-name") == name
        if collection == "class-list":
            inside = body.get("inside", {}).get("source", {}).get("class-list")
            return name in (inside, body.get("class-list") if "prefix-val" in body else None)
        return collection == "cgnv6/lw-4o6/binding-table" and body.get("use-binding-table") == name

    def _check(self, collection: str, body: dict) -> None:
        named = {
            "cgnv6/lsn-lid": [body.get("source-nat-pool", {}).get("pool-name")],
            "cgnv6/nat/pool-group": [member["pool-name"] for member in body.get("member-list", [])],
        }.get(collection, [])
        for name in filter(None, named):
            known = f"cgnv6/nat/pool/{name}" in self.objects or f"cgnv6/nat/pool-group/{name}" in self.objects
            if not known:
                raise Refusal(400, NOT_FOUND, f"Object specified does not exist (object: pool {name})")
        listed = body.get("inside", {}).get("source", {}).get("class-list")
        listed = listed or (body.get("class-list") if collection == "cgnv6/nat64/prefix" else None)
        if listed and f"class-list/{listed}" not in self.objects:
            raise Refusal(400, NOT_FOUND, "Object specified does not exist (object: class-list)")
        table = body.get("use-binding-table")
        if table and f"cgnv6/lw-4o6/binding-table/{table}" not in self.objects:
            raise Refusal(400, NOT_FOUND, "Object specified does not exist (object: binding-table)")
        if collection == "cgnv6/nat/pool":
            self._check_pool(body)
        value = body.get("tcp", {}).get("mss-clamp", {}).get("mss-value", 0)
        if value > 1420:
            raise Refusal(400, INVALID, f"Value {value} is out of range 0..1420 (mss-value)")

    def _check_pool(self, body: dict) -> None:
        first, last = IPv4Address(body["start-address"]), IPv4Address(body["end-address"])
        length = int(body["netmask"].removeprefix("/"))
        if int(first) >> (32 - length) != int(last) >> (32 - length):
            raise Refusal(400, INVALID, "Start and end address are not in one subnet")
        for path, other in self.objects.items():
            if path.startswith("cgnv6/nat/pool/") and not (
                last < IPv4Address(other["start-address"]) or first > IPv4Address(other["end-address"])
            ):
                raise Refusal(400, INVALID, f"IP address range overlaps with pool {other['pool-name']}")

    def _shown(self, path: str) -> dict:
        body = copy.deepcopy(self.objects.get(path, {}))
        if path.startswith("cgnv6/nat/pool/"):
            body = {**_POOL_FIELDS, **body}
        if path.startswith("cgnv6/lsn-lid/"):
            body = {**_LID_FIELDS, **body}
        return json.loads(
            json.dumps(body).replace("2001:3e8:", "2001:3E8:"),
            object_hook=lambda item: dict(reversed(item.items())),
        )

    def _collection(self, path: str) -> str | None:
        fitting = [name for name in COLLECTIONS if path.startswith(f"{name}/")]
        return max(fitting, key=len) if fitting else None

    def _element(self, path: str) -> str:
        collection = self._collection(path)
        if collection is None:
            raise Refusal(404, NOT_FOUND, f"Object specified does not exist (object: {path})")
        return COLLECTIONS[collection][0]

    def _name(self, path: str, key: object) -> str:
        return str(key)


class A10Device:
    """Takes the edits of a change as the requests that they stand for."""

    def __init__(self) -> None:
        self.acos = Acos()

    def show(self) -> str:
        paths = [path for path in self.acos.objects if path.split("/")[0] in ("class-list", "cgnv6")]
        return json.dumps({path: next(iter(self.acos.get(path).values())) for path in paths}, indent=1)

    def apply(self, payload: str) -> None:
        for edit in json.loads(payload or "[]"):
            path, before, after = edit["path"], edit["before"], edit["after"]
            if path in SINGLE:
                self._merge(path, before or {}, after or {})
            elif before is None:
                self.acos.post(self.acos._collection(path), {self.acos._element(path): after})
            elif after is None:
                self.acos.delete(path)
            else:
                self.acos.put(path, {self.acos._element(path): after})

    def _merge(self, path: str, before: dict, after: dict) -> None:
        body = {key: value for key, value in self.acos.objects.get(path, {}).items() if key != "uuid"}
        for key in before:
            body.pop(key, None)
        self.acos.put(path, {SINGLE[path]: body | after})


def facts(text: str, dialect: str) -> list[str]:
    """Each value with its path; the numbers of the objects (uuid) and the defaults of lw4o6 left out."""
    if dialect == "cli":
        return sorted(text.splitlines())

    def walk(value, place):
        if isinstance(value, dict):
            for key, item in value.items():
                if key != "uuid" and (key, item) != ("hairpinning", "filter-none"):
                    yield from walk(item, f"{place}.{key}")
        elif isinstance(value, list):
            for item in sorted(json.dumps(item, sort_keys=True) for item in value):
                yield f"{place}[]={item}"
        else:
            yield f"{place}={value}"

    return sorted(walk(json.loads(text), ""))
