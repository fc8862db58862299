# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of NIOS: objects of WAPI with references, what may be done with them, and an operator's own."""

from __future__ import annotations

import copy
import json

FIELDS = {
    "dns64group": {
        "name",
        "prefix",
        "clients",
        "mapped",
        "exclude",
        "disable",
        "enable_dnssec_dns64",
        "comment",
    },
    "view": {"name", "use_dns64", "dns64_enabled", "dns64_groups"},
    "ipv6dhcpoptiondefinition": {"name", "code", "type", "space"},
    "ipv6network": {"network", "network_view", "use_options", "options"},
    "grid": {"name"},
}
_DEFAULTS = {
    "dns64group": {
        "clients": [],
        "mapped": [],
        "exclude": [],
        "disable": False,
        "enable_dnssec_dns64": False,
    }
}
_KEYS = {
    "dns64group": ("name",),
    "view": ("name",),
    "ipv6dhcpoptiondefinition": ("name",),
    "ipv6network": ("network_view", "network"),
    "grid": ("name",),
}
_DNS_SERVERS = {
    "name": "dhcp6.name-servers",
    "num": 23,
    "value": "2001:db8::53",
    "use_option": True,
    "vendor_class": "DHCPv6",
}
FOREIGN = [
    ("grid", {"name": "Infoblox"}),
    ("dns64group", {"name": "default", "prefix": "64:ff9b::/96", "comment": "Auto-created default group"}),
    ("dns64group", {"name": "ipv4aas", "prefix": "2001:db8:9::/96", "comment": "ipv4aas-hall7"}),
    (
        "view",
        {"name": "default", "use_dns64": True, "dns64_enabled": True, "dns64_groups": ["default", "ipv4aas"]},
    ),
    ("view", {"name": "plain", "use_dns64": False, "dns64_enabled": False, "dns64_groups": ["default"]}),
    *(
        ("view", {"name": f"v{n}", "use_dns64": True, "dns64_enabled": True, "dns64_groups": ["default"]})
        for n in range(20)
    ),
    (
        "ipv6dhcpoptiondefinition",
        {"name": "hall7-s46-mape", "code": 194, "type": "string", "space": "DHCPv6"},
    ),
    (
        "ipv6network",
        {
            "network": "2001:db8:1::/64",
            "network_view": "default",
            "use_options": True,
            "options": [
                _DNS_SERVERS,
                {"name": "hall7-s46-mape", "num": 194, "value": "00:01", "vendor_class": "DHCPv6"},
            ],
        },
    ),
    (
        "ipv6network",
        {
            "network": "2001:db8:1::/64",
            "network_view": "other",
            "use_options": True,
            "options": [_DNS_SERVERS],
        },
    ),
    *(
        (
            "ipv6network",
            {
                "network": f"2001:db8:ff{n:02x}::/64",
                "network_view": "default",
                "use_options": False,
                "options": [_DNS_SERVERS],
            },
        )
        for n in range(60)
    ),
]


class Refusal(Exception):
    """What WAPI answers with: HTTP status, code, text."""

    def __init__(self, status: int, code: str, text: str) -> None:
        self.status, self.code, self.text = status, code, text
        super().__init__(text)


