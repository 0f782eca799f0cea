"""What the engine recognises beyond bytes: application protocols of flows, and events that it raises.

A rule that asks for another one could never match, so it is refused and says so. A parser that raises a new event, or a
new protocol that is told apart, has its name here; a test compares these tables with the engine.
"""

APPLICATIONS = frozenset(
    (
        "http", "http1", "http2", "tls", "dns", "ssh", "smtp", "ftp", "ftp-data", "imap", "pop3", "smb", "quic", "rdp", "mqtt",
    )
)  # fmt: skip
FOREIGN = frozenset(
    (
        "dcerpc", "sip", "ntp", "dhcp", "snmp", "tftp", "nfs", "krb5", "ike", "rfb", "telnet", "pgsql", "bittorrent-dht", "modbus",
        "dnp3", "enip", "template", "http-body", "doh2", "ldap", "websocket", "irc", "msn", "jabber", "mdns",
    )
)  # fmt: skip
"""Protocols of Suricata that are not recognised here."""
FILES = frozenset(("http", "http1", "http2", "smtp", "ftp", "ftp-data", "imap", "pop3"))
"""Protocols whose files are taken out."""
_WAYS = ("request", "response")
EVENTS = frozenset(
    (
        "dns.malformed_data", "dns.z_flag_set", "ssh.invalid_banner", "ssh.invalid_record", "ssh.long_banner",
        "tls.invalid_handshake_message", "tls.invalid_record_type", "ipv6.exthdr_useless_fh", "ipv6.rh_type_0",
        "reassembly_overlap_different_data", "suspected_rst_inject", "fin_out_of_window",
        "http.request_auth_unrecognized", "http.uri_delim_non_compliant", "http.method_delim_non_compliant",
        "http.request_line_leading_whitespace", "http.double_encoded_uri", "http.response_invalid_status",
        "http.response_invalid_protocol", "http.too_many_encoding_layers", "http.missing_host_header", "http.header_host_invalid",
        "http.host_header_ambiguous",
        *(f"http.invalid_transfer_encoding_value_in_{way}" for way in _WAYS),
        *(f"http.invalid_content_length_field_in_{way}" for way in _WAYS),
        *(f"http.invalid_{way}_field_folding" for way in _WAYS),
        *(f"http.invalid_{way}_chunk_len" for way in _WAYS),
        *(f"http.{way}_field_missing_colon" for way in _WAYS),
        *(f"http.{way}_field_too_long" for way in _WAYS),
        *(f"http.{way}_header_repetition" for way in _WAYS),
    )
)  # fmt: skip
"""Under the names that `app-layer-event`, `decode-event` and `stream-event` take."""
