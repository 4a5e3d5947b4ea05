"""The forms of the back office's entrance: login, password again, code of the second factor."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from accounts.captcha import NO_ANSWER, CaptchaAnswer, captcha_make
from accounts.errors import CredentialsWrong, TooManyFailures
from accounts.login_request import login_context
from accounts.models import LoginMethod, User
from accounts.services.login import password_verify
from accounts.services.login_records import Outcome, attempt_record
from accounts.services.second_factor import code_check, enrolment_confirm
from core.api.request import present_request

_NO_ENTRY = "用户名或密码错误，或者没有后台权限"
_WRONG = "密码错误"
_MANY = "many"


def password_of(
    request: HttpRequest, username: str, password: str, *, wrong: str = _WRONG, captcha: CaptchaAnswer = NO_ANSWER
) -> User:
    """Return the user with this name and password.

    :param wrong: the message for a wrong name or password.
    :raises ValidationError: with ``wrong``, or with the time to wait and the code ``many`` after too many wrong ones.
    """
    context = login_context(request, LoginMethod.OFFICE, captcha)
    try:
        return password_verify(username=username, password=password, context=context)
    except TooManyFailures as refusal:
        raise ValidationError(f"登录失败次数过多，请 {refusal.wait_s} 秒后再试", code=_MANY) from None
    except CredentialsWrong:
        raise ValidationError(wrong) from None


class CaptchaInput(forms.TextInput):
    """A new captcha at each rendering, with a field for the answer and a hidden one for its key."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        key, picture = captcha_make()
        field = super().render(name, "", attrs, renderer)
        key_field = format_html('<input type="hidden" name="{}_key" value="{}">', name, key)
        return SafeString(picture) + key_field + field


class LoginForm(AuthenticationForm):
    """The login to the back office. Its wrong passwords count together with those of the API.

    After too many of them the form comes back with a captcha.
    """

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password:
            return self.cleaned_data
        captcha = CaptchaAnswer(self.data.get("captcha_key", ""), self.data.get("captcha", ""))
        try:
            user = password_of(self.request, username, password, wrong=_NO_ENTRY, captcha=captcha)
        except ValidationError as refusal:
            if refusal.code != _MANY:
                raise
            widget = CaptchaInput(attrs={"class": " ".join(BASE_INPUT_CLASSES), "autocomplete": "off"})
            self.fields["captcha"] = forms.CharField(label="图形验证码", required=False, widget=widget)
            raise ValidationError(f"{refusal.message}，或者填写图形验证码") from None
        if not user.is_staff:
            # The same message as for a wrong password, so that guessing here does not confirm a password.
            office_attempt_record(self.request, username, Outcome.NO_STAFF)
            raise ValidationError(_NO_ENTRY)
        self.user_cache = user
        return self.cleaned_data


def office_attempt_record(request: HttpRequest, username: str, outcome: Outcome) -> None:
    attempt_record(login_context(request, LoginMethod.OFFICE), outcome=outcome, username=username)


class _OneField(forms.Form):
    def __init__(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.request = request
        self.user: Any = request.user
        for field in self.fields.values():
            field.widget.attrs |= {"class": " ".join(BASE_INPUT_CLASSES), "autofocus": True}


class PasswordForm(_OneField):
    """Asks the logged-in user for the password again."""

    # This name must differ from all fields of pages, because the page's own fields are sent together with it.
    entrance_password = forms.CharField(
        label="密码", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def clean_entrance_password(self) -> str:
        password_of(self.request, self.user.username, self.cleaned_data["entrance_password"])
        return ""


class CodeForm(_OneField):
    """Asks the logged-in user for a code of the second factor; sets ``phone`` if it is right."""

    entrance_code = forms.CharField(
        label="动态验证码",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "spellcheck": "false", "autocapitalize": "off"}),
        help_text="手机上的 6 位数字；手机不在身边，就填一个恢复码",
    )

    def clean_entrance_code(self) -> str:
        context = login_context(self.request, LoginMethod.OFFICE)
        self.phone = code_check(user=self.user, code=self.cleaned_data["entrance_code"], context=context)
        return ""


class EnrolForm(_OneField):
    """Asks for the first code of a phone, which proves that its app has read the key; then ``codes`` are for paper."""

    code = forms.CharField(
        label="手机上显示的 6 位数字",
        max_length=10,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )

    def clean_code(self) -> str:
        self.phone, self.codes = enrolment_confirm(user=self.user, code=self.cleaned_data["code"])
        return ""


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Sets the user's own password. The old one is checked under the limits of logins, so it cannot be guessed."""

    def clean_old_password(self) -> str:
        request: Any = present_request()
        old_password = self.cleaned_data["old_password"]
        password_of(request, self.user.get_username(), old_password)
        return old_password
