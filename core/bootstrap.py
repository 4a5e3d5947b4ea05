"""Functions that both the settings and the development stack need before Django is set up."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


def load_dotenv(path: Path) -> None:
    """Set the variables of ``.env`` that the environment does not set already.

    :raises ValueError: a line has another form, or sets DJANGO_SETTINGS_MODULE; the text is one line.
    """
    if not path.is_file():
        return
    for name, value in read_dotenv(path):
        if name == "DJANGO_SETTINGS_MODULE":
            # Django has chosen the settings by now: instead of production, development settings would run unnoticed.
            raise ValueError(f"{path.name}: DJANGO_SETTINGS_MODULE belongs into the real environment.")
        os.environ.setdefault(name, value)


def read_dotenv(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the ``NAME=value`` lines of a file, which an editor on Windows begins with a mark and ends with ``\\r``.

    :raises ValueError: a line is neither of this form, nor empty, nor a comment; the text is one line.
    """
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.removeprefix("export ").partition("=")
        if not sign or not name.strip().isidentifier():
            raise ValueError(f"{path.name}, line {number}: NAME=value is needed.")
        yield name.strip(), value.strip().strip("'\"")


def default_media_root(state_dir: Path, root: Path) -> Path:
    """Return where pictures are kept if MEDIA_ROOT is not set: in ``media``, or inside STATE_DIR if that was moved."""
    return (root if state_dir == (root / ".dev").resolve() else state_dir) / "media"


def own_address() -> str:
    """Return the address by which this machine reaches others. Connecting a UDP socket sends nothing.

    :raises OSError: it has no network.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address of documentation (RFC 5737)
        return str(probe.getsockname()[0])


def kept_text(path: Path, make: Callable[[], str]) -> str:
    """Return the text in ``path``, a secret of this installation. Make the file (mode 0600) if it is missing.

    :raises OSError: the file can be neither read nor made.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)  # mkstemp: 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(make() + "\n")
            # Linking makes the name appear together with the whole text. If two processes do it at the same time, the
            # first one wins and both read its text.
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)  # noqa: PTH108  (a path of text, as mkstemp gives it)
    return path.read_text("ascii").strip()
