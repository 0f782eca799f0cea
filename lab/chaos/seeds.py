"""What several targets begin with: rules of many kinds, and a small real pack of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from omamori.firmware.engine.antivirus import Antivirus, literal
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import eicar
from omamori.firmware.signatures.credentials import build_passwords
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.suricata.files import parse_rules
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Guard

RULES = b"""
drop http any any -> any any (msg:"A"; flow:established,to_server; http.uri; content:"a"; pcre:"/a[b-z]+c/U"; sid:1; rev:1;)
alert tcp any any -> any any (msg:"B"; content:"abc"; offset:1; depth:9; byte_test:2,>,5,0,relative; isdataat:4,relative; sid:2;)
drop dns any any -> any any (msg:"C"; dns.query; content:"bad"; nocase; endswith; threshold:type limit, track by_src, count 1, seconds 9; sid:3;)
alert http any any -> any any (msg:"D"; file.data; content:"|de ad|"; within:9; flowbits:set,x; xbits:set,y,track ip_src; sid:4;)
alert tls any any -> any any (msg:"E"; tls.sni; content:"x.example"; startswith; bsize:>3; sid:5;)
"""
STREAM_RULES = b"""
alert tcp any any -> any any (msg:"F"; content:"GET "; byte_jump:1,0,relative,multiplier 2; byte_extract:1,0,n,relative; content:"e"; within:n; sid:6;)
alert tcp any any -> any any (msg:"G"; pcre:"/(a+)+b|^(?:x|y*)*z$/Ri"; base64_decode:bytes 12, offset 2, relative; base64_data; content:"x"; sid:7;)
alert http any any -> any any (msg:"H"; http.header; to_lowercase; content:"host"; xor:"0d0ac8ff"; byte_math:bytes 1, offset 0, oper *, rvalue 3, result r; sid:8;)
alert tcp any any -> any any (msg:"I"; asn1:oversize_length 30, bitstring_overflow; dsize:>3; content:!"zz"; distance:-2; stream_size:server,>,1; sid:9;)
"""
PROTOCOL_RULES = b"""
alert ssh any any -> any any (msg:"J"; ssh.software; content:"OpenSSH"; sid:20;)
alert smtp any any -> any any (msg:"K"; smtp.mail_from; content:"a"; sid:21;)
alert ftp any any -> any any (msg:"L"; ftp.command; content:"PASV"; sid:22;)
alert tls any any -> any any (msg:"M"; tls.cert_subject; content:"example"; sid:23;)
alert tls any any -> any any (msg:"N"; ja3.hash; content:"a"; sid:24;)
alert quic any any -> any any (msg:"O"; quic.sni; content:"example"; sid:25;)
alert http2 any any -> any any (msg:"P"; http.uri; content:"/"; sid:26;)
"""
DOWNLOAD = b"GET /abc HTTP/1.1\r\nHost: www.fish.example\r\nUser-Agent: aaaaaaaaaaaaaaaaaaaaaaaaab\r\n\r\nabcdefeHVpIQ=="
MALICIOUS = b"hello"
"""What the antivirus of these engines looks for."""
SPLIT = b"\0|\0"
"""Between two parts of one input."""


def build_pack(path: Path, version: str, phishing: Sequence[str]) -> None:
    """A small real pack."""
    content = pack.Content(parse_rules(RULES), [DomainList("phishing", list(phishing))], [eicar()])
    pack.build(path, Version.parse(version), datetime(2026, 4, 1, tzinfo=UTC), content)


def signatures() -> Signatures:
    """Something of everything, so that every parser has somebody who asks it; what is blocked would not be parsed any further."""
    from omamori.firmware.engine.ips.ruleset import RuleSet

    return Signatures(
        RuleSet.build(
            parse_rules((RULES + STREAM_RULES + PROTOCOL_RULES).replace(b"drop ", b"alert ")).rules
        ),
        {
            Guard.WG: build_table([("bad.example", "phishing")]),
            Guard.UF: build_table([("fish.example", "games")]),
        },
        antivirus=Antivirus([literal("a", "A", MALICIOUS)]),
        passwords=build_passwords([("admin", "admin")]),
    )
