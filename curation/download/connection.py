"""An HTTP connection to a checked address, with one deadline for everything that happens on it.

A timeout of the standard library bounds each socket operation: a server that sends a byte a second never meets it. Here
every read is given what is left of the whole.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Collection
from functools import cache
from typing import Any

from curation.download.address import Address, resolve

DEFAULT_PORTS = {"http": 80, "https": 443}


def seconds_left(deadline: float) -> float:
    """Seconds until a moment of the monotonic clock.

    Raises:
        TimeoutError: if it has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


class _PlainSocket(socket.socket):
    deadline: float

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(seconds_left(self.deadline))
        return super().recv_into(*args, **kwargs)


class _SecureSocket(ssl.SSLSocket):
    deadline: float

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(seconds_left(self.deadline))
        return super().recv_into(*args, **kwargs)


class Connection(http.client.HTTPConnection):
    """One request to one host; https by the scheme.

    Raises (when it connects):
        Failure: if the host is unknown or not allowed.
        OSError: of the network; TimeoutError at the deadline.
    """

    def __init__(self, scheme: str, host: str, port: int | None, allow_hosts: Collection[str], deadline: float) -> None:
        super().__init__(host, port or DEFAULT_PORTS[scheme])
        self.default_port = DEFAULT_PORTS[scheme]  # of the Host header: a usual port is not named
        self._secure, self._allow_hosts, self._deadline = scheme == "https", allow_hosts, deadline

    def connect(self) -> None:
        """Dial the first address of the host that answers."""
        addresses = resolve(self.host, self.port, self._allow_hosts)
        plain = _dial_any(addresses, self._deadline)
        self.sock = _secured(plain, self.host, self._deadline) if self._secure else plain


def _dial_any(addresses: list[Address], deadline: float) -> _PlainSocket:
    for address in addresses[:-1]:
        try:
            return _dial(address, deadline)
        except OSError:
            continue  # a dual-stack name on a single-stack machine: the next address is the one
    return _dial(addresses[-1], deadline)


def _dial(address: Address, deadline: float) -> _PlainSocket:
    family, target = address
    made = _PlainSocket(family, socket.SOCK_STREAM)
    try:
        made.deadline = deadline
        made.settimeout(seconds_left(deadline))
        made.connect(target)
    except BaseException:
        made.close()
        raise
    return made


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = _SecureSocket
    return context


def _secured(plain: _PlainSocket, host: str, deadline: float) -> ssl.SSLSocket:
    plain.settimeout(seconds_left(deadline))
    wrapped = _context().wrap_socket(plain, server_hostname=host)
    wrapped.deadline = deadline  # type: ignore[attr-defined]
    return wrapped
