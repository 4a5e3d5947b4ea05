"""Every page does its work under its content security policy, and a script that somebody slips in does not run.

The fixture ``page`` complains about whatever the browser writes into its console, a breach of the policy included.
"""

import pytest

from tests.journeys.browser import is_wider_than_the_screen, log_in, visitor

pytestmark = pytest.mark.chromium

PAGES = [
    "/",
    "/docs/",
    "/docs/codes/",
    "/docs/socket/",
    "/demo/",
    "/demo/login/",
    "/sandbox/",
    "/admin/login/",
    "/admin/nowhere/",
]
# A page for each set of scripts, and whether to open a row of it as well. What stands in a page itself is looked at in
# backoffice/tests/test_language.py, for all pages.
KINDS = {
    "": False,
    "accounts/user/": True,
    "auditlog/logentry/": True,
    "classroom/": False,
    "payments/payment/": True,
    "payments/refund/": True,
    "permissions/role/": True,
    "shop/courier/1/delete/": False,
    "shop/order/": True,
    "shop/order/?work=refunds": False,
    "shop/product/": True,
    "students/student/": True,
    "students/student/print/?class=H51901": False,
    "students/transferrun/import/": False,
    "weather/weatheraccount/": False,
}
SLIPPED_IN = """() => {
  const script = document.createElement("script")
  script.textContent = "window.ranInline = true"
  document.body.append(script)
  document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.ranHandler = true'>")
  return new Promise(done => setTimeout(() => done([window.ranInline, window.ranHandler]), 300))
}"""


@pytest.fixture(scope="module")
def quiet_page(chromium, running):
    """A page whose console nobody reads."""
    with visitor(chromium, running.base) as context:
        yield context.new_page()


@pytest.mark.parametrize("path", PAGES)
def test_pages_for_everybody(page, path):
    answer = page.goto(path, wait_until="networkidle")

    assert answer.ok and not is_wider_than_the_screen(page)
    policy = answer.headers["content-security-policy"]
    assert (
        "default-src 'none'" in policy and "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    )


def test_the_documentation_tries_a_call(page):
    page.goto("/docs/")
    page.locator(".opblock-tag", has_text="天气模块").click()
    page.locator(".opblock", has_text="getWeather").click()
    page.get_by_role("button", name="发送", exact=True).click()

    page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()


def test_every_kind_of_page_of_the_back_office(page, running):
    log_in(page, "root", running.root_password)
    opened = []
    for path, opens_a_row in KINDS.items():
        assert page.goto(f"/admin/{path}").ok
        row = page.locator("#result_list tbody a[href*='/change/']").first
        if opens_a_row and row.count():
            assert page.goto(row.get_attribute("href")).ok
            opened.append(path)
    assert len(opened) >= 6, opened


@pytest.mark.parametrize("path", ["/", "/demo/", "/docs/", "/sandbox/", "/admin/login/", "/admin/"])
def test_a_script_that_somebody_slips_in_does_not_run(quiet_page, running, path):
    if path == "/admin/":
        log_in(quiet_page, "root", running.root_password)
    quiet_page.goto(path)

    assert quiet_page.evaluate(SLIPPED_IN) == [None, None]
