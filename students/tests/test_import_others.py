"""Pictures in a ZIP are matched, shown and given."""

import struct
from unittest.mock import Mock

import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile

from core.audit import PART
from core.sheets.read import SheetRefused
from students.models import RowKind, RunState, Student, TransferRow, TransferRun
from students.tests.factories import students
from students.tests.transfers import RUNS, checked, page_of, text_of, worked, zipped
from students.transfer import photos
from students.transfer.photos import pictures_in
from tests.kit import encoded, logged_in
from uploads.errors import DecodersBusy, ImageBroken, ImageIsHeic, StoreFull
from uploads.models import ImageUse

pytestmark = pytest.mark.django_db
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.fixture
def send(clerk):
    """Send a ZIP in; return the run, checked, and a function that confirms it with these fields and tells its page."""

    def run_of(files):
        clerk.post(f"{RUNS}photos/", {"file": SimpleUploadedFile("a.zip", zipped(files))})
        run = worked(TransferRun.objects.get())

        def confirm(**fields):
            page = clerk.post(page_of(run), {"do": "confirm"} | fields, follow=True)
            worked(run)
            return page.content.decode()

        return run, confirm

    return run_of


def pictured():
    return {student.pk for student in Student.objects.exclude(headimgurl="")}


def test_pictures_are_matched_shown_and_given(send, clerk, zhuguan):
    tan, wang, li, double = students("谭鹏", "王芳", "李雷", "重名", class_name="H1")
    other = students("重名", class_name="H2")[0]
    sid = tan.sid.lower()
    run, confirm = send({
        f"头像/{sid}.png": encoded(), "王芳.jpg": encoded("JPEG"), "重名.png": encoded(), "没有人.png": encoded(),
        "李雷.png": b"<script>", "../../李雷.gif": encoded("GIF"), "谭鹏.png": encoded(),
        "__MACOSX/._谭鹏.png": b"x", ".DS_Store": b"x",
    })  # fmt: skip

    for text in ("没有这个学号或姓名", "不是图片", "有 2 名重名学员", f"与“{sid}.png”是同一名学员"):
        assert text in text_of(clerk, run)
    numbers = {row.cells["file"]: row.number for row in TransferRow.objects.all()}
    assert len(numbers) == 7
    ticked = [numbers["王芳.jpg"], numbers[f"头像/{sid}.png"]]
    confirm(use=ticked, **{f"student-{numbers['重名.png']}": str(other.pk)})
    worked(run)

    assert (run.state, run.counts) == (RunState.DONE, {"done": 3, "error": 2, "skipped": 2})
    assert pictured() == {tan.pk, wang.pk, other.pk} and ImageUse.objects.count() == 3
    assert Student.objects.get(pk=tan.pk).headimgurl.startswith("/media/")
    entry = LogEntry.objects.get_for_object(wang).filter(action=LogEntry.Action.UPDATE).get()
    assert entry.actor_id == zhuguan.user.pk and "已更换 3 名" in text_of(clerk, run)
    parts = LogEntry.objects.filter(action=LogEntry.Action.UPDATE, changes__has_key="headimgurl").order_by("pk")
    assert [entry.additional_data for entry in parts] == [None, PART, PART]  # one line of the list, not three


@pytest.mark.parametrize("name", ["何一诺.jpg", "何一诺(1).jpg", "H51902-何一诺.jpg", "H51901.jpg"])
def test_a_name_that_two_have_or_that_is_not_exact_is_asked_about(send, name):
    students("何一诺", class_name="H51901")
    students("何一诺", class_name="H51902")
    outsider = students("外人")[0]
    _, confirm = send({name: encoded()})

    row = TransferRow.objects.get()
    assert (row.kind, len(row.cells["students"])) == (RowKind.CHOICE, 2 if name == "何一诺.jpg" else 0)
    confirm(use=["1", "x"], **{"student-1": str(outsider.pk)})  # who was not offered
    assert not pictured()


def test_a_picture_is_chosen_among_namesakes_or_given_by_number(send, clerk):
    tan, wang, _ = students("谭鹏", "王芳", "谭鹏")
    run, confirm = send({name: encoded() for name in ("谭鹏.jpg", "IMG_2041.jpg", "IMG_2042.jpg")})

    assert "没有学号为 ABCD 的学员" in confirm(**{"sid-2": "ab\x00cd"})
    assert "有两张图片选了同一名学员" in confirm(**{"sid-2": wang.sid, "sid-3": wang.sid})
    confirm(**{"student-1": str(tan.pk), "sid-3": f" {wang.sid.lower()} "})

    assert run.counts == {"done": 2, "skipped": 1} and pictured() == {tan.pk, wang.pk}
    page = text_of(clerk, run)
    assert tan.sid in page and wang.sid in page


def test_the_preview_shows_each_picture_as_a_picture_and_nothing_else(send, clerk, yuangong):
    students("谭鹏")
    run, _ = send({"谭鹏.png": encoded()})
    address = f"{RUNS}{run.pk}/photo/1/"
    assert address in text_of(clerk, run)

    picture = clerk.get(address)

    assert (picture.content, picture["Content-Type"]) == (encoded(), "image/png")
    assert "sandbox" in picture["Content-Security-Policy"] and picture["X-Content-Type-Options"] == "nosniff"
    assert clerk.get(f"{RUNS}{run.pk}/photo/2/").status_code == 404
    assert logged_in(yuangong.user).get(address).status_code in {302, 403}


