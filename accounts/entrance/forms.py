"""What the entrance of the back office asks for: name and password, the password again, the code of the phone."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from accounts.errors import CodeTooSoon, CodeWrong, CredentialsWrong, TooManyFailures
from accounts.models import User
from accounts.services.attempts import AttemptContext, Door, Outcome, attempt_record
from accounts.services.login import password_verify
from accounts.services.second_factor import code_check
from core.api.request import client_ip, user_agent

_NO_ENTRY = "用户名或密码错误,或者没有后台权限"
_WRONG = "密码错误"


def password_of(request: HttpRequest, username: str, password: str, *, wrong: str = _WRONG) -> User:
    """Answer whose name and password these are.

    :param wrong: what to tell the person who is wrong.
    :raises ValidationError: that, or how long to wait.
    """
    try:
        return password_verify(username=username, password=password, **_where(request))
    except TooManyFailures as refusal:
        raise ValidationError(f"登录失败次数过多,请 {refusal.wait_s} 秒后再试") from None
    except CredentialsWrong:
        raise ValidationError(wrong) from None


class LoginForm(AuthenticationForm):
    """The login, under the same limits as the API's."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password:
            return self.cleaned_data
        user = password_of(self.request, username, password, wrong=_NO_ENTRY)
        if not user.is_staff:
            # The same words as for a wrong password: whoever guesses learns nothing here.
            login_record(self.request, username, Outcome.NO_STAFF)
            raise ValidationError(_NO_ENTRY)
        self.user_cache = user
        return self.cleaned_data


def login_record(request: HttpRequest, username: str, outcome: Outcome) -> None:
    attempt_record(outcome=outcome, username=username, **_where(request))


def _where(request: HttpRequest) -> AttemptContext:
    return {"door": Door.OFFICE, "ip": client_ip(request), "device": user_agent(request), "now": timezone.now()}


class _OneField(forms.Form):
    def __init__(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request
        self.user: Any = request.user
        for field in self.fields.values():
            field.widget.attrs |= {"class": " ".join(BASE_INPUT_CLASSES), "autofocus": True}


class PasswordForm(_OneField):
    """The password of whoever is logged in."""

    # Its name is one that no form of a page has: the page's own fields travel beside it.
    entrance_password = forms.CharField(
        label="密码", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def clean_entrance_password(self) -> str:
        password_of(self.request, self.user.username, self.cleaned_data["entrance_password"])
        return ""


class CodeForm(_OneField):
    """The code that the phone of whoever is logged in shows; ``phone`` is set once it is right."""

    entrance_code = forms.CharField(
        label="动态验证码",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "spellcheck": "false", "autocapitalize": "off"}),
        help_text="手机上的 6 位数字;手机不在身边,就填一个恢复码",
    )

    def clean_entrance_code(self) -> str:
        code = self.cleaned_data["entrance_code"]
        where = {"ip": client_ip(self.request), "agent": user_agent(self.request)}
        try:
            self.phone = code_check(user=self.user, code=code, **where, now=timezone.now())
        except CodeTooSoon as refusal:
            raise ValidationError(f"{refusal.msg},请 {refusal.wait_s} 秒后再试") from None
        except CodeWrong as refusal:
            raise ValidationError(refusal.msg) from None
        return ""


class EnrolForm(_OneField):
    code = forms.CharField(
        label="手机上显示的 6 位数字",
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """One's own new password: a session that was left open is no way to guess the old one."""

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request

    def clean_old_password(self) -> str:
        old_password = self.cleaned_data["old_password"]
        password_of(self.request, self.user.get_username(), old_password)
        return old_password
