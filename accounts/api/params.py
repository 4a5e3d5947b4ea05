"""What the user calls take in."""

import re
from typing import Any

from rest_framework import serializers

from accounts import errors
from core.api.params import PageParams, Params, PlainText, PositiveInt
from core.errors import DomainError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
LOG_PAGE = 10


class Line(PlainText):
    """Text on one line."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if _CONTROL.search(text):
            raise serializers.ValidationError("不能包含控制字符")
        return text


class Password(PlainText):
    """Exactly what was typed, blanks included."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class LoginParams(Params):
    username = PlainText(help_text="账户")
    password = Password(help_text="密码")

    def refusal(self) -> DomainError:
        # What is no text at all (a list, an object) is no account's name either.
        return errors.CredentialsMissing() if self.missing() else errors.CredentialsWrong()


class CaptchaParams(Params):
    error = errors.CaptchaWrong

    captcha = PlainText(required=False, default="", help_text="用户输入的验证码,不区分大小写")
    key = PlainText(required=False, default="", help_text="getCaptcha 返回的 key;带 cookie 的客户端可以不传")

    def refusal(self) -> DomainError:
        return errors.CaptchaWrong()


class RegisterParams(Params):
    username = Line(max_length=64, help_text="用户名")
    password = Password(help_text="密码")
    nickname = Line(max_length=64, help_text="昵称")
    phone = Line(max_length=32, required=False, default="", help_text="手机号")
    roles = serializers.JSONField(required=False, help_text="角色编号,默认 200")
    roleid = PlainText(max_length=32, required=False, help_text="角色编号,与 roles 相同")

    def refusal(self) -> DomainError:
        return errors.RegistrationIncomplete() if self.missing() else super().refusal()

    def validate_roles(self, value: Any) -> str:
        # Old clients send the list of a multiple choice.
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        return PlainText(max_length=32).run_validation(value)


class PasswordParams(Params):
    username = PlainText(help_text="用户名")
    oldPassword = Password(required=False, default="", help_text="原来的密码;root 修改他人密码时不需要")
    newPassword = Password(required=False, default="", help_text="需要修改的新密码")

    def refusal(self) -> DomainError:
        return errors.PasswordNotChanged()


class AvatarParams(Params):
    headimgurl = serializers.FileField(help_text="上传的图片文件")
    uId = PlainText(required=False, help_text="当前用户的 id (unid)")
    unid = PlainText(required=False, help_text="与 uId 相同")

    def refusal(self) -> DomainError:
        return errors.AvatarRefused()


class LoginLogParams(PageParams):
    count = PositiveInt(required=False, default=LOG_PAGE, help_text="每次返回几条,默认返回 10")


class QrcodeParams(Params):
    error = errors.SidUnknown

    sid = PlainText(max_length=64, help_text="connectSuccess 事件给出的 sid")

    def refusal(self) -> DomainError:
        return errors.SidMissing() if self.missing() else errors.SidUnknown()


class CallbackParams(Params):
    state = PlainText(help_text="二维码的 state")
    code = serializers.RegexField(r"\A[\x21-\x7e]{1,512}\Z", required=False, help_text="微信返回的临时 code")

    def refusal(self) -> DomainError:
        return errors.StateMissing() if "state" in self.missing() else errors.CodeInvalid()


class WechatLoginParams(Params):
    wechatCode = serializers.RegexField(
        r"\A[\x21-\x7e]{1,512}\Z", help_text="扫码成功后 scancodeSuccess 事件给出的 wechatCode"
    )

    def refusal(self) -> DomainError:
        return errors.WechatCodeMissing() if self.missing() else errors.WechatCodeSpent()
