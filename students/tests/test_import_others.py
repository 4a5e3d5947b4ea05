"""Exports, and pictures in a ZIP."""

import csv
import io
import zipfile

import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from core.admin.exports import export_make
from core.models import Export
from students.errors import SheetRefused
from students.models import RowKind, RunState, Student, TransferRow, TransferRun
from students.tasks import transfer_work
from students.tests.factories import student, students
from students.transfer import photos
from students.transfer.photos import pictures_in
from students.transfer.runs import run_start
from students.transfer.sheets import sheet_read
from tests.kit import encoded, logged_in
from uploads.errors import ImageIsHeic
from uploads.models import ImageUse

pytestmark = pytest.mark.django_db

STUDENTS, RUNS = "/admin/students/student/", "/admin/students/transferrun/"


@pytest.fixture
def browser(zhuguan):
    zhuguan.user.is_staff = True
    zhuguan.user.save()
    client = Client()
    client.force_login(zhuguan.user)
    return client


def exported(answer):
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


# --- Export ---
def test_exports_what_the_list_shows(browser):
    students("谭鹏", "王芳", class_name="H1")
    students("谭一", class_name="H2")
    student(name="韩", sid="WWLN97178546").save()

    def names(**query):
        return [row["姓名"] for row in exported(browser.get(f"{STUDENTS}export/", {"format": "csv"} | query))]

    assert names() == ["韩", "谭一", "王芳", "谭鹏"]
    assert names(**{"class": "H1"}) == ["王芳", "谭鹏"]
    assert names(q="谭") == ["谭一", "谭鹏"]
    assert names(q="谭", **{"class": "H2"}) == ["谭一"]
    assert names(q="wwln97178546") == ["韩"]
    assert names(q="谭%") == []
    page = browser.get(STUDENTS, {"class": "H1", "q": "谭"}).content.decode()
    assert "format=xlsx&amp;class=H1&amp;q=%E8%B0%AD" in page


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_comes_back_unchanged_and_holds_no_formula(browser, kind):
    risky = student(name="=1+1", city="@SUM(A1)", degree="'-1", description="\t=cmd", product_url="+86")
    risky.save()

    answer = browser.get(f"{STUDENTS}export/", {"format": kind})

    cells = [cell for _, row in sheet_read(answer.content) for cell in row]
    assert "=1+1" in cells  # as an import reads it
    if kind == "csv":
        assert not [v for row in exported(answer) for v in row.values() if v[:1] in tuple("=+-@\t\r")]
    run = run_start(kind="import", user_pk=None, now=timezone.now(), file_name="a", source=answer.content)
    transfer_work(run.pk)
    run.refresh_from_db()
    assert (run.counts.get("new"), run.rows.get().diff) == (None, {"description": ["\t=cmd", "=cmd"]})


def test_a_large_export_has_what_a_search_finds_beyond_the_list(browser, monkeypatch, sent_tasks):
    monkeypatch.setattr("core.admin.exports.AT_ONCE", 1)
    students("谭鹏", "谭芳", "谭雷", class_name="H1")
    students("谭韩", "李", class_name="H2")

    url = browser.get(f"{STUDENTS}export/", {"class": "H1", "q": "谭", "format": "csv"}).url
    export = Export.objects.get()
    export_make(export_pk=export.pk)

    assert "共 3 行" in browser.get(url).content.decode() and export.file_name.startswith("学员-H1-谭-")
    found = exported(browser.get(f"/admin/core/export/{export.pk}/result/"))
    assert [row["姓名"] for row in found] == ["谭雷", "谭芳", "谭鹏"]


