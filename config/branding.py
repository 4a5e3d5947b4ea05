"""Name, logo, picture and colour of the institute, on the pages of staff and trainees and on what is printed."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest
from django.templatetags.static import static

PICTURE_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}
# Shades of the theme: percent of the colour, the rest is white or black. From 600 on they are texts on white.
_LIGHTER = {50: 8, 100: 16, 200: 30, 300: 48, 400: 66, 500: 84}
_DARKER = {600: 100, 700: 86, 800: 72, 900: 58, 950: 44}


def palette(colour: str) -> dict[str, str]:
    """Return the theme's shades of a colour; without one the theme's blue."""
    if not colour:
        return {str(shade): f"var(--color-blue-{shade})" for shade in (*_LIGHTER, *_DARKER)}
    mixed = [(shade, part, "white") for shade, part in _LIGHTER.items()]
    mixed += [(shade, part, "black") for shade, part in _DARKER.items()]
    return {str(shade): f"color-mix(in srgb, {colour} {part}%, {other})" for shade, part, other in mixed}


def theme(*, name: str, has_logo: bool, colour: str) -> dict[str, Any]:
    """Return the settings of the back office's theme (``UNFOLD``)."""
    return {
        "SITE_TITLE": name,
        "SITE_HEADER": name,
        "SITE_SUBHEADER": "管理后台",
        "SITE_SYMBOL": "school",
        "SITE_URL": "/",
        "SHOW_HISTORY": True,
        "ACCOUNT": {"navigation": "accounts.entrance.pages.account_links"},
        "DASHBOARD_CALLBACK": "backoffice.dashboard.dashboard",
        "SITE_ICON": logo_url if has_logo else None,
        "SITE_FAVICONS": [{"rel": "icon", "href": logo_url}],
        "LOGIN": {"image": lambda request: "/picture" if settings.SCHOOL_PICTURE else static("front/school.svg")},
        "STYLES": [lambda request: static("backoffice/backoffice.css")],
        "SCRIPTS": [lambda request: static("backoffice/find.js"), lambda request: static("backoffice/forms.js")],
        "SHOW_VIEW_ON_SITE": False,
        "BORDER_RADIUS": "6px",
        "COLORS": {"primary": palette(colour)},
        "COMMAND": {"search_callback": "backoffice.search.find"},
        "SIDEBAR": {
            "show_search": True,
            "command_search": True,
            "show_all_applications": False,
            "navigation": "backoffice.navigation.navigation",
        },
    }


def logo_url(request: HttpRequest | None = None) -> str:
    """Return the address of the logo: the institute's, or ours."""
    return "/logo" if settings.SCHOOL_LOGO else static("front/icon.svg")


def picture(request: HttpRequest, setting: str) -> FileResponse:
    """Send one of the institute's pictures: that of the setting."""
    if not (name := getattr(settings, setting)):
        raise Http404
    path = Path(name)
    response = FileResponse(path.open("rb"), content_type=PICTURE_TYPES[path.suffix.lower()])
    response["Cache-Control"] = "public, max-age=3600"
    # An SVG may hold scripts; opened by itself it must not run them.
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response


def school(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the institute's name, logo and colour for every template."""
    return {"school": {"name": settings.SCHOOL_NAME, "logo": logo_url(), "colour": settings.SCHOOL_COLOUR}}
