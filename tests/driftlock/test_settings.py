"""The settings, read from an environment that holds nothing else; commands are processes of their own."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

ROOT = Path(__file__).parents[2]
SECRET = "nZ4vM2tQ8rX1yL6kD9wB3hJ7cF5gS0pA-uE_iOzKqTmVbNxRlH"
PRODUCTION = {
    "DRIFTLOCK_MODE": "production",
    "SECRET_KEY": SECRET,
    "DATABASE_URL": "postgres://ana:p%40ss@db.example.org:5433/driftlock",
    "DRIFTLOCK_HOSTS": "driftlock.example.org,driftlock.example.com",
}


def process(arguments: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "driftlock.settings", **settings}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)


def read(**settings: str) -> SimpleNamespace:
    """The module of the settings as a new process would have it. Raises ImproperlyConfigured."""
    variables = mock.patch.dict(os.environ, settings | {"PATH": os.environ["PATH"]}, clear=True)
    forgets = mock.patch.object(
        environ.FileAwareEnv, "ENVIRON", FileAwareMapping()
    )  # the values that it keeps
    with variables, forgets, mock.patch.object(sys, "argv", ["-c"]):
        return SimpleNamespace(**runpy.run_path(str(ROOT / "driftlock" / "settings.py")))


def value(expression: str, **settings: str) -> str:
    """The value of an expression about the settings in an environment, as text."""
    return str(eval(expression, {"settings": read(**settings)}))


def complaint(**settings: str) -> str:
    """The error that stops a start in an environment."""
    with pytest.raises(ImproperlyConfigured) as stopped:
        read(**settings)
    return f"ImproperlyConfigured: {stopped.value}"


def without(name: str) -> dict[str, str]:
    return {key: text for key, text in PRODUCTION.items() if key != name}


# --- development ----------------------------------------------------------------------------------------


def test_nothing_set_is_development_on_the_embedded_server():
    said = value('settings.DEBUG, settings.DATABASES["default"]["ENGINE"]')
    assert said == "(True, 'driftlock.embedded_postgres')"


def test_nothing_set_lets_only_this_machine_ask():
    assert value("settings.ALLOWED_HOSTS") == "['localhost', '127.0.0.1', '[::1]']"


def test_nothing_set_keeps_the_data_in_the_checkout():
    assert value("settings.DATA_DIR") == str(ROOT / ".data")


def test_the_folder_of_the_data_can_be_chosen(tmp_path):
    home = value('settings.DATABASES["default"]["EMBEDDED"]["HOME"]', DRIFTLOCK_DATA=str(tmp_path))
    assert home == str(tmp_path)


def test_without_a_key_each_process_has_another(tmp_path):
    first, second = (value("settings.SECRET_KEY", DRIFTLOCK_DATA=str(tmp_path)) for _ in range(2))
    assert first != second


def test_the_key_that_is_kept_in_the_data_folder_signs_in_development(tmp_path):
    (tmp_path / "secret-key").write_text(SECRET)
    assert value("settings.SECRET_KEY", DRIFTLOCK_DATA=str(tmp_path)) == SECRET


def test_production_takes_no_key_from_the_data_folder(tmp_path):
    (tmp_path / "secret-key").write_text(SECRET)
    said = complaint(**without("SECRET_KEY"), DRIFTLOCK_DATA=str(tmp_path))
    assert "SECRET_KEY must be set in production" in said


def test_a_database_url_is_used_in_development_too():
    said = value(
        "[settings.DATABASES['default'][key] for key in ('HOST', 'PORT', 'NAME', 'USER', 'PASSWORD')]",
        DATABASE_URL=PRODUCTION["DATABASE_URL"],
    )
    assert said == str(["db.example.org", 5433, "driftlock", "ana", "p@ss"])


# --- production -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "DRIFTLOCK_HOSTS"])
def test_what_is_missing_in_production_stops_the_start_and_is_named(name):
    assert f"ImproperlyConfigured: {name} must be set in production" in complaint(**without(name))


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "DRIFTLOCK_HOSTS"])
def test_what_is_empty_in_production_counts_as_missing(name):
    assert f"{name} must be set in production" in complaint(**PRODUCTION | {name: ""})


def test_production_shows_no_debug_pages():
    assert value("settings.DEBUG, settings.ALLOWED_HOSTS", **PRODUCTION) == (
        "(False, ['driftlock.example.org', 'driftlock.example.com'])"
    )


def test_the_deployment_check_has_nothing_to_warn_of():
    done = process(["manage.py", "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_secret_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text(SECRET)
    settings = without("SECRET_KEY") | {"SECRET_KEY_FILE": str(tmp_path / "key")}
    assert value("settings.SECRET_KEY", **settings) == SECRET


def test_a_database_url_may_come_from_a_file(tmp_path):
    (tmp_path / "url").write_text(PRODUCTION["DATABASE_URL"])
    settings = without("DATABASE_URL") | {"DATABASE_URL_FILE": str(tmp_path / "url")}
    assert value("settings.DATABASES['default']['HOST']", **settings) == "db.example.org"


def test_redirection_to_https_can_be_left_to_a_proxy():
    assert value("settings.SECURE_SSL_REDIRECT", **PRODUCTION, DRIFTLOCK_HTTPS_REDIRECT="no") == "False"


def test_headers_of_a_proxy_are_believed_only_where_that_is_said():
    expression = "hasattr(settings, 'SECURE_PROXY_SSL_HEADER')"
    assert value(expression, **PRODUCTION) == "False"
    assert value(expression, **PRODUCTION, DRIFTLOCK_BEHIND_PROXY="true") == "True"


# --- values that can't be meant ---------------------------------------------------------------------------

BAD = [
    ("DRIFTLOCK_MODE", "prod"),
    ("DRIFTLOCK_BEHIND_PROXY", "maybe"),
    ("DRIFTLOCK_HTTPS_REDIRECT", "2"),
    ("DRIFTLOCK_HSTS_SECONDS", "a year"),
    ("DRIFTLOCK_HSTS_SECONDS", "-1"),
    ("DRIFTLOCK_PAGE_SECONDS", "5s"),
    ("DRIFTLOCK_LOGIN_ATTEMPTS", "0"),
    ("DRIFTLOCK_LOGIN_PAUSE_MINUTES", "0"),
    ("DRIFTLOCK_LOGIN_PAUSE_MINUTES", "9" * 20),
    ("DRIFTLOCK_SESSION_HOURS", "a day"),
    ("DRIFTLOCK_SESSION_HOURS", "9" * 5_000),
    ("DRIFTLOCK_TIME_ZONE", "Mars/Base"),
    ("DRIFTLOCK_TIME_ZONE", "../../etc/passwd"),
    ("DRIFTLOCK_INGEST_MAX_LINE_BYTES", "16M"),
    ("DRIFTLOCK_EMAIL", "mail.example.org"),
    ("DRIFTLOCK_EMAIL", "smtp://mail.example.org:port"),
    ("DRIFTLOCK_URL", "desk.example.org"),
    ("DATABASE_URL", "mysql://db.example.org/driftlock"),
    ("DATABASE_URL", "db.example.org"),
    ("DATABASE_URL", "postgres://ana:secret@db.example.org:fivethousand/driftlock"),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_value_that_cannot_be_meant_stops_the_start_and_is_named(name, text):
    said = complaint(**PRODUCTION | {name: text})
    assert f"ImproperlyConfigured: {name}" in said


@pytest.mark.parametrize("text", ["false", "0", "No", "OFF"])
def test_no_can_be_said_in_several_ways(text):
    assert value("settings.BEHIND_PROXY", DRIFTLOCK_BEHIND_PROXY=text) == "False"


def test_a_password_is_not_repeated_in_a_complaint():
    assert "hunter2" not in complaint(DATABASE_URL="mysql://ana:hunter2@db.example.org/driftlock")


def test_a_file_that_is_named_and_not_there_is_said(tmp_path):
    said = complaint(SECRET_KEY_FILE=str(tmp_path / "nowhere"))
    assert "ImproperlyConfigured: SECRET_KEY_FILE can't be read" in said


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "key").write_bytes(b"\0\xff")
    assert "ImproperlyConfigured: SECRET_KEY_FILE holds no text" in complaint(
        SECRET_KEY_FILE=str(tmp_path / "key")
    )


def test_a_key_file_that_is_not_there_yet_does_not_stop_the_start(tmp_path):
    named = {
        "DRIFTLOCK_SEAL_KEY_FILE": str(tmp_path / "key"),
        "DRIFTLOCK_SEAL_PUBLIC_KEYS_FILE": str(tmp_path / "pub"),
    }
    assert "can't be read" in value("settings.SEAL_KEY_PROBLEM", **named)
    assert process(["manage.py", "audit", "--help"], named).returncode == 0
    assert process(["manage.py", "audit", "keygen", str(tmp_path / "key")], named).returncode == 0
    assert value("settings.SEAL_KEY_PROBLEM", DRIFTLOCK_SEAL_KEY_FILE=str(tmp_path / "key")) == ""


# --- what an operator can set wrong ends a command with one line -------------------------------------------

NOBODY_LISTENS = {"DATABASE_URL": "postgres://ana:hunter2@127.0.0.1:1/driftlock"}


@pytest.mark.parametrize(
    "command", ["stats", "showmigrations", "createsuperuser --noinput", "schema version"]
)
def test_a_server_that_does_not_answer_is_said_in_one_line(command):
    done = process(["manage.py", *command.split()], NOBODY_LISTENS)
    assert done.returncode == 1 and "hunter2" not in done.stderr
    assert done.stderr.count("\n") <= 2 and "Connection refused" in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["stats", "migrate", "runserver", "nonsense"])
def test_a_wrong_setting_is_said_in_one_line(command):
    done = process(["manage.py", command], {"DRIFTLOCK_TIME_ZONE": "Mars/Base"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "DRIFTLOCK_TIME_ZONE is 'Mars/Base'" in done.stderr


def test_where_it_was_found_is_shown_to_who_asks():
    done = process(["manage.py", "stats", "--traceback"], NOBODY_LISTENS)
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "holds a block that is no public key"),
        ("nonsense", "no key to verify with"),
    ],
)
def test_public_keys_that_are_none_are_named(text, problem):
    done = process(["manage.py", "audit", "verify"], NOBODY_LISTENS | {"DRIFTLOCK_SEAL_PUBLIC_KEYS": text})
    assert done.returncode == 1 and problem in done.stderr and "Traceback" not in done.stderr


def test_the_line_end_of_a_file_is_no_part_of_its_value(tmp_path):
    (tmp_path / "key").write_text(SECRET + "\n")
    assert value("settings.SECRET_KEY", SECRET_KEY_FILE=str(tmp_path / "key")) == SECRET


def test_names_in_a_list_may_have_space_around_them():
    hosts = value("settings.ALLOWED_HOSTS", DRIFTLOCK_HOSTS="a.example.org, b.example.org ,")
    assert hosts == "['a.example.org', 'b.example.org']"


def test_the_server_for_mail_is_one_address():
    names = "EMAIL_HOST EMAIL_PORT EMAIL_USE_TLS EMAIL_HOST_PASSWORD DEFAULT_FROM_EMAIL".split()
    said = value(
        ", ".join(f"settings.{name}" for name in names),
        DRIFTLOCK_EMAIL="smtp+tls://ana:p%40ss@mail.example.org:587",
        DRIFTLOCK_URL="https://desk.example.org",
    )
    assert said == "('mail.example.org', 587, True, 'p@ss', 'driftlock@desk.example.org')"


def test_links_in_notifications_begin_with_the_first_host():
    assert value("settings.SITE_URL", **PRODUCTION) == "https://driftlock.example.org"


# --- a read replica ---------------------------------------------------------------------------------------


def test_without_a_replica_there_is_one_database():
    assert list(read().DATABASES) == ["default"]


def test_a_replica_is_read_only_and_given_up_quickly():
    url = "postgres://ana:p%40ss@replica.example.org:5433/driftlock"
    replica = read(**PRODUCTION, DATABASE_REPLICA_URL=url).DATABASES["replica"]
    assert (replica["HOST"], replica["PORT"], replica["PASSWORD"]) == ("replica.example.org", 5433, "p@ss")
    assert replica["SESSION"]["default_transaction_read_only"] == "on"
    assert replica["OPTIONS"]["connect_timeout"] == 2
    assert replica["SESSION"]["driftlock.requires_actor"] == "on", "as every connection has it"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_REPLICA_URL", "mysql://x"),
        ("DATABASE_REPLICA_URL", "postgres://x:y:z"),
        ("DRIFTLOCK_REPLICA_MAX_LAG", "0"),
        ("DRIFTLOCK_REPLICA_MAX_LAG", "soon"),
    ],
)
def test_an_invalid_replica_is_named(name, text):
    assert name in complaint(**{name: text})
