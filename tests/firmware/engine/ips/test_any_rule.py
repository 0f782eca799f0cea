"""Any rule that loads can be asked about any data: it answers, and never raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.signatures.suricata import RuleError, parse_rule
from tests.firmware.engine.ips.conftest import flow

NUMBER = st.sampled_from(["0", "1", "2", "4", "8", "-1", "-4", "9", "300", "n", "4294967295"])
OPERATOR = st.sampled_from(["<", ">", "=", "<=", ">=", "&", "^", "!&", "!="])
MATHS = st.sampled_from(["+", "-", "*", "/", "<<", ">>"])
HOW = st.sampled_from(
    [
        "",
        ",relative",
        ",relative,little",
        ",string,dec",
        ",relative,string,hex",
        ",bitmask 0xf0",
        ",string,oct",
    ]
)
JUMP = st.sampled_from(
    ["", ",align", ",from_beginning", ",from_end", ",post_offset -3", ",multiplier 7", ",relative,align"]
)
POSITION = st.builds(
    "{}:{};".format, st.sampled_from(["offset", "depth", "distance", "within"]), NUMBER
) | st.sampled_from(["nocase;", "startswith;", "endswith;", "fast_pattern;", "rawbytes;"])
STEP = st.one_of(
    st.builds(
        'content:{}"{}"; {}'.format,
        st.sampled_from(["", "!"]),
        st.text("ab0 .", min_size=1, max_size=3),
        st.lists(POSITION, max_size=3).map(" ".join),
    ),
    st.builds('pcre:"/{}/{}";'.format, st.sampled_from(["a.b", "^a", "(a|b)+$", "(?=b)", "\\d{2}"]), st.sampled_from(["", "i", "R", "Rs", "smi", "G"])),
    st.builds("isdataat:{}{}{};".format, st.sampled_from(["", "!"]), NUMBER, st.sampled_from(["", ",relative"])),
    st.builds("byte_test:{},{},{},{}{};".format, NUMBER, OPERATOR, NUMBER, NUMBER, HOW),
    st.builds("byte_jump:{},{}{};".format, NUMBER, NUMBER, JUMP),
    st.builds("byte_extract:{},{},n{};".format, NUMBER, NUMBER, HOW),
    st.builds("byte_math:bytes {}, offset {}, oper {}, rvalue {}, result n;".format, NUMBER, NUMBER, MATHS, NUMBER),
    st.builds("bsize:{}{};".format, st.sampled_from(["", "<", ">", "!"]), NUMBER),
    st.builds("base64_decode:bytes {},relative; base64_data;".format, NUMBER),
    st.sampled_from(
        ["http.uri;", "http.header;", "pkt_data;", "file.data;", "dotprefix;", "to_sha256;", 'xor:"0d0a";', 'pcrexform:"(.)b";',
         "url_decode;", "strip_whitespace;", "urilen:<9;", "dsize:>3;", "stream_size:both,>,1;", "flowbits:set,x;", "flowbits:isset,x;",
         "flowint:n,+,1;", "threshold:type both, track by_both, count 1, seconds 1;", "xbits:set,y,track ip_src;", "flow.age:>1;",
         "iprep:any,x,>,1;", "ttl:>3;", "flags:S;", "fragoffset:0;", "noalert;"]
    ),
)  # fmt: skip
HEADERS = st.sampled_from(
    ["http any any -> any any", "tcp any any -> any 80", "udp any any -> any any", "ip any any <> any any"]
)
ACTIONS = st.sampled_from(["alert", "drop", "pass", "reject"])


@settings(max_examples=250)
@given(
    st.lists(st.tuples(ACTIONS, HEADERS, st.lists(STEP, max_size=6)), min_size=1, max_size=3),
    st.lists(st.binary(max_size=24) | st.text("ab0 .", max_size=24).map(str.encode), min_size=1, max_size=2),
    st.integers(0, 24),
)
def test_any_rule_that_loads_answers(rules, values, fresh):
    loaded = []
    for number, (action, header, steps) in enumerate(rules, 1):
        try:
            loaded.append(parse_rule(f"{action} {header} ({' '.join(steps)} sid:{number};)"))
        except RuleError as error:
            assert error.reason  # noqa: PT017 - either outcome is right
    try:
        asked = RuleSet.build(loaded)
    except SignatureError:
        return
    about = flow()
    for moment, buffers in (
        (Moment.PACKET, {"payload": values[:1]}),
        (Moment.PACKET, {"payload": values[:1], "stream": values[:1]}),
        (Moment.STREAM, {"stream": values[:1]}),
        (
            Moment.TRANSACTION,
            {"http.uri": values, "http.header": values, "file.data": values, "stream": values[:1]},
        ),
    ):
        at = min(fresh, len(values[0])) if moment is Moment.STREAM else 0
        for to_server in (True, False):
            inspection = Inspection(moment, 5.0, about, to_server, None, buffers, fresh=at, stream_at=7)
            assert {hit.sid for hit in asked.evaluate(inspection)} <= {rule.sid for rule in loaded}
