"""The parameters of joining."""

from accounts import errors
from accounts.api.params import OneLine, Password
from core.api.params import Params, PlainText


class JoinParams(Params):
    error_if_missing = errors.RegistrationIncomplete

    invite = PlainText(required=False, default="", help_text="老师给的 8 位邀请码,不区分大小写")
    username = OneLine(max_length=64, help_text="用户名")
    password = Password(help_text="密码")
    nickname = OneLine(max_length=64, help_text="姓名")
    captcha = PlainText(required=False, default="", help_text="没有邀请码、而服务器允许自己开账号时才需要")
    key = PlainText(required=False, default="", help_text="getCaptcha 返回的 key;带 cookie 的客户端可以不传")