class Nios:
    """The store: reference -> type and fields."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, dict]] = {}
        for kind, fields in copy.deepcopy(FOREIGN):
            self._put_in(kind, fields)

    def search(self, kind: str, known_by: dict[str, str], fields: list[str]) -> list[dict]:
        """Objects of a type."""
        self._check_fields(kind, [*known_by, *fields])
        return [
            {"_ref": ref, **{name: copy.deepcopy(body[name]) for name in fields if name in body}}
            for ref, (found, body) in self.objects.items()
            if found == kind and all(str(body.get(name)) == value for name, value in known_by.items())
        ]

    def post(self, kind: str, fields: dict) -> str:
        self._check_fields(kind, list(fields))
        if kind in ("view", "ipv6network", "grid"):
            raise AssertionError(f"a {kind} is the operator's to make")
        keys = _KEYS[kind]
        if self.search(kind, {key: str(fields[key]) for key in keys}, []):
            raise Refusal(400, "Client.Ibap.Data.Conflict", f"The {kind} '{fields[keys[0]]}' already exists.")
        if kind == "ipv6dhcpoptiondefinition" and any(
            body["code"] == fields["code"] for found, body in self.objects.values() if found == kind
        ):
            raise Refusal(400, "Client.Ibap.Data.Conflict", f"An option with code {fields['code']} exists.")
        return self._put_in(kind, copy.deepcopy(fields))

    def put(self, ref: str, fields: dict) -> str:
        kind, body = self._get(ref)
        self._check_fields(kind, list(fields))
        for name in fields.get("dns64_groups", []):
            if not self.search("dns64group", {"name": name}, []):
                raise Refusal(404, "Client.Ibap.Data.NotFound", f"DNS64 group {name} not found")
        known = {option["name"] for option in body.get("options", [])}
        for option in fields.get("options", []):
            defined = self.search("ipv6dhcpoptiondefinition", {"name": option["name"]}, [])
            if not defined and option["name"] not in known:
                raise Refusal(404, "Client.Ibap.Data.NotFound", f"Option {option['name']} not found")
        body.update(copy.deepcopy(fields))
        return ref

    def delete(self, ref: str) -> str:
        kind, body = self._get(ref)
        if kind in ("view", "ipv6network", "grid"):
            raise AssertionError(f"a {kind} is the operator's")
        for _found, other in self.objects.values():
            named = [*other.get("dns64_groups", []), *(option["name"] for option in other.get("options", []))]
            if body["name"] in named:
                raise Refusal(
                    400, "Client.Ibap.Data.Conflict", f"'{body['name']}' is in use and cannot be deleted."
                )
        del self.objects[ref]
        return ref

    def _get(self, ref: str) -> tuple[str, dict]:
        if ref not in self.objects:
            raise Refusal(404, "Client.Ibap.Data.NotFound", f"Reference {ref} not found")
        return self.objects[ref]

    def _put_in(self, kind: str, fields: dict) -> str:
        name = "/".join(str(fields[key]).replace("/", "%2F") for key in reversed(_KEYS[kind]))
        ref = f"{kind}/ZG5z{len(self.objects)}{abs(hash(name)) % 999}:{name}"
        self.objects[ref] = (kind, copy.deepcopy(_DEFAULTS.get(kind, {})) | fields)
        return ref

    def _check_fields(self, kind: str, names: list[str]) -> None:
        if kind not in FIELDS:
            raise Refusal(400, "Client.Ibap.Proto", f"Unknown object type ({kind})")
        for name in names:
            if name not in FIELDS[kind]:
                raise Refusal(400, "Client.Ibap.Proto", f"Unknown argument/field: '{name}'")


class InfobloxDevice:
    """Takes the edits of a change as the requests that they stand for."""

    def __init__(self) -> None:
        self.nios = Nios()

    def show(self) -> str:
        found = {}
        for kind, body in self.nios.objects.values():
            if kind != "grid":
                found["/".join((kind, *(str(body[key]) for key in _KEYS[kind])))] = body
        return json.dumps(found, indent=1)

    def apply(self, payload: str) -> None:
        for edit in json.loads(payload or "[]"):
            kind, _slash, key = edit["path"].partition("/")
            known_by = dict(zip(_KEYS[kind], key.split("/", len(_KEYS[kind]) - 1), strict=True))
            found = self.nios.search(kind, known_by, list(FIELDS[kind]))
            if kind in ("view", "ipv6network"):
                [shared] = {"view": ["dns64_groups"], "ipv6network": ["options"]}[kind]
                before, after = (edit[when] or {shared: []} for when in ("before", "after"))
                kept = [entry for entry in found[0][shared] if entry not in before[shared]]
                self.nios.put(found[0]["_ref"], {shared: kept + after[shared]})
            elif edit["before"] is None:
                self.nios.post(kind, edit["after"])
            elif edit["after"] is None:
                self.nios.delete(found[0]["_ref"])
            else:
                gone = {name: [] for name in edit["before"] if name not in edit["after"]}
                self.nios.put(found[0]["_ref"], gone | edit["after"])


def facts(text: str, dialect: str) -> list[str]:
    """Each value with its path; the order of a list counts where all of it is ours."""

    def walk(value, place):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from walk(item, f"{place}.{key}")
        elif isinstance(value, list):
            shared = place.split(".")[-1] in ("dns64_groups", "options")
            for number, item in enumerate(value):
                yield f"{place}[{'' if shared else number}]={json.dumps(item, sort_keys=True)}"
        else:
            yield f"{place}={value}"

    return sorted(walk(json.loads(text), ""))
