"""Tests: as in development, but with a fast password hasher and temporary files."""

import os
import tempfile
from pathlib import Path

# Tests place many orders for one buyer, here and on servers that they start; those of the limits set them.
for _name in ("ORDERS_OPEN_MAX", "ORDERS_EXPIRED_MAX", "ORDERS_MINUTE_MAX"):
    os.environ.setdefault(_name, "1000")

from config.settings.base import *  # noqa: E402, F403

SECRET_KEY = "the-same-key-for-every-test-of-every-machine"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = str(Path(tempfile.gettempdir()) / f"spms-test-media-{os.environ.get('PYTEST_XDIST_WORKER', '')}")
PAYMENT_NUMBERS = Path(f"{MEDIA_ROOT}-payments.log")
LOGGING = {"format": "console", "level": "ERROR"}
# A test runs inside one transaction on one connection; a pool would give it other connections.
DATABASES["default"]["OPTIONS"].pop("pool", None)  # noqa: F405
# That transaction lasts as long as the test, which may wait for something else meanwhile.
if "options" in DATABASES["default"]["OPTIONS"]:  # noqa: F405
    DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=10min"  # noqa: F405
SANDBOX_LOCAL_HOSTS = [*SANDBOX_LOCAL_HOSTS, "testserver"]  # noqa: F405  (Django's client calls the server so)
HINTS = False  # tests compare whole answers
