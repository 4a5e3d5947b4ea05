"""A second machine, as far as the network knows: a namespace with two cables to this one, each of which can be cut."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

IP = shutil.which("ip", path="/usr/sbin:/usr/bin:/sbin:/bin")
CABLES = 2
CLONE_NEWNET = 0x40000000  # linux/sched.h; os.CLONE_NEWNET from Python 3.12


def ip(*words: str) -> None:
    subprocess.run([str(IP), *words], check=True, capture_output=True)


def can_make_networks() -> bool:
    """Whether this process may make network namespaces."""
    if not IP:
        return False
    with suppress(subprocess.CalledProcessError, OSError):
        ip("netns", "add", "spms-try")
        ip("netns", "del", "spms-try")
        return True
    return False


@dataclass
class Machine:
    """``here[n]`` and ``there[n]`` are the addresses of this and of that machine at the ends of cable ``n``."""

    name: str
    here: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)

    def command(self, *words: str) -> list[str]:
        """``words`` as a command that runs on that machine."""
        return [str(IP), "netns", "exec", self.name, *words]

    def cut(self, cable: int) -> None:
        """Let nothing more arrive there: no farewell and no refusal either."""
        ip("route", "add", "blackhole", f"{self.there[cable]}/32")

    def mend(self, cable: int) -> None:
        ip("route", "del", "blackhole", f"{self.there[cable]}/32")


@contextmanager
def _network_of_this_thread() -> Iterator[None]:
    """Give this thread, and what it starts, a network of its own.

    A cable that appears on the real one makes every browser of this computer break its requests off.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    with open("/proc/thread-self/ns/net") as real:
        call(libc.unshare(CLONE_NEWNET))
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            call(libc.setns(real.fileno(), CLONE_NEWNET))


@contextmanager
def second_machine() -> Iterator[Machine]:
    """Connect another machine with this thread. The names are of this process: several test runs share a computer."""
    machine = Machine(f"spms-{os.getpid()}")
    with _network_of_this_thread():
        ip("netns", "add", machine.name)
        try:
            ip("-n", machine.name, "link", "set", "lo", "up")
            for cable in range(CABLES):
                here, there, net = f"here{cable}", f"there{cable}", f"10.180.{cable}"
                ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", machine.name)
                ip("addr", "add", f"{net}.1/30", "dev", here)
                ip("-n", machine.name, "addr", "add", f"{net}.2/30", "dev", there)
                ip("link", "set", here, "up")
                ip("-n", machine.name, "link", "set", there, "up")
                machine.here.append(f"{net}.1")
                machine.there.append(f"{net}.2")
            yield machine
        finally:
            ip("netns", "del", machine.name)  # its cables go with it
