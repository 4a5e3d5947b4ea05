"""Whatever goes wrong in the back office, a person reads a page in Chinese, never JSON."""

import gzip
import re
from pathlib import Path

import pytest
import unfold
from django.contrib import admin
from django.db import OperationalError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import User
from backoffice.navigation import GROUPS
from backoffice.tests.reading import english_on
from core.errors import BadParameter, Throttled
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
LIST = "/admin/students/student/"
# What the pages' own scripts fetch, and files to download.
FOR_SCRIPTS = {"autocomplete", "jsi18n", "students_transferrun_progress", "core_export_progress", "waiting"}
DOWNLOADS = {"students_template", "students_transferrun_result", "core_export_result"}
DOWNLOADS |= {"students_student_export", "shop_order_export", "payments_payment_export", "payments_refund_export"}


@pytest.fixture
def browser(office):
    office.raise_request_exception = False
    return office


def assert_page(answer, status, text):
    page = answer.text
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8"), page[:200]
    assert english_on(page.partition("<main>")[2].partition("</main>")[0]) <= {"Cookie", *re.findall(r"\w+", text)}
    assert text in page and reverse("admin:index") in page and '"state"' not in page
    assert int(answer.get("Content-Length", len(answer.content))) == len(answer.content)
    return page


def broken(monkeypatch, error):
    def view(*args, **kwargs):
        raise error

    page = admin.site._registry[next(model for model in admin.site._registry if model.__name__ == "Student")]
    monkeypatch.setattr(page, "get_queryset", view)


def test_a_page_asks_once_for_its_user_and_the_role_and_shows_nothing_to_who_was_locked(
    office, staff, django_assert_num_queries
):
    page, clerk = "/admin/password_change/", staff("103")
    for browser, number in ((office, 1), (clerk, 2)):  # the rights as well
        browser.get(page)
        with django_assert_num_queries(number):
            assert browser.get(page).status_code == 200

    User.objects.filter(username="staff103").update(is_active=False)
    answer = clerk.get(page)
    assert answer.headers["Location"].startswith(reverse("admin:login")) and answer.wsgi_request.user.is_anonymous


class TestIsAPage:
    def test_when_more_is_sent_than_django_reads(self, browser):
        form = {"action": "edit_many", "_selected_action": [str(n) for n in range(2000)]}

        assert_page(browser.post(LIST, form), 413, "请减少选中的记录")
        assert_page(browser.post(LIST, "x" * 2**21, content_type="text/plain"), 413, "内容太大")
        assert_page(browser.post(f"{LIST}add/", {"description": "x" * (3 * 2**20)}), 413, "内容太大")

    def test_when_a_form_cannot_be_read_or_the_host_is_wrong(self, browser, settings):
        assert_page(browser.post(LIST, b"--x", content_type="multipart/form-data; boundary=\xff"), 400, "请求无法处理")
        assert_page(browser.get(f"{LIST}?_to_field=x&_popup=1"), 400, "请求无法处理")
        settings.ALLOWED_HOSTS = ["school.example"]
        assert_page(browser.get(LIST, headers={"host": "evil.example"}), 400, "请求无法处理")

    @pytest.mark.parametrize("path", ["/admin/none/", "/admin/none", "/ADMIN/students/none/", "/admin/x/%00/"])
    def test_when_nothing_is_there(self, browser, path):
        assert_page(browser.get(path), 404, "没有这一页")

    def test_when_a_button_is_opened_as_an_address_or_it_is_not_allowed(self, browser, person):
        clerk = logged_in(person("clerk", "200", is_staff=True).user)

        assert_page(browser.get("/admin/logout/"), 405, "不能这样打开")
        assert_page(clerk.get("/admin/weather/weatheraccount/1/change/"), 403, "没有权限")

    def test_when_the_page_is_old(self, browser):
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies

        assert_page(strict.post(LIST, {"action": "edit_many"}), 403, "页面已过期")

    @pytest.mark.parametrize(
        ("error", "status", "text"),
        [
            (Throttled(17), 429, "17 秒后可以再试"),
            (BadParameter("价格不对"), 409, "价格不对"),
            (OperationalError("secret host"), 503, "系统暂时不可用"),
            (ZeroDivisionError("secret"), 500, "系统出错了"),
        ],
    )
    def test_a_refusal_or_failure_is_a_page_without_secrets(self, browser, monkeypatch, error, status, text):
        broken(monkeypatch, error)

        answer = browser.get(LIST)

        page = assert_page(answer, status, text)
        assert "secret" not in page and (status != 429 or answer["Retry-After"] == "17")
        assert status != 500 or answer["X-Request-Id"] in page


def test_a_script_of_the_page_and_clients_of_the_api_still_read_json(browser):
    answer = browser.get("/admin/students/transferrun/9/progress/", headers={"accept": "application/json"})

    assert (answer.status_code, answer.json()["state"]) == (404, False)
    assert browser.get("/none", headers={"accept": "text/html"}).json()["msg"] == "接口地址错误"


