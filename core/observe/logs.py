"""Structured logs: JSON lines for machines, readable lines for a terminal, without secrets in either."""

import json
import logging.config
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import structlog

# Django logs every 4xx and 5xx in addition to our own request line; Celery logs every task, and one runs every 2 s.
QUIETER = {
    "django.request": "ERROR",
    "django.security.DisallowedHost": "CRITICAL",  # strangers send any Host; each would write an error with a traceback
    "django.channels.server": "WARNING",
    "celery.beat": "WARNING",
    "celery.worker.strategy": "WARNING",
    "celery.app.trace": "WARNING",
}
_requests = logging.getLogger("core.request")
MAX_PATH_LENGTH = 300  # characters of a path that a log line shows
_WORDS = r"(?:password|passwd|secret|token|authorization|captcha|api_?key)"
_CODE = r"(?:(?:wechat_?)?code|sid)"  # the sid of a socket is its only secret
SECRET_NAME = re.compile(rf"(?i)[\w-]*{_WORDS}|{_CODE}")
# The pattern begins with the word and does not match what precedes it ("new" in newPassword): with `[\w-]*` in front,
# which is tried from each character, a path of 20,000 characters took 10 s. An unclosed quote hides the rest.
SECRET_WORDS = re.compile(
    rf"(?i)((?:{_WORDS}|\b{_CODE})[\"']?\s*[=:]\s*)(?:bearer\s+)?(?:\"[^\"]*\"?|'[^']*'?|[^\s&\"',;}}\])]+)"
)
# PostgreSQL's errors show the whole row, with telephone and address, and with the empty lines of its texts. What may
# follow is the next error of a traceback.
ROW = re.compile(r"(?s)DETAIL:.*?(?=\n\n(?:The above|During) |\Z)")


@lru_cache(maxsize=1024)
def _names_a_secret(key: str) -> bool:
    return SECRET_NAME.fullmatch(key) is not None


def without_secrets(text: str) -> str:
    return ROW.sub("DETAIL: ***", SECRET_WORDS.sub(r"\1***", text))


def hide_secrets(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace secrets by ``***``. Our code logs none, but the error text of a library may hold a URL with one."""
    for key, value in event.items():
        if isinstance(value, str):
            if _names_a_secret(key):
                event[key] = "***"
            elif "=" in value or ":" in value:  # the patterns need one of them, and this test is a lot cheaper
                event[key] = without_secrets(value)
    return event


def shorten_paths(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Shorten Django's own lines, which end with the request's path, however long it is."""
    if event.get("logger", "").startswith("django."):
        event["event"] = event["event"][:MAX_PATH_LENGTH]
    return event


def _json(event: dict[str, Any], **options: Any) -> str:
    try:
        return orjson.dumps(event, options["default"]).decode()
    except TypeError:  # a surrogate, a number of more than 64 bits, a key that is no text
        return json.dumps(event, **options)


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),  # hosts may have other time zones
]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Write lines; those of :func:`request_line` without the steps that only other lines need."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "request_fields", None)
        if fields is None:
            return super().format(record)
        level = record.levelname.lower()
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line = {"event": record.msg, "level": level, "logger": record.name, "timestamp": at}
        hide, write = self.processors[-2:]
        return write(None, level, hide(None, level, {**fields}) | line)  # type: ignore[operator, return-value]


def request_line(level: int, **fields: Any) -> None:
    """Log a request.

    Problem: the usual way, through structlog's and logging's steps, takes 11 % of a call (docs/performance.md).
    """
    if _requests.isEnabledFor(level):
        record = logging.LogRecord(_requests.name, level, "", 0, "request", (), None)
        record.request_fields = fields
        _requests.handle(record)


def formatter(kind: str) -> logging.Formatter:
    """Make the formatter of all lines; ``deploy/logging.json`` gives it to Granian and uvicorn too.

    :param kind: "console" or "json".
    """
    renderer: Any = (
        structlog.processors.JSONRenderer(_json) if kind == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    first = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    last: list[Any] = [first, shorten_paths, structlog.processors.format_exc_info, hide_secrets, renderer]
    return _Formatter(foreign_pre_chain=_SHARED, processors=last)


def configure(options: dict[str, Any]) -> None:
    """Set up logging (Django's ``LOGGING_CONFIG``). ``options``: ``format`` ("console" or "json") and ``level``."""
    # Our lines show neither thread nor process, so do not look them up for each line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"main": {"()": formatter, "kind": options["format"]}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "main"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            "loggers": {name: {"level": level} for name, level in QUIETER.items()},
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,  # first, so that a line below the level costs nothing
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
