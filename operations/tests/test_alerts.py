"""The engineer is told what the doctor finds: once, by the ways that are set, and in the form that each robot takes."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from core.findings import Finding
from core.models import Alert
from operations.alerts import alerts_send
from tests.kit import at_once, reply, serving

pytestmark = pytest.mark.django_db
NOW = timezone.now()
ROBOTS = {
    "/cgi-bin/webhook/send?key=secret": lambda body: (body["msgtype"], body["text"]["content"]),
    "/robot/send?access_token=secret": lambda body: (body["msgtype"], body["text"]["content"]),
    "/open-apis/bot/v2/hook/secret": lambda body: (body["msg_type"], body["content"]["text"]),
    "/mine": lambda body: ("text", body["text"]),
}


@pytest.fixture
def robot():
    """A chat program's robot; ``answer`` is what it answers, ``heard`` what it was sent."""

    class Robot(BaseHTTPRequestHandler):
        heard: list = []
        answer: dict = {"errcode": 0}

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.heard.append((self.path, json.loads(body)))
            reply(self, self.answer)

    with serving(Robot) as Robot.url:
        yield Robot


@pytest.fixture
def alerts_after(robot, settings):
    """Return a function that lets the doctor find something at a time and returns what the robot was then told."""
    settings.ALERT_WEBHOOKS = [f"{robot.url}/mine"]

    def alerts_after(*findings, after):
        robot.heard.clear()
        alerts_send(findings, now=NOW + after)
        return "\n".join(body["text"] for _, body in robot.heard)

    return alerts_after


def disk(mb):
    return Finding("disk", False, f"/var/lib/spms 还剩 {mb} MB", "腾出空间。")


def refunds(number):
    return Finding("refunds", False, f"退款失败：{number} 条", "", "/admin/payments/refund/", number)


MINUTES = [timedelta(minutes=5 * at) for at in range(1000)]


class TestWhatIsTold:
    def test_only_what_is_found_again_then_once_a_day_and_that_it_is_over_once_it_stays_so(self, alerts_after):
        assert alerts_after(disk(900), after=MINUTES[0]) == ""
        message = alerts_after(disk(900), refunds(1), after=MINUTES[1])
        assert "还剩 900 MB" in message and "退款" not in message  # each by itself
        assert alerts_after(disk(850), after=MINUTES[2]) == ""
        assert alerts_after(disk(850), after=MINUTES[1] + timedelta(hours=23, minutes=59)) == ""
        assert "还剩 840 MB" in alerts_after(disk(840), after=MINUTES[1] + timedelta(days=1))

        assert alerts_after(after=MINUTES[2] + timedelta(days=1)) == ""
        assert "已恢复：/var/lib/spms 还剩 840 MB" in alerts_after(after=MINUTES[14] + timedelta(days=1))
        assert not Alert.objects.exists()

    def test_two_that_differ_by_a_number_alone(self, alerts_after):
        first, second = (Finding(f"bill 19 2026-11-2{day}", False, f"2026-11-2{day} 的账单对不了") for day in (1, 2))
        alerts_after(first, after=MINUTES[0])
        alerts_after(first, second, after=MINUTES[1])

        message = alerts_after(first, second, after=MINUTES[2])

        assert second.what in message and first.what not in message

    def test_a_hiccup_a_note_and_what_is_in_order_never(self, alerts_after):
        assert [alerts_after(disk(900), after=MINUTES[0]), alerts_after(after=MINUTES[14])] == ["", ""]
        fine = [Finding("fine", True, "fine"), Finding("note", None, "a note")]
        assert [alerts_after(*fine, after=MINUTES[20]), alerts_after(*fine, after=MINUTES[21])] == ["", ""]

    def test_more_of_it_at_once_with_the_page_where_it_is_put_right(self, alerts_after, settings):
        alerts_after(refunds(1), after=MINUTES[0])

        assert f"退款失败：1 条\n{settings.PUBLIC_BASE_URL}/admin/payments/refund/" in alerts_after(
            refunds(1), after=MINUTES[1]
        )
        assert "退款失败：2 条" in alerts_after(refunds(2), after=MINUTES[2])
        assert alerts_after(refunds(1), after=MINUTES[3]) == ""
        assert "退款失败：2 条" in alerts_after(refunds(2), after=MINUTES[4])

    def test_it_is_sent_later_if_no_receiver_took_it(self, alerts_after, robot):
        alerts_after(disk(900), after=MINUTES[0])
        robot.answer = {"errcode": 93000, "errmsg": "invalid webhook url"}
        alerts_after(disk(900), after=MINUTES[1])
        robot.answer = {"errcode": 0}

        assert "还剩 900 MB" in alerts_after(disk(900), after=MINUTES[2])

    def test_many_fit_into_one_message(self, alerts_after):
        many = [Finding(letter, False, letter * 500) for letter in "子丑寅卯辰巳午未"]
        alerts_after(*many, after=MINUTES[0])
        message = alerts_after(*many, after=MINUTES[1])

        assert len(message.encode()) <= 2048 and "……另有" in message

    def test_that_the_database_is_gone_once(self, alerts_after, monkeypatch, settings, tmp_path):
        def gone(*_, **__):
            raise DatabaseError

        settings.STATE_DIR = tmp_path
        monkeypatch.setattr(Alert.objects, "get_or_create", gone)

        assert "database" in alerts_after(Finding("database", False, "database: down"), after=MINUTES[0])
        assert alerts_after(Finding("database", False, "database: down"), after=MINUTES[1]) == ""
        settings.STATE_DIR = tmp_path / "missing"  # it takes no file, like one on a full disk
        assert "database" in alerts_after(Finding("database", False, "database: down"), after=MINUTES[2])


@pytest.mark.django_db(transaction=True)
def test_of_eight_hosts_at_once_one_tells(alerts_after, robot):
    alerts_after(disk(900), after=MINUTES[0])

    at_once([lambda: alerts_send([disk(900)], now=NOW + MINUTES[1])] * 8)

    assert len(robot.heard) == 1


class TestWays:
    def test_each_robot_gets_its_form(self, robot, settings, capsys):
        settings.ALERT_WEBHOOKS = [f"{robot.url}{path}" for path in ROBOTS]

        call_command("alert_test")

        texts = [ROBOTS[path](body) for path, body in robot.heard]
        assert [path for path, _ in robot.heard] == list(ROBOTS)
        assert {kind for kind, _ in texts} == {"text"} and all("测试提醒" in text for _, text in texts)

    def test_mail_goes_out_although_a_robot_refuses(self, robot, settings, mailoutbox, caplog):
        robot.answer = {"code": 19021, "msg": "sign match fail"}
        settings.ALERT_WEBHOOKS = [f"{robot.url}/open-apis/bot/v2/hook/secret"]
        settings.ALERT_MAIL_TO = ["li@example.com"]

        with pytest.raises(CommandError, match="有 1 个收下了"):
            call_command("alert_test")

        assert [mail.to for mail in mailoutbox] == [["li@example.com"]]
        assert "19021 sign match fail" in caplog.text and "secret" not in caplog.text
