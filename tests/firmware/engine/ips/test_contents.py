"""What each option that looks at bytes means, one line each: (options, data, does it match)."""

import base64

import pytest

TABLE = [
    # content
    ('content:"abc";', b"xxabcxx", True),
    ('content:"abc";', b"xxABCxx", False),
    ('content:"aBc"; nocase;', b"xxAbCxx", True),
    ('content:"a|42 43|d";', b"aBCd", True),
    ('content:"a\\;\\"\\\\\\:b";', b'a;"\\:b', True),
    ('content:!"abc"; content:"x";', b"x ab c", True),
    ('content:!"abc"; content:"x";', b"x abc", False),
    # offset and depth count from the beginning
    ('content:"abc"; offset:2;', b"xxabc", True),
    ('content:"abc"; offset:3;', b"xxabc", False),
    ('content:"abc"; depth:3;', b"abcx", True),
    ('content:"abc"; depth:4;', b"xxabc", False),
    ('content:"abc"; offset:2; depth:3;', b"xxabc", True),
    ('content:"abc"; offset:2; depth:3;', b"xxxabc", False),
    # distance and within count from the last match
    ('content:"ab"; content:"cd"; distance:0;', b"abcd", True),
    ('content:"ab"; content:"cd"; distance:1;', b"abcd", False),
    ('content:"ab"; content:"cd"; distance:-4;', b"cdab", True),
    ('content:"ab"; content:"cd"; distance:0;', b"cdab", False),
    ('content:"ab"; content:"cd"; within:2;', b"abcd", True),
    ('content:"ab"; content:"cd"; within:2;', b"abxcd", False),
    ('content:"ab"; content:"cd"; distance:1; within:2;', b"abxcd", True),
    ('content:"ab"; content:"cd"; distance:1; within:2;', b"abxxcd", False),
    # a relative failure tries the match before it again
    ('content:"ab"; content:"cd"; within:2;', b"abxxabcd", True),
    ('content:"a"; content:"b"; distance:1; within:1; content:"c"; distance:1; within:1;', b"a.b.xa.b.c", True),
    ('content:"a"; content:"b"; distance:1; within:1; content:"c"; distance:1; within:1;', b"a.b.xa.c.b", False),
    ('content:"ab"; content:!"cd"; within:2;', b"abcdab", True),
    ('content:"ab"; content:!"cd"; within:2;', b"abcdabcd", False),
    # anchors
    ('content:"abc"; startswith;', b"abcx", True),
    ('content:"abc"; startswith;', b"xabc", False),
    ('content:"abc"; endswith;', b"xabc", True),
    ('content:"abc"; endswith;', b"abcx", False),
    ('content:"abc"; endswith;', b"abcxabc", True),
    ('content:"abc"; startswith; endswith;', b"abc", True),
    ('content:"abc"; startswith; endswith;', b"abcabc", False),
    ('content:"x"; content:!"abc"; endswith;', b"abcx", True),
    ('content:"x"; content:!"abc"; endswith;', b"xabc", False),
    # sizes
    ('content:"abc"; bsize:3;', b"abc", True),
    ('content:"abc"; bsize:3;', b"abcd", False),
    ('content:"abc"; bsize:>3;', b"abcd", True),
    ('content:"abc"; bsize:3<>6;', b"abcde", True),
    ('content:"abc"; bsize:3<>6;', b"abc", False),
    ('content:"abc"; bsize:!3;', b"abc", False),
    # isdataat
    ('content:"ab"; isdataat:2,relative;', b"abcd", True),
    ('content:"ab"; isdataat:3,relative;', b"abcd", False),
    ('content:"ab"; isdataat:!1,relative;', b"xxab", True),
    ('content:"ab"; isdataat:!1,relative;', b"xxabc", False),
    ('content:"ab"; isdataat:3;', b"abcd", True),
    ('content:"ab"; isdataat:4;', b"abcd", False),
    # pcre
    ('content:"id="; pcre:"/id=\\d{2}$/";', b"?id=42", True),
    ('content:"id="; pcre:"/id=\\d{2}$/";', b"?id=4a", False),
    ('content:"id="; pcre:"/^[0-9]+/R";', b"?id=42", True),
    ('content:"id="; pcre:"/^[0-9]+/R";', b"42?id=", False),
    ('content:"id="; pcre:!"/evil/i";', b"?id=EVIL", False),
    ('content:"id="; pcre:!"/evil/i";', b"?id=good", True),
    ('content:"id="; pcre:"/=[a-z]/R"; content:"z"; within:1;', b"id==a=bz", True),
    ('content:"x"; pcre:"/^a.c$/sm";', b"x\na\nc", True),
    # byte_test
    ('content:"L"; byte_test:2,>,256,0,relative;', b"L\x01\x01", True),
    ('content:"L"; byte_test:2,>,256,0,relative;', b"L\x01\x00", False),
    ('content:"L"; byte_test:2,=,1,0,relative,little;', b"L\x01\x00", True),
    ('content:"L"; byte_test:1,&,128,0,relative;', b"L\x80", True),
    ('content:"L"; byte_test:1,!&,128,0,relative;', b"L\x80", False),
    ('content:"L"; byte_test:3,=,123,0,relative,string,dec;', b"L123", True),
    ('content:"L"; byte_test:2,=,255,0,relative,string,hex;', b"Lff", True),
    ('content:"L"; byte_test:2,=,3,0,relative,bitmask 0x3000;', b"L\x30\x00", True),
    ('content:"L"; byte_test:4,>,0,0,relative;', b"L\x01", False),
    # a count of 0 takes all digits; text ends where its digits do
    ("byte_test:0,>,5,0,string,dec;", b"4096", True),
    ("byte_test:0,>,5,0,string,dec;", b"4", False),
    ('content:"n="; byte_test:0,=,12345,0,relative,string,dec;', b"n=12345;q", True),
    ('content:"n="; byte_test:0,=,0,0,relative,string,dec;', b"n=x", False),
    ('content:"n="; byte_test:0,=,0,0,relative,string,dec;', b"n=", False),
    ("byte_test:2,>,100,0,string,dec;", b"-1", True),
    ('content:"L"; byte_jump:2,0,relative,string,dec; content:"c"; within:1;', b"L2;abcX", False),
    ('content:"L"; byte_jump:2,0,relative,string,dec; content:"b"; within:1;', b"L2;abcX", True),
    ('content:"L"; byte_extract:2,0,v,relative,string,dec; content:"|3b|"; within:1;', b"L2;abcX", True),
    # byte_jump moves where relative options count from
    ('content:"L"; byte_jump:1,0,relative; content:"x"; within:1;', b"L\x02..x", True),
    ('content:"L"; byte_jump:1,0,relative; content:"x"; within:1;', b"L\x03..x", False),
    ('content:"L"; byte_jump:1,0,relative,multiplier 2; content:"x"; within:1;', b"L\x01..x", True),
    ('content:"L"; byte_jump:1,0,relative,align; content:"x"; within:1;', b"L\x01....x", True),
    ('content:"L"; byte_jump:1,1,from_beginning; content:"c"; within:1;', b"L\x03.c", True),
    ('content:"L"; byte_jump:1,0,relative; content:"x"; distance:0;', b"L\xff..x", False),
    ('content:"L"; byte_jump:1,0,relative,post_offset -1; content:"x"; within:1;', b"L\x02.x.", True),
    ('content:"L"; byte_jump:1,0,relative,post_offset -9; content:"L"; within:1;', b"L\x02.x.", True),
    ('content:"L"; byte_jump:1,0,relative; isdataat:!1,relative;', b"L\x02..", True),
    ('content:"L"; byte_jump:1,0,relative; isdataat:!1,relative;', b"L\x03..", False),
    ('content:"L"; byte_jump:1,1,from_beginning; isdataat:!1,relative;', b"L\x04..", True),
    ('content:"L"; byte_jump:0,0,from_end; isdataat:!1,relative;', b"L...", True),
    # byte_extract and byte_math feed other options
    ('content:"L"; byte_extract:1,0,n,relative; content:"x"; offset:n;', b"L\x03.x", True),
    ('content:"L"; byte_extract:1,0,n,relative; content:"x"; offset:n;', b"Lx\x7f", False),
    ('content:"L"; byte_extract:1,0,n,relative; byte_test:1,=,n,2;', b"L\x07\x07", True),
    ('content:"L"; byte_extract:1,0,n,relative; isdataat:!n,relative;', b"L\x09ab", True),
    ('content:"L"; byte_math:bytes 1, offset 1, oper *, rvalue 2, result n; content:"x"; offset:n;', b"L\x02..x", True),
    # and move where relative options count from to behind what they read
    ('content:"ab"; byte_extract:1,0,v,relative; content:"YZ"; within:v;', b"xxab\x02YZW", True),
    ('content:"ab"; byte_extract:1,0,v,relative; content:"YZ"; within:v;', b"xxab\x02.YZ", False),
    ('content:"ab"; byte_extract:1,0,v,relative; byte_test:1,=,89,0,relative;', b"xxab\x02YZW", True),
    ('content:"ab"; byte_math:bytes 1, offset 0, oper +, rvalue 1, result r, relative; content:"YZ"; within:2;', b"ab\x02YZ", True),
    ('content:"a"; byte_extract:1,0,v; content:"b"; within:1;', b"xb.a", True),
    # base64
    ('content:"D:"; base64_decode:bytes 8,offset 0,relative; base64_data; content:"hello";', b"D:" + base64.b64encode(b"hello"), True),
    ('content:"D:"; base64_decode:bytes 8,offset 0,relative; base64_data; content:"other";', b"D:" + base64.b64encode(b"hello"), False),
]  # fmt: skip


