"""The board of a class: who is stuck, what each trainee has shown, and how each works; live and as CSV.

Only development and practice note calls (``lessons.call_log``): elsewhere those columns are empty. Logins, students and
orders are asked from the tables. Everything is counted by account: two trainees may have one name.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import User
from accounts.selectors import scan_logins
from core.times import local
from lessons.call_log import calls_of
from lessons.calls import Call
from lessons.checkpoints import CHECKPOINTS
from lessons.models import Done
from lessons.selectors import plan_of
from lessons.services import progress_update
from lessons.signs import signs_of
from shop.order_states import EARNING, State
from shop.selectors import orders_of_buyers
from students.selectors import students_entered_counts

STUCK_AFTER = timedelta(minutes=5)
MAX_AGE_S = 30 * 60  # of a call: whoever made none for longer is not in the lesson
# Titles of the last columns. The page shows them also before anybody has joined: later it fetches the rows alone.
FIGURES = ("上次登录", "最近一次调用", "调用", "被拒绝", "学员", "订单", "已付款", "已退款", "扫码")


@dataclass
class Row:
    """A trainee on the board."""

    user: User
    state: str
    is_stuck: bool
    marks: list[tuple[str, Done | None]]  # name of each checkpoint of the class, and whether it was reached
    signs: list[dict[str, Any]]
    refusal: Call | None
    figures: dict[str, Any]

    @property
    def done(self) -> int:
        return sum(done is not None for _, done in self.marks)

    def cells(self) -> dict[str, Any]:
        """Return what the CSV tells of a trainee, by the titles of its columns."""
        person = {"姓名": self.user.nickname, "用户名": self.user.username, "状态": self.state}
        marks = {name: int(done is not None) for name, done in self.marks}
        signs = "；".join(f"{sign['name']}（{sign['times']}）" for sign in self.signs)
        refusal = (f"{self.refusal.path} {self.refusal.refusal}", self.refusal.hint) if self.refusal else ("", "")
        notes = {"完成": self.done, "迹象": signs, "最近一次被拒绝": refusal[0], "提示": refusal[1]}
        return person | marks | notes | self.figures


def board(users: list[User], class_name: str, *, now: datetime) -> list[Row]:
    """Return the trainees, those first who had no success for five minutes; of them whose refusal is the latest."""
    names, _ = plan_of(class_name)
    pks = [user.pk for user in users]
    calls = calls_of(users)
    entries, orders, scans = students_entered_counts(pks), orders_of_buyers(pks), scan_logins(pks)
    done = progress_update(calls, now=now)
    rows = []
    for user in users:
        own = [call for call in calls[user.pk] if call.is_likely]
        refusals = [call for call in own if call.is_own_refusal]
        states = orders.get(user.pk, {})
        values = (
            _moment(user.last_login),
            _moment(datetime.fromtimestamp(own[-1].time, UTC)) if own else "",
            len(own),
            len(refusals),
            entries.get(user.pk, 0),
            sum(states.values()),
            sum(states.get(state.value, 0) for state in EARNING),
            states.get(State.REFUNDED.value, 0),
            scans.get(user.pk, 0),
        )
        figures = dict(zip(FIGURES, values, strict=True))
        marks = [(CHECKPOINTS[name].name, done[user.pk].get(name)) for name in names]
        refusal = refusals[-1] if refusals else None
        rows.append(Row(user, *_state(own, now), marks, signs_of(calls[user.pk]), refusal, figures))
    return sorted(rows, key=lambda row: (not row.is_stuck, -row.refusal.time if row.refusal else 0))


def _state(calls: list[Call], now: datetime) -> tuple[str, bool]:
    """Say how a trainee is getting on, and whether the teacher should look."""
    last = next((call for call in reversed(calls) if call.is_ok), None)
    if not calls:
        return "没有调用", False
    since = now.timestamp() - (last or calls[0]).time
    if now.timestamp() - calls[-1].time > MAX_AGE_S:
        return "已离开", False
    if since < STUCK_AFTER.total_seconds() and last:
        return "正常", False
    return f"{int(since // 60)} 分钟没有成功" if last else "还没有成功", True


def _moment(at: datetime | None) -> str:
    return f"{local(at):%m-%d %H:%M:%S}" if at else ""
