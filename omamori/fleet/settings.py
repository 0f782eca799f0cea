"""Django's settings, from the fleet's state directory and the environment (`state.py` has the table of options).

Two surfaces share this project and differ by URL configuration only: `units` (mutual TLS, no sessions) and `portal`
(people and the operators' API). The serving process says which by `OMAMORI_SURFACE`. Reading this file writes nothing.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from omamori.fleet.state import FleetState
from omamori.fleet.surfaces import addresses

FLEET_STATE = FleetState.from_environment()
FLEET = FLEET_STATE.settings()
SURFACE = os.environ.get("OMAMORI_SURFACE", "portal")

DEBUG = False
SECRET_KEY = FLEET_STATE.secret("django")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "omamori.fleet.accounts",
    "omamori.fleet.units",
    "omamori.fleet.lan",
    "omamori.fleet.detections",
    "omamori.fleet.rollouts",
    "omamori.fleet.policies",
    "omamori.fleet.support",
    "omamori.fleet.usage",
    "omamori.fleet.notices",
    "omamori.fleet.ingest",
    "omamori.fleet.portal",
]
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(FLEET["database"] or FLEET_STATE.database),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 30,
            # A deferred transaction that turns into a writer fails at once when another writer was first.
            "transaction_mode": "IMMEDIATE",
            # FULL: what was acknowledged to a unit is gone from its outbox, so it must survive a power cut here.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=134217728;",
        },
    },
}

_UNITS = SURFACE == "units"
ROOT_URLCONF = f"omamori.fleet.surfaces.{'units' if _UNITS else 'portal'}"
_PORTAL = urlsplit(str(FLEET["portal_url"] or f"http://{FLEET['portal_bind']}"))
# The unit surface never builds an address from the Host header, and units may reach it by any name or address.
ALLOWED_HOSTS = ["*"] if _UNITS else [_PORTAL.hostname or "127.0.0.1", "127.0.0.1", "localhost"]

_PEOPLE = [
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "omamori.fleet.surfaces.headers.content_security",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", *([] if _UNITS else _PEOPLE)]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

# --- people ------------------------------------------------------------------------------------------------------

LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
_SECURE = _PORTAL.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _SECURE
SESSION_COOKIE_NAME = "__Host-omamori" if _SECURE else "omamori"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [f"{_PORTAL.scheme}://{_PORTAL.netloc}"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _SECURE else None
SECURE_HSTS_SECONDS = 31_536_000 if _SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # the reverse proxy in front redirects to https

# --- the API -----------------------------------------------------------------------------------------------------

NINJA_PAGINATION_CLASS = "omamori.fleet.api.paging.Pages"

# --- words and times ---------------------------------------------------------------------------------------------

USE_I18N = USE_TZ = True
LANGUAGE_CODE = str(FLEET["language"])
LANGUAGES = [("ja", "日本語"), ("en", "English")]
TIME_ZONE = str(FLEET["time_zone"])
LOCALE_PATHS = [Path(__file__).parent / "portal" / "locale"]

# --- mail --------------------------------------------------------------------------------------------------------

PORTAL_URL = addresses.portal_url(FLEET)
EMAIL_HOST, EMAIL_PORT = str(FLEET["mail_host"]), int(FLEET["mail_port"])
EMAIL_USE_TLS, EMAIL_USE_SSL = FLEET["mail_security"] == "starttls", FLEET["mail_security"] == "tls"
EMAIL_HOST_USER = str(FLEET["mail_user"])
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = str(FLEET["mail_from"])

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
