"""The staff handbook: ``docs/staff``, a page for each job, in Chinese."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe


@dataclass(frozen=True)
class Chapter:
    name: str  # such as "ship"; the files begin with a number for their order
    title: str
    picture: str  # the first of its pictures, "" without one
    html: SafeString


@cache
def chapters() -> dict[str, Chapter]:
    """Return the chapters in order."""
    from markdown_it import MarkdownIt  # here, because few processes ever show the handbook

    found = {}
    for path in sorted((settings.BASE_DIR / "docs/staff").glob("[0-9]*.md")):
        text = path.read_text("utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        html = MarkdownIt().render(text).replace('src="images/', 'loading="lazy" src="/docs/staff/images/')
        name = path.stem.partition("-")[2]
        picture = text.partition("(images/")[2].partition(".")[0]
        found[name] = Chapter(name, title, picture, mark_safe(html))  # noqa: S308  (our own files)
    return found


def contents(request: HttpRequest) -> HttpResponse:
    return render(request, "front/handbook.html", {"chapters": chapters().values()})


def chapter(request: HttpRequest, name: str) -> HttpResponse:
    if name not in chapters():
        raise Http404
    return render(request, "front/handbook.html", {"chapters": chapters().values(), "chapter": chapters()[name]})


def picture(request: HttpRequest, name: str) -> FileResponse:
    path = settings.BASE_DIR / "docs/staff/images" / f"{name}.webp"
    if not name.isalpha() or not path.is_file():
        raise Http404
    response = FileResponse(path.open("rb"), content_type="image/webp")
    response["Cache-Control"] = "public, max-age=3600"
    return response
