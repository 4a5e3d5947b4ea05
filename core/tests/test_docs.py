"""The open pages. Documentation and handbook: complete, valid, readable without the internet, and true.

``tests.kit`` holds answers against the documented ones; the institute's looks stand here too. Then who may read the
figures and the pages, and what a page may run; ``tests/long`` looks at them in a browser.
"""

import re
from contextlib import closing
from datetime import timedelta

import pytest
from jsonschema import Draft4Validator

from accounts.errors import SidUnknown, WechatCodeSpent
from backoffice.templatetags.backoffice import CHAPTERS
from config.front import chapters
from core.api.access import Access
from core.api.routing import endpoints
from core.api.schema import document
from core.errors import LoginRequired, Throttled

pytestmark = pytest.mark.django_db
CALLS = [call for call in endpoints() if call.docs]


def parameters(call_doc):
    """Of the query, and of the body in each of its forms."""
    query = {entry["name"]: entry for entry in call_doc.get("parameters", []) if entry["in"] == "query"}
    bodies = call_doc.get("requestBody", {}).get("content", {}).values()
    forms = [form for body in bodies for form in body["schema"].get("anyOf", [body["schema"]])]
    return query | {name: entry for form in forms for name, entry in form.get("properties", {}).items()}


@pytest.fixture(scope="module")
def schema():
    return document("")


def operation(schema, call):
    return schema["paths"][call.path.replace("<str:", "{").replace(">", "}")][call.methods[0].lower()]


def test_every_call_of_clients_is_in_the_schema_once(schema):
    assert len(schema["paths"]) == len(CALLS)
    assert {call.path for call in endpoints()} - {call.path for call in CALLS} == {"/pay/payResult", "/pay/notify"}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_every_call_is_documented(call, schema):
    doc = operation(schema, call)

    assert re.search(r"[\u4e00-\u9fff]", doc["summary"]) and doc["tags"] != ["其他"]
    assert call.access.value in doc["description"]
    assert doc.get("security") == ([{}] if call.access is Access.OPEN else [{"token": []}])
    examples = doc["responses"]["200"]["content"]["application/json"]["examples"].values()
    assert any(example["value"]["state"] is True for example in examples)
    codes = {example["value"].get("code") for example in examples}
    assert ({"10022", "1004"} <= codes) is (call.access is not Access.OPEN)
    assert ("10026" in codes) or call.access not in {Access.ROWS, Access.ROOT}
    for name, described in parameters(doc).items():
        assert re.search(r"[\u4e00-\u9fff]", described.get("description", "")), name
    for body in doc.get("requestBody", {}).get("content", {}).values():
        for example in body.get("examples", {}).values():
            Draft4Validator(body["schema"] | {"components": schema["components"]}).validate(example["value"])


def test_what_a_json_body_may_leave_out_it_may_send_as_null(schema):
    bodies = [
        body["content"]["application/json"]["schema"]
        for path in schema["paths"].values()
        for call in path.values()
        if (body := call.get("requestBody")) and "application/json" in body["content"]
    ]
    never_null = {
        name
        for body in bodies
        for form in body.get("anyOf", [body])
        for name, field in form["properties"].items()
        if name not in form.get("required", ()) and "'nullable': True" not in str(field)
    }
    assert bodies and never_null == set()


def test_the_page_works_offline(api, db):
    page = api.http.get("/docs/")
    text = page.content.decode()

    assert page.status_code == 200
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        with closing(api.http.get(asset)) as answer:
            assert answer.status_code == 200, asset


def test_who_has_the_schema_is_not_sent_it_again(api):
    first = api.http.get("/schema/")
    again = api.http.get("/schema/", headers={"if-none-match": first["ETag"]})
    assert first.json()["components"]["securitySchemes"]["token"]["name"] == "authorization"

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert first["Cache-Control"] == "no-cache"
    assert api.http.post("/schema/")["Allow"] == "GET, HEAD"


def rows(page):
    return [row.partition("</tr>")[0] for row in page.split("<tr>")[1:]]


