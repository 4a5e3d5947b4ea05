"""The board of a class: who is stuck, what each trainee has shown, and how each works; live and as CSV.

Only development and practice note calls (``lessons.stream``): elsewhere those columns are empty. Logins, students and
orders are asked from the tables. Everything is counted by account: two trainees may have one name.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import User
from accounts.selectors import scan_logins
from core.times import local
from lessons.calls import POOR_GUESS, Call
from lessons.checkpoints import CHECKPOINTS
from lessons.progress import plan_of, progress_of
from lessons.signs import signs_of
from lessons.stream import calls_of
from shop.order_states import EARNING, State
from shop.selectors import orders_of_buyers
from students.selectors import students_entered

STUCK_AFTER = timedelta(minutes=5)
MAX_AGE_S = 30 * 60  # of a call: whoever made none for longer is not in the lesson


@dataclass
class Row:
    """A trainee on the board."""

    user: User
    state: str
    is_stuck: bool
    marks: list[tuple[str, dict[str, Any] | None]]  # name and proof of each checkpoint of the class
    signs: list[dict[str, Any]]
    refusal: Call | None
    figures: list[Any]

    @property
    def done(self) -> int:
        return sum(proof is not None for _, proof in self.marks)

    @property
    def signs_text(self) -> str:
        return "；".join(f"{sign['name']}（{sign['times']}）" for sign in self.signs)

    @property
    def refusal_text(self) -> str:
        return f"{self.refusal.path} {self.refusal.refusal}" if self.refusal else ""


FIGURES = ("上次登录", "最近一次调用", "调用", "被拒绝", "学员", "订单", "已付款", "已退款", "扫码")


def board(users: list[User], class_name: str, *, now: datetime) -> list[Row]:
    """Return the trainees, those first who had no success for five minutes; of them whose refusal is the latest."""
    names, _ = plan_of(class_name)
    pks = [user.pk for user in users]
    calls = calls_of(user.unid for user in users)
    entries, orders, scans = students_entered(pks), orders_of_buyers(pks), scan_logins(pks)
    done = progress_of(dict(zip(pks, calls, strict=True)), now=now)
    rows = []
    for user, own in zip(users, calls, strict=True):
        sure = [call for call in own if call.guess != POOR_GUESS]
        refusals = [call for call in sure if call.is_own_refusal]
        states = orders.get(user.pk, {})
        state, is_stuck = _state(sure, now)
        figures = [
            _moment(user.last_login),
            _moment(datetime.fromtimestamp(sure[-1].time, UTC)) if sure else "",
            *(len(sure), len(refusals)),
            entries.get(user.pk, 0),
            sum(states.values()),
            sum(states.get(one.value, 0) for one in EARNING),
            states.get(State.REFUNDED.value, 0),
            scans.get(user.pk, 0),
        ]
        marks = [(CHECKPOINTS[name].name, done[user.pk].get(name)) for name in names]
        rows.append(Row(user, state, is_stuck, marks, signs_of(own), refusals[-1] if refusals else None, figures))
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


def board_head(class_name: str) -> list[str]:
    return ["姓名", "用户名", "状态", *(CHECKPOINTS[name].name for name in plan_of(class_name)[0]), *_REST]


_REST = ("完成", "迹象", "最近一次被拒绝", "提示", *FIGURES)


def board_cells(row: Row) -> list[Any]:
    """Return a row of the CSV, by ``board_head``."""
    marks = [1 if proof else 0 for _, proof in row.marks]
    refusal = row.refusal.hint if row.refusal else ""
    return [
        *(row.user.nickname, row.user.username, row.state, *marks, row.done),
        *(row.signs_text, row.refusal_text, refusal, *row.figures),
    ]


def _moment(at: datetime | None) -> str:
    return f"{local(at):%m-%d %H:%M:%S}" if at else ""