def test_a_damaged_picture_or_a_student_who_left_keeps_no_other_out_and_the_counts_are_what_is_there(send, clerk):
    people = students("谭鹏", "王芳", "李雷", "韩梅")
    long = encoded() + b"".join(b"%d " % number for number in range(20_000))
    files = {"谭鹏.png": long, "王芳.png": encoded(), "李雷.png": encoded(), "韩梅.png": encoded()[:60]}
    run, confirm = send(files | {"x.jpg": HEIC, "y.png": b"x"})
    source = run.files.get()
    content, at = bytes(source.content), 20_000  # far behind the head
    source.content = content[:at] + b"\xff" * 20 + content[at + 20 :]
    source.save()
    assert pictures_in(source.content)[0].fault == "文件已损坏"  # so says a preview of what is damaged before
    people[2].delete()

    confirm(use=["1", "2", "3", "4"])

    assert (run.state, run.counts) == (RunState.DONE, {"error": 5, "done": 1})
    assert pictured() == set(run.rows.filter(kind=RowKind.DONE).values_list("student_pk", flat=True)) == {people[1].pk}
    assert ImageUse.objects.get().upload.url_path == Student.objects.get(pk=people[1].pk).headimgurl
    reasons = {row.cells["shown"]: row.errors[0][1] for row in run.rows.filter(kind=RowKind.ERROR)}
    assert reasons.pop("y.png").startswith("不是图片")
    assert reasons == {
        "谭鹏.png": "文件已损坏", "李雷.png": "学员刚刚被删除", "韩梅.png": ImageBroken.msg, "x.jpg": ImageIsHeic.msg,
    }  # fmt: skip


@pytest.mark.parametrize("failure", [OSError("disk"), StoreFull()])
def test_a_store_that_fails_ends_the_work_and_the_rest_can_be_confirmed_again(send, clerk, monkeypatch, failure):
    people = students("谭鹏", "王芳", "李雷")
    run, confirm = send({f"{person.name}.png": encoded() for person in people})
    stores = iter([photos.image_store, Mock(side_effect=failure), *[photos.image_store] * 2])
    monkeypatch.setattr(photos, "image_store", lambda **facts: next(stores)(**facts))
    confirm(use=["1", "2", "3"])

    assert (run.state, run.counts, pictured()) == (RunState.READY, {"done": 1, "changed": 2}, {people[0].pk})
    assert "已更换的有效" in text_of(clerk, run)
    confirm(use=["2", "3"])

    assert (run.state, run.counts, run.message, len(pictured())) == (RunState.DONE, {"done": 3}, "", 3)


def test_what_a_second_worker_finds_done_stays_done(send, monkeypatch):
    students("谭鹏")
    run, confirm = send({"谭鹏.png": encoded()})
    store = photos.image_store

    def store_late(**facts):
        monkeypatch.setattr(photos, "image_store", store)
        worked(run)  # the broker delivers the message twice, and the other worker is faster
        raise DecodersBusy

    monkeypatch.setattr(photos, "image_store", store_late)
    confirm(use=["1"])

    assert run.counts == {"done": 1} and run.rows.get().kind == RowKind.DONE
    assert len(pictured()) == ImageUse.objects.count() == 1


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        zipped({})[:-5],
        zipped({f"{n}.png": b"" for n in range(photos.MAX_FILES + 1)}),
        zipped({f"d{n}/": b"" for n in range(photos.MAX_ENTRIES + 1)}),
        zipped({}),
    ],
    ids=["no archive", "cut off", "too many", "crowded", "empty"],
)
def test_an_archive_that_is_none_or_too_much_is_refused(content):
    run = checked(content, kind="photos")

    assert (run.state, bool(run.message)) == (RunState.FAILED, True)


def test_a_crowd_of_entries_is_seen_though_the_last_record_names_one():
    """The record of ZIP64 before it names all, and zipfile believes that one."""
    number = photos.MAX_ENTRIES + 1
    content = zipped({f"d{n}/": b"" for n in range(number)})
    entries, last = content[:-22], content[-22:]
    size, at = struct.unpack("<II", last[12:20])
    second = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, number, number, size, at)
    place = b"PK\x06\x07" + struct.pack("<IQI", 0, len(entries), 1)

    with pytest.raises(SheetRefused, match="最多500张图片"):
        pictures_in(entries + second + place + last[:8] + struct.pack("<HHI", 1, 1, 46) + last[16:])


def test_a_bomb_of_pictures_is_never_unpacked(monkeypatch):
    monkeypatch.setattr(photos, "MAX_UNPACKED_BYTES", 1_000_000)

    with pytest.raises(SheetRefused, match="解压后"):
        pictures_in(zipped({"a.png": b"\0" * 1_000_001}))
    monkeypatch.setattr(photos, "MAX_BYTES", 1_000)
    assert "不能超过" in pictures_in(zipped({"a.png": b"\0" * 2_000}))[0].fault


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_names_as_chinese_windows_writes_them(encoding):
    name = "谭鹏.png".encode(encoding)  # zipfile itself would mark the name as UTF-8
    content = zipped({"x" * len(name): encoded()}).replace(b"x" * len(name), name)

    assert [picture.name for picture in pictures_in(content)] == ["谭鹏.png"]
