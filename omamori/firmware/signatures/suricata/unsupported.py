"""Options of the language that this engine does not carry, each with the reason a person reads."""

_NO_PARSER = "this protocol is not parsed"

REASONS: dict[str, str] = {
    "lua": "scripts are not run on a unit",
    "luajit": "scripts are not run on a unit",
    "geoip": "no country data on a unit",
    "rpc": _NO_PARSER,
    "ssl_state": "TLS handshake states are not exposed to rules",
    "replace": "rules do not rewrite packets",
    "datarep": "data sets with values are not carried",
    "filemd5": "file hashes are matched by the antivirus",
    "filesha1": "file hashes are matched by the antivirus",
    "filesha256": "file hashes are matched by the antivirus",
    "filestore": "files are not kept on a unit",
    "filesize": "file sizes are not exposed to rules",
    "filemagic": "file types are not exposed to rules",
    "file.magic": "file types are not exposed to rules",
    "tls_cert_notbefore": "certificate dates are not exposed to rules",
    "tls_cert_notafter": "certificate dates are not exposed to rules",
    "tls_cert_expired": "certificate dates are not exposed to rules",
    "tls_cert_valid": "certificate dates are not exposed to rules",
    "tls.cert_chain_len": "certificate chains are not exposed to rules",
    "bypass": "the engine itself decides when a flow is inspected no more",
    "config": "rules do not configure the engine",
    "engine-event": "decoder events are not numbered",
    "frame": "frames of protocols are not exposed to rules",
    "flowvar": "captured texts are not remembered",
    "pktvar": "captured texts are not remembered",
    "email.url": "links in mails are not taken out",
    **dict.fromkeys(
        (
            "email.from", "email.to", "email.cc", "email.subject", "email.date", "email.message_id", "email.x_mailer",
            "email.received", "email.body_md5", "email.command",
        ),
        "fields of mails are not exposed to rules",
    ),
    **dict.fromkeys(
        ("quic.ua", "quic.cyu.hash", "quic.cyu.string"), "only QUIC before its standard had it, which is not read"
    ),
    "tenant_id": "a unit has one tenant",
    **dict.fromkeys(
        (
            "ipv4-csum", "tcpv4-csum", "tcpv6-csum", "udpv4-csum", "udpv6-csum", "icmpv4-csum", "icmpv6-csum",
        ),
        "the kernel has verified checksums, and offloaded packets have none yet",
    ),
    "dce_iface": _NO_PARSER,
    "dce_opnum": _NO_PARSER,
    "dce_stub_data": _NO_PARSER,
    "dcerpc.iface": _NO_PARSER,
    "dcerpc.opnum": _NO_PARSER,
    "dcerpc.stub_data": _NO_PARSER,
    **dict.fromkeys(
        (
            "smb.named_pipe", "smb.share", "smb.ntlmssp_user", "smb.ntlmssp_domain", "smb.version", "krb5_cname", "krb5_sname",
            "krb5.cname", "krb5.sname", "krb5_err_code", "krb5_msg_type", "snmp.community", "snmp.pdu_type", "snmp.version",
            "nfs_procedure", "nfs.version", "rfb.name", "rfb.secresult", "rfb.sectype", "mqtt.type", "mqtt.connect.clientid",
            "sip.method", "sip.uri", "sip.request_line", "sip.stat_code", "sip.stat_msg", "sip.response_line", "sip.protocol",
            "http2.priority", "http2.settings", "http2.size_update", "http2.window",
            "smb_named_pipe", "smb_share", "snmp.usm", "krb5.ticket_encryption", "dnp3.data", "dnp3_func",
            "dnp3_ind", "dnp3_obj", "dhcp.leasetime", "dhcp.rebinding_time", "dhcp.renewal_time", "ike.chosen_sa_attribute",
            "ike.exchtype", "ike.key_exchange_payload", "ike.key_exchange_payload_length", "ike.nonce_payload",
            "ike.nonce_payload_length", "ike.resp_spi", "ike.vendor", "mqtt.connack.session_present", "mqtt.connect.flags",
            "mqtt.connect.password", "mqtt.connect.username", "mqtt.connect.willmessage", "mqtt.connect.willtopic", "mqtt.flags",
            "mqtt.protocol_version", "mqtt.publish.message", "mqtt.publish.topic", "mqtt.qos", "mqtt.reason_code",
            "mqtt.subscribe.topic", "mqtt.unsubscribe.topic", "ftpdata_command",
            "ike.init_spi", "ike.version", "modbus", "dnp3_data", "enip_command", "cip_service", "http2.frametype",
            "http2.errorcode", "http2.header_name", "rdp.cookie", "pgsql.query",
        ),
        _NO_PARSER,
    ),
}  # fmt: skip
