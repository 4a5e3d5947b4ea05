#!/usr/bin/env python
"""The project's command line: `python manage.py help` lists the commands."""

import os
import sys

OLDEST_PYTHON = (3, 11)


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        oldest, version = ".".join(map(str, OLDEST_PYTHON)), ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"Python {oldest} or newer is needed, this is Python {version}.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    try:
        if sys.argv[1:2] == ["up"]:
            # It starts the engines that the settings name: Django is none of its business.
            from devstack import supervisor

            sys.exit(supervisor.main(sys.argv[2:]))
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ImportError:
        sys.exit("The dependencies are not installed: run `make up`, or `pip install -r requirements.txt`.")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        reason = str(error).splitlines()[0]
        if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) is None:
            from core.db.connections import connection_refusal

            reason = connection_refusal() or reason
            reason = f"the database does not answer ({reason}): run `make up`, or correct DATABASE_URL."
        sys.exit(f"Error: {reason}")


if __name__ == "__main__":
    main()
