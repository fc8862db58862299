# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host keys of many devices: the file is read once, and again when it is another."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target

KEYS = [paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()]


def write(path: Path, keys: dict[str, paramiko.PKey]) -> None:
    lines = [f"{place} {key.get_name()} {key.get_base64()}\n" for place, key in keys.items()]
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(lines))
    fresh.replace(path)


def test_the_file_is_read_once_and_again_when_it_is_another(tmp_path, monkeypatch):
    read = []
    kind = paramiko.HostKeys
    monkeypatch.setattr(paramiko, "HostKeys", lambda path: (read.append(path), kind(path))[1])
    path = tmp_path / "known_hosts"
    write(path, {"192.0.2.1": KEYS[0], "[192.0.2.2]:2022": KEYS[1]})
    one = Target(host="192.0.2.1", username="ops", known_hosts=str(path))
    two = Target(host="192.0.2.2", port=2022, username="ops", known_hosts=str(path))
    assert (one.host_key(), two.host_key()) == (KEYS[0], KEYS[1])
    assert two.host_keys() == {KEYS[1].get_name(): KEYS[1]}
    assert len(read) == 1
    write(path, {"192.0.2.1": KEYS[1]})
    assert one.host_key() == KEYS[1]
    with pytest.raises(TransportError, match=r"\[192.0.2.2\]:2022 is not in .*known_hosts; add it there"):
        two.host_key()
    path.unlink()
    assert one.host_keys() == {}


@pytest.mark.parametrize("port", [22, 830])
def test_capital_letters_in_a_name_are_none_to_ssh(tmp_path, port):
    path = tmp_path / "known_hosts"
    place = "br1.example.net" if port == 22 else f"[br1.example.net]:{port}"
    write(path, {place: KEYS[0]})
    named = Target(host="BR1.Example.net", port=port, username="ops", known_hosts=str(path))
    assert named.host_key() == KEYS[0]
    write(path, {named.known_as: KEYS[1], place: KEYS[0]})
    assert named.host_key() == KEYS[1]
