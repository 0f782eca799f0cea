"""The buffers that rules can name: new and old spelling, which application fills them, in which direction."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Buffer:
    name: str
    application: str
    """Empty: any that carries files."""
    to_server: bool | None
    """None: both directions."""
    many: bool = False
    """Several values in one transaction, each tried on its own."""


def _table(application: str, to_server: bool | None, names: str, *, many: bool = False) -> dict[str, Buffer]:  # noqa: FBT001 - a table's column
    return {name: Buffer(name, application, to_server, many) for name in names.split()}


BUFFERS: dict[str, Buffer] = {
    **_table(
        "http",
        True,
        "http.uri http.uri.raw http.method http.host http.host.raw http.user_agent http.referer http.request_body"
        " http.request_line http.accept http.accept_enc http.accept_lang",
    ),
    **_table(
        "http",
        False,
        "http.stat_code http.stat_msg http.response_body http.response_line http.location http.server",
    ),
    **_table(
        "http",
        None,
        "http.header http.header.raw http.header_names http.cookie http.content_type http.content_len http.start"
        " http.protocol http.connection file.data file.name",
    ),
    **_table("http", True, "http.request_header", many=True),
    **_table("http", False, "http.response_header", many=True),
    **_table("dns", True, "dns.query", many=True),
    **_table("dns", False, "dns.answer.name", many=True),
    **_table("dns", None, "dns.query.name", many=True),
    **_table("dns", None, "dns.opcode dns.rcode dns.rrtype", many=True),
    **_table("tls", True, "tls.sni ja3.hash ja3.string ja4.hash"),
    **_table(
        "tls",
        False,
        "tls.cert_subject tls.cert_issuer tls.cert_serial tls.cert_fingerprint ja3s.hash ja3s.string",
    ),
    **_table("tls", False, "tls.certs tls.subjectaltname", many=True),
    **_table("tls", None, "tls.version tls.random tls.random_time tls.random_bytes"),
    **_table(
        "ssh",
        None,
        "ssh.proto ssh.software ssh.hassh ssh.hassh.string ssh.hassh.server ssh.hassh.server.string",
    ),
    **_table("smtp", True, "smtp.helo smtp.mail_from"),
    **_table("smtp", True, "smtp.rcpt_to", many=True),
    **_table("ftp", True, "ftp.command ftp.command_data"),
    **_table("ftp", False, "ftp.reply", many=True),
    **_table("quic", None, "quic.sni quic.version"),
    **_table("", None, "tcp.hdr udp.hdr ipv4.hdr ipv6.hdr icmpv4.hdr icmpv6.hdr"),
}
BUFFERS["dns.query"] = Buffer("dns.query", "dns", None, many=True)
BUFFERS["file.data"] = Buffer("file.data", "", None)
BUFFERS["file.name"] = Buffer("file.name", "", None)

STICKY_ALIASES = {
    "file_data": "file.data", "file.name": "file.name", "dns_query": "dns.query", "tls_sni": "tls.sni",
    "ja3_hash": "ja3.hash", "ja3_string": "ja3.string", "ja3s_hash": "ja3s.hash", "ja3s_string": "ja3s.string", "tls_cert_subject": "tls.cert_subject",
    "tls_cert_issuer": "tls.cert_issuer", "tls_cert_serial": "tls.cert_serial", "tls_cert_fingerprint": "tls.cert_fingerprint",
    "tls.cert_fingerprint": "tls.cert_fingerprint", "http_header_names": "http.header_names",
    "http_content_type": "http.content_type", "http_content_len": "http.content_len", "http_start": "http.start",
    "http_protocol": "http.protocol", "http_accept": "http.accept", "http_accept_enc": "http.accept_enc",
    "http_accept_lang": "http.accept_lang", "http_connection": "http.connection", "http_referer": "http.referer",
    "http_request_line": "http.request_line", "http_response_line": "http.response_line", "ssh_proto": "ssh.proto",
    "ssh_software": "ssh.software", "ja4_hash": "ja4.hash",
}  # fmt: skip
"""Old names that are sticky too (they come before their contents)."""

MODIFIERS = {
    "http_uri": "http.uri", "http_raw_uri": "http.uri.raw", "http_method": "http.method", "http_header": "http.header",
    "http_raw_header": "http.header.raw", "http_cookie": "http.cookie", "http_host": "http.host", "http_raw_host": "http.host.raw",
    "http_user_agent": "http.user_agent", "http_client_body": "http.request_body", "http_server_body": "http.response_body",
    "http_stat_code": "http.stat_code", "http_stat_msg": "http.stat_msg",
}  # fmt: skip
"""Old names that move the content before them."""

PCRE_BUFFERS = {
    "U": "http.uri", "I": "http.uri.raw", "P": "http.request_body", "Q": "http.response_body", "H": "http.header",
    "D": "http.header.raw", "M": "http.method", "C": "http.cookie", "S": "http.stat_code", "Y": "http.stat_msg",
    "V": "http.user_agent", "W": "http.host", "Z": "http.host.raw",
}  # fmt: skip

TRANSFORMS = frozenset(
    (
        "dotprefix", "to_lowercase", "to_uppercase", "to_md5", "to_sha1", "to_sha256", "strip_whitespace", "compress_whitespace",
        "url_decode", "header_lowercase", "strip_pseudo_headers", "pcrexform", "xor", "domain", "tld", "from_base64",
    )
)  # fmt: skip
