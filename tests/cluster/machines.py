"""Machines that are network namespaces on one bridge, and the programs that run on them."""

import fcntl
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.concurrency.network import ip

NET = "10.77.0"
BRIDGE = "spms-switch"
HERE = f"{NET}.1"


@dataclass
class Machine:
    """``programs`` maps a name to its command; ``account`` runs them all."""

    name: str
    number: int
    home: Path
    programs: dict[str, list[str]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    account: str = ""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{NET}.{self.number}"

    @property
    def namespace(self) -> str:
        return f"spms-{self.name}"

    def command(self, *words: str) -> list[str]:
        drop = ["setpriv", "--reuid", self.account, "--regid", "nogroup", "--clear-groups"] if self.account else []
        return ["ip", "netns", "exec", self.namespace, *drop, *words]

    def start(self) -> None:
        """Start what does not run, as systemd does when a machine boots."""
        for name, words in self.programs.items():
            if name not in self.running or self.running[name].poll() is not None:
                with (self.home / f"{self.name}-{name}.log").open("ab") as log:
                    self.running[name] = subprocess.Popen(
                        self.command(*words), cwd=self.home, env=self.environ, stdout=log, stderr=log,
                        stdin=subprocess.DEVNULL,
                    )  # fmt: skip

    def processes(self) -> list[int]:
        """Everything that runs in this namespace, which nobody else knows."""
        done = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True)
        return [int(pid) for pid in done.stdout.split()]

    def signal(self, number: signal.Signals) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    # --- what may happen to it ---
    def kill(self) -> None:
        # Twice: a program may have started another one meanwhile.
        for _ in range(2):
            self.signal(signal.SIGKILL)
        for process in self.running.values():
            process.wait()

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def cut(self) -> None:
        ip("link", "set", f"sw{self.number}", "down")

    def mend(self) -> None:
        ip("link", "set", f"sw{self.number}", "up")
        self.signal(signal.SIGCONT)
        self.start()


@contextmanager
def network(machines: list[Machine]) -> Iterator[None]:
    """Connect the machines; at the end nothing of them is left. A second run waits for the first one."""
    with Path(tempfile.gettempdir(), "spms-cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from _network(machines)


def _network(machines: list[Machine]) -> Iterator[None]:
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for machine in machines:
            cable = f"sw{machine.number}"
            ip("netns", "add", machine.namespace)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace)
            ip("link", "set", cable, "master", BRIDGE, "up")
            ip("-n", machine.namespace, "link", "set", "lo", "up")
            ip("-n", machine.namespace, "addr", "add", f"{machine.address}/24", "dev", "eth0")
            ip("-n", machine.namespace, "link", "set", "eth0", "up")
        yield
    finally:
        for machine in machines:
            machine.signal(signal.SIGCONT)
            machine.kill()
            with suppress(subprocess.CalledProcessError):
                ip("link", "del", f"sw{machine.number}")
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", machine.namespace)
        ip("link", "del", BRIDGE)


def until(happens, what: str, timeout_s: float = 90) -> float:
    """Wait until ``happens()`` is true and return how long that took; an exception counts as not yet."""
    began = time.monotonic()
    while True:
        with suppress(Exception):
            if happens():
                return time.monotonic() - began
        if time.monotonic() - began > timeout_s:
            raise AssertionError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(0.2)
