"""Settings for both lives of Driftlock, read from the environment.

Nothing set: development, on the embedded PostgreSQL. DATABASE_URL set: that server. With
DRIFTLOCK_MODE=production there is a default for nothing that matters: what is missing stops the start and
is named. docs/deployment.md lists every variable. NAME_FILE may name a file that holds NAME's value.
"""

import re
import secrets
import sys
import zoneinfo
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg import IsolationLevel

from driftlock import places, sign_in_settings
from driftlock.embedded_postgres.server import program_folders

BASE_DIR = places.BASE_DIR

env = environ.FileAwareEnv()


def _text(name: str, default: str = "") -> str:
    try:
        value: str = env.str(name, default=default)
        return value.strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE can't be read: {error}") from error
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(f"{name}_FILE holds no text in UTF-8; is it the right file?") from error


def _key(name: str) -> tuple[str, str]:
    """A key, and why its file can't be read: said when it is used, since `audit keygen` may make it yet."""
    try:
        return _text(name), ""
    except ImproperlyConfigured as error:
        return "", str(error)


def _list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in _text(name, default).split(",") if part.strip()]


def _origins(name: str) -> list[str]:
    origins = _list(name)
    for origin in origins:
        if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", origin):
            message = (
                f"{name} has {origin!r}; an origin is a scheme and a host, such as https://app.example.org."
            )
            raise ImproperlyConfigured(message)
    return origins


def _mail_server(name: str) -> dict[str, object]:
    """The settings of Django's e-mail; without a server none is asked."""
    url = _text(name)
    if not url:
        return {"EMAIL_HOST": ""}
    scheme = url.partition("://")[0]
    if scheme not in ("smtp", "smtp+tls", "smtp+ssl"):
        raise ImproperlyConfigured(f"{name} must look like smtp+tls://user:password@mail.example.org:587")
    try:
        found: dict[str, object] = env.email_url_config(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error
    return {key: value for key, value in found.items() if key.startswith("EMAIL_")}


def _choice(name: str, allowed: tuple[str, ...]) -> str:
    value = _text(name, allowed[0])
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it can be {' or '.join(allowed)}.")
    return value


def _flag(name: str, default: bool) -> bool:
    value = _text(name, str(default)).lower()
    if value not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} is {value!r}; it can be true or false.")
    return value in {"true", "1", "yes", "on"}


def _whole_number(name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
    value = _text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,12}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; it must be a whole number from {least} to {most:,}."
        )
    return int(value)


def _zone(name: str, default: str) -> str:
    value = _text(name, default)
    try:
        return zoneinfo.ZoneInfo(value).key
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        message = f"{name} is {value!r}; name a zone of the IANA database, such as Europe/Berlin."
        raise ImproperlyConfigured(message) from error


def _required(name: str, example: str) -> str:
    value = _text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production, for example {name}={example}")
    return value


def _database(url: str, name: str = "DATABASE_URL") -> dict[str, object]:
    example = "postgres://user:password@host:5432/name"
    if url.split("://")[0] not in {"postgres", "postgresql", "psql", "pgsql"}:
        raise ImproperlyConfigured(f"{name} must look like {example}")
    try:
        config = env.db_url_config(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}; it must look like {example}") from error
    # A Unix socket's folder is written as libpq has it: postgres://user@%2Frun%2Fpostgresql/name
    return {**config, "HOST": unquote(config["HOST"]), **_connection(config.get("OPTIONS", {}))}


_TIMEOUTS = "statement_timeout lock_timeout idle_in_transaction_session_timeout transaction_timeout".split()


