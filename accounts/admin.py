"""Users and their logins in the back office."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import avatars
from accounts.errors import PhoneTaken, UsernameTaken
from accounts.models import LoginLog, User
from accounts.selectors import people_visible
from accounts.services.phones import phone_login_claim, phone_replaced_tell
from accounts.services.second_factor import is_offered, phone_device_of
from accounts.services.users import users_disable, users_enable
from accounts.tokens import tokens_end
from accounts.usernames import username_claim
from core.admin.base import OfficeAdmin, PasswordFirst, PhoneAdmin, ReadOnlyRows
from core.admin.password import require_password
from core.admin.phones import RIGHT, may_see_phones
from core.admin.tables import column
from core.api.request import present_request
from core.registers import Register
from core.times import format_office_time, local
from permissions.models import ROOT_ROLEID
from permissions.scope import scope_of

admin.site.unregister(Group)  # rights come from the role
admin.site.unregister([TOTPDevice, StaticDevice])  # they show secret keys; our pages are in accounts.entrance.pages


class PhoneForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form in which root sets the user name, and a phone number, which is a login from then on."""

    columns: ClassVar = {"phone": ["phone", "is_phone_bound"]}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if "username" in self.changed_data and values.get("username"):
            try:
                username_claim(values["username"], person=values.get("nickname", ""), user_pk=self.instance.pk or 0)
            except UsernameTaken:
                self.add_error("username", "用户名已注册")
        if "phone" in self.changed_data and "role" in values:
            try:
                self.instance.is_phone_bound = phone_login_claim(values.get("phone", ""), values["role"])
            except PhoneTaken:
                self.add_error("phone", "另一个用户用这个手机号短信登录")
        return values


class NewUserForm(PhoneForm, UserCreationForm):
    class Meta:
        model = User
        fields = ["username", "nickname", "phone", "role", "is_staff"]


