"""Keys to seal and to verify with: whose they are, and what is said of one that can't be used."""

from __future__ import annotations

import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as another_kind
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from anomalies.audit.keys import KeyProblem, is_signed, key_id, make_key, public_keys, raw, sealing_key
from tests.support.seals import new_key

GARBAGE = "-----BEGIN PUBLIC KEY-----\nMC4=\n-----END PUBLIC KEY-----"


@pytest.fixture(autouse=True)
def no_keys(settings) -> None:
    settings.SEAL_KEY = settings.SEAL_KEY_PROBLEM = ""
    settings.SEAL_PUBLIC_KEYS = settings.SEAL_PUBLIC_KEYS_PROBLEM = ""


def public_pem(key) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_the_private_key_is_its_owners_alone_and_everybody_may_read_the_public_one(tmp_path):
    former = os.umask(0)
    public = make_key(tmp_path / "key")
    os.umask(former)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "key", public)]
    assert modes == [0o600, 0o644]


def test_what_make_key_writes_can_be_used(tmp_path, settings):
    public = make_key(tmp_path / "key")
    settings.SEAL_KEY = (tmp_path / "key").read_text()
    mine = key_id(sealing_key().public_key())
    settings.SEAL_KEY, settings.SEAL_PUBLIC_KEYS = "", public.read_text()
    assert list(public_keys()) == [mine]


def test_a_signature_is_of_its_message_and_key_alone():
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signature = key.sign(b"said").hex()
    assert is_signed(key.public_key(), signature, b"said")
    assert not is_signed(key.public_key(), signature, b"Said")
    assert not is_signed(other.public_key(), signature, b"said")
    assert not is_signed(key.public_key(), "no hexadecimal", b"said")


def test_an_id_is_the_beginning_of_the_sha_256_of_the_raw_key():
    # RFC 8032, section 7.1, test 1: `sha256sum` of the 32 bytes of its public key.
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = Ed25519PrivateKey.from_private_bytes(private).public_key()
    assert raw(public).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key_id(public) == "21fe31dfa154a261"


@pytest.mark.parametrize("name", ["SEAL_KEY_PROBLEM", "SEAL_PUBLIC_KEYS_PROBLEM"])
def test_a_key_file_that_cannot_be_read_is_the_reason_to_verify_nothing(name, settings):
    settings.SEAL_KEY = new_key()
    setattr(settings, name, "the file is not there")
    with pytest.raises(KeyProblem, match="the file is not there; `audit keygen FILE` makes"):
        public_keys()


def test_a_key_file_that_cannot_be_read_is_the_reason_to_seal_nothing(settings):
    settings.SEAL_KEY_PROBLEM = "the file is not there"
    with pytest.raises(KeyProblem, match="the file is not there; `audit keygen FILE` makes"):
        sealing_key()


def test_a_private_key_with_a_password_is_none(settings):
    encrypted = BestAvailableEncryption(b"secret")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted)
    settings.SEAL_KEY = pem.decode()
    with pytest.raises(KeyProblem, match="holds no private key in PEM"):
        sealing_key()


def test_a_private_key_that_is_no_pem_is_none(settings):
    settings.SEAL_KEY = "x"
    with pytest.raises(KeyProblem, match="holds no private key in PEM"):
        sealing_key()


def test_no_key_is_overwritten_or_written_where_no_folder_is(tmp_path):
    make_key(tmp_path / "key")
    with pytest.raises(KeyProblem, match="File exists; a key is never overwritten"):
        make_key(tmp_path / "key")
    with pytest.raises(KeyProblem, match="No such file or directory"):
        make_key(tmp_path / "no" / "key")


def test_a_private_key_of_another_kind_is_none(settings):
    pem = another_kind(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    settings.SEAL_KEY = pem.decode()
    with pytest.raises(KeyProblem, match="is not an Ed25519 key"):
        sealing_key()


def test_a_public_key_that_is_none_is_said_to_be(settings):
    settings.SEAL_PUBLIC_KEYS = public_pem(Ed25519PrivateKey.generate()) + GARBAGE
    with pytest.raises(KeyProblem, match="holds a block that is no public key in PEM"):
        public_keys()


def test_public_keys_of_another_kind_do_not_count(settings):
    settings.SEAL_PUBLIC_KEYS = public_pem(another_kind(SECP256R1()))
    with pytest.raises(KeyProblem, match="no key to verify with"):
        public_keys()
