"""A Debian with systemd as PID 1, booted in namespaces of its own on an overlay of this machine's files.

What is installed here is installed there; what is written there is gone afterwards. It has a network of its own, so
every port is free. Linux and root.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.processes import until

# These would start with the machine, and the tests start what they need.
MASKED = ("postgresql", "nginx", "haproxy", "keepalived", "etcd", "patroni", "redis-server", "cron")
BOOT_S, RUN_S = 60, 600
REMOUNT = 'umount "$0" && mount -t cgroup2 cgroup2 "$0" && exec "$@"'


class Booted:
    def __init__(self, root: Path, pid: int) -> None:
        self.root, self.pid = root, pid

    def run(self, *command: str, env: dict[str, str] | None = None, ok: bool = True, stdin: str = "") -> str:
        """Run a command there and return what it says.

        :raises AssertionError: it failed, and ``ok`` wants it not to.
        """
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--cgroup", f"--root=/proc/{self.pid}/root"]
        result = subprocess.run(
            [*enter, "--wdns=/", *command], env=CLEAN | (env or {}), capture_output=True, text=True, timeout=RUN_S,
            input=stdin,
        )  # fmt: skip
        output = result.stdout + result.stderr
        assert result.returncode == 0 or not ok, f"{command}: {result.returncode}\n{output[-3000:]}"
        return output

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()


CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


@contextmanager
def booted(home: Path, *visible: Path) -> Iterator[Booted]:
    """Boot it; ``visible`` folders are there, too. Call it in mount and network namespaces of its own."""
    root = home / "root"
    _mount("-t", "tmpfs", "tmpfs", str(home))
    for name in ("upper", "work", "root"):
        (home / name).mkdir()
    _mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={home}/upper,workdir={home}/work", str(root))
    _mount("--rbind", "/dev", f"{root}/dev")
    _mount("-t", "tmpfs", "tmpfs", f"{root}/dev/shm")  # else a second machine, or this one, removes PostgreSQL's memory
    _mount("-t", "sysfs", "sysfs", f"{root}/sys")
    _mount("-t", "cgroup2", "cgroup2", f"{root}/sys/fs/cgroup")
    for name in ("run", "tmp"):
        _mount("-t", "tmpfs", "tmpfs", f"{root}/{name}")
    for folder in visible:
        (root / str(folder).lstrip("/")).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(folder), f"{root}{folder}")
    for name in MASKED:
        mask = root / "etc/systemd/system" / f"{name}.service"
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    log = (home / "systemd.log").open("wb")
    # In a control group of its own: who kills a unit there must not reach one of the same name on this machine.
    groups = root / "sys/fs/cgroup"
    group = groups / f"spms-{os.getpid()}"
    group.mkdir()
    alone = f"echo $$ > {group}/cgroup.procs && exec unshare --cgroup --mount sh -c '{REMOUNT}' {groups} \"$@\""
    namespaces = ["sh", "-c", alone, "sh", "unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child"]
    init = subprocess.Popen(
        [*namespaces, f"--root={root}", "--mount-proc=/proc", "/lib/systemd/systemd", "--system",
         "--unit=basic.target", "--log-target=null", "--show-status=0"],
        env={"container": "test", "PATH": CLEAN["PATH"]}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        pid = _first_child(init.pid)
        machine = Booted(root, pid)
        is_active = ("systemctl", "is-active", "basic.target")
        is_up = until(lambda: "active" in machine.run(*is_active, ok=False).split(), BOOT_S)
        assert is_up, (home / "systemd.log").read_text()
        yield machine
    finally:
        with suppress(OSError, AssertionError):
            os.kill(_first_child(init.pid), 9)  # PID 1 heeds no other signal from outside
        init.wait(30)
        for folder in [*sorted(filter(Path.is_dir, group.rglob("*")), reverse=True), group]:
            with suppress(OSError):  # one of its processes has not gone yet
                folder.rmdir()
        shutil.rmtree(home / "upper", ignore_errors=True)


def _first_child(pid: int) -> int:
    children = until(Path(f"/proc/{pid}/task/{pid}/children").read_text, 5)
    assert children, "systemd did not start"
    return int(children.split()[0])
