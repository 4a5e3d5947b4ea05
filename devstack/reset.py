"""``make reset``: delete the data of the embedded engines and the pictures that belong to it."""

import os
import shutil
import sys
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from core import bootstrap
from devstack.process import StackError, file_lock
from devstack.supervisor import ROOT, URLS, in_words, state_directory

LOCKS = {"up.lock", "engines.lock"}


def reset(state_dir: Path, pictures: Path | None = None) -> list[str]:
    """Remove everything below ``state_dir``, and ``pictures``. Return the names of what was removed.

    :raises StackError: something there is in use; nothing was removed.
    """
    with ExitStack() as stack:
        for name in LOCKS:
            stack.enter_context(file_lock(state_dir / name, "make reset"))
        if os.geteuid() == 0:  # a `sudo make up` by mistake made them root's: then its person could not start again
            owner = state_dir.parent.stat()
            for path in (state_dir, *(state_dir / name for name in LOCKS)):
                os.chown(path, owner.st_uid, owner.st_gid)
        names = sorted(_remove_all(state_dir, keep=LOCKS | {"media"}))
        if pictures and pictures.is_dir() and _remove_all(pictures, keep={".gitkeep"}):
            names.append("pictures")
        return names


def _remove_all(folder: Path, keep: Collection[str]) -> list[str]:
    paths = [path for path in folder.iterdir() if path.name not in keep]
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in paths]


def main() -> int:
    """Reset the state directory and return the exit code for the shell."""
    try:
        bootstrap.load_dotenv(ROOT / ".env")
        state_dir = state_directory(os.environ)
        media = Path(os.environ.get("MEDIA_ROOT") or bootstrap.default_media_root(state_dir, ROOT))
        # With a server that is not embedded the rows stay, and still refer to their pictures.
        is_ours = (state_dir / "postgres").is_dir() and not os.environ.get("DATABASE_URL")
        names = reset(state_dir, media if is_ours and not os.environ.get("MEDIA_ROOT") else None)
    except (StackError, OSError, ValueError) as error:
        print(f"Error: {in_words(error)}", file=sys.stderr)
        return 1
    print("Forgotten: " + (", ".join(names) or "there was nothing") + ".")
    for name in URLS:
        if os.environ.get(name):
            print(f"{name} is set: that server keeps its data.")
    if media.is_dir() and any(path.name != ".gitkeep" for path in media.iterdir()):
        print(f"The pictures in {media} stay.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
