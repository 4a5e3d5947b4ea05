"""Questions about users and their logins."""

from django.db.models import QuerySet

from accounts.models import LoginLog, User


def user_list() -> QuerySet[User]:
    return User.objects.select_related("role").order_by("pk")


def login_log() -> QuerySet[LoginLog]:
    """Logins, newest first."""
    return LoginLog.objects.order_by("-pk")
