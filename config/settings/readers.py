"""Read the environment; no other module does. Each function returns one variable as a typed value.

The variables themselves are lines of ``base.py``, which call these functions.
All of them raise ``ImproperlyConfigured``, naming the variable, if it has a bad value or is required and missing.
"""

import json
import os
import re
import secrets
import socket
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from core import bootstrap
from core.cache import valkey

BASE_DIR = Path(__file__).resolve().parents[2]
REQUIRED: Any = object()  # "this variable has no default"


if os.environ.get("DJANGO_SETTINGS_MODULE") != "config.settings.test":  # tests are the same everywhere
    try:
        bootstrap.load_dotenv(BASE_DIR / ".env")
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from error

STATE_DIR = Path(os.environ.get("STATE_DIR") or BASE_DIR / ".dev").resolve()
# In memory where systemd makes such a folder: a process whose mapped files lie on a full disk ends by SIGBUS.
METRICS_DIR = Path(os.environ.get("RUNTIME_DIRECTORY") or STATE_DIR / "metrics")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_MERCHANT = {"WECHAT_APP_ID", "WECHAT_MINI_APP_ID"} | {
    f"WECHAT_PAY_{name}"
    for name in (
        *("MCH_ID", "API_KEY", "SIGN_TYPE", "V3_KEY", "CERT_SERIAL", "CERT_DIR"),
        *("PRIVATE_KEY_FILE", "PUBLIC_KEY_ID", "PUBLIC_KEY_FILE"),
    )
}
_PROVIDER = re.compile(r"WECHAT_|SMS_|WEATHER_BASE_URL$")
_FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


def _read(name: str, default: Any, convert: Callable[[str], Any], kind: str) -> Any:
    raw = os.environ.get(name, "").strip()
    if not raw and default is REQUIRED:
        raise ImproperlyConfigured(f"{name} is not set: {kind} is needed.")
    if not raw:
        return default
    try:
        return convert(raw)
    except (KeyError, ValueError):
        # The value may be a secret, so the text names only the variable.
        raise ImproperlyConfigured(f"{name} has a bad value: {kind} is needed.") from None


def kind() -> str:
    """Return which of the three ways to run this is: development, practice or production."""
    name = os.environ.get("DJANGO_SETTINGS_MODULE", "").removeprefix("config.settings.")
    return name if name in ("practice", "production") else "development"


def development(default: Any) -> Any:
    """Return ``default``, or on a practice or production server REQUIRED."""
    return default if kind() == "development" else REQUIRED


def refuse_real_providers() -> None:
    """Refuse what names a real provider, or another stand-in than ours: a practice server moves nobody's money."""
    names = sorted(name for name, value in os.environ.items() if _PROVIDER.match(name) and value.strip())
    if names:
        raise ImproperlyConfigured(
            f"{', '.join(names)}: a practice server takes no value of a real provider; unset it."
        )


def text(name: str, default: Any = "") -> str:
    return _read(name, default, str, "a text")


def secret_key() -> str:
    """Return the key that signs tokens and sessions. Development makes and keeps its own; production must set it."""
    if key := text("DJANGO_SECRET_KEY", development("")):
        return key
    file = STATE_DIR / "secret-key"
    try:
        return bootstrap.kept_text(file, lambda: secrets.token_urlsafe(50))
    except OSError as error:
        raise ImproperlyConfigured(
            f"{file} cannot be used ([Errno {error.errno}] {error.strerror}): set DJANGO_SECRET_KEY."
        ) from None


def flag(name: str, default: Any) -> bool:
    return _read(name, default, lambda raw: _FLAGS[raw.lower()], "1 or 0")


def number(name: str, default: Any, *, minimum: int = 1, maximum: int | None = None) -> int:
    def convert(raw: str) -> int:
        if int(raw) < minimum or (maximum is not None and int(raw) > maximum):
            raise ValueError
        return int(raw)

    end = "" if maximum is None else f" to {maximum}"
    return _read(name, default, convert, f"a whole number from {minimum}{end}")


