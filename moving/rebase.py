"""Change the addresses of pictures in all records, after this server or another one has changed its address."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Max

from core.findings import Finding
from moving.pictures import PLACES
from uploads.services import NAME_PATTERN

BATCH = 10_000  # rows by key in one statement, so that no row stays locked for long
# The whole address of a picture that this server, or another one like it, has stored; the group is its path.
_STORED = rf"^https?://[^/]+({settings.MEDIA_URL}{NAME_PATTERN})$"
_IS_HERE = """EXISTS (SELECT 1 FROM uploads_upload
    WHERE removed_at IS NULL AND name = substring({column} FROM '[^/]+/[^/]+/[^/]+$'))"""


def own_pictures_rebase() -> int:
    """Store the path alone of each picture that is stored here, whatever host its address names; return how many."""
    return _rewrite(f"substring({{column}} FROM %(stored)s) WHERE {{column}} ~ %(stored)s AND {_IS_HERE}", {})


def pictures_rebase(*, old: str, new: str) -> int:
    """Let the addresses below ``old`` begin with ``new``, both like ``https://host``; return how many."""
    arguments: dict[str, str | int] = {
        "old": f"{old}/",
        "new": f"{new}/",
        "rest": len(old) + 2,
        "max_length": 500 + len(old) - len(new),
    }
    condition = "starts_with({column}, %(old)s) AND length({column}) <= %(max_length)s"
    return _rewrite(f"%(new)s || substr({{column}}, %(rest)s) WHERE {condition}", arguments)


def _rewrite(change: str, arguments: dict[str, str | int]) -> int:
    number = 0
    for place in PLACES:
        table, column = place.model._meta.db_table, f'"{place.field}"'
        statement = f'UPDATE "{table}" SET {column} = {change} AND id BETWEEN %(first)s AND %(last)s'  # noqa: S608
        end = place.model._base_manager.aggregate(end=Max("pk"))["end"] or 0
        with connection.cursor() as cursor:
            for first in range(0, end + 1, BATCH):
                arguments |= {"stored": _STORED, "first": first, "last": first + BATCH - 1}
                cursor.execute(statement.format(column=column), arguments)
                number += cursor.rowcount
    return number


def addresses_of_pictures() -> Iterator[Finding]:
    """Report pictures that will not be found, or not after the next change of this server's address."""
    counts: Counter[tuple[str, bool]] = Counter()
    for place in PLACES:
        column, table = f'"{place.field}"', place.model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT substring({column} FROM '^https?://[^/]+'), {_IS_HERE.format(column=column)}, count(*)"  # noqa: S608
                f' FROM "{table}" WHERE {column} ~ %s GROUP BY 1, 2',
                [_STORED],
            )
            counts.update({(base, is_here): count for base, is_here, count in cursor.fetchall()})
    for (base, is_here), count in counts.items():
        if is_here:
            what = f"{count:,} 张自己的图片存着 {base} 开头的地址"
            yield Finding(f"pictures at {base}", False, what, "manage.py pictures_rebase")
        else:
            what = f"{count:,} 个 {base} 开头的地址像是自己的图片，但图片不在这里"
            yield Finding(f"pictures of {base}", None, what, "那台服务器换了地址：manage.py pictures_rebase OLD NEW")
    if not counts:
        yield Finding("pictures", True, "自己的图片存的都是不带主机的地址")


def is_base(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        return False
