"""Connect past a pooler to PostgreSQL itself, for programs that need a session of their own."""

from django.conf import settings
from django.db import connection

# The application_name of our connections: of a process that serves requests or tasks, and of a command.
SERVING, COMMAND = "spms", "spms command"
# Options that Django understands; it passes all others on to libpq.
_NOT_OF_LIBPQ = {"pool", "prepare_threshold", "server_side_binding", "isolation_level", "assume_role"}


class NoDirectWay(Exception):
    """There is a pooler in between, and no setting names the server behind it."""


def direct_options() -> dict[str, str]:
    """Return the libpq parameters of a connection to PostgreSQL itself; ``password`` is among them.

    :raises NoDirectWay: ``DB_POOLER`` says that there is a pooler, and ``DATABASE_DIRECT_URL`` is not set.
    """
    if settings.DATABASE_DIRECT:
        return dict(settings.DATABASE_DIRECT)
    if settings.DB_POOLER != "none":
        raise NoDirectWay
    return own_options()


def own_options() -> dict[str, str]:
    """Return the libpq parameters of our usual connections, through a pooler where there is one."""
    ours = connection.settings_dict
    keys = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    options = {name: ours[key] for name, key in keys.items()}
    options |= {name: value for name, value in ours["OPTIONS"].items() if name not in _NOT_OF_LIBPQ}
    options["application_name"] = COMMAND
    return {name: str(value) for name, value in options.items() if value}
