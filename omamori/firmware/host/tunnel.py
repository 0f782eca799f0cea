"""A connection to the fleet, by way of a proxy where one is set: HTTP CONNECT (RFC 9110 9.3.6). Bounded in bytes and time."""

import socket
from typing import Final

from omamori.firmware.host.settings import Proxy

_ANSWER_CAP: Final = 8192


class ProxyRefused(ConnectionError):  # noqa: N818 - it says what the proxy did
    """The proxy answers, but does not lead there; `status` is its word."""

    def __init__(self, text: str, status: str) -> None:
        super().__init__(text)
        self.status = status


def connect(host: str, port: int, *, proxy: Proxy | None, timeout: float) -> socket.socket:
    """Raises OSError; also where the proxy refuses."""
    if proxy is None:
        return socket.create_connection((host, port), timeout=timeout)
    connection = socket.create_connection((proxy.host, proxy.port), timeout=timeout)
    try:
        place = f"{host.encode('idna').decode()}:{port}"
        connection.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        _agreed(connection, proxy)
    except UnicodeError as error:
        connection.close()
        raise OSError(f"no name of a host: {host[:60]!r}") from error
    except OSError:
        connection.close()
        raise
    return connection


def _agreed(connection: socket.socket, proxy: Proxy) -> None:
    """Read to the end of the head and not a byte further: what follows is the fleet's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(head) >= _ANSWER_CAP:
            raise ConnectionError(f"the proxy {proxy} gives no answer")
        head += byte
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    parts = line.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or parts[1] != "200":
        status = parts[1] if len(parts) > 1 else ""
        raise ProxyRefused(f"the proxy {proxy} answers {line[:60]!r}", status)
