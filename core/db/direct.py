"""PostgreSQL itself, for programs that need a session of their own: past a pooler, with every option of the URL."""

from django.conf import settings
from django.db import connection

# What our connections are called: one that serves somebody, one of a command that a person started.
SERVING, COMMAND = "spms", "spms command"
# Django's own options; all others are libpq's.
_NOT_OF_LIBPQ = {"pool", "prepare_threshold", "server_side_binding", "isolation_level", "assume_role"}


class NoDirectWay(Exception):
    """A pooler stands in between, and nothing says what is behind it."""


def direct_options() -> dict[str, str]:
    """The parameters of libpq that lead to PostgreSQL itself; ``password`` is among them.

    :raises NoDirectWay: ``DB_POOLER`` says that there is a pooler, and ``DATABASE_DIRECT_URL`` is not set.
    """
    if settings.DATABASE_DIRECT:
        return dict(settings.DATABASE_DIRECT)
    if settings.DB_POOLER != "none":
        raise NoDirectWay
    facts = connection.settings_dict
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    options = {name: facts[key] for name, key in named.items()}
    options |= {name: value for name, value in facts["OPTIONS"].items() if name not in _NOT_OF_LIBPQ}
    options["application_name"] = COMMAND
    return {name: str(value) for name, value in options.items() if value}