class UserForm(PhoneForm):
    """The form of a user. Django's own one shows the hash of the password, which is of no use to staff."""

    class Meta:
        model = User
        fields = "__all__"  # noqa: DJ007  (UserAdmin names those that it shows)
        labels = {"headimgurl": "头像网址"}
        help_texts = {
            "headimgurl": "微信用户为微信头像，用户也可以在客户端上传",
            "phone": "在这里填写的手机号可以短信登录。以前登记、没有验证过的号码还不行：先清空并保存，再填写一次",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "campus" in self.fields:
            names = dict.fromkeys(["", self.instance.campus, *campus_names()()])
            self.fields["campus"].widget = UnfoldAdminSelectWidget(choices=[(name, name or "—") for name in names])

    def clean_headimgurl(self) -> str:
        return avatars.store().stored_address(self.cleaned_data["headimgurl"])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        request = present_request()
        is_own = request is not None and request.user.pk == self.instance.pk
        for name, what in (("is_active", "停用"), ("is_staff", "取消后台权限"), ("role", "换角色")):
            if is_own and name in self.changed_data:
                self.add_error(name, f"不能给自己{what}，请让另一位管理员来做")
        return values


student_line = Register[Callable[[User], str]]("which student a user is")
campus_names = Register[Callable[[], Collection[str]]]("the campuses that classes have")


def _for_root(name: str, user: User, text: str) -> SafeString:
    """Return ``text`` as a link to a user's page of this name, for root, who alone may open it."""
    request, page = present_request(), reverse(name, args=[user.pk])
    may_open = request is not None and request.user.is_superuser
    link = format_html('<a class="text-link underline" href="{}">{}</a>', page, text) if may_open else text
    return format_html("{}；只有超级管理员可以", link)


def _second_factor(user: User) -> str:
    phone = phone_device_of(user) if is_offered() else None
    if phone is None:
        return "没有绑定" if is_offered() else "没有启用"
    link = _for_root("admin:second_factor_remove", user, "解除")
    return format_html("已绑定手机（{}）。{}", f"{local(phone.created_at):%Y-%m-%d}", link)


def _vip_after(user: User) -> str:
    """Return what follows the user's VIP level, as it was last counted."""
    following = list(user.vip_ends())[1:]
    return "；".join(f"{level} 级至 {format_office_time(ends) or '长期'}" for level, ends in following) or "—"


def _picture(user: User) -> str:
    style, name = "height:32px;width:32px;border-radius:50%", user.get_username()
    picture = '<img src="{}" alt="{}" loading="lazy" style="{}">'
    return format_html(picture, user.headimgurl, name, style) if user.headimgurl else "—"


@admin.register(User)
class UserAdmin(PasswordFirst, PhoneAdmin, DjangoUserAdmin, OfficeAdmin):  # type: ignore[misc, type-arg]  # Django's own `get_form` hides `change`
    """Users. Only root creates them and sets role, password and phone: others could give themselves more rights.

    Only root disables, enables or signs out members of staff.
    """

    form, add_form, change_password_form = UserForm, NewUserForm, AdminPasswordChangeForm
    rights: ClassVar = {"view": "查看", "change": "修改", "phone": RIGHT}
    list_display = [
        "picture",
        "username",
        "nickname",
        "role",
        "phone_shown",
        "is_phone_bound",
        "is_active",
        "is_staff",
        "logged_in_at",
    ]
    list_display_links = ["username"]
    # The others have no index: sorting 50,000 users by a yes/no column took 0.38 s. The filters find the same.
    sortable_by = ["username", "logged_in_at"]
    list_filter = ["role", "is_active", "is_staff", ("last_login", RangeDateTimeFilter)]
    list_filter_submit = True
    list_select_related = ["role"]
    list_per_page = 30
    search_fields = ["username", "nickname", "phone", "unid", "class_name"]
    search_help_text = "用户名、昵称、手机号、用户编号或班级"
    ordering = ["-pk"]
    filter_horizontal = []
    actions = ["disable", "enable", "sign_out"]
    logged_in_at = column("上次登录", lambda user: user.last_login, ordering=F("last_login").asc(nulls_first=True))
    new_password = column("密码", lambda user: _for_root("admin:auth_user_password_change", user, "重设密码"))
    student = column("学员", lambda user: student_line()(user))
    own_data = column("全部数据", lambda user: _for_root("person_data", user, "下载，交给本人"))
    second_factor = column("动态验证码", _second_factor)
    vip_after = column("之后的 VIP", _vip_after)
    picture = column("头像", _picture)
    wechat = column("已绑定微信", lambda user: bool(user.openid), boolean=True)
    readonly_fields = [
        *("new_password", "second_factor", "picture", "unid", "last_login", "created_at", "wechat"),
        *("is_phone_bound", "vip_after", "own_data", "student"),
    ]
    fieldsets = [
        (
            None,
            {"fields": ["username", "new_password", "nickname", "phone", "is_phone_bound", "picture", "headimgurl"]},
        ),
        ("权限", {"fields": ["role", "campus", "is_active", "is_staff", "second_factor"]}),
        ("VIP", {"fields": ["vip_level", "vip_expires_at", "vip_after"]}),
        ("微信", {"fields": ["wechat", "sex", "country", "province", "city"], "classes": ["collapse"]}),
        ("记录", {"fields": ["student", "unid", "created_at", "last_login", "own_data"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "nickname", "phone", "role", "is_staff", "password1", "password2"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).filter(people_visible(request.user))

    def unasked(self, request: HttpRequest) -> set[str]:
        return super().unasked(request) | {"openid", "unionid", "epoch"}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (request.user.is_superuser or obj is None or not obj.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_delete_permission(request, obj) and request.user.is_superuser
        return may and (obj is None or obj.pk != request.user.pk)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        sets: Any = super().get_fieldsets(request, obj)
        without = set() if campus_names()() else {"campus"}
        phone = "phone" if request.user.is_superuser else "phone_shown"
        shown = []
        for title, facts in sets:
            fields = [phone if name == "phone" else name for name in facts["fields"] if name not in without]
            shown.append((title, facts | {"fields": fields}))
        return shown

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        names = super().get_search_fields(request)
        return [name for name in names if name != "phone" or may_see_phones(request.user, User)]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fields
        # A clerk who could set the phone number could log in by text message as that user.
        fields += ["username", "phone_shown", "role", "campus", "is_staff", "is_active"]
        return [*fields, "vip_level", "vip_expires_at"]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        if not request.user.is_superuser:
            raise PermissionDenied
        require_password(request)
        return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        before = User.objects.filter(pk=obj.pk).first()
        super().save_model(request, obj, form, change)
        if before and "phone" in form.changed_data:
            phone_replaced_tell(obj, phone=before.phone, was_login=before.is_phone_bound)
        if change and "headimgurl" in form.changed_data:
            avatars.avatar_keep(user_pk=obj.pk, url=obj.headimgurl)
        if change and "is_active" in form.changed_data and not obj.is_active:
            users_disable(user_pks=[obj.pk])

    @action(description="停用所选用户（立即失去登录状态）", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        own = request.user.get_username()
        others = queryset.exclude(username=own)
        if queryset.filter(username=own).exists():
            self.message_user(request, "没有停用你自己的账号：请让另一位管理员来做", messages.WARNING)
        if others.exists():
            self._apply(request, others, users_disable, "停用")

    @action(description="启用所选用户", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._apply(request, queryset, users_enable, "启用")

    @action(description="让所选用户在所有设备上退出登录", permissions=["change"])
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._apply(request, queryset, tokens_end, "退出登录")

    def _apply(self, request: HttpRequest, users: QuerySet[User], service: Any, what: str) -> None:
        if not request.user.is_superuser:
            colleagues = Q(is_staff=True) | Q(role__roleid=ROOT_ROLEID)
            if users.filter(colleagues).exists():
                self.message_user(request, f"{what}：可进入后台的账号只有超级管理员可以处理", messages.WARNING)
            users = users.exclude(colleagues)
        users_found = list(users.order_by())
        service(user_pks=[user.pk for user in users_found])
        for user in users_found:
            self.log_change(request, user, what)
        self.message_user(request, f"{what}：{len(users_found)} 个用户")


@admin.register(LoginLog)
class LoginLogAdmin(ReadOnlyRows, OfficeAdmin):
    rights: ClassVar = {"view": "查看"}
    list_display = ["username", "ip", "logged_in_at", "last_ip", "last_logged_in_at"]
    list_filter: Any = [("logged_in_at", RangeDateTimeFilter)]
    list_filter_submit = True
    search_fields = ["username__startswith", "ip__startswith"]
    search_help_text = "用户名或 IP 的开头"
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        scope, rows = scope_of(request.user), super().get_queryset(request)
        return rows.filter(user=scope.user_pk) if scope.is_narrow else rows
