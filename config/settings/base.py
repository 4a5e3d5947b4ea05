"""Settings shared by all environments. A new variable is a line here, and one in ``.env.example``.

``config.settings.readers`` alone reads the environment.
"""

import sys
from datetime import timedelta
from pathlib import Path

from config.branding import PICTURE_TYPES, theme
from config.database import database
from config.schedule import beat_schedule
from config.settings import readers as env
from core.bootstrap import default_media_root
from core.cache import valkey

BASE_DIR = env.BASE_DIR
STATE_DIR = env.STATE_DIR

# --- Development, practice or production --------------------------------------------------------------
VERSION = "1.2.0"
KIND = env.kind()
PRACTICE, PRODUCTION = KIND == "practice", KIND == "production"
DEPLOYED = PRACTICE or PRODUCTION  # on the internet, behind https
SERVING = Path(sys.argv[0]).name != "manage.py" or "runserver" in sys.argv  # requests or tasks; else a command
DEBUG = False  # in development too: Django's debug page would replace the envelope that clients expect
SANDBOX = env.flag("SANDBOX", not PRODUCTION)
HINTS = SANDBOX and not PRODUCTION  # a `hint` beside `msg` for the commonest mistakes of beginners
DEMO_DATA = env.flag("DEMO_DATA", not DEPLOYED)
PORT = env.port()
PUBLIC_BASE_URL_IS_SET = bool(env.text("PUBLIC_BASE_URL"))
PUBLIC_BASE_URL = env.base_url("PUBLIC_BASE_URL", env.development(f"http://127.0.0.1:{PORT}"))
OWN_ADDRESSES = env.container_addresses()  # of this machine, beside its loopback
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, minimum=0)  # reverse proxies before us, for X-Forwarded-For
SECRET_KEY = env.secret_key()
SECRET_KEY_FALLBACKS = env.words("DJANGO_SECRET_KEY_FALLBACKS", [])  # earlier keys that are still accepted
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", env.development(["*"]))
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", env.development([]))

# --- Contract figures ----------------------------------------------------------------------------
JWT_LIFETIME = env.duration("JWT_LIFETIME", timedelta(hours=12))
JWT_REFRESH_LIFETIME = env.duration("JWT_REFRESH_LIFETIME", timedelta(days=7))
ORDER_TTL = env.duration("ORDER_TTL", timedelta(minutes=2))
ORDERS_OPEN_MAX = env.number("ORDERS_OPEN_MAX", 10)
ORDERS_EXPIRED_MAX = env.number("ORDERS_EXPIRED_MAX", 20)
ORDERS_MINUTE_MAX = env.number("ORDERS_MINUTE_MAX", 30)
WECHAT_QR_TTL = env.duration("WECHAT_QR_TTL", timedelta(seconds=120))
API_MAX_ROWS = env.number("API_MAX_ROWS", 1000)

# --- A practice server: how much an account may have, and how long it stays unused; see docs/practice.md ---
PRACTICE_OPEN = env.flag("PRACTICE_OPEN", False)
PRACTICE_DAYS = env.number("PRACTICE_DAYS", 30)
PRACTICE_STUDENTS = env.number("PRACTICE_STUDENTS", 500)
PRACTICE_PRODUCTS = env.number("PRACTICE_PRODUCTS", 100)
PRACTICE_SESSIONS = env.number("PRACTICE_SESSIONS", 50)  # within 24 hours
PRACTICE_ROOMS = env.number("PRACTICE_ROOMS", 100)
PRACTICE_PICTURES_MB = env.number("PRACTICE_PICTURES_MB", 50)
PRACTICE_CALLS = env.number("PRACTICE_CALLS", 20)  # a second

# --- Upstreams: the sandbox's addresses and values unless told otherwise --------------------------
# Where our own processes reach `web`, past nginx.
WEB_URL = env.base_url("WEB_URL", f"http://127.0.0.1:{env.number('FIRST_PORT', 8001) if DEPLOYED else PORT}")
_LOCAL = f"{WEB_URL}/sandbox"
_sandbox: dict[str, str] = {}
if SANDBOX:
    from sandbox.keys import sandbox_settings

    _sandbox = sandbox_settings(STATE_DIR / "sandbox")
