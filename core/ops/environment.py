"""What both the settings and the development stack need to know before Django is there."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


def load_dotenv(path: Path) -> None:
    """Read ``.env``: take its ``NAME=value`` lines for variables that the environment does not name.

    :raises ValueError: a line that cannot be heeded, named in one line of text.
    """
    if not path.is_file():
        return
    for name, value in read_dotenv(path):
        if name == "DJANGO_SETTINGS_MODULE":
            # Too late to be heeded: development settings, with all their doors open, would run unnoticed.
            raise ValueError(f"{path.name}: DJANGO_SETTINGS_MODULE belongs into the real environment.")
        os.environ.setdefault(name, value)


def read_dotenv(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the ``NAME=value`` lines of a file.

    :raises ValueError: another line than these, than empty ones and comments; named in one line of text.
    """
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.removeprefix("export ").partition("=")
        if not sign or not name.strip().isidentifier():
            raise ValueError(f"{path.name}, line {number}: NAME=value is needed.")
        yield name.strip(), value.strip().strip("'\"")


def default_media_root(state_dir: Path, root: Path) -> Path:
    """Where pictures lie unless MEDIA_ROOT says so: in ``media``, or beside the rows of a STATE_DIR of one's own."""
    return (root if state_dir == (root / ".dev").resolve() else state_dir) / "media"


def kept_text(path: Path, make: Callable[[], str]) -> str:
    """Answer the text that ``path`` keeps for this installation, for our account's eyes alone; make it when missing.

    :raises OSError: it can be neither read nor made.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)  # mkstemp: 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(make() + "\n")
            # The name appears with all of its text: of two processes one wins, and both read what the winner wrote.
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)  # noqa: PTH108  (a path of text, as mkstemp gives it)
    return path.read_text("ascii").strip()
