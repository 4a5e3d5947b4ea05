"""Production: no defaults for secrets, no sandbox, no demo data, cookies over HTTPS only."""

from config import env_readers as env
from config.settings.base import *  # noqa: F403

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", env.REQUIRED)
PUBLIC_BASE_URL = env.base_url("PUBLIC_BASE_URL", env.REQUIRED)
CORS_ALLOWED_ORIGINS = env.words("CORS_ALLOWED_ORIGINS", env.REQUIRED)
CORS_ALLOW_ALL_ORIGINS = False
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", env.REQUIRED)
# Both are required: production must not fall back to the embedded engines of development.
env.text("DATABASE_URL", env.REQUIRED)
env.text("REDIS_URL", env.REQUIRED)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 3600, least=0)
LOG_FORMAT = env.choice("LOG_FORMAT", "json", ("console", "json"))
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}  # noqa: F405
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}  # noqa: F405
WHITENOISE_USE_FINDERS = False
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
