"""Set pictures of many students from one ZIP. A file is named after a student's number, or a name that only one has."""

import io
import zipfile
import zlib
from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from lzma import LZMAError
from pathlib import PurePosixPath
from threading import Lock
from typing import Any, NamedTuple

import structlog
from auditlog.context import disable_auditlog
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Q

from core.errors import DomainError
from core.ids import storable
from core.sheets.read import SheetRefused
from runs.work import progress_end, with_progress
from students.bulk import students_note
from students.columns import PHOTO, PICTURE
from students.errors import StudentUnknown
from students.models import RowKind, RunKind, RunState, Student, TransferRow, TransferRun
from students.runs import row_counts, rows_save, run_scope, run_scope_required, source_of
from students.services import student_edit
from students.transfer.row_matching import student_label
from uploads.errors import DecodersBusy, ImageIsHeic, ImageRefused
from uploads.limits import MAX_BYTES, is_heic
from uploads.services import image_store

log = structlog.get_logger("students.transfer")

MAX_ZIP_BYTES = 30 * 1024 * 1024
MAX_FILES = 500
MAX_ENTRIES = 4 * MAX_FILES  # folders, and what macOS adds to each file
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MAX_CANDIDATES = 20  # of one picture
MAX_NAMED = MAX_FILES * MAX_CANDIDATES
DECODER_WAIT_S = 60  # no request waits meanwhile
_TYPES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"RIFF": "webp"}
# Each picture of a preview is read out of the whole archive (30 MB), so one at a time.
_unpacking = Lock()
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1

OPEN = (RowKind.CHANGED, RowKind.CHOICE)  # neither done nor given up
WRITTEN = (RowKind.CHANGED, RowKind.NEW)
# The others tell that no picture can be stored now. Decoders are busy, too, when this picture takes them too long.
OF_ONE_PICTURE = (ImageRefused, DecodersBusy, SheetRefused, StudentUnknown)


class ZipPicture(NamedTuple):
    path: str
    name: str
    fault: str

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem.strip()


def pictures_in(content: bytes) -> list[ZipPicture]:
    """List the files of the archive, each with what is wrong with it.

    Each is unpacked, which finds damage of the ZIP. A picture that is broken in itself is found when it is given,
    because a decoder takes some 0.1 s for a photograph.

    :raises SheetRefused: it is no ZIP, or too large when unpacked.
    """
    # Each entry begins with this mark. zipfile would first make 600,000 objects of entries, and of the two records that
    # may say how many there are it believes the one of ZIP64.
    if content.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise SheetRefused(f"一个 ZIP 最多{MAX_FILES}张图片")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_clutter(entry.filename)]
            # zipfile never unpacks more of a file than its entry claims, so the claims are what counts.
            size = sum(entry.file_size for entry in entries)
            if len(entries) <= MAX_FILES and size <= MAX_UNPACKED_BYTES:
                return [ZipPicture(entry.filename, _name(entry), _fault(archive, entry)) for entry in entries]
    except Exception:  # a broken archive has many faces
        raise SheetRefused("不是 ZIP 文件，或文件已损坏") from None
    many, large = f"一个 ZIP 最多{MAX_FILES}张图片", f"ZIP 解压后不能超过{MAX_UNPACKED_BYTES // 1024**2}MB"
    raise SheetRefused(many if len(entries) > MAX_FILES else large)


def _is_clutter(path: str) -> bool:
    return path.startswith("__MACOSX/") or PurePosixPath(path).name.startswith(".") or path.endswith("Thumbs.db")


def _name(entry: zipfile.ZipInfo) -> str:
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAME:
        raw = name.encode("cp437", "replace")  # as zipfile read it
        for encoding in ("gb18030", "utf-8"):  # macOS does not set the flag, Chinese Windows writes GBK
            with suppress(UnicodeDecodeError):
                name = raw.decode(encoding)
    return PurePosixPath(name).name.replace("\x00", "")[:120]


