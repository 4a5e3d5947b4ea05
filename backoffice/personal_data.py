"""What is kept about one user, for that user: a person may ask for the own data (个人信息保护法, 45)."""

import json
from typing import Any

from auditlog.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from accounts.models import User
from accounts.selectors import login_log
from core.admin.password import require_password
from core.audit import StaffAction, action_record
from payments.selectors import records_of as payment_records
from shop.selectors import records_of as shop_records

SECRETS = {"password", "epoch"}
# What staff tell each other, and who they are: of an order, of a refund, of a change to the user.
FOR_STAFF = {
    *("flagged_at", "flagged_by", "flag_reason", "closing_by", "courier_fee"),
    *("requested_by", "offline_by", "last_error"),
    *("actor", "actor_email", "remote_addr", "remote_port", "cid"),
}


def person_data(user: User) -> str:
    """Return all records about ``user`` as JSON, by the names that staff read."""
    shop = shop_records(user_pk=user.pk)
    records: dict[str, Any] = {
        "用户": [user],
        "登录日志": login_log(Q(pk=user.pk)).order_by("pk"),
        **shop,
        **payment_records(order.order_id for order in shop["订单"]),
        "修改记录": LogEntry.objects.get_for_object(user).order_by("pk"),
    }
    data = {name: [_row(row) for row in rows] for name, rows in records.items()}
    return json.dumps(data, ensure_ascii=False, indent=1)


def person_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a user's data to root as a file, and record that."""
    if not request.user.is_superuser:
        raise PermissionDenied
    user = get_object_or_404(User, pk=pk)
    require_password(request, is_download=True)
    action_record(user, StaffAction.EXPORT, {"文件": "此人的全部数据"})
    name = {"Content-Disposition": f'attachment; filename="person-{user.unid}.json"'}
    return HttpResponse(person_data(user), content_type="application/json; charset=utf-8", headers=name)


def _row(row: Model) -> dict[str, Any]:
    fields = [field for field in row._meta.concrete_fields if field.name not in SECRETS | FOR_STAFF]
    return {str(field.verbose_name): field.value_to_string(row) for field in fields}
