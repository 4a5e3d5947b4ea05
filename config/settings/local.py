"""Development: everything has a default, every upstream is the sandbox."""

import sys

from config.settings.base import *  # noqa: F403

if "runserver" in sys.argv:
    # With daphne `runserver` serves sockets too; other commands do without its 0.2 s of imports.
    INSTALLED_APPS = ["daphne", *INSTALLED_APPS]  # noqa: F405
