"""A web server that plays the internet's web, the fleet, or a sign-in page: `python -m lab.wiring.stub --bind A --port N ...`."""

import argparse
import socket
import ssl
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def handler(*, shift: int, redirect: str) -> type[BaseHTTPRequestHandler]:
    """Answers everything: with a page, or with a redirection; its clock is `shift` seconds ahead."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<html>ok</html>"
            self.send_response(302 if redirect else 200)
            if redirect:
                self.send_header("Location", redirect)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((time.time() if timestamp is None else timestamp) + shift, usegmt=True)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.wiring.stub", description=__doc__)
    parser.add_argument("--bind", default="")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--certificate", help="PEM with key: speak TLS")
    parser.add_argument("--shift", type=int, default=0)
    parser.add_argument("--redirect", default="")
    options = parser.parse_args()
    kind = _Server6 if ":" in options.bind else ThreadingHTTPServer
    server = kind((options.bind, options.port), handler(shift=options.shift, redirect=options.redirect))
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