# --- Pictures ---
def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def test_pictures_are_matched_shown_and_given(browser, zhuguan):
    tan, wang, li, double = students("谭鹏", "王芳", "李雷", "重名", class_name="H1")
    other = students("重名", class_name="H2")[0]
    files = {
        f"头像/{tan.sid.lower()}.png": encoded(),
        "王芳.jpg": encoded("JPEG"),
        "重名.png": encoded(),
        "没有人.png": encoded(),
        "李雷.png": b"<script>",
        "../../李雷.gif": encoded("GIF"),
        "谭鹏.png": encoded(),
        "__MACOSX/._谭鹏.png": b"x",
        ".DS_Store": b"x",
    }
    upload = SimpleUploadedFile("a.zip", archive(files))
    url = browser.post(f"{RUNS}photos/", {"file": upload}).url
    run = TransferRun.objects.get()
    transfer_work(run.pk)

    page = browser.get(url).content.decode()
    for text in ("没有相近的学员", "不是图片", "有 2 名重名学员", f"与“{tan.sid.lower()}.png”是同一名学员"):
        assert text in page
    rows = {row.cells["file"]: row for row in TransferRow.objects.all()}
    assert len(rows) == 7
    choice = rows["重名.png"]
    ticked = [rows["王芳.jpg"].number, rows[f"头像/{tan.sid.lower()}.png"].number]
    browser.post(url, {"do": "confirm", "use": ticked, f"student-{choice.number}": str(other.pk)})
    transfer_work(run.pk)
    transfer_work(run.pk)

    run.refresh_from_db()
    assert (run.state, run.counts) == (RunState.DONE, {"done": 3, "error": 2, "skipped": 2})
    have = {s.pk for s in Student.objects.exclude(headimgurl="")}
    assert have == {tan.pk, wang.pk, other.pk}
    assert ImageUse.objects.count() == 3
    assert Student.objects.get(pk=tan.pk).headimgurl.startswith("/media/")
    entry = LogEntry.objects.get_for_object(wang).filter(action=LogEntry.Action.UPDATE).get()
    assert entry.actor_id == zhuguan.user.pk
    assert "已更换 3 名" in browser.get(url).content.decode()


def test_nobody_but_those_offered_gets_a_picture(browser):
    one, two, outsider = students("重名", "重名", "谭鹏")
    run = run_start(
        kind="photos", user_pk=None, now=timezone.now(), file_name="a", source=archive({"重名.png": encoded()})
    )
    transfer_work(run.pk)

    browser.post(f"{RUNS}{run.pk}/change/", {"do": "confirm", "student-1": str(outsider.pk), "use": ["1", "x"]})
    transfer_work(run.pk)

    assert not Student.objects.exclude(headimgurl="").exists()


@pytest.fixture
def photos_run(browser):
    """Send a ZIP with these names in; return the run and a function that confirms it with these fields."""

    def send(*names):
        files = {name: encoded() for name in names}
        browser.post(f"{RUNS}photos/", {"file": SimpleUploadedFile("a.zip", archive(files))})
        run = TransferRun.objects.get()
        transfer_work(run.pk)

        def confirm(**fields):
            page = browser.post(f"{RUNS}{run.pk}/change/", {"do": "confirm"} | fields, follow=True)
            transfer_work(run.pk)
            return page.content.decode()

        return run, confirm

    return send


@pytest.mark.parametrize(
    ("name", "class_names"),
    [
        ("何一诺(1).jpg", ["H51901"]),
        ("何一诺（2）.jpg", ["H51901"]),
        ("H51902-何一诺.jpg", ["H51902"]),
        ("03 何一诺_h51902.jpg", ["H51902"]),
        ("何一诺 证件照.jpg", ["H51901", "H51902"]),
        ("H51909-何一诺.jpg", ["H51901", "H51902"]),
        ("何一诺诺.jpg", []),
        ("H51901.jpg", []),
    ],
)
def test_a_name_with_more_around_it_is_suggested_and_not_taken_for_certain(photos_run, name, class_names):
    two = students("何一诺", class_name="H51901") + students("何一诺", class_name="H51902")
    if class_names == ["H51901"]:
        two.pop().delete()
    run, confirm = photos_run(name)

    row = TransferRow.objects.get()
    assert row.kind == RowKind.CHOICE
    offered = Student.objects.filter(pk__in=[pk for pk, _ in row.cells["students"]])
    assert sorted(offered.values_list("class_name", flat=True)) == class_names

    confirm(use="1")
    assert not Student.objects.exclude(headimgurl="").exists()


def test_a_number_in_a_longer_name_is_suggested_and_chosen(photos_run):
    tan = students("谭鹏")[0]
    _, confirm = photos_run(f"{tan.sid}_谭鹏.jpg")

    confirm(**{"student-1": str(tan.pk)})

    assert Student.objects.get().headimgurl


