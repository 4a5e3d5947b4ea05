"""The parameters of the user calls."""

import re
from typing import Any

from django.conf import settings
from rest_framework import serializers

from accounts import errors
from core.api.params import Between, IdList, PageParams, Params, Picture, PlainText, PositiveInt, YesNo
from core.errors import DomainError, TokenInvalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(PlainText):
    """Text without line breaks and other control characters."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if _CONTROL.search(text):
            raise serializers.ValidationError("不能包含控制字符")
        return text


class Password(PlainText):
    """A password as it was typed: blanks at its ends are kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class RefreshableParams(Params):
    refresh = YesNo(required=False, default=False, help_text="传 1:再返回 refresh 与 expires_in,见 /users/refresh")
    access_s = Between(
        30,
        int(settings.JWT_LIFETIME.total_seconds()),
        required=False,
        help_text="token 的有效秒数,30 到默认值;要和 refresh=1 一起传",
    )


class RefreshParams(Params):
    refresh = PlainText(help_text="登入或上次刷新返回的 refresh,只能用一次")

    def refusal(self) -> DomainError:
        return super().refusal() if self.missing() else TokenInvalid()


class LoginParams(RefreshableParams):
    username = PlainText(help_text="账户")
    password = Password(help_text="密码")
    captcha = PlainText(required=False, default="", help_text="图形验证码;登入失败次数过多时才需要")
    key = PlainText(required=False, default="", help_text="getCaptcha 返回的 key;带 cookie 的客户端可以不传")

    def refusal(self) -> DomainError:
        if not self.errors.keys() & {"username", "password"}:
            return super().refusal()
        # A name that is a list or an object cannot be that of an account, so this is a wrong name.
        return errors.CredentialsMissing() if self.missing() else errors.CredentialsWrong()


class CaptchaParams(Params):
    error = errors.CaptchaWrong
    required_in_docs = ("captcha",)

    captcha = PlainText(required=False, default="", help_text="用户输入的验证码,不区分大小写")
    key = PlainText(required=False, default="", help_text="getCaptcha 返回的 key;带 cookie 的客户端可以不传")


class LoginQuery(Params):
    type = PlainText(required=False, help_text="传 sms 为短信登入;不传为账号密码登入")


class SmsLoginParams(RefreshableParams):
    code = PlainText(required=False, default="", help_text="短信中的 5 位验证码")
    key = PlainText(required=False, default="", help_text="/sms/send 返回的 key;带 cookie 的客户端可以不传")


class SmsSendParams(Params):
    error_if_missing, error = errors.SmsPhoneMissing, errors.SmsPhoneInvalid

    phoneNumber = serializers.RegexField(r"\A1[0-9]{10}\Z", help_text="11位的大陆手机号")
    captcha = PlainText(required=False, default="", help_text="图形验证码;msg 要求时才需要")
    key = PlainText(required=False, default="", help_text="getCaptcha 返回的 key;带 cookie 的客户端可以不传")


class Roles(serializers.JSONField):
    """The number of a role; old clients send a list with one number."""

    in_json = {
        "oneOf": [
            {"type": "string"},
            {"type": "number"},
            {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "number"}]}, "maxItems": 1},
        ]
    }


class RegisterParams(Params):
    error_if_missing = errors.RegistrationIncomplete

    username = OneLine(max_length=64, help_text="用户名")
    password = Password(help_text="密码")
    nickname = OneLine(max_length=64, help_text="昵称")
    phone = OneLine(max_length=32, required=False, default="", help_text="手机号")
    roles = Roles(required=False, help_text="角色编号,默认 200")
    roleid = PlainText(max_length=32, required=False, help_text="角色编号,与 roles 相同")

    def validate_roles(self, value: Any) -> str:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        return PlainText(max_length=32).run_validation(value)


