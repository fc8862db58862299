# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router's command line over SSH by netmiko: one line in, what the router says to it out."""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import paramiko  # type: ignore[import-untyped]
from netmiko import BaseConnection, log, ssh_dispatcher

from .login import dial, private_key, show_host_keys
from .target import Target

T = TypeVar("T")
# Seconds in which a router says its prompt; one that takes longer is prepared as netmiko does it.
_SPEAKS_WITHIN = 5.0
# Seconds after which no more of a line is to come.
_SILENT_FOR = 2.0
# Of a prompt IOS XR shows no more than that in configuration mode.
_SURE_OF_A_PROMPT = 31


class Terminal:
    """An interactive session.

    ``shape`` is a pattern of prompts, with ``{name}`` for the router's name in it; ``banner`` one of a line
    above the prompt that belongs to it. Where a session ``begins_outside`` of any mode that a prompt tells,
    the first prompt is not asked for. ``preparation`` are the lines that let the router show whole texts;
    without any it is netmiko that knows them.
    """

    def __init__(
        self,
        target: Target,
        device_type: str,
        shape: str = r"{name}[^\r\n]*[>#]",
        banner: str = "",
        *,
        begins_outside: bool = False,
        preparation: tuple[str, ...] = (),
    ) -> None:
        self._preparation = preparation
        self._shape, self._banner, self._begins_outside = shape, banner, begins_outside
        self._target = target
        self._device_type = device_type
        self._connection: BaseConnection | None = None
        self._prompt_pattern = ""
        self._asked = False  # whether the router waits for the answer to a question
        self._prompt = ""

    def open(self) -> None:
        """Raises netmiko's and paramiko's errors, and TransportError where nothing speaks SSH there."""
        target = self._target
        key = private_key(target)
        self._connection = _connection_class(self._device_type, self._preparation)(
            known=target,
            device_type=self._device_type,
            host=target.host,
            port=target.port,
            sock=dial(target),
            username=target.username,
            password=target.password or "",
            secret=target.enable_password or "",
            use_keys=target.key_file is not None or target.use_own_keys,
            pkey=key,
            key_file=target.key_file if key is None else None,
            allow_agent=target.use_own_keys,
            ssh_strict=target.verify_host_key,
            conn_timeout=target.timeout,
            banner_timeout=target.timeout,
            auth_timeout=target.timeout,
            read_timeout_override=target.timeout,
        )
        if target.enable_password is not None:
            self._connection.enable()
        name = re.escape(self._connection.base_prompt)
        self._prompt_pattern = rf"(?:{self._shape.replace('{name}', name)})\s*$"

    def close(self) -> None:
        """Ends the connection without a word to the router."""
        if self._connection is not None:
            # netmiko's disconnect() would type commands that leave configuration mode.
            assert self._connection.remote_conn_pre is not None
            self._connection.remote_conn_pre.close()
            # It would also drop this, which keeps the passwords of a session from netmiko's log.
            log.removeFilter(self._connection._secrets_filter)
            self._connection = None

    @property
    def prompt(self) -> str:
        """The last line that the router showed: host and mode."""
        if not self._prompt:
            connection = self._open_connection()
            self._prompt = connection.base_prompt if self._begins_outside else connection.find_prompt()
        return self._prompt

    def run(self, line: str, questions: str = "") -> str:
        """What the router says to a line, without the echo and the next prompt.

        ``questions`` is a pattern of what it may ask instead of showing a prompt; the text then
        ends with the question. It is looked for at the end of the text, never in the echo.
        """
        self._open_connection().write_channel(f"{line}\n")
        asked = rf"(?:{questions})\s*$" if questions else "(?!)"
        # Prompts of an earlier line may come late; what a question wants is not always echoed.
        echo = r"\A" if self._asked else rf"{re.escape(line)} *\n"
        lines = self._read_until(asked, echo).rstrip().split("\n")
        self._asked = not re.search(self._prompt_pattern, lines[-1])
        if not self._asked:
            self._prompt = lines.pop().strip()
            if self._banner and lines and re.fullmatch(self._banner, lines[-1].strip()):
                self._prompt = f"{lines.pop().strip()} {self._prompt}"
        if lines and lines[0].strip().endswith(line):
            del lines[0]
        return "\n".join(lines).strip("\n")

    def _open_connection(self) -> BaseConnection:
        if self._connection is None:
            raise EOFError("the session was closed")
        return self._connection

    def _read_until(self, asked: str, echo: str) -> str:
        """What comes after the echo, up to a prompt or what is ``asked``. Raises TimeoutError or EOFError."""

        def answer(text: str) -> str | None:
            rest = text[found.end() :] if (found := re.search(echo, text)) else ""
            return rest if re.search(f"{asked}|{self._prompt_pattern}", rest) else None

        def is_sure(rest: str) -> bool:
            last = rest.rstrip().rpartition("\n")[2]
            return re.search(rf"{asked}|^\W*{self._prompt_pattern}", last) is not None

        return _heard(self._open_connection(), self._target.timeout, answer, is_sure)


