"""Every page in a browser: people of all abilities can use it, and it works under its content security policy.

On a phone, in the dark, by keyboard, with a screen reader: axe-core judges. The fixture ``page`` complains about
whatever the browser writes into its console, a breach of the policy included.
"""

from pathlib import Path

import pytest

from tests.journeys.browser import PHONE, is_wider_than_the_screen, log_in, visitor
from tests.journeys.installation import Caller

pytestmark = [pytest.mark.chromium, pytest.mark.node]

AXE = Path(__file__).parents[2] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
AN_HOUR_LATER = """
from django.contrib.sessions.backends.cached_db import SessionStore
from django.contrib.sessions.models import Session
for row in Session.objects.all():
    session = SessionStore(row.session_key)
    if "password_given_at" in session:
        session["password_given_at"] -= 3600
        session.save()
"""
# The link to all records of an action stands behind the name of the first one, or below it, as long as the name is.
ACTIONS_ON_TWO_RECORDS = """
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from accounts.models import User
from students.models import Student
facts = {"content_type": ContentType.objects.get_for_model(Student), "action": LogEntry.Action.UPDATE, "changes": {}}
for length in range(1, 30):
    action = facts | {"object_repr": "名" * length, "cid": f"c{length}", "actor": User.objects.first()}
    for pk in (1, 2):
        LogEntry.objects.create(**action, object_pk=pk)
"""
LOOKS = {"light": {"width": 1280, "height": 900}, "dark": PHONE}

# Rule, selector.
EXCUSED = [
    # Swagger UI's own markup, which no style sheet mends:
    ("select-name", ".examples-select-element"),  # the choice of an example has no label
    ("scrollable-region-focusable", ".microlight"),  # a long example scrolls, and takes no tabindex
    # Thirty days side by side: the filter by day of each list leads to the same rows.
    ("target-size", ".bo-columns a"),
    # The bar with the buttons lies over the lowest options until the page is scrolled; 29 pixels part them.
    ("target-size", ".ro-option input"),
]
FAULTS = """async excused => {
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
  const rules = { "target-size": { enabled: true } }
  const options = { runOnly, rules, resultTypes: ["violations"], elementRef: true, preload: false }
  const { violations } = await axe.run(options)
  const isExcused = (id, { element }) => excused.some(([rule, selector]) => rule === id && element.matches(selector))
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).flatMap(({ id, nodes }) =>
    nodes.filter(node => !isExcused(id, node)).map(node => `${id} ${node.target}: ${node.failureSummary}`))
}"""


@pytest.fixture(scope="module")
def axe():
    return AXE.read_text()


@pytest.fixture
def faults(page, axe):
    """Ask what is wrong with the page as it stands, on a bright screen and on a phone in the dark.

    Of a page whose markup is that of another one with other rows, it is enough to ask in one of the two.
    """

    def ask(looks=tuple(LOOKS)):
        # A colour on its way to another one is neither.
        page.add_style_tag(content="* { transition: none !important; animation: none !important }")
        page.evaluate(axe)
        complaints = []
        for scheme, size in LOOKS.items():
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            page.evaluate("() => new Promise(requestAnimationFrame)")  # what listens to it has heard of it
            # The back office asks for the preference only as it loads.
            page.evaluate("isDark => document.documentElement.classList.toggle('dark', isDark)", scheme == "dark")
            if is_wider_than_the_screen(page):
                complaints.append(f"wider than {size['width']} pixels")
            if scheme in looks:
                complaints += page.evaluate(FAULTS, EXCUSED)
        return complaints

    return ask


@pytest.fixture(scope="module")
def buyer(running):
    return Caller(running.base)


@pytest.fixture(scope="module")
def order(buyer):
    """An order that waits for its payment: its id and what its QR code holds."""
    return buyer.begin()


def test_the_checks_find_a_fault(page, faults):
    page.goto("/docs/codes/")
    page.evaluate("document.querySelector('h1').style.cssText = 'color: #ccc; width: 200vw'")

    complaints = faults()

    assert [fault for fault in complaints if fault.startswith("color-contrast h1")]
    assert "wider than 390 pixels" in complaints


def test_the_guides_and_the_api_reference_with_a_call_unfolded(page, faults):
    for path in ("/", "/docs/codes/", "/docs/socket/", "/docs/client/", "/docs/course/", "/docs/course/charts/"):
        page.goto(path)
        assert faults() == [], path
        # One heading is no list, so the start page has the whole width.
        assert path != "/" or not page.get_by_label("本页目录").count()
    page.goto("/docs/")
    page.locator(".opblock-tag", has_text="学员模块").click()
    page.locator(".opblock-summary", has_text="/students/getstulist").click()
    page.locator(".microlight").first.wait_for()

    assert faults() == []


