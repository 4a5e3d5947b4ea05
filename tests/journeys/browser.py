"""What the journeys do with a browser: pages that are watched, and people who are logged in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

# Background services of Chromium look for hosts outside; the journeys allow none.
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
PATIENCE_MS = 90_000  # for something that comes late because the machine is busy with other tests
SCREEN = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 844}

# Messages that go by themselves may have gone before a busy machine looks, so each page writes them down.
_NOTE_ALERTS = """
window.alerts = []
new MutationObserver(changes => {
  for (const { addedNodes } of changes)
    for (const node of addedNodes) if (node.role === "alert") window.alerts.push(node.textContent)
}).observe(document, { childList: true, subtree: true })
"""
# What moves is drawn sixty times a second, and a click waits until it has arrived. Its events still come.
_ARRIVE_AT_ONCE = """
const calm = new CSSStyleSheet()
calm.replaceSync(`*, ::before, ::after {
  transition-duration: 1ms !important; transition-delay: 0s !important;
  animation-duration: 1ms !important; animation-delay: 0s !important; animation-iteration-count: 1 !important;
}`)
document.adoptedStyleSheets.push(calm)
"""
_TAKE_ALERT = """text => {
  const index = window.alerts.findIndex(alert => alert.includes(text))
  return index >= 0 && window.alerts.splice(0, index + 1)
}"""


@contextmanager
def visitor(chromium: Browser, base_url: str, **options: Any) -> Iterator[BrowserContext]:
    """A visitor with a browser of their own, which remembers nothing."""
    context = chromium.new_context(locale="zh-CN", base_url=base_url, **options)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_NOTE_ALERTS + _ARRIVE_AT_ONCE)
    yield context
    context.close()


@contextmanager
def watched_page(page: Page, *servers: str) -> Iterator[Page]:
    """Watch a page, which must not complain in its console, and may ask ``servers`` only."""
    complaints: list[str] = []
    allowed = (*servers, *(server.replace("http", "ws") for server in servers), "data:", "blob:")
    watchers: dict[Any, Any] = {
        "console": lambda message: complaints.append(message.text) if message.type == "error" else None,
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda call: None if call.url.startswith(allowed) else complaints.append(call.url),
    }
    for event, watcher in watchers.items():
        page.on(event, watcher)
    yield page
    for event, watcher in watchers.items():
        page.remove_listener(event, watcher)
    assert complaints == []


def was_told(page: Page, text: str) -> None:
    """Wait until the page has shown a message with this text, after those that were waited for before."""
    page.wait_for_function(_TAKE_ALERT, arg=text)


def forget_visitor(page: Page, server: str, still: str) -> None:
    """Close and forget all that the last visitor left in ``page``, so that the next one may use it.

    :param still: the path of an answer of ``server`` that runs no script and is no error, which browsers complain of.
    """
    for other in page.context.pages:
        if other != page:
            other.close()
    page.goto(server + still)  # no about:blank: the way back from there starts a new process
    page.evaluate("sessionStorage.clear(), localStorage.clear()")
    page.context.clear_cookies()
    page.set_viewport_size(SCREEN)
    page.emulate_media(color_scheme="light")


def log_in(page: Page, username: str, password: str) -> None:
    """Log in to the back office. The form is sent without being looked at, which takes a tenth of the time."""
    context = page.context
    context.request.get("/admin/login/")
    fields = {"username": username, "password": password}
    fields["csrfmiddlewaretoken"] = next(c["value"] for c in context.cookies() if c["name"] == "csrftoken")
    answer = context.request.post("/admin/login/", form=fields, max_redirects=0)
    assert answer.status == 302, answer.text()


def is_wider_than_the_screen(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def scan(page: Page, name: str) -> None:
    """Scan the QR code that the page shows, as a WeChat user with this name."""
    with page.expect_popup() as popup:
        page.get_by_role("link", name="打开“手机”").click()
    phone = popup.value
    phone.get_by_label(name).check()
    phone.get_by_role("button", name="允许").click()
    phone.get_by_role("heading", name="扫码成功").wait_for()
    phone.close()


def pay(page: Page) -> None:
    with page.expect_popup() as popup:
        page.get_by_role("link", name="打开“手机”付款").click()
    phone = popup.value
    phone.get_by_role("button", name="支付").click()
    phone.get_by_role("heading", name="支付成功").wait_for()
    phone.close()