def _heard(
    connection: Any, seconds: float, of: Callable[[str], T | None], is_sure: Callable[[T], bool] | None = None
) -> T:
    """What ``of`` makes of what the router says, as soon as that is something.

    What is not sure, such as a piece of a line that looks like a prompt, counts once nothing follows.
    Raises TimeoutError or EOFError. netmiko's own readers sleep between two looks, which a thousand
    lines would feel.
    """
    channel = connection.remote_conn
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = ""
    found: T | None = None
    while True:
        channel.settimeout(seconds if found is None else min(_SILENT_FOR, seconds))
        try:
            data = channel.recv(65536)
        except TimeoutError:
            if found is None:
                raise
            return found
        if not data:
            raise EOFError("the router closed the session")
        text += decoder.decode(data).replace("\r", "")
        if connection.ansi_escape_codes:
            text = connection.strip_ansi_escape_codes(text)
        found = of(text)
        if found is not None and (is_sure is None or is_sure(found)):
            return found


@functools.cache
def _connection_class(device_type: str, preparation: tuple[str, ...]) -> Callable[..., BaseConnection]:
    """netmiko's own, given the host keys of the device: it would read the file of all devices for each.

    Keys of the agent and of ~/.ssh are used without a key file, too.
    """
    kind = ssh_dispatcher(device_type)

    def begin(self: Any, known: Target, **values: Any) -> None:
        self.known = known
        kind.__init__(self, **values)

    def build(self: Any) -> paramiko.SSHClient:
        client = kind._build_ssh_client(self)
        if self.known.verify_host_key:
            show_host_keys(client, self.known)
        return client

    def check(self: Any) -> bool:
        return True  # that the key file is there: private_key() has read it, or none is wanted

    def prepare(self: Any, force_data: bool = True) -> None:
        if not (preparation and _prepared(self, preparation, self.known.timeout)):
            kind._try_session_preparation(self, force_data)

    return type(
        kind.__name__,
        (kind,),
        {
            "__init__": begin,
            "_get_ssh_client_instance": lambda self: _Client(),
            "_build_ssh_client": build,
            "_key_check": check,
            "_try_session_preparation": prepare,
        },
    )


def _prepared(connection: Any, lines: Sequence[str], seconds: float) -> bool:
    """Types the lines that prepare a session, and learns the router's name; False where that is not sure.

    netmiko would do it in more lines, and wait between them for the router to be silent.
    """

    def prompt(text: str) -> str | None:
        last = text.rpartition("\n")[2].strip()
        return last if last.endswith(("%", "$", ">", "#")) else None

    def prompt_after(line: str) -> Callable[[str], str | None]:
        def after(text: str) -> str | None:
            echo = re.search(rf"{re.escape(line)} *\n", text)
            return prompt(text[echo.end() :]) if echo else None

        return after

    try:
        first = _heard(connection, min(_SPEAKS_WITHIN, seconds), prompt)
    except TimeoutError:
        return False
    if "root@" in first or first.endswith(("%", "$")):
        return False  # a shell, which is to be left first
    shown = set()
    for line in lines:
        connection.write_channel(f"{line}\n")
        shown.add(_heard(connection, seconds, prompt_after(line)))
    # What is shown after each line is the prompt, and no line of a greeting that looks like one.
    if len(shown) != 1:
        return False
    name = shown.pop()
    connection.base_prompt = name[:-1][:_SURE_OF_A_PROMPT] or name
    return True


class _Client(paramiko.SSHClient):  # type: ignore[misc]
    """Prefers ciphers that need no other authentication code (RFC 5647): paramiko computes that in Python."""

    def connect(self, *place: Any, **values: Any) -> None:
        super().connect(*place, transport_factory=_transport, **values)


def _transport(*place: Any, **values: Any) -> paramiko.Transport:
    made = paramiko.Transport(*place, **values)
    security = made.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda cipher: "-gcm@" not in cipher)
    return made