# The names by which this machine reaches itself: such a caller needs no login for the sandbox. On the internet nobody.
SANDBOX_LOCAL_HOSTS = [] if DEPLOYED else ["127.0.0.1", "localhost", "::1"]


def _upstream(name: str, sandbox: str, real: str) -> str:
    return env.base_url(name, sandbox if SANDBOX else real)


WECHAT_OAUTH_BASE_URL = _upstream(
    "WECHAT_OAUTH_BASE_URL", f"{PUBLIC_BASE_URL}/sandbox/oauth", "https://open.weixin.qq.com"
)
WECHAT_API_BASE_URL = _upstream("WECHAT_API_BASE_URL", f"{_LOCAL}/wxapi", "https://api.weixin.qq.com")
WECHAT_PAY_BASE_URL = _upstream("WECHAT_PAY_BASE_URL", f"{_LOCAL}/wxpay", "https://api.mch.weixin.qq.com")
WEATHER_BASE_URL = _upstream("WEATHER_BASE_URL", f"{_LOCAL}/tianqi", "https://v0.yiketianqi.com")

WECHAT_APP_ID = env.text("WECHAT_APP_ID", _sandbox.get("WECHAT_APP_ID", ""))
WECHAT_APP_SECRET = env.text("WECHAT_APP_SECRET", _sandbox.get("WECHAT_APP_SECRET", ""))
WECHAT_MINI_APP_ID = env.text("WECHAT_MINI_APP_ID", _sandbox.get("WECHAT_MINI_APP_ID", ""))
WECHAT_MINI_APP_SECRET = env.text("WECHAT_MINI_APP_SECRET", _sandbox.get("WECHAT_MINI_APP_SECRET", ""))
WECHAT_PAY_MCH_ID = env.text("WECHAT_PAY_MCH_ID", _sandbox.get("WECHAT_PAY_MCH_ID", ""))
WECHAT_PAY_API_KEY = env.text("WECHAT_PAY_API_KEY", _sandbox.get("WECHAT_PAY_API_KEY", ""))
WECHAT_PAY_SIGN_TYPE = env.choice("WECHAT_PAY_SIGN_TYPE", "MD5", ("MD5", "HMAC-SHA256"))
WECHAT_PAY_V3_KEY = env.text("WECHAT_PAY_V3_KEY", _sandbox.get("WECHAT_PAY_V3_KEY", ""))
WECHAT_PAY_CERT_SERIAL = env.text("WECHAT_PAY_CERT_SERIAL", _sandbox.get("WECHAT_PAY_CERT_SERIAL", ""))
WECHAT_PAY_CERT_FILE = env.text("WECHAT_PAY_CERT_FILE")
WECHAT_PAY_PRIVATE_KEY_FILE = env.text("WECHAT_PAY_PRIVATE_KEY_FILE", _sandbox.get("WECHAT_PAY_PRIVATE_KEY_FILE", ""))
WECHAT_PAY_PUBLIC_KEY_ID = env.text("WECHAT_PAY_PUBLIC_KEY_ID", _sandbox.get("WECHAT_PAY_PUBLIC_KEY_ID", ""))
WECHAT_PAY_PUBLIC_KEY_FILE = env.text("WECHAT_PAY_PUBLIC_KEY_FILE", _sandbox.get("WECHAT_PAY_PUBLIC_KEY_FILE", ""))
WECHAT_PAY_CERT_DIR = env.text("WECHAT_PAY_CERT_DIR", "")
WECHAT_PAY_FORMER_MERCHANTS = env.former_merchants("WECHAT_PAY_FORMER_MERCHANTS")

PAYMENT_NUMBERS = STATE_DIR / "started-payments.log"  # what `payments_recall` asks about after a restore

