# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work for many names: threads of this process, or of one for each core where there are many names.

Logins and comparisons are CPU time of Python, of which the threads of one process share one core.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from .controller import Controller

T, R = TypeVar("T"), TypeVar("R")
# Fewer names are not worth a process.
LEAST = 10
# Names that a process has beside those at work, so that no thread of it waits for the next.
_AHEAD = 2
_LOOK_AFTER = 0.2  # seconds between two looks at the controller


@dataclass(frozen=True, slots=True)
class Work(Generic[T, R]):
    """What is done for each name. Neither raises an Exception; a result is plain data."""

    prepare: Callable[[str], T]  # one name at a time
    carry_out: Callable[[T, Controller], R]  # in a thread, beside others


@dataclass(frozen=True, slots=True)
class Lost:
    """In place of a result: why there is none."""

    why: str


def side_by_side(
    work: Work[T, R], names: Collection[str], threads: int, controller: Controller
) -> Iterator[tuple[str, R | Lost]]:
    """Each name and its result, the first that is ready first; so many are worked on at the same time.

    To be closed, should it be left before its end: then, as where the controller dies, what has begun
    comes to its end, and nothing else begins.
    """
    threads = max(1, threads)
    processes = min(cores(), threads, len(names) // LEAST)
    if processes < 2:
        return _in_threads(work, names, threads, controller)
    return _in_processes(work, names, threads, processes, controller)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_threads(
    work: Work[T, R], names: Iterable[str], threads: int, controller: Controller
) -> Iterator[tuple[str, R]]:
    pool = ThreadPoolExecutor(threads)
    try:
        futures = {pool.submit(work.carry_out, work.prepare(name), controller): name for name in names}
        for future in as_completed(futures):
            yield futures[future], future.result()
            if not controller.alive():
                return
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(eq=False, slots=True)
class _Crew:
    """A process, the line to it, and the names that it has and of which nothing is known yet."""

    process: BaseProcess
    line: Connection
    threads: int
    names: set[str] = field(default_factory=set)

    def give(self, waiting: deque[str], ahead: int) -> None:
        """As many of the names as it works on, and some ahead; a farewell where there are none left."""
        try:
            while waiting and len(self.names) < self.threads + ahead:
                self.line.send(waiting[0])
                self.names.add(waiting.popleft())
            if not self.names and not waiting:
                self.line.send(None)
        except OSError:
            pass  # it is gone, which its line will tell

    def gone(self) -> Lost:
        """Why it will say no more."""
        self.line.close()
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return Lost(f"the process that was at it {how}")


def _in_processes(
    work: Work[T, R], names: Iterable[str], threads: int, processes: int, controller: Controller
) -> Iterator[tuple[str, R | Lost]]:
    waiting = deque(names)
    crews: dict[Connection, _Crew] = {}
    try:
        for number in range(processes):
            share = threads // processes + (number < threads % processes)
            crew = _start(work, share, controller, list(crews))
            crews[crew.line] = crew
            crew.give(waiting, 0)
        for crew in crews.values():
            crew.give(waiting, _AHEAD)
        while crews and controller.alive():
            for line in wait(list(crews), _LOOK_AFTER):
                crew = crews[line]
                try:
                    name, result = line.recv()
                except (EOFError, OSError):
                    del crews[line]
                    why = crew.gone()
                    yield from ((name, why) for name in sorted(crew.names))
                    continue
                crew.names.discard(name)
                crew.give(waiting, _AHEAD)
                yield name, result
        if controller.alive():
            yield from ((name, Lost("every process that could have begun it has died")) for name in waiting)
    finally:
        for crew in crews.values():
            crew.line.close()
        for crew in crews.values():
            crew.process.join()


def _start(work: Work[T, R], threads: int, controller: Controller, others: list[Connection]) -> _Crew:
    # Here no thread has been started yet, which a fork would leave behind with what it holds.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, threads, controller, theirs, [*others, ours]))
    process.start()
    theirs.close()
    return _Crew(process, ours, threads)


def _serve(
    work: Work[T, R], threads: int, controller: Controller, line: Connection, others: list[Connection]
) -> None:
    """A process: carries out each name that it hears, until a farewell or until nobody is there any more."""
    # It has inherited the ends of the parent, which would keep this and the other lines open.
    for each in others:
        each.close()
    # Ansible's own handlers of a worker, which end all of its process group.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    # What is there already is not looked at, nor copied, by each collection of garbage.
    gc.freeze()
    alone, talking = threading.Event(), threading.Lock()
    known = replace(controller, alive=lambda: not alone.is_set())
    pool = ThreadPoolExecutor(threads)

    def carry_out(name: str, order: T) -> None:
        result: R | Lost
        try:
            result = work.carry_out(order, known)
        except BaseException as error:
            # Somebody waits for a result.
            result = Lost(f"{type(error).__name__}: {error}")
        with talking:
            try:
                line.send((name, result))
            except OSError:
                pass  # nobody is there to hear of it
            except Exception as error:
                line.send((name, Lost(f"its result cannot be told: {error}")))

    try:
        while (name := line.recv()) is not None:
            pool.submit(carry_out, name, work.prepare(name))
    except (EOFError, OSError):
        alone.set()
    pool.shutdown(cancel_futures=alone.is_set())