@pytest.mark.parametrize(("options", "data", "expected"), TABLE)
def test_option(asking, options, data, expected):
    rule = asking(f"alert http any any -> any any (http.request_body; {options} sid:1;)")
    assert rule.message(http__request_body=data) == ([1] if expected else [])


@pytest.mark.parametrize(("options", "data", "expected"), [row for row in TABLE if "bsize" not in row[0]])
def test_option_on_payload(asking, options, data, expected):
    """The same without a buffer."""
    rule = asking(f"alert udp any any -> any any ({options} sid:1;)", protocol="udp", application="")
    assert rule.payload(data) == ([1] if expected else [])


@pytest.mark.parametrize(
    ("transforms", "data", "content"),
    [
        ("dotprefix;", b"evil.example", '".evil.example"; endswith;'),
        ("dotprefix;", b"www.evil.example", '".evil.example"; endswith;'),
        ("to_lowercase;", b"ABC", '"abc";'),
        ("to_uppercase;", b"abc", '"ABC";'),
        ("strip_whitespace;", b"a b\r\nc", '"abc";'),
        ("compress_whitespace;", b"a \t b", '"a b";'),
        ("url_decode;", b"a%20b+c", '"a b c";'),
        ("to_md5;", b"abc", '"|90 01 50 98 3c d2 4f b0 d6 96 3f 7d 28 e1 7f 72|";'),
        ('xor:"ff";', b"\x9e\x9d", '"ab";'),
        ("header_lowercase;", b"Host: A\r\n", '"host: A";'),
        ('pcrexform:"[a-z]+\\.(php|asp)";', b"/index.php?x", '"php"; bsize:3;'),
        ('pcrexform:"(\\d+)"; to_md5;', b"id=42!", '"|a1 d0 c6 e8 3f 02 73 27|"; startswith;'),
    ],
)
def test_transform(asking, transforms, data, content):
    rule = asking(f"alert http any any -> any any (http.host; {transforms} content:{content} sid:1;)")
    assert rule.message(http__host=data) == [1]
    assert rule.message(http__host=b"zzz.zz") == []


