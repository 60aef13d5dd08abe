"""The addresses that notifications go to: nothing but public ones and those that a setting lists."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from anomalies.notifications.destinations import ForbiddenDestination, check_url, is_public, resolve
from anomalies.notifications.http_client import post

from .receiver import receiving

# Spellings of this machine and of private, link-local and metadata addresses, as the resolver reads them.
FORBIDDEN = """
127.0.0.1 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 017700000001
0177.0.0.01 127.0.0.1. 0 0.0.0.0 0x0 00000000000 localhost LOCALHOST localhost.
[::1] [0:0:0:0:0:0:0:1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1] [::ffff:0:127.0.0.1]
[2001:0:7f00:1::] [fe80::1] [fc00::1] [fd00:ec2::254] [fec0::1] [ff02::1]
10.0.0.1 10.1 167772161 0xa000001 172.16.0.1 172.31.255.255 192.168.1.1 192.168.257 3232235777
169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 [::ffff:169.254.169.254] [::ffff:a9fe:a9fe]
100.64.0.1 100.100.100.200 168.63.129.16 192.0.0.192 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255
""".split()
NO_ADDRESS = [
    "",
    "hooks.example.org",
    "ftp://hooks.example.org/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "https:///path",
    "https://user:word@hooks.example.org/",
    "https://hooks.example.org#@127.0.0.1/",
    "https://hooks.example.org\\@127.0.0.1/",
    "https://hooks.example.org:0/",
    "https://hooks.example.org:99999/",
    "https://hooks.example.org/a b",
    "https://hooks.example.org/\r\nHost: evil",
    "https://bücher.example/",
    "https://１２７.0.0.1/",
    "https://[::1/",
    "https://a_b..example/",
    "https://" + "a" * 3_000,
]
PUBLIC = [
    "93.184.215.14",
    "8.8.8.8",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.fixture(scope="module")
def unreachable():
    """A receiver on this machine that nothing may reach."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def names(monkeypatch) -> Callable[..., None]:
    """A function that lets names resolve to these addresses in turn, and nothing else resolve."""

    def resolving(**answers: list[list[str]]) -> None:
        real = socket.getaddrinfo

        def fake(host: str, port: int, *args: Any, **rest: Any) -> Any:
            if host[0].isdigit() or ":" in host:
                return real(host, port, *args, **rest)
            found = answers[host.partition(".")[0]]
            given = found.pop(0) if len(found) > 1 else found[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in given]

        monkeypatch.setattr(socket, "getaddrinfo", fake)

    return resolving


def test_there_are_more_than_fifty_ways_to_try():
    assert len(FORBIDDEN) > 50


@pytest.mark.parametrize("host", FORBIDDEN)
def test_no_request_reaches_an_address_that_is_not_public(host, unreachable, settings):
    settings.NOTIFY_ALLOWED = []
    answer = post(f"http://{host}:{unreachable.port}/", b"{}", {})
    secure = post(f"https://{host}:{unreachable.port}/", b"{}", {})
    assert not answer.ok and not secure.ok
    assert unreachable.came == []
    for words in (answer.words, secure.words):
        assert words.startswith(("not sent: ", "the host is not found")), words


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_is_no_address_is_refused_with_what_to_write(url):
    with pytest.raises(ForbiddenDestination):
        check_url(url)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(ip_address(address))


def test_a_name_is_refused_where_any_of_its_addresses_is_not_public(names, settings):
    settings.NOTIFY_ALLOWED = []
    names(mixed=[["93.184.215.14", "10.0.0.7"]])
    with pytest.raises(ForbiddenDestination, match=r"10\.0\.0\.7, which is no public address"):
        resolve("https://mixed.example.org/")


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_checked_address(names, settings):
    """DNS rebinding: the second answer would be this machine."""
    settings.NOTIFY_ALLOWED = []
    names(rebinding=[["93.184.215.14"], ["127.0.0.1"]])
    assert resolve("https://rebinding.example.org/x?y=1").address == "93.184.215.14"


def test_a_redirect_is_not_followed(unreachable, settings):
    settings.NOTIFY_ALLOWED = ["127.0.0.1"]
    unreachable.answers[:] = [(307, {"Location": f"http://127.0.0.1:{unreachable.port}/secret"})]
    answer = post(f"http://127.0.0.1:{unreachable.port}/first", b"{}", {})
    assert answer.words == "answered 307, a redirect, which is not followed; enter its address"
    assert [request.path for request in unreachable.came] == ["/first"]
    unreachable.came.clear()


def test_proxies_of_the_environment_are_not_used(unreachable, settings, monkeypatch):
    settings.NOTIFY_ALLOWED = ["127.0.0.1"]
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert post(f"http://127.0.0.1:{unreachable.port}/", b"{}", {}).ok
    unreachable.came.clear()


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "mixed.example.org", "MIXED.example.org."])
def test_a_setting_lists_networks_and_hosts_that_are_reached_nevertheless(names, settings, entry):
    settings.NOTIFY_ALLOWED = [entry]
    names(mixed=[["10.0.0.7"]])
    assert resolve("http://mixed.example.org/").address == "10.0.0.7"


def test_the_list_names_whole_hosts_only(names, settings):
    settings.NOTIFY_ALLOWED = ["example.org"]
    names(mixed=[["10.0.0.7"]])
    with pytest.raises(ForbiddenDestination):
        resolve("http://mixed.example.org/")


def test_unencrypted_requests_are_for_listed_destinations_only(names, settings):
    settings.NOTIFY_ALLOWED = []
    names(public=[["93.184.215.14"]])
    assert resolve("https://public.example.org/").port == 443
    with pytest.raises(ForbiddenDestination, match="use https://"):
        resolve("http://public.example.org/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[ssl.SSLContext, str]:
    """A server's TLS as hooks.example.org, and the file with its certificate."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.org")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.org")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + made.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(file)


def test_the_certificate_is_verified_for_the_name_and_not_for_the_address(
    certificate, names, settings, monkeypatch
):
    context, file = certificate
    settings.NOTIFY_ALLOWED = ["127.0.0.1"]
    names(hooks=[["127.0.0.1"]], others=[["127.0.0.1"]])
    with receiving(context) as receiver:
        good, bad = (f"https://{name}.example.org:{receiver.port}/" for name in ("hooks", "others"))
        assert "certificate" in post(good, b"{}", {}).words.lower()
        monkeypatch.setenv("SSL_CERT_FILE", file)
        assert post(good, b"{}", {}).ok
        assert "hostname" in post(bad, b"{}", {}).words.lower()
        assert [request.headers["Host"] for request in receiver.came] == [
            f"hooks.example.org:{receiver.port}"
        ]
