"""Phone numbers in the back office: whole only for users with the right ``phone_`` of the rows' model."""

import re
from typing import Any

from django.db.models import Model

from core.api.request import present_request

RIGHT = "看完整电话"
_NUMBER = re.compile(r"\+?\d[\d -]{5,}\d")


def may_see_phones(user: Any, model: Model | type[Model]) -> bool:
    return bool(user.has_perm(f"{model._meta.app_label}.phone_{model._meta.model_name}"))


def are_phones_whole(model: Model | type[Model]) -> bool:
    """Tell whether the user of the present request may see phones; False outside a request."""
    request = present_request()
    return request is not None and may_see_phones(request.user, model)


def phone_masked(phone: str) -> str:
    """Return 138****0140. Of a shorter number only the last four digits stay."""
    return f"{phone[:3] if len(phone) > 10 else ''}****{phone[-4:]}" if len(phone) > 4 else "*" * len(phone)


def phones_masked(text: str) -> str:
    """Return a text with each phone number in it masked."""
    return _NUMBER.sub(lambda match: phone_masked(match[0]), text)


def phone_shown(row: Any) -> str:
    """Return the row's phone as the user of the present request may see it; masked outside a request."""
    return str(row.phone) if are_phones_whole(row) else phone_masked(row.phone)