def test_a_name_that_only_ends_alike_is_another_domain(asking):
    rule = asking(
        'alert dns any any -> any any (dns.query; dotprefix; content:".evil.example"; nocase; endswith; sid:1;)'
    )
    rule.flow.application = "dns"
    assert rule.message(dns__query=b"WWW.Evil.Example") == [1]
    assert rule.message(dns__query=b"notevil.example") == []


@pytest.mark.parametrize(
    ("options", "buffer", "values", "expected"),
    [
        ('tls.subject:"CN=evil";', "tls.cert_subject", [b"C=FR, CN=evil"], True),
        ('tls.subject:!"CN=evil";', "tls.cert_subject", [b"C=FR, CN=evil"], False),
        ('tls.issuerdn:"CN=ca"; tls.store;', "tls.cert_issuer", [b"CN=ca"], True),
        ('filename:"secret";', "file.name", [b"my secret.doc"], True),
        ('fileext:"DOC";', "file.name", [b"my secret.doc"], True),
        ('fileext:"doc";', "file.name", [b"doc.txt"], False),
        ('ssh.softwareversion:"OpenSSH_8";', "ssh.software", [b"openssh_8.4"], True),
        ("ssh.protoversion:2_compat;", "ssh.proto", [b"1.99"], True),
        ("dns.opcode:4;", "dns.opcode", [b"4"], True),
        ("dns.opcode:!4;", "dns.opcode", [b"4"], False),
        ("dns.rrtype:>15;", "dns.rrtype", [b"1", b"16"], True),
        ("dns.rcode:0-3;", "dns.rcode", [b"3"], False),
        ("dns.opcode:4;", "dns.opcode", [b"four"], False),
    ],
)
def test_old_and_special_forms(asking, options, buffer, values, expected):
    protocol = {"file": "smtp"}.get(buffer.split(".")[0], buffer.split(".")[0])
    rule = asking(f"alert {protocol} any any -> any any ({options} sid:1;)", application=protocol)
    told = rule.message(**{buffer.replace(".", "__"): values})
    assert told == ([1] if expected else [])


def test_each_value_of_a_buffer_is_tried_on_its_own(asking):
    rule = asking(
        'alert dns any any -> any any (dns.query; content:"a"; content:"b"; distance:0; sid:1;)',
        application="dns",
    )
    assert rule.message(dns__query=[b"a.example", b"b.example"]) == []
    assert rule.message(dns__query=[b"x", b"a.b"]) == [1]


def test_old_spelling_moves_the_content_before_it(asking):
    old = 'content:"POST"; http_method; content:"/x"; http_uri; content:"y"; http_uri; distance:0; content:"z"; http_client_body;'
    rule = asking(f"alert tcp any any -> any 80 ({old} sid:1;)")
    assert rule.message(http__method=b"POST", http__uri=b"/x/y", http__request_body=b"zz") == [1]
    assert rule.message(http__method=b"POST", http__uri=b"/y/x", http__request_body=b"zz") == []


def test_work_is_bounded(asking):
    steps = "".join('content:"a"; distance:0; ' for _ in range(12))
    rule = asking(f'alert http any any -> any any (http.request_body; {steps} content:"b"; within:1; sid:1;)')
    assert rule.message(http__request_body=b"a" * 4000) == []
