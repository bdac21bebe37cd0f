"""A federation of real processes, and the faults that a schedule plants in them."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

import psutil

from support.planted_crashes import Step
from support.processes import CLIENTS, Farm, until
from support.unreliable_link import Link


class Fault(Enum):
    """What befalls a process at its step."""

    KILL = auto()  # SIGKILL; it is started again
    KILL_BOTH = auto()  # it and the other side at once, both started again
    PAUSE = auto()  # SIGSTOP, and SIGCONT after a while
    CUT = auto()  # every connection breaks, and for a while there is no other
    SLOW = auto()  # for a while a kilobyte takes its time


_SECONDS = {Fault.PAUSE: 1.5, Fault.CUT: 1.5, Fault.SLOW: 3.0}
_DELAY = 0.1  # seconds a kilobyte, on a slow link


@dataclass(frozen=True)
class Disturbance:
    """A fault at the count-th time that a step is reached in one life of a process."""

    fault: Fault
    step: Step
    count: int


Schedule = dict[str, list[Disturbance]]  # of "server" and of each client


@dataclass
class Disturbed:
    """The processes while they live, and what is still to befall them."""

    farm: Farm
    schedule: Schedule
    port: int
    link: Link
    living: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    stops: dict[str, list[Fault]] = field(default_factory=dict)  # of each life, what its next stop is for
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)  # (when, what)

    def start(self, who: str) -> None:
        """Start a process, with the part of its schedule up to the next death."""
        mine = self.schedule.get(who, [])
        deaths = [number for number, each in enumerate(mine) if each.fault in {Fault.KILL, Fault.KILL_BOTH}]
        end = deaths[0] + 1 if deaths else len(mine)
        self.schedule[who], life = mine[end:], mine[:end]
        self.stops[who] = [each.fault for each in life if each.fault is not Fault.KILL]
        planted = [f"{'KILL' if each.fault is Fault.KILL else 'STOP'}:{each.step.name}:{each.count}" for each in life]
        if who == "server":
            self.living[who] = self.farm.start_server("--port", str(self.port), planted=planted)
        else:
            self.living[who] = self.farm.client(who, self.link.address, planted=planted)

    def all_ended(self) -> bool:
        """Do what is due, start who has died again, and say whether all have ended well."""
        now = time.monotonic()
        for due in [each for each in self.later if each[0] <= now]:
            self.later.remove(due)
            due[1]()
        for who, process in list(self.living.items()):
            if process.poll() is None:
                if self.stops[who] and psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                    self.befall(who, process, self.stops[who].pop(0))
            elif process.returncode == 0:
                del self.living[who]
            else:
                assert process.returncode == -signal.SIGKILL, self.farm.logs()
                self.start(who)
        return not self.living

    def befall(self, who: str, process: subprocess.Popen[str], fault: Fault) -> None:
        """Do to a process that has stopped at its step what it has stopped for."""
        end = time.monotonic() + _SECONDS.get(fault, 0.0)
        match fault:
            case Fault.KILL_BOTH:
                other = self.living.get("server" if who != "server" else CLIENTS[0])
                for each in (process, other):
                    if each is not None:
                        each.kill()
                        each.wait()
                return
            case Fault.PAUSE:
                self.later.append((end, lambda: process.send_signal(signal.SIGCONT)))
                return
            case Fault.CUT:
                self.link.cut()
                self.later.append((end, self.link.mend))
            case Fault.SLOW:
                self.link.slow(_DELAY)
                self.later.append((end, self.link.mend))
        process.send_signal(signal.SIGCONT)


def disturb(folder: Path, schedule: Schedule) -> Farm:
    """Run a federation through its schedule until all its processes have ended with 0."""
    folder.mkdir()
    farm = Farm(folder)
    port = free_port()
    link = Link(port)
    running = Disturbed(farm, {who: list(mine) for who, mine in schedule.items()}, port, link)
    try:
        for who in ("server", *CLIENTS):
            running.start(who)
        until(running.all_ended, 200)
    except AssertionError:
        print(farm.logs())  # noqa: T201 - for whoever reads the failed test
        raise
    finally:
        farm.close()
        link.close()
    return farm


def free_port() -> int:
    """Return a port that stays free while its server is dead: the system gives none of these to those who dial."""
    while True:
        port = random.randint(20_000, 30_000)  # noqa: S311 - any will do
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