class PasswordParams(Params):
    error = errors.PasswordNotChanged
    required_in_docs = ("oldPassword", "newPassword")

    username = PlainText(help_text="用户名")
    oldPassword = Password(required=False, default="", help_text="原来的密码;root 修改他人密码时不需要")
    newPassword = Password(required=False, default="", help_text="需要修改的新密码")


class UserListParams(PageParams):
    key = PlainText(required=False, default="", help_text="用户名、昵称或手机号的一部分")
    roleid = PlainText(required=False, default="", help_text="只看这个角色的用户")


class UserUpdateParams(Params):
    error_if_missing = errors.UnidMissing

    unid = PlainText(help_text="要修改的用户的 unid;只有 root 可以修改别人")
    username = OneLine(required=False, max_length=64, help_text="用户名")
    password = Password(required=False, default="", help_text="新密码,修改后需要重新登入")
    oldPassword = Password(required=False, default="", help_text="原来的密码;root 不需要")
    phone = OneLine(
        required=False, allow_blank=True, max_length=32, help_text="手机号;要用它短信登入,再传 oldPassword 和 code"
    )
    code = PlainText(required=False, default="", help_text="发到新手机号的 5 位验证码")
    key = PlainText(required=False, default="", help_text="/sms/send 返回的 key;带 cookie 的客户端可以不传")
    nickname = OneLine(required=False, allow_blank=True, max_length=64, help_text="昵称")
    sex = OneLine(required=False, allow_blank=True, max_length=8, help_text="性别")
    city = OneLine(required=False, allow_blank=True, max_length=64, help_text="城市")
    province = OneLine(required=False, allow_blank=True, max_length=64, help_text="省份")
    country = OneLine(required=False, allow_blank=True, max_length=64, help_text="国家")
    roleid = PlainText(required=False, max_length=32, help_text="角色编号,仅 root")
    vipLevel = Between(0, 99, source="vip_level", required=False, help_text="VIP 等级,仅 root")
    headimgurl = Picture("头像", required=False, allow_blank=True)


class UserDeleteParams(Params):
    lists = frozenset({"unid"})
    unid = IdList(
        required=False, default=list, help_text="要删除的用户的 unid,可以重复(也可写作 unid[]),或用逗号隔开多个"
    )
    username = PlainText(required=False, default="", help_text="或者用户名")


class AvatarParams(Params):
    error = errors.AvatarRefused
    required_in_docs = ("uId",)

    headimgurl = serializers.FileField(help_text="上传的图片文件")
    uId = PlainText(required=False, help_text="当前用户的 id (unid)")
    unid = PlainText(required=False, help_text="与 uId 相同")


class LoginLogParams(PageParams):
    count = PositiveInt(required=False, default=10, help_text="每次返回几条,默认返回 10")


class QrcodeParams(Params):
    error = errors.SidUnknown
    required_in_docs = ("sid",)

    sid = PlainText(max_length=64, required=False, help_text="connectSuccess 事件给出的 sid")


class CallbackParams(Params):
    error_if_missing, error = errors.StateMissing, errors.CodeInvalid

    state = PlainText(help_text="二维码的 state")
    code = serializers.RegexField(r"\A[\x21-\x7e]{1,512}\Z", required=False, help_text="微信返回的临时 code")


class WechatLoginParams(Params):
    error_if_missing, error = errors.WechatCodeMissing, errors.WechatCodeSpent

    wechatCode = serializers.RegexField(
        r"\A[\x21-\x7e]{1,512}\Z", help_text="扫码成功后 scancodeSuccess 事件给出的 wechatCode"
    )


class WxLoginParams(Params):
    error_if_missing, error = errors.MiniCodeMissing, errors.WechatCodeSpent

    # The developer tool's own text has blanks.
    code = serializers.RegexField(r"\A[\x20-\x7e]{1,512}\Z", help_text="wx.login 给出的 code")
    nickname = PlainText(required=False, default="", help_text="昵称,第一次登入时使用")
    headimgurl = PlainText(required=False, default="", help_text="头像的地址")