def test_the_demo_with_every_step_taken(page, faults, buyer):
    page.goto("/demo/")
    page.locator("#captcha-image svg").wait_for()
    before = faults()
    kept = {"token": buyer.headers["authorization"], "buttons": '["delete"]'}
    page.evaluate("kept => Object.assign(localStorage, kept)", kept)
    page.reload()
    page.get_by_role("button", name="获取我的菜单").click()
    page.get_by_role("button", name="搜索").click()
    page.get_by_role("button", name="删除").first.wait_for()
    page.get_by_role("button", name="看看有什么商品").click()
    page.locator("#product-list button").first.wait_for()

    assert (before, faults()) == ([], [])


def test_the_scan_and_the_phone_that_scans(page, faults):
    page.goto("/demo/login/")
    page.get_by_text("请用微信扫码").wait_for()
    screen, address = faults(), page.locator("#phone").get_attribute("href")
    page.goto(address)
    consent = faults()
    page.get_by_role("button", name="允许").click()
    page.wait_for_url("**/users/wechatCallBack**")

    assert (screen, consent, faults()) == ([], [], [])


def test_the_phone_that_pays_and_the_sandbox(page, faults, order):
    page.goto(f"/sandbox/pay/?code_url={order[1]}")
    before = faults()
    page.get_by_role("button", name="支付", exact=True).click()
    page.get_by_role("heading", name="支付成功").wait_for()
    after = faults()
    page.goto("/sandbox/")
    page.get_by_label("通知发两次").check()
    page.get_by_role("button", name="应用").click()
    page.locator(".fault-on").wait_for()
    with_fault = faults()
    page.get_by_role("button", name="全部恢复正常").click()
    page.locator(".fault-on").wait_for(state="detached")

    assert (before, after, with_fault, faults()) == ([], [], [], [])


def test_the_phone_of_an_account(page, faults):
    page.goto("/sandbox/phone/")
    login = faults()
    page.get_by_label("用户名").fill("lbw")
    page.get_by_label("密码").fill("555")
    page.get_by_role("button", name="登录", exact=True).click()
    page.get_by_role("heading", name="五五开 的手机").wait_for()

    assert (login, faults()) == ([], [])


def test_the_back_office_has_no_faults(page, running, faults, order):
    page.goto("/admin/login/")
    complaints = {"login": faults()}
    log_in(page, "root", running.root_password)
    for path in (
        "", "students/student/", "students/student/add/", "students/transferrun/import/", "permissions/role/add/",
        "shop/order/", "shop/goodsrun/start/", "second-factor/",
        "students/student/print/?class=H51901", "daily/?from=2026-11-01&to=2026-11-03", "daily/?paper=1",
    ):  # fmt: skip
        page.goto(f"/admin/{path}")
        for box in page.locator("#result_list .action-select").all()[:2]:
            box.check()
        complaints[path] = faults()
    running.shell(ACTIONS_ON_TWO_RECORDS)
    for path in (
        "permissions/role/", "auditlog/logentry/", "accounts/user/",
        "students/archivedstudent/", "shop/order/?work=trouble", f"shop/order/?q={order[0]}",
    ):  # fmt: skip
        page.goto(f"/admin/{path}")
        complaints[path] = faults(["dark"])
    page.locator("#result_list tbody a").first.click()
    page.wait_for_url("**/change/**")
    complaints["order"] = faults()
    page.get_by_role("main").wait_for()
    page.set_viewport_size({"width": 390, "height": 300})  # so that the menu has to scroll
    assert not page.get_by_label("scrollable content").count()
    running.shell(AN_HOUR_LATER)
    page.goto("/admin/permissions/role/add/")
    page.get_by_role("heading", name="请再输入一次密码").wait_for()
    complaints["the password again"] = faults()

    assert {path: wrong for path, wrong in complaints.items() if wrong} == {}


# Lists whose rows are opened, and other pages with scripts of their own. What stands in a page itself is looked at in
# backoffice/tests/test_language.py, for all pages.
LISTS = ["accounts/user/", "auditlog/logentry/", "payments/payment/", "permissions/role/", "shop/product/"]
LISTS += ["students/student/"]
OTHERS = ["payments/refund/", "shop/courier/1/delete/", "shop/order/?work=refunds", "weather/weatheraccount/"]


def test_every_kind_of_page_of_the_back_office(page, running):
    log_in(page, "root", running.root_password)
    for path in (*LISTS, *OTHERS):
        assert page.goto(f"/admin/{path}").ok
        if path in LISTS:
            row = page.locator("#result_list tbody a[href*='/change/']").first
            assert page.goto(row.get_attribute("href")).ok


