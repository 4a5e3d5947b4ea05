"""Contract 3 "Upload", as a client and as an attacker sees it."""

import re
import subprocess
from contextlib import suppress

import pytest
from django.test import Client
from django.utils import timezone

from tests.kit import encoded, posted
from uploads import fields
from uploads.errors import ImageBroken, ImageIsHeic
from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")]

PATH = "/upload/uploadImg"
NO_PICTURE = {"state": False, "status": 1005, "msg": "没有上传图片"}
OTHER_FORMAT = "图片格式不正确,仅支持 JPG、PNG、GIF、WebP"


def upload(api, file, **headers):
    return api.post(PATH, {"img": file}, format="multipart", headers=headers)


@pytest.mark.parametrize("name", ["../../evil.php", "图片 🙂.jpeg", "x" * 250 + ".exe", "CON.gif", "a\\..\\b.png"])
def test_an_upload_answers_the_absolute_url_under_which_it_is_served_and_names_who_sent_it(api, yuangong, name):
    body = upload(api, posted(encoded("JPEG"), name, "text/html"), authorization="null").json()
    upload(yuangong, posted(encoded()))

    assert body == {"state": True, "status": 200, "imgUrl": body["imgUrl"]}
    month = f"{timezone.localtime():%Y/%m}"
    assert re.fullmatch(rf"http://testserver/media/{month}/[0-9a-f]{{32}}\.jpg", body["imgUrl"])
    strangers, own = Upload.objects.order_by("pk")
    assert (strangers.width, strangers.height, strangers.content_type) == (40, 30, "image/jpeg")
    assert (strangers.uploaded_by, own.uploaded_by) == (None, yuangong.user)


@pytest.mark.parametrize("format", ["json", "form", "multipart"])
@pytest.mark.parametrize("data", [{}, {"img": "http://a.b/c.png"}, {"img": [1]}, {"other": "x"}])
def test_no_file_is_the_contracted_refusal(api, on_disk, data, format):
    answer = api.post(PATH, data, format=format)

    assert (answer.status_code, answer.json()) == (200, NO_PICTURE)
    assert on_disk() == []


@pytest.mark.parametrize(
    ("content", "name", "msg"),
    [
        (b"", "a.png", "图片内容为空"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "a.svg", OTHER_FORMAT),
        (b"<script>alert(1)</script>", "a.png", OTHER_FORMAT),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a.jpg", ImageIsHeic.msg),
        (encoded("BMP"), "a.jpg", OTHER_FORMAT),
        *((head, "a.jpg", OTHER_FORMAT) for head in (b"GIF89a", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP")),
        (encoded("PNG")[:60], "a.png", "图片已损坏,无法读取"),
        (encoded("PNG") + bytes(5 * 1024 * 1024), "a.png", "图片不能超过5MB"),
        (encoded("PNG", (8000, 5001), "1"), "a.png", "图片不能超过4000万像素"),
    ],
    ids=["empty", "svg", "html", "heic", "bmp", "gif?", "jpeg?", "webp?", "truncated", "5MB", "40-megapixels"],
)
def test_a_refused_file_says_why_and_leaves_nothing(api, on_disk, content, name, msg):
    answer = upload(api, posted(content, name))

    assert (answer.status_code, answer.json()) == (200, {"state": False, "status": 1005, "msg": msg})
    assert on_disk() == []
    assert not Upload.objects.exists()


@pytest.mark.network
def test_a_full_disk_is_said_in_the_envelope_and_leaves_neither_row_nor_file(api, settings, tmp_path, caplog):
    """On a real disk of 64 KB: mounting one takes the same rights as making a network."""
    settings.MEDIA_ROOT, settings.MEDIA_FREE_MB = str(tmp_path / "full"), 0
    (tmp_path / "full").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", settings.MEDIA_ROOT], check=True)
    try:
        filler = tmp_path / "full" / "filler"
        with suppress(OSError):
            filler.write_bytes(b"x" * 100_000)

        answer = upload(api, posted(encoded()))

        assert (answer.status_code, answer.json()["msg"]) == (503, "图片暂时无法保存,请稍后再试")
        assert answer["Retry-After"] == "5"
        assert not Upload.objects.exists()
        assert [file for file in (tmp_path / "full").rglob("*") if file.is_file()] == [filler]
        assert "[Errno 28] No space left on device" in caplog.text
    finally:
        subprocess.run(["umount", settings.MEDIA_ROOT], check=True)


def test_a_bucket_serves_its_pictures_itself(api, settings):
    settings.MEDIA_LINKS = "https://pictures.example.com"
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    settings.STORAGES |= {"default": storage | {"OPTIONS": {"base_url": "https://pictures.example.com/"}}}
    name = "2026/11/" + "0" * 32 + ".png"

    answer = api.get(f"/media/{name}")

    assert (answer.status_code, answer["Location"]) == (302, f"https://pictures.example.com/{name}")
    # A signed address is good for an hour.
    assert answer["Cache-Control"] == "public, max-age=1800"


def test_too_many_from_one_address_must_wait(api, on_disk, monkeypatch):
    monkeypatch.setattr(fields, "MAX_UPLOADS_PER_MINUTE", 2)

    answers = [upload(api, posted(encoded())) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429] and len(on_disk()) == 2
    assert 1 <= int(answers[2]["Retry-After"]) <= 60 and answers[2].json()["state"] is False


def test_processor_time_is_counted_by_caller_also_of_refused_pictures(api, yuangong, monkeypatch):
    monkeypatch.setattr(fields, "MAX_PROCESSOR_MS_PER_MINUTE", 1)
    assert upload(api, posted(encoded()[:60])).json()["msg"] == ImageBroken.msg

    answers = [upload(caller, posted(encoded())) for caller in (api, yuangong, yuangong)]

    assert [answer.status_code for answer in answers] == [429, 200, 429]


def test_media_is_served_as_a_picture_and_nothing_else(api):
    path = upload(api, posted(encoded("GIF") + b"<script>")).json()["imgUrl"].removeprefix("http://testserver")

    answer, head = api.get(path), api.http.head(path)

    for one in (answer, head):
        assert (one.status_code, one["Content-Type"], one["X-Content-Type-Options"]) == (200, "image/gif", "nosniff")
        assert one["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert "max-age=31536000" in one["Cache-Control"]
    body = b"".join(answer.streaming_content)
    assert body.startswith((b"GIF87a", b"GIF89a")) and b"<script>" not in body
    assert int(answer["Content-Length"]) == len(body)
    head.close()
    refused = Client(enforce_csrf_checks=True).post(path)
    assert (refused.status_code, refused.json()["state"], refused["Allow"]) == (405, False, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        *("", ".gitkeep", "2026/11", "2026/11/", f"2026/11/{'0' * 32}.png", f"2026/11/{'0' * 32}.html", "/etc/passwd"),
        *("../config/urls.py", "..%2f..%2fconfig/urls.py", "%2e%2e/%2e%2e/etc/passwd", "C:/Windows/win.ini"),
        *("2026/11/..%2f..%2f..%2fmanage.py", "2026/11/a%00.png"),
    ],
)
def test_other_media_paths_are_unknown_addresses(api, path):
    answer = api.http.get(f"/media/{path}")

    assert (answer.status_code, answer.json()) == (404, {"status": 404, "state": False, "msg": "接口地址错误"})