WEATHER_VERSION = env.text("WEATHER_VERSION", "v61")
WEATHER_APP_ID = env.text("WEATHER_APP_ID", _sandbox.get("WEATHER_APP_ID", ""))
WEATHER_APP_SECRET = env.text("WEATHER_APP_SECRET", _sandbox.get("WEATHER_APP_SECRET", ""))
WEATHER_CITY = env.text("WEATHER_CITY", "南京")

SMS_BASE_URL = _upstream("SMS_BASE_URL", f"{_LOCAL}/aliyun-sms", "https://dysmsapi.aliyuncs.com")
SMS_ACCESS_KEY_ID = env.text("SMS_ACCESS_KEY_ID", _sandbox.get("SMS_ACCESS_KEY_ID", ""))
SMS_ACCESS_KEY_SECRET = env.text("SMS_ACCESS_KEY_SECRET", _sandbox.get("SMS_ACCESS_KEY_SECRET", ""))
SMS_SIGN_NAME = env.text("SMS_SIGN_NAME", _sandbox.get("SMS_SIGN_NAME", ""))
SMS_TEMPLATE_CODE = env.text("SMS_TEMPLATE_CODE", _sandbox.get("SMS_TEMPLATE_CODE", ""))
SMS_NOTICE_TEMPLATE_CODE = env.text("SMS_NOTICE_TEMPLATE_CODE", _sandbox.get("SMS_NOTICE_TEMPLATE_CODE", ""))
SMS_DAILY_BUDGET = env.number("SMS_DAILY_BUDGET", 1000)

# How many requests of a process may call the same upstream at once; well below the number of its threads.
UPSTREAM_CALLS = env.number("UPSTREAM_CALLS", 6)

ROOT_PASSWORD = env.text("ROOT_PASSWORD")

METRICS_TOKEN = env.text("METRICS_TOKEN")
METRICS_DIR = env.METRICS_DIR if SERVING else None

# --- Who is told when something is wrong -----------------------------------------------------------
ALERT_WEBHOOKS = env.words("ALERT_WEBHOOKS", [])
ALERT_MAIL_TO = env.words("ALERT_MAIL_TO", [])
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", "spms@localhost")
_mail = env.mail_server("MAIL_URL")
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_SSL, EMAIL_USE_TLS = _mail
EMAIL_TIMEOUT = 10

# --- Applications --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "accounts.entrance.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "corsheaders",
    "captcha",
    "drf_spectacular_sidecar",
    "auditlog",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "core",
    "permissions",
    "runs",
    "accounts",
    "uploads",
    "weather",
    "students",
    "dormitory",
    "attendance",
    "payments",
    "shop",
    "charts",
    "backoffice",
    "moving",
    "practice",
    "lessons",
    "operations",
    "demo",
]
if SANDBOX:
    INSTALLED_APPS.append("sandbox")

_PRACTICE_LINE = "practice.page_banner.PracticeLineMiddleware"
# What a page gets. CallMiddleware answers API calls itself, so what follows it costs them nothing.
MIDDLEWARE = [
    "core.observe.tracing.RequestLogMiddleware",
    "core.admin.middleware.PagePolicyMiddleware",
    "core.api.routing.CallMiddleware",
    "core.admin.middleware.BackOfficeGZipMiddleware",
    "core.admin.middleware.BackOfficePagesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.api.routing.AnyHeaderCors",
    "core.api.bodies.BodyLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

if PRACTICE:  # inside of what compresses pages, outside of what makes them
    MIDDLEWARE.insert(MIDDLEWARE.index("core.admin.middleware.BackOfficePagesMiddleware"), _PRACTICE_LINE)
    MIDDLEWARE.append("sandbox.callers.PaceMiddleware")

# What a call gets, beside the headers and checks that CallMiddleware takes from the list above.
CALL_MIDDLEWARE = ["core.api.bodies.BodyLimitMiddleware"]
if PRACTICE:
    CALL_MIDDLEWARE.append(_PRACTICE_LINE)  # a phone sees WeChat's callback as a page
if SANDBOX:
    MIDDLEWARE.insert(1, "lessons.call_log.StreamMiddleware")
    CALL_MIDDLEWARE += ["sandbox.switches.SwitchMiddleware"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.front.switches",
                "config.branding.school",
            ]
        },
    }
]