# Of the rows: where the first one begins, and how many are in sight above what stands at the lower end. All count as
# high as most are: what other tests have left in the list may take two lines.
ROWS = r"""() => {
  const rows = [...document.querySelectorAll("#result_list .data-row")].map(row => row.getBoundingClientRect())
  const below = [...document.querySelectorAll("#main > .lg\\:sticky, #main > :last-child")]
  const end = Math.min(innerHeight, ...below.map(one => one.getBoundingClientRect().top))
  const height = rows.map(row => row.height).sort((one, other) => one - other)[Math.floor(rows.length / 2)]
  return [rows[0].top, Math.floor((end - rows[0].top) / height)]
}"""
BUSY_LISTS = ("students/student", "shop/order", "payments/payment", "auditlog/logentry", "attendance/session")


def test_lists_begin_high_and_their_rows_are_near_for_the_keyboard(page, running):
    log_in(page, "root", running.root_password)
    for address in BUSY_LISTS:
        page.set_viewport_size({"width": 1366, "height": 768})
        page.goto(f"/admin/{address}/")
        first, count = page.evaluate(ROWS)
        assert first < 200 and count >= 12, (address, first, count)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # skips to the content
        steps = 0
        while not page.evaluate("document.activeElement.closest('#result_list tbody')?.tagName"):
            page.keyboard.press("Tab")
            steps += 1
            assert steps <= 10, address
        page.set_viewport_size({"width": 683, "height": 384})  # enlarged to 200 percent
        page.evaluate("scrollTo(0, 0)")
        first, count = page.evaluate(ROWS)
        assert first > 0 and count >= 1 and not is_wider_than_the_screen(page), (address, first, count)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto("/admin/students/student/add/")
    assert page.evaluate("document.activeElement.name") == "class_name"


def test_an_order_is_one_screen_and_a_phone_begins_with_the_first_one(page, running, order):
    log_in(page, "root", running.root_password)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto("/admin/shop/order/")
    # The number is short on the screen, and whole for a clerk who copies it or searches the page.
    page.get_by_role("link", name=order[0]).click()
    page.locator(".op-money").wait_for()
    assert page.evaluate("document.documentElement.scrollHeight") <= 768 and not is_wider_than_the_screen(page)

    page.set_viewport_size(PHONE)
    page.goto("/admin/shop/order/?work=ship")
    assert page.evaluate(ROWS)[0] <= 200 and not is_wider_than_the_screen(page)
    page.get_by_role("button", name="显示或隐藏导航").click()
    page.locator(".bo-group summary", has_text="天气").click()
    page.reload()
    page.get_by_role("button", name="显示或隐藏导航").click()
    assert page.get_by_text("用户与权限").is_visible() and not page.get_by_role("link", name="天气记录").is_visible()


def test_pages_for_paper_have_no_faults(page, running, faults):
    log_in(page, "root", running.root_password)
    page.goto("/admin/shop/order/?work=ship")
    pks = page.locator("[name=_selected_action]").evaluate_all("all => all.slice(0, 2).map(one => one.value)")
    page.goto(f"/admin/shop/order/packing/?ids={','.join(pks)}")
    complaints = {"packing list": faults()}
    page.get_by_label("标签 100×150 毫米").check()
    complaints["labels"] = faults()
    page.goto("/admin/classroom/")
    if not page.get_by_role("button", name="开账号").is_visible():  # there are classes already
        page.get_by_role("heading", name="为全班开账号").click()
    page.get_by_label("班级").first.fill("H59998")
    page.get_by_label("名单", exact=True).fill("谭鹏\n李小明")
    page.get_by_role("button", name="开账号").click()
    page.get_by_role("heading", name="李小明").wait_for()
    complaints["slips"] = faults()

    assert {name: wrong for name, wrong in complaints.items() if wrong} == {}


SLIPPED_IN = """() => {
  const script = document.createElement("script")
  script.textContent = "window.ranInline = true"
  document.body.append(script)
  document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.ranHandler = true'>")
  return new Promise(done => setTimeout(() => done([window.ranInline, window.ranHandler]), 300))
}"""


def test_an_injected_script_does_not_run(chromium, running):
    with visitor(chromium, running.base) as context:  # whose console is not checked
        page = context.new_page()
        for path in ("/", "/demo/", "/docs/", "/sandbox/", "/admin/login/", "/admin/"):
            if path == "/admin/":
                log_in(page, "root", running.root_password)
            policy = page.goto(path).headers["content-security-policy"]

            scripts = policy.partition("script-src")[2].partition(";")[0]
            assert "default-src 'none'" in policy and "'unsafe-inline'" not in scripts
            assert page.evaluate(SLIPPED_IN) == [None, None]
