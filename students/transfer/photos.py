"""Set pictures of many students from one ZIP. A file is named after a student's number, or a name that only one has."""

import io
import re
import zipfile
import zlib
from contextlib import suppress
from datetime import datetime
from lzma import LZMAError
from pathlib import PurePosixPath
from threading import Lock
from typing import Any, NamedTuple

import structlog
from auditlog.context import set_actor
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Q

from core.errors import DomainError
from core.sheets.read import SheetRefused
from permissions.scope import Scope
from runs.progress import progress_end, with_progress
from students.columns import PHOTO
from students.errors import StudentUnknown
from students.models import RowKind, RunKind, RunState, Student, TransferRow, TransferRun
from students.run_rights import run_scope, run_scope_required
from students.runs import row_counts, source_of
from students.services import student_edit
from students.undo import PICTURE
from uploads.errors import DecodersBusy, ImageIsHeic, ImageRefused
from uploads.formats import MAX_BYTES, is_heic
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
# What people write around a name: "何一诺(1).jpg", "H51902-林子轩.jpg", "3 林子轩.jpg".
_WORD = re.compile(r"[0-9A-Za-z]+|[^\W0-9A-Za-z_]+")
# Each picture of a preview is read out of the whole archive (30 MB), so one at a time.
_unpacking = Lock()
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1

OPEN = (RowKind.CHANGED, RowKind.CHOICE)  # neither done nor given up
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
    try:
        _refuse_crowded(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_clutter(entry.filename)]
            if len(entries) > MAX_FILES:
                raise SheetRefused(f"一个 ZIP 最多{MAX_FILES}张图片")
            # zipfile never unpacks more of a file than its entry claims, so the claims are what counts.
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise SheetRefused(f"ZIP 解压后不能超过{MAX_UNPACKED_BYTES // 1024**2}MB")
            return [ZipPicture(entry.filename, _name(entry), _fault(archive, entry)) for entry in entries]
    except SheetRefused:
        raise
    except Exception:  # a broken archive has many faces
        raise SheetRefused("不是 ZIP 文件，或文件已损坏") from None


def _refuse_crowded(content: bytes) -> None:
    """Refuse too many files by the archive's last record alone: zipfile would first make 600,000 objects of entries."""
    at = content.rfind(b"PK\x05\x06")
    entries = int.from_bytes(content[at + 10 : at + 12], "little") if at >= 0 else 0
    directory_bytes = int.from_bytes(content[at + 12 : at + 16], "little") if at >= 0 else 0
    if entries > MAX_ENTRIES or directory_bytes > MAX_ENTRIES * 1024:
        raise SheetRefused(f"一个 ZIP 最多{MAX_FILES}张图片")


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
    if entry.file_size > MAX_BYTES:
        return f"图片不能超过{MAX_BYTES // 1024**2}MB"
    try:
        content = _unpack(archive, entry)
    except SheetRefused as refusal:
        return refusal.msg
    if is_heic(content):
        return ImageIsHeic.msg
    return "" if content.startswith(tuple(_TYPES)) else "不是图片（支持 JPG、PNG、GIF、WebP）"


def _unpack(archive: zipfile.ZipFile, file: zipfile.ZipInfo | str) -> bytes:
    """Return the whole content of a file.

    :raises SheetRefused: it is damaged, as its checksum tells, or packed in a way that zipfile does not know.
    """
    try:
        return archive.read(file)
    except (zipfile.BadZipFile, zlib.error, LZMAError, RuntimeError, OSError, EOFError, ValueError):
        raise SheetRefused("文件已损坏") from None


def photos_check(run: TransferRun, now: datetime) -> None:
    """Find the student of each picture. Leaves the run ``READY``, or ``REFUSED`` when no picture has one."""
    pictures = pictures_in(source_of(run))
    if not pictures:
        raise SheetRefused("ZIP 中没有图片")
    students = _students_named([picture.stem for picture in pictures if not picture.fault], run_scope_required(run))
    names_of: dict[int, str] = {}
    rows = [_row(run, number, picture, students, names_of) for number, picture in enumerate(pictures, 1)]
    TransferRow.objects.filter(run=run).delete()
    TransferRow.objects.bulk_create(rows)
    run.counts = row_counts(run)
    run.message = ""
    run.state = RunState.READY if run.counts.keys() & {*OPEN} else RunState.REFUSED


def _words(stem: str) -> set[str]:
    return {word for word in _WORD.findall(stem) if len(word) > 1}


