"""What both the settings and the development stack need to know before Django is there."""

import os
from pathlib import Path


def load_dotenv(path: Path) -> None:
    """Read ``.env``: take its ``NAME=value`` lines for variables that the environment does not name.

    :raises ValueError: a line that cannot be heeded, named in one line of text.
    """
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.removeprefix("export ").partition("=")
        if not sign or not name.strip().isidentifier():
            raise ValueError(f"{path.name}, line {number}: NAME=value is needed.")
        if name.strip() == "DJANGO_SETTINGS_MODULE":
            # Too late to be heeded: development settings, with all their doors open, would run unnoticed.
            raise ValueError(f"{path.name}: DJANGO_SETTINGS_MODULE belongs into the real environment.")
        os.environ.setdefault(name.strip(), value.strip().strip("'\""))


def default_media_root(state_dir: Path, root: Path) -> Path:
    """Where pictures lie unless MEDIA_ROOT says so: in ``media``, or beside the rows of a STATE_DIR of one's own."""
    return (root if state_dir == (root / ".dev").resolve() else state_dir) / "media"
