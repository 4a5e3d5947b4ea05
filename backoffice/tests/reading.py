"""What a person reads on a page, and which of it is English."""

import re
from html.parser import HTMLParser

# Names that a Chinese user knows by these letters.
NAMES = {
    "ID", "IP", "URL", "JPG", "PNG", "GIF", "WebP", "MB", "openid", "appid", "appsecret", "Excel", "CSV", "ZIP", "APP",
    "PM", "CNY", "HH", "MM", "Valkey", "sId", "esc", "root", "VIP", "lbw", "zhuguan", "yuangong", "txt", "csv",
    "Ctrl", "EMS", "xls", "xlsx",
}  # fmt: skip
_UNREAD = {"script", "style", "svg", "textarea", "pre", "code", "template"}
_READ = ("title", "placeholder", "aria-label", "alt", "data-label", "data-placeholder")
_WORD = re.compile(r"[A-Za-z]{2,}")
_RUNS = re.compile(
    r"""<script(?![^>]*\ssrc="/)[^>]*>|<link[^>]*\shref="(?!/|data:)[^>]*>|\son[a-z]+\s*=\s*["']|javascript:"""
)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._closed: list[str] = []  # the open elements whose text is not read, outermost first

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.texts += [facts[name] or "" for name in _READ if name in facts]
        if tag == "input" and facts.get("type") in {"submit", "button", "reset"}:
            self.texts.append(facts.get("value") or "")
        is_icon = "material-symbols-outlined" in (facts.get("class") or "").split()
        if tag in _UNREAD or is_icon or (self._closed and tag == self._closed[-1]):
            self._closed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._closed and tag == self._closed[-1]:
            self._closed.pop()

    def handle_data(self, data: str) -> None:
        if not self._closed:
            self.texts.append(data)


def english_on(page: str) -> set[str]:
    """The English words a reader of ``page`` sees."""
    reader = Reader()
    reader.feed(page)
    words, names = set(), {name.lower() for name in NAMES}
    for text in reader.texts:
        # Addresses, numbers such as H51901 and what is made of code are no language.
        plain = re.sub(r"\S*(?:/|\*|\w+\.\w+|[\w-]*\d[\w-]*|\w_\w)\S*", " ", text)
        words |= {word for word in _WORD.findall(plain) if word.lower() not in names}
    return words


def forbidden_on(page: str) -> list[str]:
    """What the content security policy refuses: scripts and handlers in the page itself, and files of other hosts."""
    return _RUNS.findall(page)
