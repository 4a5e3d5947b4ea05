"""Store avatars. Accounts must not import uploads, which does it, so uploads registers a store at startup."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.registers import Register


@dataclass(frozen=True)
class PictureStore:
    """What uploads does with pictures.

    ``take(request, field)`` stores the file under ``field`` and returns its path, "" without a file. ``take_or_name``
    also accepts a text, which is the URL of a picture. ``stored_address(url)`` returns what to store for a URL: the
    path of a picture of ours. ``adopt(url=..., owner=...)`` keeps the picture as long as ``owner`` refers to it; call
    it in the transaction that writes the record.
    """

    take: Callable[[Any, str], str]
    take_or_name: Callable[[Any, str], str]
    adopt: Callable[..., Any]
    stored_address: Callable[[str], str]


store = Register[PictureStore]("a store of avatars")


def avatar_keep(*, user_pk: int, url: str) -> None:
    """Keep the picture at ``url`` as the user's avatar, and release the earlier one.

    Call it in the transaction that writes ``headimgurl``. When a user is deleted, uploads releases the avatar itself.
    """
    store().adopt(url=url, owner=f"accounts.User:{user_pk}")