def _connection(given: dict[str, object]) -> dict[str, object]:
    """Return the settings that all connections of this process have, whatever the server.

    ``SESSION`` holds settings of the server. The triggers refuse a decision of ours that names nobody. A
    command works until it is done; what limits a request is DRIFTLOCK_PAGE_SECONDS, and the role's settings
    beside it.
    """
    program, *arguments = sys.argv or [""]
    command = arguments[0] if arguments and Path(program).name in ("manage.py", "driftlock") else ""
    serves = command in ("", "runserver", "up")
    options = {
        "application_name": f"driftlock {command}".strip()[:63],
        "isolation_level": IsolationLevel.READ_COMMITTED,
        **given,
    }
    session = {"driftlock.requires_actor": "on", **({} if serves else dict.fromkeys(_TIMEOUTS, "0"))}
    return {"OPTIONS": options, "SESSION": session, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


def _replica(url: str) -> dict[str, object]:
    """The database that lists and statistics may be read from.

    A dead or silent one is noticed within seconds; a statement that waits there for a lock of a migration is
    repeated on the primary. Each request asks the replica how it stands, so Django need not.
    """
    found: dict[str, Any] = _database(url, "DATABASE_REPLICA_URL")
    prompt = {"connect_timeout": 2, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return {
        **found,
        "OPTIONS": {**prompt, "tcp_user_timeout": 10_000, **found["OPTIONS"]},
        "SESSION": {**found["SESSION"], "default_transaction_read_only": "on", "lock_timeout": "1s"},
        "CONN_HEALTH_CHECKS": False,
        "TEST": {"MIRROR": "default"},
    }


def _kept(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:  # not there yet; a folder that can't be used is reported by the server that needs it
        return ""


PRODUCTION = _choice("DRIFTLOCK_MODE", ("development", "production")) == "production"
DEBUG = not PRODUCTION

# --- Database -----------------------------------------------------------------------------------------

DATA_DIR = Path(_text("DRIFTLOCK_DATA") or places.data()).absolute()
DEVELOPMENT_KEY_FILE = DATA_DIR / "secret-key"
DEVELOPMENT_SEAL_KEY_FILE = DATA_DIR / "seal-key"

if PRODUCTION:
    DATABASE_URL = _required("DATABASE_URL", "postgres://driftlock:password@db.example.org:5432/driftlock")
else:
    DATABASE_URL = _text("DATABASE_URL")

DATABASES = {
    "default": _database(DATABASE_URL)
    if DATABASE_URL
    else {
        "ENGINE": "driftlock.embedded_postgres",
        "NAME": "driftlock",
        "EMBEDDED": {"HOME": str(DATA_DIR)},
        **_connection({}),
    }
}
# A streaming replica for reading, and the seconds by which it may be behind before it is not read from.
if DATABASE_REPLICA_URL := _text("DATABASE_REPLICA_URL"):
    DATABASES["replica"] = _replica(DATABASE_REPLICA_URL)
REPLICA_MAX_LAG = _whole_number("DRIFTLOCK_REPLICA_MAX_LAG", 5, least=1, most=3_600)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Where backup and restore look for pg_dump and pg_restore beside the PATH and the packages' folders.
POSTGRES_PROGRAM_FOLDERS = program_folders

# --- Secrets and hosts --------------------------------------------------------------------------------

if PRODUCTION:
    SECRET_KEY = _required("SECRET_KEY", "$(python -c 'import secrets; print(secrets.token_urlsafe(50))')")
    _required("DRIFTLOCK_HOSTS", "driftlock.example.org")
else:
    # No well-known key, not even in development: the one that `up` keeps in the data folder, so that a login
    # outlives a restart, or a new one for each process.
    SECRET_KEY = _text("SECRET_KEY") or _kept(DEVELOPMENT_KEY_FILE) or secrets.token_urlsafe(50)

# The audit log's seals: Ed25519 keys as PEM, made by `audit keygen`. The private one is the sealer's, not
# to who serves; the public ones, one after the other, to who verifies.
SEAL_KEY, SEAL_KEY_PROBLEM = _key("DRIFTLOCK_SEAL_KEY")
if not (PRODUCTION or SEAL_KEY or SEAL_KEY_PROBLEM):
    SEAL_KEY = _kept(DEVELOPMENT_SEAL_KEY_FILE)  # made by `up` for its own data
SEAL_PUBLIC_KEYS, SEAL_PUBLIC_KEYS_PROBLEM = _key("DRIFTLOCK_SEAL_PUBLIC_KEYS")

ALLOWED_HOSTS = _list("DRIFTLOCK_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _list("DRIFTLOCK_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "anomalies.web.error_pages.form_refused"

# What the links in notifications begin with, and the hosts and networks that notifications are sent to though
# they are not public.
_HOME = f"https://{ALLOWED_HOSTS[0].lstrip('*.')}" if PRODUCTION else "http://127.0.0.1:8000"
SITE_URL = (_origins("DRIFTLOCK_URL") or [_HOME])[0]
NOTIFY_ALLOWED = _list("DRIFTLOCK_NOTIFY_ALLOWED")

# The server for e-mail, smtp+tls://user:password@mail.example.org:587, and the sender.
vars().update(_mail_server("DRIFTLOCK_EMAIL"))
DEFAULT_FROM_EMAIL = _text(
    "DRIFTLOCK_EMAIL_FROM", f"driftlock@{SITE_URL.partition('://')[2].partition(':')[0]}"
)
EMAIL_TIMEOUT = 10

# Metrics for Prometheus at /metrics, for tokens with the scope read.
METRICS = _flag("DRIFTLOCK_METRICS", False)
# Durations of requests in performance_metrics, for the page "Performance".
TIMINGS = _flag("DRIFTLOCK_TIMINGS", True)

# --- Application --------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "anomalies",
    "driftlock.admin.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_filters",
    "axes",
    *sign_in_settings.APPS,
    "ninja",
    "corsheaders",
]

MIDDLEWARE = [
    "anomalies.web.middleware.HealthMiddleware",
    "anomalies.web.request_metrics.MetricsMiddleware",
    "anomalies.web.request_timing.TimingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "anomalies.web.middleware.HeadersMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "anomalies.web.middleware.ProblemsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "anomalies.web.middleware.MethodsMiddleware",
    "anomalies.web.middleware.DeadlineMiddleware",
    "anomalies.web.replica_reads.PositionMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "anomalies.web.middleware.KeptNoteMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "anomalies.web.language.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "anomalies.sign_in.middleware.SecondFactorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "driftlock.urls"
WSGI_APPLICATION = "driftlock.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"desk": "anomalies.admin.ui.template_filters"},
        },
    },
]

# --- Logins -------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "anomalies.permissions.RoleBackend",
]
# The failed logins after which a user is locked out at an address, and for how long.
AXES_FAILURE_LIMIT = _whole_number("DRIFTLOCK_LOGIN_ATTEMPTS", 5, least=1)
AXES_COOLOFF_TIME = timedelta(
    minutes=_whole_number("DRIFTLOCK_LOGIN_PAUSE_MINUTES", 15, least=1, most=525_600)
)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username", "ip_address"]
AXES_HANDLER = "anomalies.web.lockout.LockoutHandler"
AXES_CLIENT_IP_CALLABLE = "anomalies.web.lockout.attempts_address"
AXES_USERNAME_CALLABLE = "anomalies.web.lockout.attempts_username"
AXES_LOCKOUT_CALLABLE = "anomalies.web.lockout.locked_out"
AXES_RESET_ON_SUCCESS = True
# Attempts during a lockout neither extend it nor count against the user at other addresses.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
# The record is the audit log.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False