def _fault(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & _ENCRYPTED:
        return "文件有密码"
    try:
        content = _unpack(archive, entry)
    except SheetRefused as refusal:
        return refusal.msg
    if is_heic(content):
        return ImageIsHeic.msg
    return "" if content.startswith(tuple(_TYPES)) else "不是图片（支持 JPG、PNG、GIF、WebP）"


def _unpack(archive: zipfile.ZipFile, file: zipfile.ZipInfo | str) -> bytes:
    """Return the whole content of a file.

    :raises SheetRefused: it is missing, larger than a picture may be, damaged, as its checksum tells, or packed in a
        way that zipfile does not know.
    """
    try:
        entry = archive.getinfo(file) if isinstance(file, str) else file
        if entry.file_size > MAX_BYTES:
            raise SheetRefused(f"图片不能超过{MAX_BYTES // 1024**2}MB")
        return archive.read(entry)
    except (KeyError, zipfile.BadZipFile, zlib.error, LZMAError, RuntimeError, OSError, EOFError, ValueError):
        raise SheetRefused("文件已损坏") from None


def photos_check(run: TransferRun, now: datetime) -> None:
    """Find the student of each picture; where that is not certain, a person chooses among namesakes, or by number.

    Leaves the run ``READY``, or ``REFUSED`` when no picture can be given.
    """
    pictures = pictures_in(source_of(run))
    if not pictures:
        raise SheetRefused("ZIP 中没有图片")
    stems = [picture.stem for picture in pictures if not picture.fault]
    # The index of names holds runs of characters, not names: one pass over the table serves all files.
    condition = Q(sid__in={stem.upper() for stem in stems}) | Q(name__in=stems)
    students = Student.objects.filter(run_scope_required(run).changeable(of=Student), condition)
    by_sid, by_name = {}, defaultdict[str, list[Student]](list)
    for student in students.order_by("class_name", "pk")[:MAX_NAMED]:
        by_sid[student.sid] = [student]
        by_name[student.name].append(student)
    rows, name_of = [], dict[int, str]()  # which student has which picture already
    for number, picture in enumerate(pictures, 1):
        row = TransferRow(run=run, number=number, kind=RowKind.ERROR)
        # A number means one student, even if others have it as a name.
        matches = [] if picture.fault else by_sid.get(picture.stem.upper()) or by_name[picture.stem]
        pk = matches[0].pk if len(matches) == 1 else 0
        if picture.fault or pk in name_of:
            row.errors, matches = [["", picture.fault or f"与“{name_of[pk]}”是同一名学员"]], []
        elif pk:
            row.kind, row.student_pk, name_of[pk] = RowKind.CHANGED, pk, picture.name
        else:
            row.kind = RowKind.CHOICE
        offered = [(student.pk, student_label(student)) for student in matches[:MAX_CANDIDATES]]
        row.cells = {"file": picture.path, "shown": picture.name, "students": offered}
        rows.append(row)
    TransferRow.objects.filter(run=run).delete()
    TransferRow.objects.bulk_create(rows)
    run.counts, run.message = row_counts(run), ""
    run.state = RunState.READY if run.counts.keys() & {*OPEN} else RunState.REFUSED


def photos_choose(run: TransferRun, data: Any) -> None:
    """Note in the rows which picture goes to whom: ``use`` (numbers), ``student-<number>`` and ``sid-<number>``.

    ``student-<number>`` is the key of a student that the preview has offered, ``sid-<number>`` the number of any
    student whom the person may change.

    :raises SheetRefused: there is no such student, or one student would get two pictures.
    """
    rows = list(TransferRow.objects.filter(run=run, kind__in=OPEN))
    sids = {row.number: storable(data.get(f"sid-{row.number}", "")).upper() for row in rows}
    changeable = Student.objects.filter(run_scope(run).changeable(of=Student), sid__in=sids.values())
    pk_of = dict(changeable.values_list("sid", "pk"))
    if missing := {sid for sid in sids.values() if sid} - pk_of.keys():
        raise SheetRefused(f"没有学号为 {'、'.join(sorted(missing))[:200]} 的学员")
    ticks = set(data.getlist("use"))
    for row in rows:
        offered = {str(pk): pk for pk, _ in row.cells.get("students", [])}
        if row.kind == RowKind.CHOICE:
            row.student_pk = pk_of.get(sids[row.number]) or offered.get(data.get(f"student-{row.number}", ""))
        elif str(row.number) not in ticks:
            row.student_pk = None
        row.kind = RowKind.CHANGED if row.student_pk else RowKind.SKIPPED
    chosen = [row.student_pk for row in rows if row.student_pk]
    if len(set(chosen)) < len(chosen):
        raise SheetRefused("有两张图片选了同一名学员，请只留一张")
    rows_save(rows, "kind", "student_pk")


def photo_read(run: TransferRun, number: int) -> tuple[bytes, str]:
    """Return a picture of the archive as it was sent, and its content type.

    :raises SheetRefused, RunNotReady: there is no such picture, it is damaged, or the archive is gone.
    """
    row = TransferRow.objects.filter(run=run, number=number, cells__has_key="file").first()
    if row is None or (run.kind == RunKind.PHOTOS and row.kind not in OPEN):
        raise SheetRefused("没有这张图片")
    with _unpacking, zipfile.ZipFile(io.BytesIO(source_of(run))) as archive:
        content = _unpack(archive, row.cells["file"])
    kind = next((kind for magic, kind in _TYPES.items() if content.startswith(magic)), "jpeg")
    return content, f"image/{kind}"


def photos_apply(run: TransferRun, now: datetime) -> None:
    """Give the students of the rows their pictures, one by one. Started again, it goes on where it stopped.

    If pictures cannot be stored now, a ZIP is ``READY`` again with the rest of them, and its message says why. An
    import is ``DONE`` all the same: its students are written.
    """
    rows = TransferRow.objects.filter(run=run, kind__in=WRITTEN, cells__has_key="file").exclude(diff__has_key=PICTURE)
    end: dict[str, Any] = {"state": RunState.DONE, "message": ""}
    try:
        with zipfile.ZipFile(io.BytesIO(source_of(run))) as archive:
            for row in with_progress(list(rows), run, total=len(rows), every=1):
                _give(run, row, archive, now)
    except Exception as error:
        log.exception("pictures not given", run=run.pk)
        reason = error.msg if isinstance(error, DomainError) else "处理时出现意外错误"
        end = {"state": RunState.READY, "message": f"{reason}。已更换的有效，其余请稍后再次确认"}
        if run.kind == RunKind.IMPORT:
            end = {"state": RunState.DONE, "message": f"{reason}。学员都已写入，其余的头像请用“批量上传头像”"}
    TransferRun.objects.filter(pk=run.pk, state=RunState.APPLYING).update(**end, counts=row_counts(run))
    progress_end(run)


def _give(run: TransferRun, row: TransferRow, archive: zipfile.ZipFile, now: datetime) -> None:
    """Give the student of a row the picture, or note why not."""
    is_zip = run.kind == RunKind.PHOTOS
    try:
        # Stored outside a transaction (see uploads.services). A picture that is stored twice is swept after a day.
        file = SimpleUploadedFile("photo", _unpack(archive, row.cells["file"]))
        picture = image_store(file=file, user_pk=run.confirmed_by_id, wait_s=DECODER_WAIT_S, now=now)
        with transaction.atomic():
            student = Student.objects.filter(pk=row.student_pk or 0).first()
            if student is None:
                raise SheetRefused("学员刚刚被删除")
            if not run_scope(run).may_change(student):
                raise SheetRefused("您现在没有修改这名学员的权限")
            if student.headimgurl and not is_zip:
                raise SheetRefused("已有头像，保留原来的")
            result: dict[str, Any] = {"diff": row.diff | {PICTURE: ["", picture.url_path]}}
            if is_zip:  # its row tells of the student alone, not of those that were offered as well
                result = {
                    "kind": RowKind.DONE,
                    "cells": row.cells | {"students": [(student.pk, student_label(student))]},
                }
            if not _end(row, **result):  # a second worker was faster
                return
            diff = {PICTURE: (student.headimgurl, picture.url_path)}
            with disable_auditlog():  # it would write an entry of its own for each of them
                student_edit(sid=student.sid, changes={PICTURE: picture.url_path}, now=now)
            students_note(LogEntry.Action.UPDATE, [student], [diff], run.confirmed_by_id, now)
    except OF_ONE_PICTURE as refusal:
        _end(row, errors=[["" if is_zip else PHOTO, refusal.msg]], **({"kind": RowKind.ERROR} if is_zip else {}))


def _end(row: TransferRow, **result: Any) -> int:
    """Note what became of a picture, unless that stands there already; return the number of rows noted."""
    rows = TransferRow.objects.filter(pk=row.pk, kind=row.kind).exclude(diff__has_key=PICTURE)
    return rows.update(**result)