def _students_named(stems: list[str], scope: Scope) -> list[Student]:
    """Return the students whose number or name is a file's name, or one of its words."""
    # The index of names holds runs of characters, not names: one pass over the table serves all files.
    words = {word for stem in stems for word in (stem, *_words(stem))}
    condition = Q(sid__in={word.upper() for word in words}) | Q(name__in=words)
    return list(Student.objects.filter(scope.changeable() & condition).order_by("class_name", "pk")[:MAX_NAMED])


def _matches(stem: str, students: list[Student]) -> tuple[list[Student], bool]:
    """Return the students that a file may belong to, and whether its whole name says so.

    A number means one student, even if others have it as a name. Among the words around a name, a class narrows it.
    """
    for certain in (
        [one for one in students if one.sid == stem.upper()],
        [one for one in students if one.name == stem],
    ):
        if certain:
            return certain, True
    words = _words(stem)
    numbers = {word.upper() for word in words}
    matches = [student for student in students if student.sid in numbers or student.name in words]
    return [student for student in matches if student.class_name.upper() in numbers] or matches, False


def _row(
    run: TransferRun, number: int, picture: ZipPicture, students: list[Student], names_of: dict[int, str]
) -> TransferRow:
    """Make the row of a picture.

    ``cells`` holds its path in the ZIP (``file``), its name (``shown``), and the students it may belong to, each as
    key and description (``students``). Without a certain student a person chooses, among suggestions or by number.
    ``names_of`` collects which student has which picture already.
    """
    row = TransferRow(run=run, number=number, kind=RowKind.ERROR, cells={"file": picture.path, "shown": picture.name})
    if picture.fault:
        row.errors = [["", picture.fault]]
        return row
    matches, is_certain = _matches(picture.stem, students)
    if not is_certain or len(matches) > 1:
        row.kind = RowKind.CHOICE
        row.cells["is_suggested"] = not is_certain
    elif matches[0].pk in names_of:
        row.errors = [["", f"与“{names_of[matches[0].pk]}”是同一名学员"]]
        return row
    else:
        names_of[matches[0].pk] = picture.name
        row.kind, row.student_pk = RowKind.CHANGED, matches[0].pk
    row.cells["students"] = [_candidate(student) for student in matches[:MAX_CANDIDATES]]
    return row


def _candidate(student: Student) -> list[Any]:
    return [student.pk, f"{student.name} · {student.class_name} · {student.sid}"]


def photos_choice(run: TransferRun, data: Any) -> dict[str, dict[str, int]]:
    """Read which picture goes to whom from the fields ``use`` (numbers), ``student-<number>`` and ``sid-<number>``.

    ``student-<number>`` is the key of a student that the preview has offered, ``sid-<number>`` the number of any
    student whom the person may change.

    :raises SheetRefused: there is no such student, or one student would get two pictures.
    """
    choices: dict[str, int] = {}
    sids: dict[str, str] = {}
    ticks = set(data.getlist("use"))
    for row in TransferRow.objects.filter(run=run, kind__in=OPEN):
        if row.kind == RowKind.CHANGED and str(row.number) in ticks and row.student_pk:
            choices[str(row.number)] = row.student_pk
        elif row.kind == RowKind.CHOICE:
            answer = data.get(f"student-{row.number}", "")
            choices |= {str(row.number): pk for pk, _ in row.cells["students"] if str(pk) == answer}
            if sid := data.get(f"sid-{row.number}", "").strip().upper():
                sids[str(row.number)] = sid
    students = Student.objects.filter(run_scope(run).changeable(), sid__in=sids.values())
    pk_of = dict(students.values_list("sid", "pk"))
    if missing := set(sids.values()) - pk_of.keys():
        raise SheetRefused(f"没有学号为 {'、'.join(sorted(missing))[:200]} 的学员")
    choices |= {number: pk_of[sid] for number, sid in sids.items()}
    if len(set(choices.values())) < len(choices):
        raise SheetRefused("有两张图片选了同一名学员，请只留一张")
    return {"chosen": choices}


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
    """Give the chosen students their pictures, one by one. Started again, it goes on where it stopped.

    If pictures cannot be stored now, the run is ``READY`` again with the rest of them, and its message says why.
    """
    end: dict[str, Any] = {"state": RunState.DONE, "message": ""}
    choices: dict[str, int] = run.options.get("chosen", {})
    rows = list(TransferRow.objects.filter(run=run, number__in=[int(number) for number in choices], kind__in=OPEN))
    try:
        with zipfile.ZipFile(io.BytesIO(source_of(run))) as archive, set_actor(run.confirmed_by):
            for row in with_progress(rows, run, total=len(rows), every=1):
                _give(run, row, archive, choices[str(row.number)], now)
        TransferRow.objects.filter(run=run, kind__in=OPEN).update(kind=RowKind.SKIPPED)
    except Exception as error:
        log.exception("pictures not given", run=run.pk)
        reason = error.msg if isinstance(error, DomainError) else "处理时出现意外错误"
        end = {"state": RunState.READY, "message": f"{reason}。已更换的有效，其余请稍后再次确认"}
    TransferRun.objects.filter(pk=run.pk, state=RunState.APPLYING).update(**end, counts=row_counts(run))
    progress_end(run)