def test_an_empty_list_speaks_of_a_search_only_after_one_and_takes_any_filter(browser):
    page, search = (browser.get(f"/admin/payments/difference/{query}").text for query in ("", "?q=无此人"))

    assert "没有对账差异" in page and "没有找到结果" not in page
    assert "没有找到结果" in search and 'href="?"' in search and "没有对账差异" not in search
    for crafted in (
        "shop/order/?created_at_from=0001-01-01&created_at_to=9999-12-31",
        "shop/product/?created_at__year=99999999",
        "payments/payment/?state__exact=%00",
        "weather/weatherrecord/?city=%00",
        "students/transferrun/" + "9" * 5000 + "/change/",
    ):
        assert browser.get(f"/admin/{crafted}").status_code in {200, 302, 404}, crafted[:60]


def routes(entries, prefix=""):
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), entry.name


def test_every_address_answers_a_person_with_a_page(browser, stock):
    """Also addresses that want a POST, or a record that is not there."""
    count = 0
    for route, name in routes(get_resolver().url_patterns):
        if not route.startswith("admin/"):
            continue
        path = "/" + re.sub(r"\(\?P<app_label>[^)]*\)/\$", "shop/", route).replace("(?P<url>.*)$", "none")
        path = re.sub(r"<[a-z]+:[a-z_]+>|<id>", lambda match: "csv" if "str:" in match[0] else "1", path)
        for method in (browser.get, browser.post, browser.put):
            answer = method(path)
            kind = answer.get("Content-Type", "")
            where = (method.__name__, path, answer.status_code, kind)
            assert "<" not in path and answer.status_code != 500, where
            if answer.status_code >= 400 or not (name in FOR_SCRIPTS or name in DOWNLOADS):
                assert answer.status_code < 400 or answer.content, where
                assert kind.startswith("text/html"), where
            count += 1
    assert count > 200


def test_a_list_travels_compressed_and_never_in_the_same_length(office):
    page = reverse("admin:shop_courier_changelist")
    plain = office.get(page)

    answers = [office.get(page, headers={"Accept-Encoding": "gzip"}) for _ in range(8)]

    assert {answer["Content-Encoding"] for answer in answers} == {"gzip"} and "Content-Encoding" not in plain
    lengths = {len(answer.content) for answer in answers}
    assert max(lengths) < len(plain.content) / 4 and len(lengths) > 3  # the length must not tell what is in it
    refusal = office.get("/admin/nowhere/", headers={"Accept-Encoding": "gzip", "Accept": "text/html"})
    assert "没有这一页" in gzip.decompress(refusal.content).decode()


@pytest.mark.parametrize(
    "address",
    [LIST, "/admin/shop/order/", "/admin/shop/product/", "/admin/auditlog/logentry/", "/admin/accounts/user/"],
)
def test_what_a_first_visit_loads_is_small(office, address):
    page = office.get(address).text
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    sent = {}
    for file in files:
        answer = office.get(file, headers={"Accept-Encoding": "gzip"})
        sent[file] = sum(len(part) for part in answer)
        assert answer["Content-Encoding"] == "gzip" or sent[file] < 400, file

    assert sum(sent.values()) < 120_000  # with page and font 5 s at 400 kbit/s
    assert not [file for file in files if re.search("xregexp|jquery|select2|RelatedObject", file)]
    font = office.get("/static/unfold/fonts/material-symbols/Material-Symbols-Outlined.woff2")
    assert sum(len(part) for part in font) < 25_000 and "Content-Encoding" not in font


def test_the_font_has_each_icon_of_the_pages(settings):
    templates = [*settings.BASE_DIR.joinpath("templates").rglob("*.html")]
    templates += [*Path(unfold.__file__).parent.rglob("*.html")]
    icon = re.compile(r'material-symbols-outlined[^>]*>\s*([a-z0-9_]+)\s*<|\bicon="([a-z0-9_]+)"')
    names = {name for path in templates for found in icon.findall(path.read_text("utf-8")) for name in found if name}
    styles = Path(unfold.__file__).parent.joinpath("static/unfold/css/styles.css").read_text("utf-8")
    names |= {*re.findall(r'content:"([a-z_]{3,})"', styles)}
    names |= {name for icons in GROUPS.values() for name in icons.values()}

    font = set(settings.BASE_DIR.joinpath("docs/staff/icons.txt").read_text().split())

    assert names - font == set() and {"search", "receipt_long", "calendar_today"} < names


def test_the_page_of_an_app_lists_its_models_and_no_page_asks_for_those_of_all_apps(office):
    """The menu has its own entries; Django's took a seventh of each page's time, and no template showed them."""
    page = office.get("/admin/shop/")

    assert page.status_code == 200 and reverse("admin:shop_product_changelist") in page.text
    assert [office.get(address).context["available_apps"] for address in ("/admin/shop/", "/admin/")] == [[], []]