def duration(name: str, default: Any) -> timedelta:
    """Read a time span such as ``120s``, ``2m``, ``12h``, ``7d`` (a bare number is seconds)."""

    def convert(raw: str) -> timedelta:
        match = re.fullmatch(r"(\d+)\s*([smhd]?)", raw.lower())
        if not match or int(match[1]) == 0:
            raise ValueError
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])

    return _read(name, default, convert, "a time span such as 120s, 2m, 12h or 7d")


def container_addresses() -> set[str]:
    """Return the addresses under which a container of ``deploy/home.yaml`` sees a browser of its own machine.

    Its port is published on 127.0.0.1 alone, but requests are passed on: by Docker from the bridge's gateway, by Docker
    Desktop from that or 192.168.65.1, by rootless Podman from the container's own address. With PUBLIC_BASE_URL it is
    open to a class, whose requests may come from the same addresses: then nobody counts as this machine.
    """
    if not flag("IN_CONTAINER", False) or text("PUBLIC_BASE_URL"):
        return set()
    rows = [line.split() for line in Path("/proc/net/route").read_text("ascii").splitlines()[1:]]
    # Destination and gateway are 32-bit numbers in hexadecimal; the default route's destination is 0.
    gateways = {str(ip_address(socket.ntohl(int(row[2], 16)))) for row in rows if int(row[1], 16) == 0}
    return gateways | {"192.168.65.1", bootstrap.own_address()}


def mail_server(name: str) -> tuple[str, int, str, str, bool, bool]:
    """Read ``smtps://user:password@host:465`` (TLS) or ``smtp://…:587`` (STARTTLS if there is a user).

    Return host, port, user, password, whether TLS is used from the start, whether it is begun.
    """

    def convert(raw: str) -> tuple[str, int, str, str, bool, bool]:
        parts = urlsplit(raw)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError
        is_tls = parts.scheme == "smtps"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return parts.hostname, parts.port or (465 if is_tls else 25), user, password, is_tls, bool(user) and not is_tls

    return _read(name, ("localhost", 25, "", "", False, False), convert, "smtps://user:password@host")


def words(name: str, default: Any) -> list[str]:
    return _read(name, default, lambda raw: [w for w in re.split(r"[,\s]+", raw) if w], "a comma-separated list")


def former_merchants(name: str) -> list[dict[str, str]]:
    """Read the merchants that the shop used before, each from a file with the variables it had in the environment."""

    def convert(raw: str) -> list[dict[str, str]]:
        try:
            merchants = [dict(bootstrap.read_dotenv(Path(file))) for file in re.split(r"[,\s]+", raw) if file]
        except OSError as error:
            raise ValueError from error
        if any(not {"WECHAT_APP_ID", "WECHAT_PAY_MCH_ID"} <= values.keys() <= _MERCHANT for values in merchants):
            raise ValueError
        return merchants

    return _read(name, [], convert, "files that hold WECHAT_APP_ID, WECHAT_PAY_MCH_ID and its keys, nothing else,")


def choice(name: str, default: Any, choices: tuple[str, ...]) -> str:
    def convert(raw: str) -> str:
        if raw not in choices:
            raise ValueError
        return raw

    return _read(name, default, convert, "one of " + ", ".join(choices))


