"""Development: everything has a default, every upstream is the sandbox."""

import sys

from config.settings.base import *  # noqa: F403

DEBUG = False  # a debug page would answer where clients expect the envelope

INSTALLED_APPS = [*INSTALLED_APPS, "devstack"]  # noqa: F405  (`manage.py up` and `reset`)

if "runserver" in sys.argv:
    # It brings `runserver` sockets; to every other command it is 0.2 s of imports.
    INSTALLED_APPS = ["daphne", *INSTALLED_APPS]
