"""A browser with the 2.3.0 bundle: our own demo page, and a page of another origin."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.browser import CHROMIUM_ARGS, scan
from tests.kit import serving_folder
from tests.needs import CHROMIUM

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

PAGE = """<!doctype html><meta charset="utf-8"><script>
const query = new URLSearchParams(location.search)
document.write(`<script src="${query.get("base")}/socket.io/socket.io.js"><\\/script>`)
</script><script>
const options = { transports: [query.get("transport")], forceNew: true }
const socket = io(query.get("base"), options)
const note = (name, data) => document.title += ` ${name}:${data && data.msg}`
socket.on("connectSuccess", data => { window.sid = data.sid; note("connectSuccess", data) })
socket.on("scancodeSuccess", data => note("scancodeSuccess", data))
socket.on("invalidCode", data => note("invalidCode", data))
</script>"""


@pytest.fixture
def browser(db: None) -> Iterator[Browser]:
    # Begun after Django has its database and ended before it is put away: playwright keeps an event loop in this
    # thread, in which Django would refuse to use it.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    """A page of somebody who has never been here."""
    page = browser.new_context(locale="zh-CN").new_page()
    page.set_default_timeout(60_000)
    return page


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """Another origin, with a page that connects to us."""
    (tmp_path / "index.html").write_text(PAGE, "utf-8")

    with serving_folder(tmp_path) as address:
        yield address.replace("127.0.0.1", "localhost")


def test_the_demo_page_logs_in_with_a_phone_in_another_tab_by_every_transport(browser: Browser, proxy: str) -> None:
    for transport in ("", "polling", "websocket"):  # in one browser: to start it takes half the time
        logs_in(new_page(browser), proxy, transport)


def logs_in(page: Page, proxy: str, transport: str) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{proxy}/demo/login/" + (f"?transport={transport}" if transport else ""))
    expect(page.locator("#outcome")).to_have_text("请用微信扫码")
    assert page.evaluate("document.querySelector('#qr').decode().then(() => true)"), "the QR code is drawn"

    scan(page, "小鹿🦌")

    expect(page.locator("#outcome")).to_have_text("微信登入成功")
    expect(page.locator("#name")).to_have_text("小鹿🦌")
    expect(page.locator("#role")).to_have_text("员工")
    assert page.evaluate("localStorage.getItem('token')")
    expect(page.get_by_role("link", name="继续")).to_have_attribute("href", "/demo/")
    assert problems == []


def test_who_refuses_on_the_phone_may_scan_again(browser: Browser, proxy: str) -> None:
    page = new_page(browser)
    page.goto(f"{proxy}/demo/login/")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="打开“手机”").click()
    phone = opened.value
    address = phone.url
    phone.get_by_role("button", name="拒绝").click()
    expect(phone.get_by_role("heading")).to_have_text("您取消了登入")

    phone.goto(address)
    phone.get_by_role("button", name="允许").click()

    expect(page.locator("#name")).to_have_text("李小明")
    phone.reload()
    expect(phone.get_by_role("heading")).to_have_text("无效的二维码")


def test_a_page_of_another_origin_gets_its_events(browser: Browser, proxy: str, elsewhere: str) -> None:
    for how in ("transport=polling", "transport=websocket"):
        gets_its_events(new_page(browser), proxy, elsewhere, how)


def gets_its_events(page: Page, proxy: str, elsewhere: str, how: str) -> None:
    page.goto(f"{elsewhere}/index.html?base={proxy}&{how}")
    page.wait_for_function("document.title.includes('connectSuccess:连接成功')")
    asked = f"fetch('{proxy}/users/getQrcode?sid=' + window.sid, {{credentials: 'include'}}).then(a => a.json())"
    url = page.evaluate(asked)["scanCodeUrl"]

    phone = page.context.new_page()
    phone.goto(url)
    phone.get_by_role("button", name="允许").click()

    page.wait_for_function("document.title.includes('scancodeSuccess:已扫码')")
