"""What the checks of ``manage.py doctor`` say. Apps write theirs; ``operations.doctor`` runs them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report: what was found and what to do about it.

    :param key: what is meant, in English, with nothing that changes from one examination to the next. Two findings with
        one key are one alert.
    :param ok: None for a note: nothing is wrong, or this process cannot tell.
    :param do: what to do about it; shown only where it is not ``ok``.
    :param link: the page of the back office where it is put right.
    :param number: of what is wrong; when it rises, it is told again.
    """

    key: str
    ok: bool | None
    what: str
    do: str = ""
    link: str = ""
    number: int = 0