AUTH_PASSWORD_VALIDATORS = sign_in_settings.PASSWORD_VALIDATORS

# An OpenID Connect provider, if one is configured; whether passwords stored here are accepted at all.
OIDC = sign_in_settings.oidc_provider(_text)
LOCAL_PASSWORDS = sign_in_settings.check_passwords(_flag("DRIFTLOCK_LOCAL_PASSWORDS", True), OIDC)
REQUIRE_MFA = _flag("DRIFTLOCK_REQUIRE_MFA", False)  # of staff, before they see anything else
vars().update(sign_in_settings.ALLAUTH)

# Counted from the login, not from the last page.
SESSION_COOKIE_AGE = 3600 * _whole_number("DRIFTLOCK_SESSION_HOURS", 12, least=1, most=8_760)

# --- Other origins: none may use the HTTP API from a browser unless it is named --------------------------

CORS_ALLOWED_ORIGINS = _origins("DRIFTLOCK_CORS_ORIGINS")
CORS_URLS_REGEX = r"^/(api|v1)/"
CORS_ALLOW_HEADERS = ["authorization", "content-type", "content-encoding", "if-match", "if-none-match"]
CORS_ALLOW_HEADERS += ["idempotency-key", "last-event-id"]
CORS_EXPOSE_HEADERS = ["ETag", "RateLimit", "RateLimit-Policy", "Retry-After"]
if DATABASE_REPLICA_URL:
    CORS_ALLOW_HEADERS += ["driftlock-position"]
    CORS_EXPOSE_HEADERS += ["Driftlock-Position"]

# --- Language and time --------------------------------------------------------------------------------

