"""Questions about users and their logins."""

from django.db.models import Q, QuerySet

from accounts.models import LoginLog, User


def user_list(*, key: str = "", roleid: str = "") -> QuerySet[User]:
    """Users with their roles, oldest first.

    :param key: part of the username, nickname or phone.
    """
    users = User.objects.select_related("role").order_by("pk")
    if key:
        users = users.filter(Q(username__icontains=key) | Q(nickname__icontains=key) | Q(phone__contains=key))
    return users.filter(role__roleid=roleid) if roleid else users


def login_log() -> QuerySet[LoginLog]:
    """Logins, newest first."""
    return LoginLog.objects.order_by("-pk")
