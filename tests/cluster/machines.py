"""Machines that are network namespaces on one bridge, and the programs that run on them."""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.concurrency.network import ip

NET = "10.77.0"
BRIDGE, ISLAND = "spms-switch", "spms-island"
HERE = f"{NET}.1"
CLONE_NEWNET = 0x40000000
STOP_S = 30  # systemd's patience with a program that should end


@dataclass
class Machine:
    """``programs`` maps a name to its command; ``account`` runs them all."""

    name: str
    number: int
    home: Path
    programs: dict[str, list[str]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    account: str = ""
    is_on: bool = False
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    halted: set[str] = field(default_factory=set)  # programs that do not come back by themselves

    @property
    def address(self) -> str:
        return f"{NET}.{self.number}"

    @property
    def namespace(self) -> str:
        return f"spms-{self.name}"

    def command(self, *words: str) -> list[str]:
        drop = ["setpriv", "--reuid", self.account, "--regid", "nogroup", "--clear-groups"] if self.account else []
        return ["ip", "netns", "exec", self.namespace, *drop, *words]

    def start(self, *names: str) -> None:
        """Start what does not run, as systemd does when a machine boots."""
        self.is_on = True
        for name in names or self.programs:
            words = self.programs[name]
            if name not in self.running or self.running[name].poll() is not None:
                with (self.home / f"{self.name}-{name}.log").open("ab") as log:
                    self.running[name] = subprocess.Popen(
                        self.command(*words), cwd=self.home, env=self.environ, stdout=log, stderr=log,
                        stdin=subprocess.DEVNULL,
                    )  # fmt: skip

    def tend(self) -> None:
        """Start again what has ended by itself, as systemd does; with Debian's units it leaves Patroni to people."""
        if self.is_on:
            self.start(*(name for name in self.running.keys() - self.halted if name != "patroni"))

    def processes(self) -> list[int]:
        """Every process that runs in this namespace, which is this run's own."""
        result = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True)
        return [int(pid) for pid in result.stdout.split()]

    def has(self, address: str) -> bool:
        """Whether this address is among those of its card."""
        result = subprocess.run(["ip", "-n", self.namespace, "addr"], capture_output=True, text=True)
        return f" {address}/" in result.stdout

    def signal(self, number: signal.Signals) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def inside(self, do: Callable[[], Any]) -> Any:
        """Return what ``do()`` returns where only this machine's network is seen, whether its cable is in or not."""

        def there() -> Any:
            # A thread can move alone, and `processes` does not find it: it belongs to the process that stayed.
            with Path("/run/netns", self.namespace).open() as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return do()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(there).result()

    def restart(self, *names: str) -> None:
        """End programs in order and start them again."""
        ending = [self.running[name] for name in names]
        for process in ending:
            process.terminate()
        for process in ending:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
            process.wait()
        self.start()

    # --- what may happen to it ---
    def kill(self) -> None:
        self.is_on = False
        # Twice: a program may have started another one meanwhile.
        for _ in range(2):
            self.signal(signal.SIGKILL)
        for process in self.running.values():
            process.wait()
        # A shared address goes with the machine; only here does its kernel live on.
        subprocess.run(["ip", "-n", self.namespace, "addr", "flush", "dev", "eth0", "secondary"], capture_output=True)

    def halt(self, name: str) -> None:
        """Kill one program; it stays away until `mend`."""
        self.halted.add(name)
        self.running[name].kill()
        self.running[name].wait()

    def freeze(self, program: str = "") -> None:
        """Freeze the machine, or only the processes of one program."""
        for pid in self.processes():
            with suppress(OSError):
                if not program or Path(f"/proc/{pid}/comm").read_text().strip() == program:
                    os.kill(pid, signal.SIGSTOP)

    def deafen(self, *others: "Machine") -> None:
        """Drop whatever this machine would send to ``others``, as a switch with a wrong rule does."""
        for other in others:
            ip("-n", self.namespace, "route", "add", "blackhole", f"{other.address}/32")

    def cut(self) -> None:
        ip("link", "set", f"sw{self.number}", "down")

    def strand(self) -> None:
        """Put the cable into a switch that has no other way out."""
        ip("link", "set", f"sw{self.number}", "master", ISLAND)

    def fill(self) -> None:
        disk_fill(self.home)

    def mend(self) -> None:
        if os.path.ismount(self.home):
            disk_empty(self.home)
        ip("link", "set", f"sw{self.number}", "master", BRIDGE)
        ip("link", "set", f"sw{self.number}", "up")
        subprocess.run(["ip", "-n", self.namespace, "route", "flush", "type", "blackhole"], check=True)
        self.halted.clear()
        self.signal(signal.SIGCONT)
        self.start()


# --- disks that can be full ---
DISK_MB = 2000


def disk(folder: Path, mode: str = "755") -> None:
    """Give the folder a disk of its own; it takes only the memory that is written."""
    folder.mkdir()
    options = f"size={DISK_MB}m,mode={mode}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "spms-cluster", str(folder)], check=True)


def disk_fill(folder: Path) -> None:
    """Let it end where its files end. They may grow between a look and the change, so it may take several."""
    while not _resize(folder, f"{shutil.disk_usage(folder).used // 1024 + 8}k"):
        pass


def disk_empty(folder: Path) -> None:
    assert _resize(folder, f"{DISK_MB}m")


def _resize(folder: Path, size: str) -> bool:
    return subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)]).returncode == 0


def disks_remove(below: Path) -> None:
    for folder in below.iterdir():
        if os.path.ismount(folder):
            subprocess.run(["umount", "--lazy", str(folder)])


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
        ip("link", "add", ISLAND, "type", "bridge")
        ip("link", "set", ISLAND, "up")
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
            # A connection that is still closing keeps its namespace, and so the cable, for a minute.
            subprocess.run(["ip", "link", "del", f"sw{machine.number}"], capture_output=True)
            subprocess.run(["ip", "netns", "del", machine.namespace], capture_output=True)
        for switch in (BRIDGE, ISLAND):
            subprocess.run(["ip", "link", "del", switch], capture_output=True)
