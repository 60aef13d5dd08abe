"""The addresses that a notification may be sent to: public ones, and those that a setting lists.

A rule's address is chosen by a person at the desk, and the request is made from the server's network
(server-side request forgery, OWASP). So the name is resolved once, every address that it has is checked, and
the connection goes to a checked one: a name that resolves otherwise a moment later changes nothing (DNS
rebinding). What decides is the address that the resolver returns, so another spelling of it, decimal, octal
or as IPv6 with IPv4 in it, is the same address.

``DRIFTLOCK_NOTIFY_ALLOWED`` lists hosts, by the name that rules write, and networks that are reached though
they are not public.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

Address = IPv4Address | IPv6Address

LONGEST = 2_000  # characters of an address
# No blank, control, quote, backslash or non-ASCII character: parsers differ about those.
_PLAIN = re.compile(r"[!#-\[\]-_a-~]+", re.ASCII)
_NAME = re.compile(
    r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE
)
# IPv6 prefixes whose last 32 bits are an IPv4 address that is reached through them (RFC 4291, RFC 6052).
_WITH_IPV4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
# What is no address of the public internet: IANA's special-purpose registries, the same for every version of
# Python, whose own list has grown; and a public number that is a cloud's service on the machine's network.
_SPECIAL = [
    ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
        "192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 "
        "168.63.129.16/32 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
    ).split()
]
_UNICAST = IPv6Network("2000::/3")


class ForbiddenDestination(Exception):
    """A notification may not be sent there; the message gives the reason and what would allow it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked destination: the connection goes to ``address``, the request and TLS name ``host``."""

    scheme: str
    host: str
    port: int
    path: str
    address: str


def check_url(url: str) -> tuple[str, str, int, str]:
    """The scheme, host, port and path of an address for notifications. Raises ForbiddenDestination."""
    if len(url) > LONGEST or not _PLAIN.fullmatch(url):
        raise ForbiddenDestination(
            f"An address has at most {LONGEST:,} characters, without blanks, quotes, backslashes and umlauts."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ForbiddenDestination(f"This is no address: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ForbiddenDestination("Write a whole address, such as https://hooks.example.org/path.")
    if "@" in parts.netloc or parts.fragment:
        raise ForbiddenDestination("Leave the user name, the password and what follows # out of the address.")
    if ":" not in host and not _NAME.fullmatch(host):
        raise ForbiddenDestination(f"{host} is no host name; write names of other scripts as xn--….")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path


def resolve(url: str) -> Destination:
    """The destination of an address, resolved once. Raises ForbiddenDestination, OSError for no such host."""
    scheme, host, port, path = check_url(url)
    found = [ip_address(address.partition("%")[0]) for address in _addresses(host, port)]
    if not (is_listed := host.rstrip(".") in _listed_hosts()):
        for address in found:
            _check(address, host)
        is_listed = all(_in_listed_network(address) for address in found)
    if scheme == "http" and not is_listed:
        raise ForbiddenDestination(
            "Unencrypted http:// is for hosts and networks that DRIFTLOCK_NOTIFY_ALLOWED lists; use https://."
        )
    return Destination(scheme, host, port, path, str(found[0]))


def is_public(address: Address) -> bool:
    """True for an address of the public internet, whatever is written around its IPv4 address."""
    if isinstance(address, IPv6Address):
        if (inner := _ipv4_in(address)) is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    return not any(address in network for network in _SPECIAL)


def _check(address: Address, host: str) -> None:
    if not is_public(address) and not _in_listed_network(address):
        raise ForbiddenDestination(
            f"{host} is {address}, which is no public address; "
            "DRIFTLOCK_NOTIFY_ALLOWED can list the host or its network."
        )


def _addresses(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no host name") from error
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


def _ipv4_in(address: IPv6Address) -> IPv4Address | None:
    is_around = any(address in network for network in _WITH_IPV4)
    return IPv4Address(int(address) & 0xFFFFFFFF) if is_around else None


def _listed_hosts() -> set[str]:
    return {entry.lower().rstrip(".") for entry in settings.NOTIFY_ALLOWED}


def _in_listed_network(address: Address) -> bool:
    inner = (_ipv4_in(address) if isinstance(address, IPv6Address) else None) or address
    for entry in settings.NOTIFY_ALLOWED:
        try:
            network = ip_network(entry)
        except ValueError:
            continue  # a host's name
        if inner in network or address in network:
            return True
    return False
