# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The software node as a process: one event loop over TUN, control socket and signals.

What takes long (reading and compiling a large configuration) is done beside it by a second thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

from .. import VERSION
from ..codec import encode
from ..packet.buffer import Packet
from ..techniques.service import NodeConfiguration, Service
from . import control, kernel
from .coalesce import coalesce
from .fast.path import AUTO, fast_path
from .health import STATUS_SOCKET
from .namespace import HOME, NamespaceError
from .plane import PlaneNode
from .port import Port
from .services import Services
from .session_log import FOLDER, SessionLogs, since_1970
from .store import Store, dissolve
from .supervisor import Supervisor
from .tun import TunError

BATCH = 128  # packets between two looks at the other events
TICK = 1.0  # seconds between two looks at the tables
_DRAIN = 100_000  # packets at most that are still served after a stop
_QUESTION = 4096  # octets of a question for the status, at most

_UNLOCKS_WITHIN = 5  # seconds from the end of a killed node's socket until the kernel lets go of its files
_SHORT = 0.05  # seconds between two looks at a lock
_TURN = 0.0005  # seconds that other work may keep a packet waiting

Arguments = dict[str, Any]
Result = TypeVar("Result")


class DaemonError(Exception):
    """The node cannot run here."""


class Daemon:
    """A running node."""

    def __init__(
        self,
        state: Path,
        socket_path: Path,
        *,
        hooks: str = AUTO,
        devices: Iterable[str] = (),
        keep_forwarding: bool = False,
    ) -> None:
        """`hooks` is one of fast.path.MODES, at these devices only where some are named.

        With `keep_forwarding` a signal ends the process, but not the programs of the fast path.
        Raises DaemonError, StoreError, ControlError, KernelError or TunError.
        """
        for folder in (state, socket_path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(state)
        self._started = time.monotonic()
        self._store = Store(state)
        self._session_logs = SessionLogs(state / FOLDER, since_1970)
        self._services = Services(rng=SystemRandom(), log=self._session_logs.write)
        self._folder = socket_path.parent
        self._ports: dict[str, Port] = {}  # by namespace
        self._active: NodeConfiguration | None = None  # None: to be brought about
        self._fault = self._log_fault = ""
        self._stopping, self._keep_forwarding = False, keep_forwarding
        self._supervisor = Supervisor()
        self._selector = selectors.DefaultSelector()
        self._lookers = selectors.EpollSelector()  # who asks for the status: answered beside long work too
        self._selector.register(self._lookers, selectors.EVENT_READ, self._on_lookers)
        self._commands: dict[str, Callable[[Arguments], Any]] = {
            "begin": self._begin,
            "read": self._read,
            "propose": self._propose,
            "apply": self._apply,
            "confirm": self._confirm,
            "revert": self._revert,
            "status": self._status,
            "sessions": self._sessions,
            "stop": self._stop,
        }
        self._control = control.Server(socket_path, self._selector, self._handle, self._parse)
        self._looked_at = control.Server(
            socket_path.with_name(STATUS_SOCKET), self._lookers, self._show, mode=0o660, largest=_QUESTION
        )
        self._fast = fast_path(
            *(hooks, state, _log, devices, self._services.nodes, self._services.note),
            records=self._session_logs.write_of,
        )
        self._routing = self._fast.routing  # of the kernel, whose news it hears
        if self._routing is not None:
            self._selector.register(self._routing, selectors.EVENT_READ, self._routing.heard)
        try:
            self._activate(self._store.running)
        except Exception:
            self._close()
            raise

    # The loop

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until a stop; ``ready`` is called once, when the services run."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # there is no file to read again
        with _Signals(self._selector, (signal.SIGTERM, signal.SIGINT), self._on_signal):
            gc.freeze()  # what is there now lives as long as the process
            ready()
            self._supervisor.ready()
            due = 0.0
            while not self._stopping:
                for key, mask in self._selector.select(max(0.0, due - time.monotonic())):
                    key.data(mask)
                if time.monotonic() >= due:
                    self._tick()
                    due = time.monotonic() + TICK
            self._supervisor.stopping()
            self._close()

    def _on_lookers(self, mask: int) -> None:
        for key, events in self._lookers.select(0):
            key.data(events)

    def _on_port(self, port: Port) -> None:
        if self._ports.get(port.namespace) is not port:
            return  # a command of the same round closed it
        try:
            self._forward(port)
        except TunError as error:
            # Somebody deleted the device.
            _log(f"{error}; making it again")
            self._drop(port)
            self._active = None
            self._settle()

    def _forward(self, port: Port) -> int:
        now, process = time.monotonic(), self._services.process
        packets = port.read(BATCH)
        outputs: defaultdict[str, list[Packet]] = defaultdict(list)
        for packet in coalesce(packets):
            for output, namespace in process(packet, now, port.namespace):
                outputs[namespace].append(output)
        for namespace, sent in outputs.items():
            if namespace in self._ports:  # one may be gone for a while
                self._ports[namespace].write(sent)
        return len(packets)

    def _beside(self, work: Callable[[], Result]) -> Result:
        """The result of work that may take long: packets go on meanwhile, commands wait."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        gc.disable()  # one look at a million new objects takes longer than the device's queue lasts
        try:
            with ThreadPoolExecutor(1) as pool, _Bell() as bell, selectors.DefaultSelector() as doors:
                doors.register(bell, selectors.EVENT_READ)
                doors.register(self._lookers, selectors.EVENT_READ)
                for port in self._ports.values():
                    doors.register(port, selectors.EVENT_READ, port)
                if self._routing is not None:
                    doors.register(self._routing, selectors.EVENT_READ)
                result = pool.submit(work)
                result.add_done_callback(bell.ring)
                while not result.done():
                    self._supervisor.alive()
                    for key, mask in doors.select(TICK):
                        if key.fileobj is self._lookers:
                            self._on_lookers(mask)
                        if self._routing is not None and key.fileobj is self._routing:
                            self._routing.heard(mask)
                        if key.data is None:
                            continue
                        try:
                            self._forward(key.data)
                        except TunError:  # told when it is read in its turn
                            doors.unregister(key.fileobj)
                return result.result()
        finally:
            gc.freeze()
            gc.enable()
            sys.setswitchinterval(interval)

    def _replacing(self, keep: Callable[[], None]) -> None:
        """Keep another configuration, and let go of the old one piece by piece."""
        rows = {"bindings": [row for service in self._store.confirmed.services for row in service.bindings]}

        def work() -> None:
            keep()
            dissolve(rows)

        self._beside(work)

    def _tick(self) -> None:
        self._supervisor.alive()
        now = time.monotonic()
        for packet, namespace in self._services.expire(now):
            port = self._ports.get(namespace)
            if port is not None:
                with contextlib.suppress(TunError):  # told when it is read
                    port.write([packet])
        self._flush_logs()
        self._fast.tick()
        if self._store.trial is not None:
            self._store.tick(now)
            if self._store.trial is None:
                _log("not confirmed in time: going back")
        for port in [port for port in self._ports.values() if port.abandoned]:
            _log(f"network namespace {port.namespace} was deleted")
            self._drop(port)
            self._active = None
        self._settle()

    def _flush_logs(self) -> None:
        self._session_logs.flush()
        before, self._log_fault = self._log_fault, self._session_logs.fault
        if self._log_fault != before:
            _log(self._log_fault or "session logs are written again")

    def _settle(self) -> None:
        """Run what the store says; what fails is tried again at the next tick."""
        if self._active == self._store.running:
            return
        try:
            self._activate(self._store.running)
            self._fault = ""
        except Exception as error:
            if str(error) != self._fault:
                _log(f"cannot run the configuration: {error}")
            self._fault = str(error)

    def _on_signal(self) -> None:
        self._stopping = True

    # Configuration

    def _activate(self, configuration: NodeConfiguration) -> None:
        """Run other services; the device stays open where it is the same. On failure nothing is different.

        Where a device or namespace was lost, what does not need it goes on.
        """

        def prepare() -> None:
            self._services.prepare(configuration)
            self._fast.prepare(configuration)

        self._beside(prepare)
        before, self._active = self._active, None
        try:
            self._run(configuration)
        except Exception:
            if before is not None:
                self._run(before)
            self._active = before
            raise
        self._active = configuration
        names = ", ".join(service.name for service in configuration.services) or "nothing"
        _log(f"running {names}")

    def _run(self, configuration: NodeConfiguration) -> None:
        services, device = configuration.services, configuration.device
        places = {HOME, *(service.namespace for service in services)} if services else set()
        # New doors are open before somebody sends through them, old ones until nobody does.
        renamed = {port.namespace for port in self._ports.values() if port.device != device}
        for namespace in renamed:
            self._drop(self._ports[namespace])
        for namespace in sorted(places - set(self._ports)):
            self._open(device, namespace)
        for namespace in sorted(set(self._ports) - places):
            self._drop(self._ports[namespace])
        addresses = {namespace: port.own_addresses() for namespace, port in self._ports.items()}

        def icmp_source(service: Service) -> int:
            return kernel.error_source(service, addresses[service.namespace])

        self._services.reload(configuration, icmp_source)
        for namespace, port in self._ports.items():
            port.apply(kernel.wanted(services, device, namespace))
        self._fast.run(configuration)
        for name, node in self._services.nodes():
            if isinstance(node, PlaneNode):
                node.tell_paths(partial(self._fast.narrow, name))

    def _open(self, device: str, namespace: str) -> None:
        port = self._ports[namespace] = Port(device, namespace, self._folder)
        self._selector.register(port, selectors.EVENT_READ, lambda mask: self._on_port(port))

    def _drop(self, port: Port, *, keep: bool = False) -> None:
        """Withdraw the routes, serve what is on the way, and give the device back.

        With `keep` all but the device and its routes stays as it is, as after a kill: forwarding above all.
        """
        try:
            if not keep:
                port.withdraw()
        except (kernel.KernelError, NamespaceError) as error:
            _log(f"not all is taken back: {error}")
        self._selector.unregister(port)
        try:
            for _ in range(_DRAIN // BATCH):
                if not self._forward(port):
                    break
        except TunError:
            pass  # it is gone: nothing is on the way
        del self._ports[port.namespace]
        port.close()

    def _close(self) -> None:
        if self._routing is not None:
            self._selector.unregister(self._routing)
        self._fast.close(keep=self._keep_forwarding)
        for port in list(self._ports.values()):
            self._drop(port, keep=self._keep_forwarding)
        self._services.stop()
        self._session_logs.close()
        # In this order: who waits for the end of this node may start the next one at once.
        os.close(self._lock)
        self._looked_at.close()
        self._control.close()
        self._selector.unregister(self._lookers)
        self._lookers.close()
        self._selector.close()

    # Commands

    def _parse(self, line: bytes) -> Any:
        # With a hook in Python the parser lets packets pass between two objects.
        return self._beside(lambda: json.loads(line, object_hook=dict))

    def _handle(self, request: Arguments) -> Any:
        arguments = dict(request)
        name = arguments.pop("command", None)
        if name not in self._commands:
            raise control.ControlError(f"{name} is unknown; one of {', '.join(self._commands)}")
        return self._commands[name](arguments)

    def _show(self, request: Arguments) -> Any:
        if request.get("command") != "status":
            raise control.ControlError("this socket answers status only; ask the control socket")
        return self._status(request)

    def _begin(self, arguments: Arguments) -> Any:
        self._store.begin(arguments["owner"], time.monotonic())
        self._settle()
        return self._state()

    def _read(self, arguments: Arguments) -> Any:
        return self._beside(lambda: encode(self._store.running))

    def _propose(self, arguments: Arguments) -> Any:
        owner, document = arguments["owner"], arguments["configuration"]

        def propose() -> str:
            try:
                return self._store.propose(owner, document, time.monotonic())
            finally:
                dissolve(document)

        difference = self._beside(propose)
        self._settle()
        return {"diff": difference}

    def _apply(self, arguments: Arguments) -> Any:
        owner, within = arguments["owner"], arguments.get("within")
        if within is not None and not (isinstance(within, (int, float)) and 0 < within <= 86400):
            raise control.ControlError(f"--within {within}: seconds, more than 0 and up to a day")
        candidate = self._store.proposed(owner, time.monotonic())
        self._activate(candidate)
        try:
            self._replacing(lambda: self._store.accept(owner, within, time.monotonic()))
        finally:
            self._settle()  # back, where it could not be kept
        _log(f"{owner} applied a configuration" + (f", on trial for {within} s" if within else ""))
        return self._state()

    def _confirm(self, arguments: Arguments) -> Any:
        self._replacing(lambda: self._store.confirm(arguments["owner"], time.monotonic()))
        _log(f"{arguments['owner']} confirmed")
        return self._state()

    def _revert(self, arguments: Arguments) -> Any:
        self._store.revert(arguments["owner"], time.monotonic())
        self._settle()
        _log(f"{arguments['owner']} reverted")
        return self._state()

    def _state(self) -> dict[str, Any]:
        return self._store.view(time.monotonic()) | ({"fault": self._fault} if self._fault else {})

    def _status(self, arguments: Arguments) -> Any:
        places = {HOME, *(service.namespace for service in self._store.running.services)}
        views = {place: self._ports[place].view() if place in self._ports else None for place in places}
        status: dict[str, Any] = {
            "version": VERSION,
            "tier": "",
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._started, 1),
            "node": self._store.running.node,
            "device": views.pop(HOME),
            "namespaces": views,
            "active": self._active is not None,
            "session_log": self._session_logs.view(),
            **self._state(),
            **self._services.status(),
        }
        self._fast.add_to(status)
        return status

    def _sessions(self, arguments: Arguments) -> Any:
        return self._services.sessions(time.monotonic(), int(arguments.get("limit", 1000)))

    def _stop(self, arguments: Arguments) -> Any:
        self._stopping, self._keep_forwarding = True, bool(arguments.get("keep_forwarding"))
        return {"pid": os.getpid()}


class _Signals:
    """Signals as events of a selector."""

    def __init__(
        self, selector: selectors.BaseSelector, numbers: tuple[int, ...], handle: Callable[[], None]
    ) -> None:
        self._selector, self._numbers, self._handle = selector, numbers, handle
        self._near, self._far = socket.socketpair()

    def __enter__(self) -> None:
        self._far.setblocking(False)
        signal.set_wakeup_fd(self._far.fileno())
        for number in self._numbers:
            signal.signal(number, lambda *_: None)
        self._selector.register(self._near, selectors.EVENT_READ, lambda mask: self._handle())

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        self._near.close()
        self._far.close()


class _Bell:
    """Wakes a selector from another thread."""

    def __enter__(self) -> _Bell:
        self._descriptor = os.eventfd(0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        """For selectors."""
        return self._descriptor

    def ring(self, done: object) -> None:
        """Once and for all."""
        os.eventfd_write(self._descriptor, 1)


def _lock(state: Path) -> int:
    """Only one node uses a state folder; the lock goes with the process."""
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _UNLOCKS_WITHIN
    while not _locked(descriptor):
        if time.monotonic() > until:
            os.close(descriptor)
            raise DaemonError(f"{state}: another node uses this folder; stop it, or give --state")
        time.sleep(_SHORT)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _log(message: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S%z"), message, file=sys.stderr, flush=True)
