"""Checks before anything starts. Each problem is a ``StackError`` of one line."""

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from devstack.errors import StackError

CONNECT_TIMEOUT_S = 3
ROOM_NEEDED = 200 * 1024 * 1024  # a new PostgreSQL data directory takes 40 MB, its write-ahead log 80 MB


def read_port(text: str) -> int:
    """Read a port number.

    :raises StackError: ``text`` is none.
    """
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise StackError(f"PORT has a bad value ({text!r}): a number from 1 to 65535 is needed.")


def check_port_free(host: str, port: int) -> None:
    """Check that we can listen on ``host`` and ``port``.

    :raises StackError: another program uses the port, or we may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # The server sets this too: it may use a port on which old connections are still closing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except PermissionError as error:
            raise StackError(f"Port {port} needs more rights than we have: set PORT to one above 1023.") from error
        except (OSError, UnicodeError) as error:
            raise StackError(
                f"Port {port} is taken by another program: stop that, or set PORT to another one ({error})."
            ) from error


def check_disk_room(state_dir: Path) -> None:
    """Check that the disk has space for the engines' data.

    :raises StackError: it is nearly full.
    """
    free = shutil.disk_usage(state_dir).free
    if free < ROOM_NEEDED:
        raise StackError(f"The disk is full: {state_dir} has {free >> 20} MB left, {ROOM_NEEDED >> 20} MB are needed.")


def check_servers_answer(environ: Mapping[str, str]) -> None:
    """Check that the servers which DATABASE_URL and REDIS_URL name can be reached, if they are set.

    :raises StackError: one does not answer, or refuses the login.
    """
    servers = (("DATABASE_URL", "PostgreSQL", _connect_postgres), ("REDIS_URL", "Redis", _connect_redis))
    for name, what, connect in servers:
        if url := environ.get(name):
            try:
                connect(url)
            except Exception as error:  # each library raises many kinds, also for a URL it cannot read
                raise StackError(f"{name}: {what} cannot be reached: {_one_line(error, url)}") from error


def _connect_postgres(url: str) -> None:
    import psycopg  # here, because it is slow to import and embedded engines need no check

    psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S).close()


def _connect_redis(url: str) -> None:
    import redis  # here for the same reason

    from core.cache import sentinel

    timeouts = {"socket_connect_timeout": CONNECT_TIMEOUT_S, "socket_timeout": CONNECT_TIMEOUT_S}
    with redis.Redis.from_pool(sentinel.pool_class(url).from_url(url, **timeouts)) as client:
        client.ping()


def _one_line(error: Exception, url: str) -> str:
    text = " ".join(str(error).split())
    # The message may quote the URL with its password.
    password = urlsplit(url).password if "://" in url else None
    return (text.replace(password, "***") if password else text.replace(url, "***"))[:300] or type(error).__name__


def state_directory(environ: Mapping[str, str], root: Path) -> Path:
    """Return the directory of the stack's data, STATE_DIR or ``.dev`` in the project. Make it if it is missing.

    :raises StackError: it cannot be made or written.
    """
    path = Path(environ.get("STATE_DIR") or root / ".dev").resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{path} cannot be made: [Errno {error.errno}] {error.strerror}.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StackError(f"{path} cannot be written: it belongs to another account.")
    return path
