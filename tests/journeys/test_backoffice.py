"""Root works in the back office; a new member of staff sees what the role gives and nothing else."""

import pytest

from tests.journeys.browser import PHONE, is_wider_than_the_screen, log_in, visitor

pytestmark = pytest.mark.chromium
PASSWORD = "a-good-Password-7"


def test_from_a_number_to_the_rows_and_to_what_changed(page, running):
    log_in(page, "root", running.root_password)
    page.goto("/admin/")
    page.locator(".bo-rows a", has_text="H51903").click()
    page.get_by_role("heading", name="学员").first.wait_for()
    page.locator("#result_list tbody a").first.click()
    page.get_by_label("城市").fill("哈尔滨")
    page.locator("[name=_save]").click()
    page.wait_for_url("**/admin/students/student/*")

    page.goto("/admin/auditlog/logentry/")
    row = page.locator("#result_list tbody tr").first
    assert "root" in row.inner_text() and "城市" in row.inner_text()
    row.get_by_role("link").last.click()
    page.goto(page.url.replace("/change/", "/history/"))
    page.locator(".bo-changes td", has_text="哈尔滨").wait_for()


def make_a_user(page, username, role, password):
    """Add a member of staff; the page is then the new user's form."""
    page.goto("/admin/accounts/user/add/")
    page.get_by_label("用户名").fill(username)
    page.locator("[name=role]").select_option(label=role, force=True)
    page.locator("[name=is_staff]").check()
    for name in ("password1", "password2"):
        page.locator(f"[name={name}]").fill(password)
    page.locator("[name=_save]").click()
    page.wait_for_url("**/accounts/user/*/change/")


def test_new_staff_see_their_section_alone_also_on_a_dark_phone(page, running, other):
    log_in(page, "root", running.root_password)
    make_a_user(page, "xiaowang", "主管（103）", PASSWORD)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_label("VIP 等级").wait_for()
    assert not is_wider_than_the_screen(page)  # the widest form, on a desk's screen

    other.set_viewport_size(PHONE)
    other.emulate_media(color_scheme="dark")
    log_in(other, "xiaowang", PASSWORD)
    other.goto("/admin/")

    assert other.evaluate("document.documentElement.classList.contains('dark')")
    links = other.locator("#nav-sidebar-apps a, nav a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert "/admin/students/student/" in links
    assert not [link for link in links if link and "/shop/" in link]
    assert other.goto("/admin/shop/order/").status == 403


# Counts what is shown. `document.hidden` becomes true as soon as the test says so.
NOTICES = """
window.notices = []
window.Notification = class {
  static permission = "default"
  static async requestPermission() { return this.permission = window.refuses ? "denied" : "granted" }
  constructor(text) { window.notices.push(text) }
}
Object.defineProperty(document, "hidden", { get: () => Boolean(window.isAway) })
"""


def test_the_browser_tells_of_what_is_new_to_those_who_want_it(running, chromium):
    number = 2

    def waiting(route):
        route.fulfill(json={"rows": [{"label": "待发货", "number": number, "link": "/admin/shop/order/"}]})

    with visitor(chromium, running.base) as context:
        page = context.new_page()
        page.add_init_script(NOTICES)
        page.route("**/admin/waiting.json", waiting)
        log_in(page, "root", running.root_password)
        page.goto("/admin/")
        look = "is_away => { window.isAway = is_away; document.dispatchEvent(new Event('visibilitychange')) }"
        number = 3  # no clerk has asked for notifications yet
        page.evaluate(look, True)
        page.evaluate(look, False)

        page.locator(".bo-bell summary", has_text="3").click()
        switch = page.locator(".bo-bell input")
        page.evaluate("window.refuses = true")
        switch.click()
        page.get_by_text("浏览器不允许通知").wait_for()
        page.evaluate("window.refuses = false")
        switch.check()
        page.get_by_text("有新的时，浏览器通知我").wait_for()
        page.wait_for_function("notices.length == 1")
        number = 4
        page.evaluate(look, True)

        page.wait_for_function("notices.length == 2")
        assert page.evaluate("notices[1]") == "待发货：4"
