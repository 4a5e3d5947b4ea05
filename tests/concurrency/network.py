"""A second machine, as far as the network knows: a namespace with a cable to this one, which has two addresses."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

IP = shutil.which("ip", path="/usr/sbin:/usr/bin:/sbin:/bin")
HERE, THERE = ("10.180.0.1", "10.180.0.2"), "10.180.0.3"
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
    """That machine, which reaches this one by both addresses of ``HERE``."""

    name: str

    def command(self, *words: str) -> list[str]:
        """``words`` as a command that runs on that machine."""
        return [str(IP), "netns", "exec", self.name, *words]


@contextmanager
def first_address_silent() -> Iterator[None]:
    """Let nothing more leave the first address: no farewell and no refusal either."""
    ip("rule", "add", "from", HERE[0], "blackhole")
    try:
        yield
    finally:
        ip("rule", "del", "from", HERE[0], "blackhole")


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
            ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", machine.name)
            for address in HERE:
                ip("addr", "add", f"{address}/24", "dev", "here")
            ip("-n", machine.name, "addr", "add", f"{THERE}/24", "dev", "there")
            ip("link", "set", "here", "up")
            ip("-n", machine.name, "link", "set", "there", "up")
            yield machine
        finally:
            ip("netns", "del", machine.name)  # its cables go with it