LANGUAGE_CODE = "en"  # of commands, the HTTP API, and pages for a browser that asks for none of the others
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = _zone("DRIFTLOCK_TIME_ZONE", "UTC")
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
USE_TZ = True

# Anomalies of one stream that are no more seconds apart than this are one episode on the desk.
EPISODE_GAP = _whole_number("DRIFTLOCK_EPISODE_GAP", 10)

# How long the database may work for one page, in seconds, waits for locks included; 0: as long as it likes.
# Commands and migrations are not bound by it.
PAGE_SECONDS = _whole_number("DRIFTLOCK_PAGE_SECONDS", 5, most=3_600)

# --- Static files: served by the application itself (WhiteNoise), so one process is enough ------------

STATIC_URL = "static/"
STATIC_ROOT = Path(_text("DRIFTLOCK_STATIC_ROOT") or places.static_root(DATA_DIR))
WHITENOISE_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- HTTPS --------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
# Lax: a link to an anomaly in a chat finds its reader logged in; a form from elsewhere does not.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
if PRODUCTION:  # browsers take cookies of such names over https only, and from no other host of the domain
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_SSL_REDIRECT = PRODUCTION and _flag("DRIFTLOCK_HTTPS_REDIRECT", True)
SECURE_HSTS_SECONDS = _whole_number("DRIFTLOCK_HSTS_SECONDS", 31_536_000) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Only behind a proxy that sets X-Forwarded-Proto and -For itself: from anybody else they are claims.
BEHIND_PROXY = _flag("DRIFTLOCK_BEHIND_PROXY", False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# What a first `up` runs the detector over.
SAMPLES = places.samples()

# --- Limits -------------------------------------------------------------------------------------------

# About how many anomalies that match the desk decides at once, at most; `manage.py decide` has no such bound.
BULK_ROWS = _whole_number("DRIFTLOCK_BULK_ROWS", 100_000, least=1)
# The longest line of JSON that `ingest` takes, in bytes; a longer one is rejected, its rest skipped unread.
INGEST_MAX_LINE_BYTES = _whole_number("DRIFTLOCK_INGEST_MAX_LINE_BYTES", 16 * 1024 * 1024)
# The largest body of an ingest by HTTP, in bytes as sent and, if it is compressed, as unpacked.
API_MAX_BODY_BYTES = _whole_number("DRIFTLOCK_API_MAX_BODY_BYTES", 64 * 1024 * 1024, least=1)
API_MAX_UNPACKED_BYTES = _whole_number("DRIFTLOCK_API_MAX_UNPACKED_BYTES", 1024 * 1024 * 1024, least=1)
# The requests that one API token may make in a minute; 0: no limit.
API_RATE = _whole_number("DRIFTLOCK_API_RATE", 1_200, most=1_000_000)
# The streams of events that one process serves at once, and how many seconds one may last.
API_STREAMS = _whole_number("DRIFTLOCK_API_STREAMS", 4, most=1_000)
API_STREAM_SECONDS = _whole_number("DRIFTLOCK_API_STREAM_SECONDS", 900, most=86_400)
# The largest request of OTLP, in bytes as sent and as unpacked: it is held in memory as a whole.
OTLP_MAX_BODY_BYTES = _whole_number("DRIFTLOCK_OTLP_MAX_BODY_BYTES", 16 * 1024 * 1024, least=1)
# Bytes of such requests that may wait for the worker, compressed; beyond them senders wait and try again.
OTLP_MAX_WAITING_BYTES = _whole_number("DRIFTLOCK_OTLP_MAX_WAITING_BYTES", 1024 * 1024 * 1024, least=1)
# What is replaced in the text of new anomalies: names of built-in masks, and lines of "name = expression".
MASK = _list("DRIFTLOCK_MASK")
MASK_PATTERNS = _text("DRIFTLOCK_MASK_PATTERNS")
# Of one JSON column of such a line, in bytes; of its tags, how many and how long. The table has bounds of its
# own for rows that others insert (docs/limits.md).
INGEST_MAX_JSON_BYTES = _whole_number("DRIFTLOCK_INGEST_MAX_JSON_BYTES", 8 * 1024 * 1024)
INGEST_MAX_TAGS = _whole_number("DRIFTLOCK_INGEST_MAX_TAGS", 100)
INGEST_MAX_TAG_LENGTH = _whole_number("DRIFTLOCK_INGEST_MAX_TAG_LENGTH", 200)
