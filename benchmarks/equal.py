"""The students' list as a hand-written async server does it: Starlette and asyncpg on uvloop.

It does per request all that ours does: user, role and revoked token by one statement, the gate, the exact total that
the triggers keep, limits of time for the database, a JSON log line, Prometheus in files that processes share, request
id, the host's name, CORS and security headers. It sends the statements of ``bare.py``, which are ours, and nothing else
to the database. ``benchmarks/calls.py`` runs it beside ours, and finds the answers equal.
"""

import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import asyncpg
import jwt
import orjson
from prometheus_client import Counter, Histogram  # the benchmark sets PROMETHEUS_MULTIPROC_DIR
from psycopg.conninfo import conninfo_to_dict
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.bare import CALLER, page_sql, student_row

REQUESTS = Counter("equal_requests_total", "Requests by route and outcome", ["route", "outcome"])
SECONDS = Histogram("equal_request_seconds", "Time to answer", ["route"], buckets=(0.005, 0.02, 0.1, 0.5, 2, 5))
# asyncpg writes parameters as $1.
CALLER_SQL = CALLER.replace("%s", "$1", 1).replace("%s", "$2", 1).replace("%s", "$3")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        line |= {"timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(), **record.__dict__["fields"]}
        return orjson.dumps(line).decode()


log = logging.getLogger("equal")
log.setLevel("INFO")
_lines = logging.StreamHandler(sys.stderr)
_lines.setFormatter(JsonLines())
log.addHandler(_lines)
log.propagate = False


class Recorded:
    """Give each request an id, a log line, metrics, and the headers that every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        offered = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin1")
        request_id = offered if offered.isalnum() and 8 <= len(offered) <= 64 else secrets.token_hex(10)

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["Allow"] = "GET, HEAD, OPTIONS"
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
            await send(message)

        await self.app(scope, receive, finish)
        seconds = time.perf_counter() - start
        route = scope["path"] if "endpoint" in scope else "unknown"
        REQUESTS.labels(route, "ok" if status < 400 else str(status)).inc()
        SECONDS.labels(route).observe(seconds)
        fields = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "http_status": status}
        fields |= {"caller": scope.get("caller"), "took_ms": round(seconds * 1000, 1)}
        log.info("request", extra={"fields": fields})


@lru_cache(maxsize=4096)
def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, os.environ["DJANGO_SECRET_KEY"], algorithms=["HS256"])


# What each role may call: the version of its row, whole paths, beginnings of paths.
roles: dict[str, tuple[str, frozenset[str], tuple[str, ...]]] = {}


async def may_call(request: Request, path: str) -> bool:
    """Token alive, user known, role's rows unchanged: one statement."""
    pool = request.app.state.pool
    try:
        claims = claims_of(request.headers.get("authorization", ""))
    except jwt.InvalidTokenError:
        return False
    caller = await pool.fetchrow(CALLER_SQL, claims["unid"], claims["epoch"], claims["jti"])
    if caller is None or claims["exp"] < time.time():
        return False
    request.scope["caller"] = claims["unid"]
    roleid, version = caller["roleid"], caller["version"]
    if roleid not in roles or roles[roleid][0] != version:
        rows = await pool.fetchval("SELECT rows FROM permissions_role WHERE roleid = $1", roleid)
        rows = [row.lower() for row in (orjson.loads(rows) if isinstance(rows, str) else rows)]
        beginnings = tuple(row[:-1] for row in rows if row.endswith("*"))
        roles[roleid] = version, frozenset(row for row in rows if not row.endswith("*")), beginnings
    _, paths, beginnings = roles[roleid]
    return path in paths or path.startswith(beginnings)


def refused(status: int, msg: str) -> Response:
    return Response(orjson.dumps({"status": status, "state": False, "msg": msg}), status, media_type="application/json")


def whole_number(text: str | None, default: int) -> int:
    value = int(text) if text and text.isascii() and text.isdigit() else default
    if not 1 <= value <= 1_000_000:
        raise ValueError(text)
    return value


async def students(request: Request) -> Response:
    if not await may_call(request, "/students/getstulist"):
        return refused(403, "没有权限")
    query = request.query_params
    try:
        page, size = whole_number(query.get("page"), 1), min(whole_number(query.get("count"), 1000), 1000)
    except ValueError:
        return refused(400, "page: 必须是正整数")
    rows = await request.app.state.pool.fetch(page_sql(size, (page - 1) * size))
    data = [student_row(*list(row.values())[:-1]) for row in rows if row["id"] is not None]
    body = {"status": 1, "state": True, "msg": "请求成功", "total": rows[0]["total"], "data": data}
    return Response(orjson.dumps(body), media_type="application/json; charset=utf-8")


async def nothing(connection: asyncpg.Connection) -> None:
    """Give a connection back as it is, as psycopg's pool does: asyncpg would send a statement each time."""


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    parts = conninfo_to_dict(os.environ["DATABASE_URL"])  # asyncpg reads URLs only, and not every one that libpq does
    parts["database"] = parts.pop("dbname")
    limits = {"command_timeout": 30, "server_settings": {"statement_timeout": "30s", "lock_timeout": "10s"}}
    async with asyncpg.create_pool(**parts, **limits, min_size=1, max_size=8, reset=nothing) as app.state.pool:
        yield


application = Starlette(
    routes=[Route("/students/getstulist", students)],
    middleware=[
        Middleware(Recorded),
        Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
        Middleware(CORSMiddleware, allow_origin_regex=".*", allow_credentials=True, expose_headers=["X-Request-Id"]),
    ],
    lifespan=lifespan,
)