def test_a_refusal_stands_once_in_its_module_or_first_where_every_call_may_answer_it(api):
    page = api.http.get("/docs/codes/").content.decode()

    for error, call in [(SidUnknown(), "/users/getQrcode"), (WechatCodeSpent(), "/users/wechatLogin")]:
        (row,) = [row for row in rows(page) if f"<td>{error.msg}</td>" in row and call in row]
        assert f"<code>{error.status}</code>" in row and error.remedy in row
    assert "/pay/transactions/out-trade-no/:out_trade_no" in page  # as clients write it
    first = rows(page)[1]
    assert LoginRequired.msg in first and "code “10022”" in first and LoginRequired.remedy in first
    (throttled,) = [row for row in rows(page)[:16] if Throttled.msg in row]
    assert "HTTP 429" in throttled


def test_the_limits_are_those_that_are_configured(api, settings, monkeypatch):
    settings.ORDER_TTL = timedelta(minutes=7)
    monkeypatch.setattr("accounts.services.sms_codes.PER_ADDRESS", (("hour", 81, 3600), ("day", 401, 86400)))

    for page in ("/docs/codes/", "/demo/"):
        text = api.http.get(page).content.decode()
        assert "7 分钟后关闭" in text and "同一地址每小时 81 条,每天 401 条" in text


def test_each_chapter_is_a_page_in_chinese(client):
    contents = client.get("/docs/staff/").content.decode()

    assert len(chapters("staff")) >= 11
    for chapter in chapters("staff").values():
        page = client.get(f"/docs/staff/{chapter.name}/").content.decode()
        assert f"/docs/staff/{chapter.name}/" in contents and f"<h1>{chapter.title}</h1>" in page
        assert f'src="{chapter.picture}"' in contents and "状态码" not in page  # no links of trainees
        with closing(client.get(chapter.picture)) as picture:
            assert picture["Content-Type"] == "image/webp"
    assert client.get("/docs/staff/none/").status_code == 404


def test_each_lesson_is_a_page_with_the_files_to_make(client):
    contents = client.get("/docs/course/").content.decode()

    for lesson in chapters("course").values():
        page = client.get(f"/docs/course/{lesson.name}/").content.decode()
        assert f'href="/docs/course/{lesson.name}/"' in contents and lesson.lead in contents
        assert f"<h1>{lesson.title}</h1>" in page and "<table>" in page and "/docs/course.zip" in page
        assert 'data-file="src/Lesson' in page and ".vue" in page and ".jsx" in page
    assert "`" not in re.sub(r"(?s)<pre.*?</pre>", "", page)  # everything is markup


@pytest.mark.parametrize(
    ("page", "chapter"),
    [("", "home"), ("students/student/", "students"), ("shop/order/", "ship"), ("shop/order/?work=refunds", "refund")],
)
def test_each_page_of_the_back_office_links_to_its_chapter(office, page, chapter):
    assert set(CHAPTERS.values()) <= chapters("staff").keys()
    assert f'href="/docs/staff/{chapter}/"' in office.get(f"/admin/{page}").content.decode()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        *(("", "zh-CN"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("en;q=0.5,zh", "zh-CN"), ("*", "zh-CN")),
        *(("en-US,en;q=0.9", "en"), ("en,zh;q=0.5", "en"), ("de", "en"), ("x" * 600, "zh-CN"), (",;q=", "zh-CN")),
    ],
)
def test_the_front_door_speaks_the_browsers_language(client, accepted, language):
    answer = client.get("/", headers={"Accept-Language": accepted})
    page = answer.content.decode()

    assert f'<html lang="{language}">' in page and "Accept-Language" in answer["Vary"]
    assert ("Back office" in page) is (language == "en") and ("管理后台" in page) is (language == "zh-CN")


@pytest.mark.parametrize("has_demo_data", [True, False])
def test_the_first_call_is_that_of_an_account_that_is_here(client, settings, has_demo_data):
    settings.DEMO_DATA = has_demo_data

    assert ("username=lbw" in client.get("/").content.decode()) is has_demo_data


