"""Users after a restore of the database."""

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services.restored import MAX_NAMED, users_follow, users_remember
from core.models import Restoration

pytestmark = pytest.mark.django_db


def test_all_log_in_again_the_disabled_stay_disabled_and_many_are_named_in_part(roles):
    names = [f"user{n:02}" for n in range(MAX_NAMED + 1)]
    User.objects.bulk_create(User(username=name, role=roles["200"], is_active=False) for name in [*names, "zhao"])
    memory, past = users_remember(), Restoration(restored_at=timezone.now())
    User.objects.create(username="deleted", role=roles["200"])
    User.objects.exclude(username="zhao").update(is_active=True)  # as the backup has it
    unknown = list(users_follow(past, None))
    assert "不知道" in unknown[1] and User.objects.filter(username__in=names, is_active=True).count() == len(names)

    sentences = list(users_follow(past, memory))

    assert sentences[1:] == [
        f"备份之后停用的，再次停用：{'、'.join(names[:MAX_NAMED])} 等。",
        "备份之后删除的用户又在了：deleted。",
    ]
    assert not User.objects.filter(username__in=names, is_active=True).exists()
    assert not User.objects.filter(epoch__lt=memory["epoch"] + 1).exists()
