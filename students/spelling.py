"""One spelling for each class, however staff types it: ``h51901 `` is H51901. The API takes a class as it is sent."""

import unicodedata
from functools import cached_property

from students.counts import class_counts


class ClassSpelling:
    """The classes that exist, read at the first question."""

    def of(self, text: str) -> str:
        """Return the spelling of the class that exists already, or else the text in capitals and without blanks around.

        Where a client has made a class of another spelling, the larger one counts.
        """
        tidy = _fold(text)
        return self._known.get(tidy, tidy)

    @cached_property
    def _known(self) -> dict[str, str]:
        by_size = sorted(class_counts(), key=lambda pair: pair[1])
        return {_fold(name): name for name, _ in by_size}


def _fold(text: str) -> str:
    # NFKC turns the full-width letters of a Chinese keyboard into the usual ones.
    return " ".join(unicodedata.normalize("NFKC", text).upper().split())
