"""Who holds a lock in PostgreSQL that others wait for: a forgotten transaction stops orders as a dead server does."""

from collections.abc import Iterator

from django.db import connection

from core.findings import Finding

WAITS_S, HOLDS_S = 3, 60  # a statement of ours waits 10 s for a lock, a migration holds one for less than a second
# Of the sessions of other roles PostgreSQL shows us neither statement nor age; then the longest wait for them counts.
_HOLDERS = """
WITH waiting AS (
    SELECT DISTINCT pid, unnest(pg_blocking_pids(pid)) AS holder, extract(epoch FROM clock_timestamp() - waitstart) AS s
    FROM pg_locks WHERE NOT granted
), tables AS (
    SELECT pid, relation::regclass::text AS name FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE granted AND relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
), holders AS (
    SELECT pid, usename, application_name, coalesce(host(client_addr), '') AS host, left(query, 80) AS query,
        extract(epoch FROM clock_timestamp() - xact_start) AS age_s,
        (SELECT max(s) FROM waiting WHERE holder = activity.pid) AS wait_s,
        (SELECT count(DISTINCT pid) FROM waiting WHERE holder = activity.pid) AS number,
        coalesce((SELECT string_agg(DISTINCT name, ', ') FROM tables WHERE tables.pid = activity.pid), '') AS names
    FROM pg_stat_activity activity WHERE datname = current_database() AND pid NOT IN (SELECT pid FROM waiting)
)
SELECT pid, concat_ws(', ', usename, application_name, nullif(host, '')), names, number,
    greatest(age_s, wait_s, 0)::int, coalesce(nullif(query, '<insufficient privilege>'), '') FROM holders
WHERE pid <> pg_backend_pid() AND (wait_s >= %s OR (names <> '' AND age_s >= %s)) ORDER BY 5 DESC
"""


def locks() -> Iterator[Finding]:
    """Name who makes others wait in PostgreSQL, or has locked a whole table for long, and the line that ends it."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [WAITS_S, HOLDS_S])
        rows = cursor.fetchall()
    for pid, who, tables, number, seconds, query in rows:
        what = (
            f"PostgreSQL 的进程 {pid}（{who}）占着锁{f'（{tables}）' if tables else ''}至少 {seconds} 秒，"
            f"{number} 个连接在等{f'；最后一句：{query}' if query else ''}"
        )
        do = f"结束它：sudo -u postgres psql -c 'SELECT pg_terminate_backend({pid})'"
        yield Finding(f"lock {pid}", False, what, do)