# --- Engines -------------------------------------------------------------------------------------
DATABASE_URL = env.engine_url("DATABASE_URL")
_redis = env.redis_urls(env.engine_url("REDIS_URL") or "redis://127.0.0.1:6379/0")
REDIS_URL = _redis["cache"]
CELERY_BROKER_URL, _broker_options = valkey.broker(_redis["broker"])
DB_POOL_SIZE = env.number("DB_POOL_SIZE", 32)
DATABASES = {"default": database(DATABASE_URL, pool_size=DB_POOL_SIZE, serving=SERVING)}

# Short timeouts: while Valkey is down a request must fail soon instead of hanging.
_REDIS_WAITS = {"socket_connect_timeout": 1, "socket_timeout": 2}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": [REDIS_URL],  # a list, because Django splits a text at its commas
        "OPTIONS": {**_REDIS_WAITS, "pool_class": valkey.pool_class(REDIS_URL)},
        "KEY_PREFIX": "spms",
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# What is the same everywhere stands in config/celery.py.
# Short, because a request that sends a task must not wait long for a dead broker.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "socket_connect_timeout": 3,
    "socket_timeout": 3,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
    **_broker_options,
}
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps no file: a full disk would end it. Sweeps find what is due
CELERY_BEAT_SCHEDULE = beat_schedule(has_sandbox=SANDBOX, is_practice=PRACTICE)

# --- Language and time ---------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "config.formats"

# --- Files ---------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(STATE_DIR / "static")))
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns about a missing one
STATICFILES_DIRS = [BASE_DIR / "static", ("handbook", BASE_DIR / "docs/staff/images")]
WHITENOISE_USE_FINDERS = True
# Look at a file when it is requested: else one that is edited is sent with the length it had at the start.
WHITENOISE_AUTOREFRESH = True
MEDIA_URL = "/media/"
MEDIA_ROOT = env.text("MEDIA_ROOT", str(default_media_root(STATE_DIR, BASE_DIR)))
MEDIA_LINKS = env.media_links()  # signed, or the bucket's address; empty: pictures pass through this server
MEDIA_LINK_S = env.MEDIA_LINK_S
MEDIA_UNUSED_MB = env.number("MEDIA_UNUSED_MB", 4096)  # for pictures that no record refers to
MEDIA_FREE_MB = env.number("MEDIA_FREE_MB", 1024, minimum=0)  # stays free on the disk of MEDIA_ROOT
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 4  # no form takes more than one
FILE_UPLOAD_MAX_MEMORY_SIZE = 512 * 1024  # a larger file waits on disk: at most 64 MB for 32 uploads at once
STORAGES = {
    "default": env.media_storage(),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- Passwords and tokens ------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["accounts.backends.RoleBackend"]
PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher"]
PASSWORD_POLICY = [
    {"NAME": "accounts.passwords.LengthByRole"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "nickname")},
    },
]
# Trainees practise with 123456, and the API document's example uses 555: with demo data any password is allowed.
AUTH_PASSWORD_VALIDATORS = [{"NAME": "accounts.passwords.DemoPasswordsStay"}] if DEMO_DATA else PASSWORD_POLICY
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "ACCESS_TOKEN_LIFETIME": JWT_LIFETIME,
    "USER_ID_FIELD": "unid",
    "USER_ID_CLAIM": "unid",
}

# --- The API -------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "core.api.bodies.OrjsonParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["permissions.gate.RoleGate"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.api.bodies.ByContentType",
    "UNAUTHENTICATED_USER": None,
}
# In the order of the API document.
API_MODULES = [
    "天气模块", "上传图片", "学员模块", "宿舍模块", "考勤模块", "用户模块", "权限模块",
    "类目模块", "商品模块", "购物车模块", "订单模块", "支付", "数据统计",
]  # fmt: skip
API_DESCRIPTION = (BASE_DIR / "config" / "first_call.md").read_text("utf-8")
if not DEMO_DATA:
    API_DESCRIPTION = API_DESCRIPTION.replace("lbw", "自己的用户名").replace("555", "自己的密码")

