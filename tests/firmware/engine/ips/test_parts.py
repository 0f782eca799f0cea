"""A message that comes in parts: rules say of it what they would say if nothing of an earlier part was remembered."""

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import Inspection, Moment
from tests.firmware.engine.ips.conftest import Asking

_RULES = (
    'http.stat_code; content:"200"; file.data; content:"evil";',
    'http.server; content:"nginx"; http.content_type; content:"text/html"; file.data; content:"bad"; nocase;',
    'http.header; content:"X-Odd|3a|"; file.data; content:!"good";',
    'file.data; content:"evil"; http.location; content:"/a";',
    'http.location; content:"/a"; endswith; http.stat_code; content:!"302";',
    'http.content_type; content:"image"; startswith;',
    'http.cookie; content:"id="; http.cookie; content:"b";',
    'http.server; bsize:5; http.response_body; content:"evil";',
)
_HEAD = st.fixed_dictionaries(
    {"http.stat_code": st.sampled_from((b"200", b"302"))},
    optional={
        "http.server": st.sampled_from((b"nginx", b"other")),
        "http.content_type": st.sampled_from((b"text/html", b"image/png")),
        "http.header": st.sampled_from((b"X-Odd: 1\r\n", b"X: 2\r\n")),
        "http.location": st.sampled_from((b"/a", b"/b")),
        "http.cookie": st.sampled_from((b"id=1", b"b")),
    },
)
_BODY = st.sampled_from((b"", b"evil", b"BAD good", b"bad", b"nothing"))
_PART = st.tuples(_BODY, st.sampled_from(("", "http.cookie", "http.location", "http.server")), st.booleans())


def _said(rules, buffers, *, transaction, complete):
    moment = Inspection(
        Moment.TRANSACTION,
        1000.0,
        rules.flow,
        False,
        None,
        buffers,
        transaction=transaction,
        complete=complete,
    )
    return sorted(hit.sid for hit in rules.rules.evaluate(moment))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_HEAD, st.lists(_PART, max_size=4)), min_size=1, max_size=4))
def test_parts_are_judged_as_if_nothing_was_remembered(messages):
    texts = [
        f"alert http any any -> any any (flow:established,to_client; {rule} sid:{sid};)"
        for sid, rule in enumerate(_RULES, 1)
    ]
    remembering, fresh = Asking(*texts), Asking(*texts)
    for number, (head, parts) in enumerate(messages, 1):
        buffers, body = {name: [value] for name, value in head.items()}, b""
        for index, (more, added, again) in enumerate([(b"", "", False), *parts]):
            complete, body = index == len(parts), body + more
            if added and again:
                buffers.setdefault(added, []).append(b"id=b")  # in place
            elif added:
                buffers[added] = [b"/a"]
            if body:
                buffers = {**buffers, "file.data": [body], "http.response_body": [body]}
            copies = {name: list(values) for name, values in buffers.items()}
            expected = _said(fresh, copies, transaction=number, complete=complete)
            assert _said(remembering, buffers, transaction=number, complete=complete) == expected
