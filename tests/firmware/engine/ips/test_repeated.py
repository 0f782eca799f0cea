"""Values that come again are looked at once; no rule that needs more than them is lost or found for it."""


def test_a_rule_over_repeated_values_fires_for_each_message(asking):
    rule = asking(
        'alert http any any -> any any (http.method; content:"GET"; http.user_agent; content:"evil"; sid:1;)'
    )
    for _ in range(3):
        assert rule.message(http__method=b"GET", http__user_agent=b"evil/1") == [1]
        assert rule.message(http__method=b"GET", http__user_agent=b"good/1") == []
        assert rule.message(http__method=b"GET") == []


def test_the_other_buffers_still_decide(asking):
    rule = asking(
        'alert http any any -> any any (http.method; content:"PUT"; http.uri; content:"/x"; sid:1;)'
    )
    assert [rule.message(http__method=b"PUT", http__uri=uri) for uri in (b"/y", b"/x", b"/y", b"/x")] == [
        [], [1], [], [1],
    ]  # fmt: skip


def test_an_absent_buffer_is_part_of_what_is_remembered(asking):
    rule = asking(
        'alert http any any -> any any (http.accept; content:!"html"; http.method; content:"GET"; sid:1;)'
    )
    assert rule.message(http__method=b"GET") == []
    assert rule.message(http__method=b"GET", http__accept=b"image/png") == [1]
    assert rule.message(http__method=b"GET", http__accept=b"text/html") == []


def test_what_is_read_from_one_buffer_and_asked_of_another_is_not_judged_early(asking):
    rule = asking(
        "alert http any any -> any any (http.host; byte_extract:1,0,n,string,dec; http.method; "
        'content:"GET"; http.user_agent; byte_test:1,=,n,0,string,dec; sid:1;)'
    )
    assert rule.message(http__host=b"5.example", http__method=b"GET", http__user_agent=b"5") == [1]
    assert rule.message(http__host=b"6.example", http__method=b"GET", http__user_agent=b"5") == []


def test_many_different_values_are_bounded_and_right(asking):
    rule = asking('alert http any any -> any any (http.host; content:"evil"; sid:1;)')
    for number in range(3000):
        wanted = [1] if number % 7 == 0 else []
        host = b"%d.%s" % (number, b"evil" if wanted else b"good")
        assert rule.message(http__host=host) == wanted
