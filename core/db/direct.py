"""Connect to PostgreSQL beside the pool, for programs that need a session of their own."""

from typing import Any

import psycopg
from django.db import connection

# The application_name of our connections: of a process that serves requests or tasks, and of a command.
SERVING, COMMAND = "spms", "spms command"
# Options that Django understands; it passes all others on to libpq.
_NOT_OF_LIBPQ = {"pool", "prepare_threshold", "server_side_binding", "isolation_level", "assume_role"}


def direct_options() -> dict[str, str]:
    """Return the libpq parameters of our connections; ``password`` is among them."""
    ours = connection.settings_dict
    keys = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    options = {name: ours[key] for name, key in keys.items()}
    options |= {name: value for name, value in ours["OPTIONS"].items() if name not in _NOT_OF_LIBPQ}
    options["application_name"] = COMMAND
    return {name: str(value) for name, value in options.items() if value}


def connection_refusal() -> str:
    """Return why PostgreSQL refuses us: the pool knows only that it has waited. Else ""."""
    options: Any = direct_options()
    try:
        psycopg.connect(**options).close()
    except psycopg.Error as error:
        return " ".join(str(error).split())[:300]
    return ""