def test_the_institutes_name_and_logo_stand_on_its_pages(client, settings, tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert client.get("/logo").status_code == client.get("/picture").status_code == 404
    settings.SCHOOL_NAME, settings.SCHOOL_LOGO, settings.SCHOOL_COLOUR = "南京前端学院", str(logo), "#0f766e"

    page = client.get("/").content.decode()

    assert "南京前端学院" in page and 'src="/logo"' in page and "#0f766e" in page
    settings.SCHOOL_PICTURE = str(logo)
    login = client.get("/admin/login/").content.decode()
    assert "南京前端学院" in login and 'src="/logo"' in login and "/picture" in login and "返回首页" not in login
    for address in ("/logo", "/picture"):
        with closing(client.get(address)) as answer:
            assert answer["Content-Type"] == "image/svg+xml" and "sandbox" in answer["Content-Security-Policy"]


TOKEN = "a-long-metrics-token"


class TestMetrics:
    def status(self, api, address="127.0.0.1", **headers):
        return api.http.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code

    def test_development_shows_them_to_this_machine_alone(self, api):
        assert [self.status(api, address) for address in ("127.0.0.1", "::1", "192.168.1.7")] == [200, 200, 404]
        assert self.status(api, **{"X-Forwarded-For": "8.8.8.8"}) == 404

    def test_in_a_container_this_machine_has_an_address_more(self, api, settings):
        assert self.status(api, "172.17.0.1") == 404
        settings.OWN_ADDRESSES = {"172.17.0.1"}

        assert [self.status(api, address) for address in ("172.17.0.1", "172.17.0.3")] == [200, 404]
        assert self.status(api, "172.17.0.1", **{"X-Forwarded-For": "8.8.8.8"}) == 404

    def test_production_without_a_token_hides_them_from_all_clients(self, api, settings):
        settings.DEPLOYED = True

        assert {self.status(api), self.status(api, Authorization="Bearer ")} == {404}

    @pytest.mark.parametrize("is_production", [True, False])
    def test_every_client_needs_the_token(self, api, settings, is_production):
        settings.DEPLOYED, settings.METRICS_TOKEN = is_production, TOKEN

        assert self.status(api) == 404
        assert self.status(api, Authorization=f"Bearer {TOKEN}x") == 404
        assert self.status(api, Authorization="Bearer 不是") == 404
        assert self.status(api, "8.8.8.8", Authorization=f"Bearer {TOKEN}") == 200
        assert api.get("/metrics").json() == api.get("/no/such/path").json()  # strangers learn nothing


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/login/", "/admin/students/student/", "/admin", "/metrics", "/sandbox/", "/demo/"]
)
@pytest.mark.parametrize("allowed", [[], ["https://front.example"]], ids=["any origin", "an allowed one"])
def test_pages_for_people_cannot_be_read_by_other_origins(api, settings, path, allowed):
    settings.CORS_ALLOW_ALL_ORIGINS, settings.CORS_ALLOWED_ORIGINS = not allowed, allowed
    front = {"origin": "https://front.example"}
    headers = front | {"access-control-request-method": "POST"}

    for answer in (api.http.get(path, headers=front), api.http.options(path, headers=headers)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def sources(answer, directive):
    policy = dict(entry.strip().split(" ", 1) for entry in answer["Content-Security-Policy"].split(";"))
    return policy[directive]


@pytest.mark.parametrize("path", ["/", "/docs/", "/docs/codes/", "/admin/login/", "/Admin/nowhere/"])
def test_no_page_runs_what_stands_in_it(api, path):
    answer = api.http.get(path)

    is_back_office = "admin" in path.lower()
    assert sources(answer, "script-src") == ("'self' 'unsafe-eval'" if is_back_office else "'self'")
    assert sources(answer, "default-src") == sources(answer, "frame-ancestors") == "'none'"


def test_answers_of_the_api_carry_none(api):
    for path in ("/health/live", "/nowhere", "/schema/"):
        assert "Content-Security-Policy" not in api.http.get(path).headers