def test_a_picture_that_nobody_is_suggested_for_is_given_by_number(photos_run):
    tan = students("谭鹏")[0]
    run, confirm = photos_run("IMG_2041.jpg", "IMG_2042.jpg")

    assert "没有学号为 ABCD 的学员" in confirm(**{"sid-1": "abcd"})
    assert "有两张图片选了同一名学员" in confirm(**{"sid-1": tan.sid, "sid-2": tan.sid})
    confirm(**{"sid-2": f" {tan.sid.lower()} "})

    run.refresh_from_db()
    assert run.counts == {"done": 1, "skipped": 1}
    assert Student.objects.get().headimgurl


def test_the_preview_shows_each_picture_as_a_picture_and_nothing_else(photos_run, browser, yuangong):
    students("谭鹏")
    run, confirm = photos_run("谭鹏.png")
    address = f"{RUNS}{run.pk}/photo/1/"
    assert address in browser.get(f"{RUNS}{run.pk}/change/").content.decode()

    picture = browser.get(address)

    assert (picture.content, picture["Content-Type"]) == (encoded(), "image/png")
    assert "sandbox" in picture["Content-Security-Policy"] and picture["X-Content-Type-Options"] == "nosniff"
    assert browser.get(f"{RUNS}{run.pk}/photo/2/").status_code == 404
    assert logged_in(yuangong.user).get(address).status_code in {302, 403}


def test_heic_is_refused_in_words(photos_run, browser, api):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    browser.post(f"{RUNS}photos/", {"file": SimpleUploadedFile("a.zip", archive({"谭鹏.jpg": heic}))})
    transfer_work(TransferRun.objects.get().pk)

    assert TransferRow.objects.get().errors == [["", ImageIsHeic.msg]]
    answer = api.post("/upload/uploadImg", {"img": SimpleUploadedFile("a.jpg", heic)}, format="multipart")
    assert answer.json() == {"status": 1005, "state": False, "msg": ImageIsHeic.msg}


def test_a_picture_that_breaks_on_decoding_is_told(browser):
    students("谭鹏", "王芳")
    content = archive({"谭鹏.png": encoded(size=(400, 300), color=(9, 8, 7))[:60], "王芳.png": encoded()})
    run = run_start(
        kind="photos", user_pk=None, now=timezone.now(), file_name="a", source=content, options={"base": "http://h"}
    )
    transfer_work(run.pk)
    browser.post(f"{RUNS}{run.pk}/change/", {"do": "confirm", "use": ["1", "2"]})
    transfer_work(run.pk)

    run.refresh_from_db()
    assert run.counts == {"error": 1, "done": 1}
    assert [row.errors for row in run.rows.filter(kind=RowKind.ERROR)] == [[["", "图片已损坏,无法读取"]]]


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        archive({})[:-5],
        archive({f"{n}.png": b"" for n in range(photos.MAX_FILES + 1)}),
        archive({f"d{n}/": b"" for n in range(photos.MAX_ENTRIES + 1)}),
        archive({}),
    ],
    ids=["no archive", "cut off", "too many", "crowded", "empty"],
)
def test_an_archive_that_is_none_or_too_much_is_refused(content):
    run = run_start(kind="photos", user_pk=None, now=timezone.now(), file_name="a", source=content)
    transfer_work(run.pk)

    run.refresh_from_db()
    assert (run.state, bool(run.message)) == (RunState.FAILED, True)


def test_a_bomb_of_pictures_is_never_unpacked(monkeypatch):
    monkeypatch.setattr(photos, "MAX_UNPACKED_BYTES", 1_000_000)

    with pytest.raises(SheetRefused, match="解压后"):
        pictures_in(archive({"a.png": b"\0" * 1_000_001}))
    monkeypatch.setattr(photos, "MAX_BYTES", 1_000)
    assert "不能超过" in pictures_in(archive({"a.png": b"\0" * 2_000}))[0].fault


def test_names_as_chinese_windows_writes_them():
    for encoding in ("gbk", "utf-8"):
        # zipfile itself would mark the name as UTF-8.
        name = "谭鹏.png".encode(encoding)
        content = archive({"x" * len(name): encoded()}).replace(b"x" * len(name), name)
        assert [picture.name for picture in pictures_in(content)] == ["谭鹏.png"]
