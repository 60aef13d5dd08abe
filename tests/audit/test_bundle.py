"""Evidence bundles: signed, checked by one file of Python, and on record."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.audit import Actor
from anomalies.audit.bundle import bundle
from anomalies.audit.seals import seal
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.triage.comments import add
from anomalies.triage.decisions import add_note, decide
from scripts.check_evidence import Wrong, canonical, check, is_signed
from tests.support.factories import make_anomaly, make_user, other_program

pytestmark = pytest.mark.django_db

ANA = Actor("ana")
CHECKER = Path(__file__).parents[2] / "scripts" / "check_evidence.py"


@pytest.fixture(autouse=True)
def key(settings) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    settings.SEAL_KEY = pem.decode()


@pytest.fixture
def anomaly() -> Anomaly:
    """An anomaly that was looked into, noted and dismissed, all of it sealed, with others between."""
    made = make_anomaly(window_data=["ünïcode \u2028", 10**30, [[1.5e-300]]], ncd_score=1e-7)
    for step in range(3):
        decide("acknowledge", [make_anomaly().pk], ANA)
        add_note(made.pk, ANA, f"note {step}")
        seal()
    decide("dismiss", [made.pk], ANA, reason="other", note='a "note"\twith a tab')
    seal()
    return made


def made(anomaly: Anomaly) -> tuple[dict[str, Any], bytes]:
    document = json.loads(json.dumps(bundle(anomaly.pk, ANA)))
    return document, bytes.fromhex(document["bundle"]["public_key"])


def test_a_bundle_holds_the_anomaly_its_history_and_the_seals_over_it(anomaly):
    document, key = made(anomaly)
    said = document["bundle"]
    assert said["anomaly"]["status"] == "dismissed" and said["active_config"]["is_active"] is True
    assert json.loads(said["anomaly"]["window_data"])[1] == 10**30
    assert (len(said["history"]), len(said["seals"]), said["not_sealed_yet"]) == (5, 4, [])
    assert "5 of 5 entries of its history are as they were sealed" in list(check(document, key))


def test_the_comments_about_it_are_in_it_and_checked_as_its_history_is(anomaly):
    make_user("analyst", "ana")
    add(anomaly.pk, "is it the disk?", ANA)
    document, key = made(anomaly)
    (entry,) = document["bundle"]["comments"]
    assert "is it the disk?" in entry
    assert "0 of 1 entries of its comments are as they were sealed" in list(check(document, key))
    seal()
    assert "1 of 1 entries of its comments are as they were sealed" in list(check(*made(anomaly)))


def test_what_is_not_sealed_yet_is_said(anomaly):
    add_note(anomaly.pk, ANA, "later")
    shown = list(check(*made(anomaly)))
    assert "5 of 6 entries" in shown[2] and shown[3].startswith("not sealed when")


def test_only_the_seals_over_its_entries_come_with_the_hashes_of_their_rows(anomaly):
    decide("acknowledge", [make_anomaly().pk], ANA)
    seal()
    add_note(anomaly.pk, ANA, "later")
    seal()
    said = made(anomaly)[0]["bundle"]
    assert ["hashes" in each for each in said["seals"]] == [True, True, True, True, False, True]


def test_the_config_that_it_was_found_by_is_in_it():
    config = DetectionConfig.objects.get(is_active=True)
    found = make_anomaly(metadata={"config_id": config.pk})
    assert made(found)[0]["bundle"]["config"]["id"] == config.pk
    other = make_anomaly(metadata={"config_id": "none"})
    assert made(other)[0]["bundle"]["config"] is None


def test_numbers_are_numbers_and_those_that_are_not_finite_texts():
    found = make_anomaly(ncd_score=1e-7, compression_window=float("inf"), compression_combined=float("nan"))
    said = made(found)[0]["bundle"]["anomaly"]
    assert (said["ncd_score"], said["compression_window"], said["compression_combined"]) == (
        1e-7,
        "inf",
        "nan",
    )


def test_a_time_that_python_cant_hold_is_the_stored_one():
    row = make_anomaly()
    with other_program(), connection.cursor() as cursor:
        cursor.execute("UPDATE anomalies SET timestamp = 'infinity', created_at = '20000-01-01T00:00:00Z'")
    document, key = made(row)
    held = document["bundle"]["anomaly"]
    assert (held["timestamp"], held["created_at"]) == ("infinity", "20000-01-01T00:00:00+00:00")
    check(document, key)


def test_that_it_was_made_is_on_record(anomaly):
    made(anomaly)
    entry = AuditLog.objects.get(action="evidence")
    assert (entry.username, entry.resource_id) == ("ana", anomaly.pk)


TAMPERINGS = {
    "the status": lambda said: said["anomaly"].update(status="acknowledged"),
    "a figure": lambda said: said["anomaly"].update(ncd_score=2e-7),
    "who made it": lambda said: said.update(made_by="bob"),
    "an entry": lambda said: said["history"].__setitem__(1, said["history"][1].replace("ana", "bob")),
    "an entry fewer": lambda said: said["history"].pop(),
    "a seal": lambda said: said["seals"][0].update(rows=99),
    "a seal fewer": lambda said: said["seals"].pop(),
    "the config": lambda said: said["active_config"].update(ncd_threshold=0.9),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_bundle_that_was_edited_is_found(anomaly, what):
    document, key = made(anomaly)
    TAMPERINGS[what](document["bundle"])
    with pytest.raises(Wrong, match="the bundle's signature"):
        list(check(document, key))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("an entry", "is not as seal"),
        ("a seal", "seal 1 was edited"),
        ("a seal fewer", "no seal covers entry"),
    ],
)
def test_an_edited_bundle_that_is_signed_again_is_found_by_the_seals(anomaly, settings, what, words):
    from anomalies.audit.keys import sealing_key

    document, key = made(anomaly)
    edited = deepcopy(document["bundle"])
    TAMPERINGS[what](edited)
    signature = sealing_key().sign(rfc8785.dumps(edited)).hex()
    with pytest.raises(Wrong, match=words):
        list(check({"bundle": edited, "signature": signature}, key))


def test_another_key_does_not_fit(anomaly):
    document, _ = made(anomaly)
    with pytest.raises(Wrong, match="not that of the key"):
        list(check(document, bytes(32)))


# --- the checker, by itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "message", "signature"),
    # RFC 8032, section 7.1, tests 1 to 3.
    [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_signatures_are_those_of_rfc_8032(key, message, signature):
    parts = [bytes.fromhex(part) for part in (key, signature, message)]
    assert is_signed(*parts)
    assert not is_signed(parts[0], parts[1], parts[2] + b"x")


@pytest.mark.parametrize(
    "value",
    [
        0, -0.0, 1, -1, 1e21, 1e20, 1.5e-7, 1e-6, 0.1, 123456789.125, 4.5, 2e-3, 333333333.33333329, 1e30,
        9007199254740991, 5e-324, 1.7976931348623157e308, 1e-7, 123e-20, 0.000001,
    ],
)  # fmt: skip
def test_numbers_are_written_as_rfc_8785_has_them(value):
    assert canonical(value).encode() == rfc8785.dumps(value)


NAMES = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "ö": 7}
TEXTS = ["", '€$\x0f\nA\'B"\\\\"/', "\x7f\u0080\u2028\ud55c\U0001f600"]


@pytest.mark.parametrize("value", [*TEXTS, NAMES, [None, True, False, [], {}]])
def test_texts_and_names_are_written_as_rfc_8785_has_them(value):
    assert canonical(value).encode() == rfc8785.dumps(value)


def test_the_checker_needs_python_alone(anomaly, tmp_path):
    document, key = made(anomaly)
    (tmp_path / "bundle.json").write_text(json.dumps(document))
    command = [sys.executable, "-I", "-S", str(CHECKER), str(tmp_path / "bundle.json"), "--key", key.hex()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all of it holds"), done.stderr


NO_BUNDLES = ["", "{", "[]", '{"bundle": {}}', '{"bundle": {"format": "driftlock evidence 1"}}']


@pytest.mark.parametrize("content", NO_BUNDLES)
def test_what_is_no_bundle_is_said_to_be_none(tmp_path, content):
    (tmp_path / "bundle.json").write_text(content)
    command = [sys.executable, str(CHECKER), str(tmp_path / "bundle.json"), "--key", "00" * 32]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("WRONG") and "Traceback" not in done.stderr


# --- the command and the button ---------------------------------------------------------------------------


def test_the_command_writes_a_new_file(anomaly, tmp_path, capsys):
    file = tmp_path / "bundle.json"
    call_command("evidence", str(anomaly.pk), "--out", str(file), by="ana")
    assert json.loads(file.read_text())["bundle"]["made_by"] == "ana"
    with pytest.raises(CommandError, match="nothing is overwritten"):
        call_command("evidence", str(anomaly.pk), "--out", str(file), by="ana")


def test_an_anomaly_that_is_not_there_has_no_evidence():
    with pytest.raises(CommandError, match="there is no anomaly"):
        call_command("evidence", str(uuid4()))


def test_the_page_has_a_button_and_it_gives_the_bundle(anomaly, client, viewer):
    client.force_login(viewer)
    path = f"/admin/anomalies/anomaly/{anomaly.pk}/evidence/"
    assert path in client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").content.decode()
    document = json.loads(client.get(path).content)
    assert document["bundle"]["made_by"] == "viewer"


def test_without_a_key_the_page_says_so(anomaly, client, viewer, settings):
    settings.SEAL_KEY = ""
    client.force_login(viewer)
    page = client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/evidence/", follow=True).content.decode()
    assert "The bundle was not made: no key to sign with" in page
