"""Checks before anything starts. Each problem is a ``StackError`` of one line."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import StackError


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