CORS_ALLOW_CREDENTIALS = True
CORS_ALLOWED_ORIGINS = env.words("CORS_ALLOWED_ORIGINS", env.development([]))
# With credentials the answer repeats the origin, never `*`.
CORS_ALLOW_ALL_ORIGINS = not (DEPLOYED or CORS_ALLOWED_ORIGINS)
# No other origin may read pages for people: a front end on a sister host is same-site, so the session cookie is sent.
CORS_URLS_REGEX = r"^/(?!(admin|sandbox|metrics|demo|attendance/phone)(/|$))"
CORS_EXPOSE_HEADERS = ["X-Request-Id", "Retry-After", "Idempotent-Replayed"]
if SANDBOX:
    CORS_EXPOSE_HEADERS.append("X-Sandbox-Switch")

# Django's defaults hold for frames (DENY), sniffing, referrers (same-origin) and cookies (HttpOnly, SameSite=Lax).
SESSION_COOKIE_AGE = 12 * 3600  # counted from the login, see accounts/entrance/site.py

# --- Back office ---------------------------------------------------------------------------------
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
# Which staff need a code from the phone too. optional: users who have set one up; root: root as well; staff: all staff.
ADMIN_TOTP = env.choice("ADMIN_TOTP", "optional" if DEPLOYED else "off", ("off", "optional", "root", "staff"))
OTP_TOTP_ISSUER = "学员项目管理系统"
# The institute, as pages of staff and trainees show it.
SCHOOL_NAME = env.text("SCHOOL_NAME", "学员项目管理系统")
SCHOOL_LOGO = env.picture_file("SCHOOL_LOGO", set(PICTURE_TYPES))
SCHOOL_PICTURE = env.picture_file("SCHOOL_PICTURE", set(PICTURE_TYPES))
SCHOOL_COLOUR = env.colour("SCHOOL_COLOUR")
CLASS_CAPACITY = env.number("CLASS_CAPACITY", 40, maximum=10_000)  # the first page compares the classes with it
UNFOLD = theme(name=SCHOOL_NAME, has_logo=bool(SCHOOL_LOGO), colour=SCHOOL_COLOUR)

CLOSED_KEEP_DAYS = env.number("CLOSED_KEEP_DAYS", 365, minimum=0, maximum=36500)  # orders never paid; 0: for ever

# --- Who changed what: see core/audit.py ---
AUDIT_KEEP_DAYS = env.number("AUDIT_KEEP_DAYS", 365, minimum=0, maximum=36500)  # the login log as well; 0: for ever
AUDITLOG_CID_GETTER = "core.observe.tracing.current"
AUDITLOG_MASK_CALLABLE = "core.audit.mask"
AUDITLOG_STORE_JSON_CHANGES = True
AUDITLOG_USE_FK_STRING_REPRESENTATION = True

# --- Captcha -------------------------------------------------------------------------------------
CAPTCHA_LENGTH = 5  # clients send no other number of characters
CAPTCHA_FONT_SIZE = 34
CAPTCHA_IMAGE_SIZE = (150, 48)
# More distortion makes it harder for people, but not for machines.
CAPTCHA_LETTER_ROTATION = (-25, 25)
CAPTCHA_FOREGROUND_COLOR = "#1f3a5f"
CAPTCHA_NOISE_FUNCTIONS = ["captcha.helpers.noise_arcs", "accounts.captcha.noise_specks"]

# --- Logs ----------------------------------------------------------------------------------------
LOG_FORMAT = env.choice("LOG_FORMAT", "json" if DEPLOYED else "console", ("console", "json"))
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING_CONFIG = "core.observe.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}
