"""Gunicorn with our application in it: the unit surface with its own TLS, the portal surface plain behind a proxy."""

import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from gunicorn.app.base import BaseApplication

from omamori.fleet.broker.authority import Pair
from omamori.fleet.surfaces.addresses import Address

HANDSHAKE_PATIENCE = 20.0
"""Seconds a peer may be silent during its handshake or request before its thread is given to another."""


class Surface(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """One gunicorn master; `run` returns by SystemExit when it was told to stop."""

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self._name, self._options = name, options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Callable[..., Any]:
        os.environ["OMAMORI_SURFACE"] = self._name
        os.environ["DJANGO_SETTINGS_MODULE"] = "omamori.fleet.settings"
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()


class PatientContext(ssl.SSLContext):
    """A server context whose connections time out instead of holding a thread for ever."""

    def wrap_socket(self, sock: Any, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # noqa: ANN401 - ssl's own signature
        sock.settimeout(HANDSHAKE_PATIENCE)
        return super().wrap_socket(sock, *args, **kwargs)


def units(bind: Address, pair: Pair, trust: str, *, workers: int) -> Surface:
    """The unit surface: TLS 1.2 or later, client certificates of the fleet's root where a client has one."""

    def context(_config: object, _default: object) -> ssl.SSLContext:
        made = PatientContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_cert_chain(pair.certificate, pair.key)
        made.load_verify_locations(trust)
        made.verify_mode = ssl.CERT_OPTIONAL
        return made

    tls = {
        "certfile": str(pair.certificate),
        "keyfile": str(pair.key),
        "ca_certs": trust,
        "ssl_context": context,
    }
    return Surface("units", _options(bind, workers) | tls | {"cert_reqs": ssl.CERT_OPTIONAL})


def portal(bind: Address, *, workers: int) -> Surface:
    """Portal and operators' API: plain HTTP for a reverse proxy or this machine."""
    return Surface("portal", _options(bind, workers))


def _options(bind: Address, workers: int) -> dict[str, object]:
    return {
        "bind": str(bind),
        "workers": workers,
        "threads": 16,
        "worker_class": "gthread",
        "timeout": 60,
        "graceful_timeout": 8,
        "keepalive": 15,
        "limit_request_fields": 40,
        "loglevel": "warning",
        "control_socket_disable": True,
    }
