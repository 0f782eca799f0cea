"""Keeps the body of the newest POST in a file: `python -m tests.firmware.bridge.upload_server ADDRESS FILE`, on port 8080."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Path(sys.argv[2]).write_bytes(body)
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer((sys.argv[1], 8080), Handler).serve_forever()
