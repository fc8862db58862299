# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that fail, against real SSH servers on loopback: what the message says to look at; no secret."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import emulated_acos
import emulated_nios
import pytest
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.device import DEFAULT_PORTS, FEATURES, target
from emulated_acos import EmulatedAcos
from emulated_ios_xr import IosXrRouter
from emulated_model import ModelRouter
from emulated_nios import EmulatedNios
from emulated_rest import certificate
from emulated_router import Ground
from platform_cases import CASES
from refused_cases import expect_message, rows

CASES_HERE = rows("connection")
PASSWORD = "0pen-Sesame"
USER = "netops"
NETCONF_END = "]]>]]>"
# Seconds for who answers, and for who never does.
TIMEOUT, NO_ANSWER = 30, 2


class Door(asyncssh.SSHServer):
    """Lets one user in, by a password or the key of the ground."""

    def __init__(self, open_now: list[asyncssh.SSHServerConnection]) -> None:
        self.open_now = open_now

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.open_now.append(conn)

    def begin_auth(self, username: str) -> bool:
        self.known = username == USER
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return self.known and password == PASSWORD

    def public_key_auth_supported(self) -> bool:
        return self.known


class PlainDoor(Door):
    """Whoever is in finds neither a shell nor a subsystem."""

    def session_requested(self) -> asyncssh.SSHServerSession[str]:
        return asyncssh.SSHServerSession()


def netconf(*abilities: str) -> Callable[[asyncssh.SSHServerProcess[str]], Any]:
    """A NETCONF server (RFC 6242, base 1.0) of some capabilities, whose configuration is empty."""
    offered = ["urn:ietf:params:netconf:base:1.0"]
    offered += [f"urn:ietf:params:netconf:capability:{each}:1.0" for each in abilities]
    namespace = 'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
    hello = "".join(f"<capability>{uri}</capability>" for uri in offered)

    async def serve(process: asyncssh.SSHServerProcess[str]) -> None:
        capabilities = f"<capabilities>{hello}</capabilities>"
        process.stdout.write(
            f"<hello {namespace}>{capabilities}<session-id>1</session-id></hello>{NETCONF_END}"
        )
        with contextlib.suppress(asyncssh.Error, asyncio.IncompleteReadError):
            while message := await process.stdin.readuntil(NETCONF_END):
                found = re.search(r'message-id="([^"]*)"', message)
                if found is not None:
                    body = "<ok/>" if "close-session" in message else "<data/>"
                    process.stdout.write(
                        f'<rpc-reply {namespace} message-id="{found[1]}">{body}</rpc-reply>{NETCONF_END}'
                    )
        process.exit(0)

    return serve


class Bench:
    """One server of a kind, and what a host's variables say of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ground = Ground(folder)
        self.known_hosts = folder / "known_hosts"
        self.port = 0
        self.stops: list[Callable[[], object]] = []
        self.https: dict[str, Any] = {}

    def open(self, kind: str) -> None:
        self.ground.start()
        self.stops.append(self.ground.stop)
        name, _colon, more = kind.partition(":")
        key = self.ground.public_key
        if name in ("awplus", "unprivileged"):
            return self._model(unprivileged=name == "unprivileged")
        if name in ("acos", "nios"):
            return self._https(name)
        if name in ("closed", "silent", "shy", "mail"):
            self._plain(name)
        else:
            self._ssh(netconf(*more.split(",")) if name in ("netconf", "good") else None)
            if name == "changed":
                key = public(asyncssh.generate_private_key("ssh-ed25519"))
            elif name == "other-type":
                key = public(asyncssh.generate_private_key("ecdsa-sha2-nistp256"))
        known = f"[127.0.0.1]:{self.port},[br1.invalid]:{self.port} {key}\n"
        self.known_hosts.write_text(known if name != "unknown" else "", "ascii")
        return None

    def _ssh(self, serve: Callable[[asyncssh.SSHServerProcess[str]], Any] | None) -> None:
        door = Door if serve else PlainDoor
        connections: list[asyncssh.SSHServerConnection] = []

        async def listen() -> None:
            self.server = await asyncssh.create_server(
                lambda: door(connections),
                "127.0.0.1",
                0,
                options=self.ground.options,
                process_factory=serve,
            )
            self.port = self.server.get_port()

        async def end() -> None:
            self.server.close()
            for connection in connections:
                connection.abort()
            await asyncio.sleep(0.05)

        self.ground.run(listen())
        self.stops.insert(0, lambda: self.ground.run(end()))

    def _plain(self, name: str) -> None:
        """No SSH: nothing at all, nobody who speaks, who hangs up, or a mail server."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        if name == "closed":
            listener.close()
            return
        self.stops.append(listener.close)

        async def answer() -> None:
            loop = asyncio.get_running_loop()
            listener.setblocking(False)
            with contextlib.suppress(OSError, asyncio.CancelledError):
                while True:
                    line, _address = await loop.sock_accept(listener)
                    if name == "silent":
                        self.stops.append(line.close)
                        continue
                    if name == "mail":
                        await loop.sock_sendall(line, b"220 mail.example.net ESMTP\r\n")
                        await loop.sock_recv(line, 100)
                        await loop.sock_sendall(line, b"500 unrecognized command\r\n")
                    line.close()

        task = asyncio.run_coroutine_threadsafe(answer(), self.ground.loop)
        self.stops.insert(0, task.cancel)

    def _model(self, *, unprivileged: bool) -> None:
        case = CASES["awplus"]
        manners = case.manners["cli"]
        if unprivileged:
            manners = replace(manners, exec_prompt="awplus>")
        router = ModelRouter(self.folder / "router", case.device("cli"), manners)
        router.start()
        self.stops.insert(0, router.stop)
        self.port, self.known_hosts, self.ground.user_key = router.port, router.known_hosts, router.user_key

    def _https(self, name: str) -> None:
        authority, host_file = certificate(self.folder)
        server = EmulatedAcos(host_file) if name == "acos" else EmulatedNios(host_file)
        self.stops.insert(0, server.stop)
        self.port, self.https = server.port, {"ansible_httpapi_ca_path": str(authority)}
        kind = emulated_acos if name == "acos" else emulated_nios
        self.https |= {"ansible_user": kind.USER, "ansible_password": kind.PASSWORD}

    def close(self) -> None:
        for stop in self.stops:
            stop()

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a good login, and what a case says otherwise."""
        good = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.ground.user_key),
        } | self.https
        put = {
            name: value.replace("FOLDER", str(self.folder)) if isinstance(value, str) else value
            for name, value in given.items()
        }
        return {name: value for name, value in (good | put).items() if value is not None}

    def neutral(self, text: str) -> str:
        """Without what is another at each run."""
        text = text.replace(str(self.known_hosts), "KNOWN_HOSTS").replace(str(self.folder), "FOLDER")
        return text.replace(str(self.port), "PORT")


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys that open nothing."""
    folder = tmp_path_factory.mktemp("keys")
    key = asyncssh.generate_private_key("ssh-ed25519")
    for name in ("other_key", "secret_key"):
        key.write_private_key(str(folder / name))
    key.write_private_key(str(folder / "locked_key"), passphrase="Th3-Passphrase")
    key.write_public_key(str(folder / "user_key.pub"))
    return folder


