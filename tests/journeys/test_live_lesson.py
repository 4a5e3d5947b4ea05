"""A teacher's board and a trainee's 我的请求 hear of calls by a socket, and ask every 2 s where there is none."""

import re
from pathlib import Path

import pytest
import requests

from tests.journeys.browser import log_in, visitor

pytestmark = pytest.mark.chromium
LIVE = Path(__file__).parents[2] / "static/lessons/live.js"
TRAINEE = """
from accounts.models import User
from permissions.models import Role
User.objects.create_user("live", "a-password", role=Role.objects.get(roleid="102"), class_name="LIVE")
"""
# A page of ours on a socket that does what the test says; `asked` counts how often it asks.
STAGE = """() => {
  window.heard = {}
  window.asked = 0
  window.io = () => ({ on: (event, hear) => { heard[event] = hear } })
  live(async sid => { asked += 1; if (window.isBroken) throw Error('broken'); return true }, () => false, 60000)
}"""


def test_a_page_asks_at_once_for_news_rarely_without_and_often_without_a_socket(running, chromium):
    with visitor(chromium, running.base) as context:
        page = context.new_page()
        page.clock.install(time=0)
        page.goto("/sandbox/me/")
        page.clock.pause_at(60_000)
        page.evaluate(STAGE)

        def asked(event, seconds):
            page.evaluate(f"asked = 0; heard.{event}?.({{ sid: 'one' }})")
            page.clock.run_for(seconds * 1000)
            return page.evaluate("asked")

        assert asked("none", 60) == 30
        assert asked("connectSuccess", 60) == 3
        assert asked("lessonNews", 1) == 1
        assert [asked("none", seconds) for seconds in (1, 2, 7, 4, 50, 10)] == [0, 1, 0, 1, 0, 1]
        assert asked("disconnect", 60) == 30
        page.evaluate("isBroken = true")
        assert asked("none", 60) == 30


@pytest.fixture(scope="module")
def token(running):
    running.shell(TRAINEE)
    return running.token("live", "a-password")


@pytest.mark.parametrize(
    ("path", "way"), [("/admin/classroom/LIVE/", "socket"), ("/sandbox/me/", "socket"), ("/sandbox/me/", "blocked")]
)
def test_a_call_is_shown(running, other, token, path, way):
    address = f"/nothing/{way}{len(path)}"
    script = LIVE.read_text("utf-8").replace("pauses = [2500, 10000, late]", "pauses = [1e9, 1e9, 1e9]")  # only by news
    log_in(other, "root", running.root_password)
    other.route("**/lessons/live*.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    if way == "blocked":
        other.route("**/socket.io/**", lambda route: route.abort())
    with other.expect_response(re.compile("sid=." if way == "socket" else "sid=$")):
        other.goto(path)
        if "me" in path:
            other.get_by_label("token").fill(token)
            other.get_by_role("button", name="查看").click()

    requests.get(running.base + address, headers={"authorization": token}, timeout=30)

    other.get_by_text(address).first.wait_for()
