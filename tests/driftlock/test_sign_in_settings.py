"""The settings of signing in, read from the environment; an error is one line that names the variable."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from driftlock.sign_in_settings import OidcProvider

from .test_settings import complaint, read

OIDC = {
    "DRIFTLOCK_OIDC_ISSUER": "https://id.example.org/realms/main",
    "DRIFTLOCK_OIDC_CLIENT_ID": "driftlock",
    "DRIFTLOCK_OIDC_CLIENT_SECRET": "secret",
    "DRIFTLOCK_OIDC_GROUPS": "sre=analyst, sre-leads=lead",
}


def test_nothing_set_is_no_provider_and_local_passwords():
    found = read()
    assert (found.OIDC, found.LOCAL_PASSWORDS) == (None, True)


def test_a_provider_has_its_groups_with_their_roles():
    assert read(**OIDC).OIDC.roles == {"sre": "analyst", "sre-leads": "lead"}


def test_a_group_with_a_comma_is_written_as_json():
    groups = '{"CN=sre,OU=ops": "analyst"}'
    assert read(**OIDC | {"DRIFTLOCK_OIDC_GROUPS": groups}).OIDC.roles == {"CN=sre,OU=ops": "analyst"}


def test_the_secret_may_come_from_a_file_and_is_not_printed(tmp_path):
    (tmp_path / "secret").write_text("from the file\n")
    given = {name: value for name, value in OIDC.items() if not name.endswith("SECRET")}
    provider = read(**given, DRIFTLOCK_OIDC_CLIENT_SECRET_FILE=str(tmp_path / "secret")).OIDC
    assert provider.client_secret == "from the file"
    assert "from the file" not in repr(provider)


@pytest.mark.parametrize("name", [name for name in OIDC if name != "DRIFTLOCK_OIDC_ISSUER"])
def test_a_provider_that_is_incomplete_stops_the_start(name):
    assert f"{name} must be set if DRIFTLOCK_OIDC_ISSUER is" in complaint(**OIDC | {name: ""})


def test_settings_of_a_provider_without_its_issuer_stop_the_start():
    assert "DRIFTLOCK_OIDC_ISSUER must be set" in complaint(**OIDC | {"DRIFTLOCK_OIDC_ISSUER": ""})


@pytest.mark.parametrize(
    "issuer",
    "id.example.org http://id.example.org https://id.example.org/?x=1 https://u:p@id.example.org "
    "file:///etc/passwd https://".split(),
)
def test_an_issuer_is_an_address_by_https(issuer):
    assert "DRIFTLOCK_OIDC_ISSUER is" in complaint(**OIDC | {"DRIFTLOCK_OIDC_ISSUER": issuer})


def test_an_issuer_fits_its_column():
    assert "at most 200" in complaint(
        **OIDC | {"DRIFTLOCK_OIDC_ISSUER": "https://id.example.org/" + "x" * 200}
    )


@pytest.mark.parametrize("issuer", ["http://localhost:8080/realms/main", "http://127.0.0.1:9000"])
def test_an_issuer_on_this_machine_may_use_http(issuer):
    assert read(**OIDC | {"DRIFTLOCK_OIDC_ISSUER": issuer}).OIDC.issuer == issuer


@pytest.mark.parametrize("groups", ["sre", "=lead", "sre=", "a=lead, a=viewer", ",", "{", "{}", '{"a": 7}'])
def test_groups_are_pairs_of_a_group_and_a_role(groups):
    assert "DRIFTLOCK_OIDC_GROUPS" in complaint(**OIDC | {"DRIFTLOCK_OIDC_GROUPS": groups})


def test_the_scopes_contain_openid():
    assert "DRIFTLOCK_OIDC_SCOPES" in complaint(**OIDC, DRIFTLOCK_OIDC_SCOPES="profile")


def test_local_passwords_are_on_unless_there_is_another_way_to_sign_in():
    assert "nobody could sign in" in complaint(DRIFTLOCK_LOCAL_PASSWORDS="off")
    assert read(**OIDC, DRIFTLOCK_LOCAL_PASSWORDS="off").LOCAL_PASSWORDS is False


def test_a_role_that_does_not_exist_is_an_error_of_check(settings):
    settings.OIDC = OidcProvider("https://id.example.org", "x", "y", {"sre": "admin", "leads": "lead"})
    errors = [each for each in run_checks() if each.id == "driftlock.E003"]
    assert [each.msg for each in errors] == [
        "DRIFTLOCK_OIDC_GROUPS names the role 'admin'; it can be viewer, analyst, lead."
    ]