@pytest.fixture
def bench(tmp_path: Path, keys: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench")
    shutil.copytree(keys, made.folder, dirs_exist_ok=True)
    (made.folder / "secret_key").chmod(0)
    yield made
    made.close()


@pytest.mark.parametrize(("name", "case"), CASES_HERE, ids=[name for name, _case in CASES_HERE])
def test_login_that_fails(bench: Bench, name: str, case: dict[str, Any]) -> None:
    bench.open(case["server"])
    variables = bench.variables(case.get("variables", {}))
    message = bench.neutral(complaint(bench, case, variables))
    expect_message("connection", name, message)
    for secret in (PASSWORD, "Th3-Passphrase", *secrets(variables)):
        assert secret not in message


def secrets(variables: Mapping[str, Any]) -> list[str]:
    return [value for name, value in variables.items() if "password" in name]


def complaint(bench: Bench, case: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """What the task that begins a change would say."""

    def variable(*names: str) -> Any:
        return next((variables[name] for name in names if name in variables), None)

    seconds = NO_ANSWER if case["server"] == "silent" else TIMEOUT
    options = {"timeout": seconds, "known_hosts": str(bench.known_hosts)}
    platform, dialect = case["platform"], case["dialect"]

    def begin() -> None:
        where = target(variable, options, DEFAULT_PORTS[FEATURES[platform].transports[dialect]])
        with session_for(platform, dialect, where) as session:
            session.begin()

    with pytest.raises((TransportError, Failed)) as caught, nobody(case):
        begin()
    assert not isinstance(caught.value, TransportError) or caught.value.left == "unchanged"
    return str(caught.value)


@contextlib.contextmanager
def nobody(case: Mapping[str, Any]) -> Iterator[None]:
    """Root may read a file of mode 0; there it is somebody else who tries."""
    drops = "secret_key" in str(case.get("variables")) and os.geteuid() == 0
    if drops:
        os.seteuid(65534)
    try:
        yield
    finally:
        if drops:
            os.seteuid(0)


def test_netconf_of_a_device_that_is_known_by_an_rsa_key(bench: Bench) -> None:
    """Its key is called ssh-rsa, and no algorithm that is agreed on is (RFC 8332)."""
    key = asyncssh.generate_private_key("ssh-rsa")
    bench.ground.options = asyncssh.SSHServerConnectionOptions(
        options=bench.ground.options, server_host_keys=[key]
    )
    bench.open("good:candidate,confirmed-commit")
    bench.known_hosts.write_text(f"[127.0.0.1]:{bench.port} {public(key)}\n", "ascii")
    where = Target(
        host="127.0.0.1",
        port=bench.port,
        username=USER,
        key_file=str(bench.ground.user_key),
        known_hosts=str(bench.known_hosts),
        timeout=TIMEOUT,
    )
    with session_for("asr9000", "netconf", where) as session:
        assert "data" in session.read()
    bench.known_hosts.write_text(
        f"[127.0.0.1]:{bench.port} {public(asyncssh.generate_private_key('ssh-rsa'))}\n", "ascii"
    )
    with (
        pytest.raises(TransportError, match="shows another host key"),
        session_for("asr9000", "netconf", where),
    ):
        pass


def test_without_password_and_key_file_the_keys_of_the_user_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = IosXrRouter(tmp_path / "xr", "hostname asr9k\n")
    router.start()
    try:
        (tmp_path / ".ssh").mkdir()
        shutil.copy(router.user_key, tmp_path / ".ssh" / "id_ed25519")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        where = Target(
            host="127.0.0.1", port=router.port, username=USER, known_hosts=str(router.known_hosts), timeout=10
        )
        with session_for("asr9000", "cli", where) as session:
            assert "hostname asr9k" in session.read()
    finally:
        router.stop()
