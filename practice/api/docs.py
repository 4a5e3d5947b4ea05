"""The documentation of joining."""

from accounts import errors
from accounts.api import docs
from core.api.endpoint import Doc
from core.errors import Throttled
from practice.api.params import JoinParams
from practice.errors import InvitationInvalid

JOIN = Doc(
    params=JoinParams,
    send={"invite": "H7KM3XQ9", "username": "lilei", "password": "kai-ge-2026", "nickname": "李雷"},
    ok=docs.LOGIN.successes[0],
    records=docs.LOGIN_RECORDS,
    failures=[InvitationInvalid, errors.UsernameTaken, docs.TOO_WEAK, errors.CaptchaWrong, Throttled(30)],
    about="用老师的邀请码给自己开一个账号,开好就已登入,返回值与登入相同。正式服务器上没有这个接口。",
)
