"""Which addresses a URL from a stranger may lead to: public ones, and those that the config allows by name.

The address that was checked is the one that is dialled, so that a name which resolves anew (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from curation.download.failure import Failure

Address = tuple[int, tuple[object, ...]]  #: family and socket address
NAT64 = IPv6Network("64:ff9b::/96")


def resolve(host: str, port: int, allow_hosts: Collection[str]) -> list[Address]:
    """The addresses of a host, all of them checked.

    Raises:
        Failure: if the name is unknown, or if any of its addresses is not public and `host:port` is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Failure("host not found", again=getattr(error, "errno", 0) == socket.EAI_AGAIN) from error
    if f"{host}:{port}" not in allow_hosts and not all(is_public(str(item[4][0])) for item in found):
        raise Failure("private address")
    return [(item[0], item[4]) for item in found]


def is_public(text: str) -> bool:
    """Whether an address belongs to the open internet: not private, loopback, link-local, shared, multicast or reserved.

    >>> is_public("8.8.8.8"), is_public("169.254.169.254"), is_public("100.64.0.1"), is_public("::ffff:127.0.0.1")
    (True, False, False, False)
    """
    address = _inner(ip_address(text.partition("%")[0]))
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address wraps (mapped, 6to4, Teredo, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address