def _give(run: TransferRun, row: TransferRow, archive: zipfile.ZipFile, student_pk: int, now: datetime) -> None:
    try:
        # Stored outside a transaction (see uploads.services). A picture that is stored twice is swept after a day.
        file = SimpleUploadedFile("photo", _unpack(archive, row.cells["file"]))
        picture = image_store(file=file, user_pk=run.confirmed_by_id, wait_s=DECODER_WAIT_S, now=now)
        with transaction.atomic():
            student = Student.objects.filter(pk=student_pk).first()
            if student is None:
                raise SheetRefused("学员刚刚被删除")
            if not run_scope(run).may_change(student):
                raise SheetRefused("您现在没有修改这名学员的权限")
            cells = row.cells | {"students": [_candidate(student)]}  # not those that were offered as well
            if not _end(row, kind=RowKind.DONE, student_pk=student_pk, cells=cells):
                return  # a second worker was faster
            student_edit(sid=student.sid, changes={"headimgurl": picture.url_path}, now=now)
    except OF_ONE_PICTURE as refusal:
        _end(row, kind=RowKind.ERROR, errors=[["", refusal.msg]])


def _end(row: TransferRow, **result: Any) -> int:
    """Note what became of a picture, unless that stands there already; return the number of rows noted."""
    return TransferRow.objects.filter(pk=row.pk, kind__in=OPEN).update(**result)


# --- Pictures in the cells of an imported list ---
def pictures_give(run_pk: int, now: datetime) -> None:
    """Give the pictures of an import that is written to its students, as far as they have none; then the run is done.

    Started again, it goes on where it stopped. A picture that cannot be stored is named in its row.
    """
    run = TransferRun.objects.filter(pk=run_pk, state=RunState.APPLYING, options__is_written=True).first()
    if run is None:
        return
    kinds = (RowKind.NEW, RowKind.CHANGED)
    pks = TransferRow.objects.filter(run=run, kind__in=kinds, cells__has_key="file").values_list("pk", flat=True)
    with zipfile.ZipFile(io.BytesIO(source_of(run))) as archive, set_actor(run.confirmed_by):
        for pk in with_progress(list(pks), run, total=len(pks), every=1):
            try:
                _picture_give(run, pk, archive, now)
            except Exception as error:
                log.exception("picture not given", run=run.pk)
                reason = error.msg if isinstance(error, DomainError) else "处理时出现意外错误"
                TransferRow.objects.filter(pk=pk).update(errors=[[PHOTO, f"没有换上：{reason}"]])
    TransferRun.objects.filter(pk=run.pk, state=RunState.APPLYING).update(state=RunState.DONE, counts=row_counts(run))
    progress_end(run)


def _picture_give(run: TransferRun, row_pk: int, archive: zipfile.ZipFile, now: datetime) -> None:
    part = TransferRow.objects.get(pk=row_pk).cells["file"]
    file = SimpleUploadedFile("photo", _unpack(archive, part))
    picture = image_store(file=file, user_pk=run.confirmed_by_id, wait_s=DECODER_WAIT_S, now=now)
    with transaction.atomic():
        row = TransferRow.objects.select_for_update().get(pk=row_pk)
        student = Student.objects.filter(pk=row.student_pk or 0, headimgurl="").first()
        if PICTURE in row.diff or student is None or not run_scope(run).may_change(student):
            return  # a second worker was faster, or a colleague
        student_edit(sid=student.sid, changes={PICTURE: picture.url_path}, now=now)
        row.diff[PICTURE] = ["", picture.url_path]
        row.save(update_fields=["diff"])
