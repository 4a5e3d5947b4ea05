"""Production: cookies over HTTPS only; ``base`` then has no defaults for secrets, no sandbox and no demo data."""

import os

from config.settings import readers as env
from config.settings.base import *  # noqa: F403

# `sudo -E -u spms` keeps the home of root, in which libpq may not look for certificates: it then connects without TLS.
if not os.access(os.environ.get("HOME", ""), os.X_OK):
    os.environ["HOME"] = str(BASE_DIR)  # noqa: F405

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 3600, minimum=0)
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}  # noqa: F405
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = False
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
