"""The filters of the list of orders that a member of staff keeps."""

from django.contrib.auth import get_user_model
from django.db import transaction

from shop.errors import ShopError
from shop.models import OrderColumns, OrderView
from shop.models.order import VIEW_NAME_LENGTH

MAX_VIEWS = 20


@transaction.atomic
def view_save(*, user_pk: int, name: str, query: str) -> OrderView:
    """Keep a query string of the list under a name. The user's own view of this name gets the new query.

    :raises ShopError: no name or query, or one view too many.
    """
    name = name.strip()
    if not name or not name.isprintable() or len(name) > VIEW_NAME_LENGTH:
        raise ShopError(f"请给视图起一个名称，最多 {VIEW_NAME_LENGTH} 个字")
    if not query:
        raise ShopError("现在没有筛选条件，请先筛选再存")
    # Of two requests at once the second must count the view of the first.
    get_user_model().objects.select_for_update(no_key=True).get(pk=user_pk)
    views = OrderView.objects.filter(user_id=user_pk)
    if views.exclude(name=name).count() >= MAX_VIEWS:
        raise ShopError(f"最多存 {MAX_VIEWS} 个视图，请先删除不用的")
    return OrderView.objects.update_or_create(user_id=user_pk, name=name, defaults={"query": query})[0]


def columns_save(*, user_pk: int, names: list[str]) -> None:
    """Keep the columns of the list for a member of staff; without names it has the usual ones again."""
    OrderColumns.objects.update_or_create(user_id=user_pk, defaults={"names": names})


def view_delete(*, user_pk: int, view_pk: int) -> bool:
    """Delete a view; tell whether the user had one of this key."""
    return bool(OrderView.objects.filter(user_id=user_pk, pk=view_pk).delete()[0])
