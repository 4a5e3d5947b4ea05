"""Where avatars are kept. An app above this one (uploads) says how, when it starts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PictureStore:
    """``take(request, field)`` stores the file under ``field`` and answers its URL, "" without one;
    ``take_or_name`` also takes a text, as the URL of a picture;
    ``adopt(url=..., owner=...)`` makes it stay, within the transaction that writes the record."""

    take: Callable[[Any, str], str]
    take_or_name: Callable[[Any, str], str]
    adopt: Callable[..., Any]


_store: PictureStore | None = None


def register(store: PictureStore) -> None:
    global _store
    _store = store


def store() -> PictureStore:
    if _store is None:
        raise RuntimeError("no app has registered a picture store")
    return _store


def avatar_keep(*, user_pk: int, url: str) -> None:
    """Let the picture at ``url`` stay as the user's avatar, and the one before go.

    Call it in the transaction that writes ``headimgurl``. A user who is deleted lets go without being asked.
    """
    store().adopt(url=url, owner=f"accounts.User:{user_pk}")
