"""What the tests of imports, pictures, changes and deletions share."""

import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone
from openpyxl import Workbook
from openpyxl.drawing.image import Image

from core.sheets.write import sheet_write
from students.models import RowKind, Student, TransferRun
from students.runs import run_confirm, run_start, run_undo
from students.services import students_archive
from students.tasks import transfer_work
from students.transfer.import_page import fields_of, shown_sent
from tests.kit import encoded

LIST, RUNS = "/admin/students/student/", "/admin/students/transferrun/"
HEAD = ["学号", "班级", "姓名", "年龄", "城市", "学历", "项目地址", "自我评价"]


def line(number: int = 1, **changes: str) -> list[str]:
    row = dict(zip(HEAD, ["", "H1", f"学员{number}", "21", "重庆", "本科", "地址", "你好"], strict=True))
    return list((row | changes).values())


def sheet(*rows: list[str], head: list[str] = HEAD, kind: str = "csv") -> bytes:
    return sheet_write(kind, head, rows)


def workbook(*rows: Any, pictures: Iterable[str] = ()) -> bytes:
    """Make a workbook of these rows, with a picture at each of these cells."""
    book, out = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(list(row))
    for cell in pictures:
        book.active.add_image(Image(io.BytesIO(encoded())), cell)
    book.save(out)
    return out.getvalue()


def zipped(parts: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def worked(run: TransferRun) -> TransferRun:
    """Do the work that the run waits for, as a worker does."""
    transfer_work(run.pk)
    run.refresh_from_db()
    return run


def started(content: bytes, user: Any = None, kind: str = "import") -> TransferRun:
    return run_start(kind=kind, user_pk=user and user.pk, now=timezone.now(), file_name="a.csv", source=content)


def checked(content: bytes, user: Any = None, kind: str = "import") -> TransferRun:
    return worked(started(content, user, kind))


def confirmed(run: TransferRun, user: Any = None) -> TransferRun:
    run_confirm(run=run, user_pk=user and user.pk, now=timezone.now())
    return worked(run)


def undone(run: TransferRun, user: Any = None, *, now: datetime | None = None) -> TransferRun:
    run_undo(run=run, user_pk=user and user.pk, now=now or timezone.now())
    return worked(run)


def put_aside(*people: Student, now: datetime | None = None) -> list[Student]:
    return students_archive(pks=[one.pk for one in people], actor_pk=None, now=now or timezone.now())


def form_of(run: TransferRun, ticks: dict[int, bool] | None = None, **fields: Any) -> dict[str, Any]:
    """What a page with all rows of an import sends, after these rows are ticked and these fields filled in."""
    shown = fields_of(run, run.rows.all(), ())
    ticked = {f"take-{number}": "1" if is_taken else "" for number, is_taken in (ticks or {}).items()}
    return {"shown": shown_sent(shown)} | ticked | fields


def decide(
    browser: Any, run: TransferRun, do: str = "", ticks: dict[int, bool] | None = None, **fields: Any
) -> TransferRun:
    """Press a button of the page of an import."""
    browser.post(page_of(run), {"do": do, **form_of(run, ticks, **fields)})
    run.refresh_from_db()
    return run


def errors(run: TransferRun) -> list[tuple[int, Any]]:
    return [(row.number, row.errors) for row in run.rows.filter(kind=RowKind.ERROR)]


def page_of(run: TransferRun) -> str:
    return f"{RUNS}{run.pk}/change/"


def text_of(browser: Any, run: TransferRun) -> str:
    return str(browser.get(page_of(run)).content.decode())


def csv_rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def question(browser: Any, action: str, *chosen: Student, **query: str) -> tuple[Any, str]:
    """Return the page that asks about these students, or about all of the list, and the list's address."""
    keys = [person.pk for person in chosen] or [Student.objects.first().pk]
    address = LIST + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
    data = {"action": action, "_selected_action": keys, "select_across": "0" if chosen else "1"}
    return browser.post(address, data), address