def colour(name: str) -> str:
    """Read a colour such as ``#0f766e`` on which white text can be read; "" if there is none."""

    def convert(raw: str) -> str:
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", raw):
            raise ValueError
        parts = [int(raw[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        # WCAG 2: relative luminance, and a contrast of 4.5 with white.
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        if 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) < 4.5:
            raise ValueError
        return raw

    return _read(name, "", convert, "a dark colour such as #0f766e, on which white text can be read,")


def picture_file(name: str, suffixes: set[str]) -> str:
    """Read the path of a picture; "" if there is none."""

    def convert(raw: str) -> str:
        path = (BASE_DIR / raw).resolve()
        if path.suffix.lower() not in suffixes or not path.is_file():
            raise ValueError
        return str(path)

    return _read(name, "", convert, "the path of a picture (" + ", ".join(sorted(suffixes)) + ")")


def base_url(name: str, default: Any) -> str:
    """Read an absolute http(s) URL and return it without a slash at its end."""

    def convert(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError
        return raw.rstrip("/")

    return _read(name, default, convert, "an http(s) address such as https://api.example.com")


def engine_url(name: str) -> str:
    """Return an engine's URL: from the environment, in development also from a stack that runs, else ""."""
    return text(name, development("")) or _running_engines().get(name, "")


def port() -> int:
    """Return PORT: from the environment, else the one that a running ``make up`` serves, else 8000."""
    return number("PORT", int(_running_engines().get("PORT", 8000)))


def _running_engines() -> dict[str, str]:
    # `manage.py up` keeps this file while it runs, so that commands in another terminal find its engines.
    try:
        return json.loads((STATE_DIR / "engines.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def redis_urls(url: str) -> dict[str, str]:
    """Return the databases' URLs: the one in REDIS_URL for cache and sockets, the next but one for tasks."""
    parts = urlsplit(url)
    try:
        if valkey.is_sentinel(url):
            valkey.primary(url)
        elif parts.scheme not in {"redis", "rediss", "unix"} or "," in parts.netloc:
            raise ValueError
        is_socket = parts.scheme == "unix"
        first = int(parse_qs(parts.query).get("db", ["0"])[0] if is_socket else parts.path.strip("/") or "0")
    except ValueError:
        raise ImproperlyConfigured(
            "REDIS_URL has a bad value: redis://host:6379/0 is needed, or for several servers "
            "sentinel://host1:26379,host2:26379,host3:26379/0?service=spms (docs/high-availability.md)."
        ) from None
    if is_socket:
        broker = f"redis+socket://{parts.path}?virtual_host={first + 2}"
        return {"cache": f"unix://{parts.path}?db={first}", "broker": broker}
    urls = [parts._replace(path=f"/{number}").geturl() for number in (first, first + 2)]
    return dict(zip(("cache", "broker"), urls, strict=True))


MEDIA_LINK_S = 3600  # how long the address of a picture in a bucket is good for


def media_links() -> str:
    """Return whether browsers fetch pictures from the bucket: "signed", the bucket's address, or "" for no."""
    if choice("MEDIA_STORAGE", "local", ("local", "s3")) == "local":
        return ""
    return "signed" if text("MEDIA_S3_LINKS") == "signed" else base_url("MEDIA_S3_LINKS", "")


def media_storage() -> dict[str, Any]:
    """Return Django's storage for pictures: the folder ``MEDIA_ROOT`` or an S3-compatible bucket."""
    if choice("MEDIA_STORAGE", "local", ("local", "s3")) == "local":
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    from botocore.config import Config  # here, because it takes 0.1 s that only buckets need

    options = {
        "bucket_name": text("MEDIA_S3_BUCKET", REQUIRED),
        "endpoint_url": base_url("MEDIA_S3_ENDPOINT", None),
        "region_name": text("MEDIA_S3_REGION", None),
        "access_key": text("MEDIA_S3_ACCESS_KEY", None),
        "secret_key": text("MEDIA_S3_SECRET_KEY", None),
        "default_acl": None,
        "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
        "querystring_expire": MEDIA_LINK_S,
        # With botocore's defaults a bucket that does not answer would hold a request for minutes; so it is 8 s.
        "client_config": Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2}),
    }
    if (links := media_links()) not in {"", "signed"}:
        scheme, _, place = links.partition("//")
        options |= {"url_protocol": scheme, "custom_domain": place}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
