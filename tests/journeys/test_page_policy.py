"""Every page does its work under its content security policy, and a script that somebody slips in does not run.

The fixture ``page`` complains about whatever the browser writes into its console, a breach of the policy included.
"""

import pytest

from tests.journeys.browser import log_in, visitor

pytestmark = pytest.mark.chromium

PAGES = [
    "/",
    "/docs/codes/",
    "/docs/socket/",
    "/demo/",
    "/demo/login/",
    "/sandbox/",
    "/admin/login/",
    "/admin/nowhere/",
]
SLIPPED_IN = """() => {
  const script = document.createElement("script")
  script.textContent = "window.ranInline = true"
  document.body.append(script)
  document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.ranHandler = true'>")
  return new Promise(done => setTimeout(() => done([window.ranInline, window.ranHandler]), 300))
}"""


@pytest.fixture
def quiet_page(chromium, running):
    """A page whose console nobody reads."""
    with visitor(chromium, running.base) as context:
        yield context.new_page()


@pytest.mark.parametrize("path", PAGES)
def test_pages_for_everybody(page, path):
    answer = page.goto(path, wait_until="networkidle")

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


def test_the_whole_back_office(page, running):
    log_in(page, "root", running.root_password)
    page.goto("/admin/")
    links = page.locator("#nav-sidebar-apps a, nav a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    lists = sorted({link for link in links if link and link.startswith("/admin/") and link.count("/") > 3})
    assert len(lists) > 10
    for path in lists:
        page.goto(path)
        row = page.locator("#result_list tbody a[href*='/change/']").first
        if row.count():
            page.goto(row.get_attribute("href"))
    for path in ("accounts/user/add/", "permissions/role/add/", "students/transferrun/import/", "shop/product/add/"):
        page.goto(f"/admin/{path}")


@pytest.mark.parametrize("path", ["/", "/demo/", "/docs/", "/sandbox/", "/admin/login/", "/admin/"])
def test_a_script_that_somebody_slips_in_does_not_run(quiet_page, running, path):
    if path == "/admin/":
        log_in(quiet_page, "root", running.root_password)
    quiet_page.goto(path)

    assert quiet_page.evaluate(SLIPPED_IN) == [None, None]
