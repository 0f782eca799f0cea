"""Where a contestant is measured: a line of its own (client, bridge, server), the same for all, with nginx at the far end.

All lines exist at once and carry traffic one at a time, so contestants take turns within seconds of each other.
"""

import contextlib
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.bench.tools import Tools
from lab.namespaces import Line, guarded_line, wait_until

ATTACKS = ("omamori-bench-attack-0", "omamori-bench-attack-1")
"""Pages that the rules of one edition block each."""
ALWAYS = "omamori-bench-attack-always"
"""A page that both block."""
SERVER = "203.0.113.10"
"""Outside, as rules that say `$HOME_NET -> $EXTERNAL_NET` want it (RFC 5737), though on the same cable."""
SERVERS = tuple(f"203.0.113.{number}" for number in range(10, 18))
"""The same server under more addresses: the kernel chooses the queue of a connection by its pair of addresses (nfqueue_hash)."""
BULK = "bulk.bin"
BULK_BYTES = 48_000_000
"""Below the antivirus' limit for one file, so that every byte is scanned."""
SIZES = {"1k": 1_000, "10k": 10_000, "30k": 30_000, "200k": 200_000, "2m": 2_000_000}
VARIETY = 50
"""Files of each size (`10k-7.html`): no two neighbouring answers are alike."""
_WORDS = (
    "the quarterly order of delivery notes from Osaka and Kyoto was sent with this invoice, ", "<td class='price'>", "</td></tr>", "<a href='/catalogue/", "?page=2'>", "var total = items.length;", "function (event) {",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """One line and what serves there."""

    line: Line
    tools: Tools
    folder: Path
    """Of this contestant alone."""

    def url(self, path: str, *, scheme: str = "http") -> str:
        return f"{scheme}://{SERVER}/{path}"


@contextlib.contextmanager
def place(name: str, tools: Tools, folder: Path, content: Path) -> Iterator[Place]:
    """A line with its server, ready."""
    folder.mkdir()
    with guarded_line(f"omb{name}") as line:
        _prepare(line)
        config = folder / "nginx.conf"
        config.write_text(_nginx(folder, content))
        command = tools.command("usr/sbin/nginx", "-e", folder / "nginx.log", "-p", folder, "-c", config)
        with line.wan.running(*command, log=folder / "nginx.out"):
            here = Place(line, tools, folder)
            wait_until(lambda: _answers(here), seconds=10, what="nginx to answer")
            yield here


def make_content(folder: Path) -> None:
    """The served files and the server's certificate. Half of what a file holds reads like text, half like pictures."""
    folder.mkdir()
    material = random.Random(20)  # noqa: S311 - the same files in every run
    blocks = [_block(material) for _ in range(64)]
    whole = b"".join(material.choice(blocks) for _ in range(BULK_BYTES // len(blocks[0]) + 1))
    (folder / BULK).write_bytes(whole[:BULK_BYTES])
    for name in (*ATTACKS, ALWAYS):
        (folder / name).write_text("This page must not arrive.\n")
    for number in range(VARIETY):
        for name, size in SIZES.items():
            begin = material.randrange(BULK_BYTES - size)
            (folder / f"{name}-{number}.html").write_bytes(whole[begin : begin + size])
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(folder / "key.pem")]
    subject = ["-nodes", "-subj", "/CN=bench.example", "-days", "30", "-out", str(folder / "certificate.pem")]
    subprocess.run(["openssl", "req", "-x509", *key, *subject], check=True, capture_output=True)


def _block(material: random.Random) -> bytes:
    text = " ".join(material.choice(_WORDS) + str(material.randrange(10_000)) for _ in range(1200)).encode()[
        :32_768
    ]
    return text + material.randbytes(65_536 - len(text))


def _prepare(line: Line) -> None:
    """The server's addresses; room for many short connections at both ends, and in the unit's connection tracking."""
    for address in SERVERS:
        line.wan.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    line.lan.run("ip", "route", "add", "203.0.113.0/24", "dev", "eth0")
    for end in (line.lan, line.wan):
        end.write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")
    for state in ("time_wait", "close", "close_wait", "last_ack"):
        path = f"/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_{state}"
        line.unit.run("sh", "-c", f"test ! -e {path} || printf 1 > {path}")


def _answers(here: Place) -> bool:
    done = here.line.lan.run("curl", "-s", "-o", "/dev/null", "-m", "2", here.url("1k-0.html"), check=False)
    return done.returncode == 0


def _nginx(folder: Path, content: Path) -> str:
    return f"""
user root;
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=100;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 80 backlog=4096;
    listen 443 ssl;
    ssl_certificate {content}/certificate.pem;
    ssl_certificate_key {content}/key.pem;
    root {content};
  }}
}}
"""
