#!/usr/bin/env python
"""The project's command line: `python manage.py help` lists the commands."""

import os
import sys

OLDEST_PYTHON = (3, 11)


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        wanted, found = ".".join(map(str, OLDEST_PYTHON)), ".".join(map(str, sys.version_info[:2]))
        sys.exit("Python %s or newer is needed, this is Python %s." % (wanted, found))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("The dependencies are not installed: run `make up`, or `pip install -r requirements.txt`.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
