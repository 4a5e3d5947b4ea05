"""The staff handbook, the help links to it, the institute's looks, and the language of the front door."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from backoffice.templatetags.backoffice import CHAPTERS, chapter_of
from config import env_readers as env
from config.front import chapters


@pytest.mark.django_db
def test_each_chapter_is_a_page_in_chinese(client: Client) -> None:
    contents = client.get("/docs/staff/").content.decode()

    assert len(chapters()) == 10
    for chapter in chapters().values():
        page = client.get(f"/docs/staff/{chapter.name}/").content.decode()
        assert f"/docs/staff/{chapter.name}/" in contents and f"<h1>{chapter.title}</h1>" in page
        assert f'src="{chapter.picture}"' in contents and "状态码" not in page  # no links of trainees
        with closing(client.get(chapter.picture)) as picture:
            assert picture["Content-Type"] == "image/webp"
    assert client.get("/docs/staff/none/").status_code == 404


@pytest.mark.django_db
def test_each_list_of_the_back_office_links_to_its_chapter(office: Client) -> None:
    assert set(CHAPTERS.values()) <= chapters().keys()
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert f'href="/docs/staff/{chapter_of(address)}/"' in office.get(address, follow=True).content.decode()
    assert chapter_of("/admin/shop/order/", "refunds") == "refund" and chapter_of("/admin/shop/order/") == "ship"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        *(("", "zh-CN"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("en;q=0.5,zh", "zh-CN"), ("*", "zh-CN")),
        *(("en-US,en;q=0.9", "en"), ("en,zh;q=0.5", "en"), ("de", "en"), ("x" * 600, "zh-CN"), (",;q=", "zh-CN")),
    ],
)
@pytest.mark.django_db
def test_the_front_door_speaks_the_browsers_language(client: Client, accepted: str, language: str) -> None:
    answer = client.get("/", headers={"Accept-Language": accepted})
    page = answer.content.decode()

    assert f'<html lang="{language}">' in page and "Accept-Language" in answer["Vary"]
    assert ("Back office" in page) is (language == "en") and ("管理后台" in page) is (language == "zh-CN")


@pytest.mark.django_db
def test_the_institutes_name_and_logo_stand_on_its_pages(client: Client, settings: Any, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert client.get("/logo").status_code == 404
    settings.SCHOOL_NAME, settings.SCHOOL_LOGO, settings.SCHOOL_COLOUR = "南京前端学院", str(logo), "#0f766e"

    page = client.get("/").content.decode()

    assert "南京前端学院" in page and 'src="/logo"' in page and "#0f766e" in page
    with closing(client.get("/logo")) as answer:
        assert answer["Content-Type"] == "image/svg+xml" and "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("value", ["red", "#12345", "#ffff00", "#0f766e;}"])
def test_a_colour_on_which_nobody_can_read_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SCHOOL_COLOUR", value)

    with pytest.raises(ImproperlyConfigured, match="SCHOOL_COLOUR"):
        env.colour("SCHOOL_COLOUR")
