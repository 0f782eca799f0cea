"""Any conversation in a mail protocol or FTP: nothing raises, and what is clean is not changed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.engine.conversation import Tcp
from tests.firmware.engine.test_mail import unit


@given(
    st.sampled_from([b"220 x ESMTP\r\n", b"+OK\r\n", b"* OK\r\n", b"220 FTP\r\n"]),
    st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(
                st.binary(max_size=200),
                st.sampled_from(
                    [
                        b"DATA\r\n", b"354\r\n", b".\r\n", b"BDAT 9999999 LAST\r\n", b"RETR 1\r\n", b"+OK\r\n", b"a1 OK\r\n",
                        b"* 1 FETCH (BODY[]<5> {30}\r\n", b"a APPEND x {50}\r\n", b"+ \r\n", b"\r\n.\r", b"PASV\r\n", b"begin 644 x\r\n",
                        b"227 (1,2,3,4,5,6)\r\n", b"Content-Type: multipart/x; boundary=a\r\n\r\n", b"--a\r\n", b"--a--", b"=3", b"M`",
                        b"Content-Transfer-Encoding: base64\r\n\r\n", b"EPRT |1|1.2.3.4|99999|\r\n", b"Content-Type: multipart/x\r\n",
                    ]
                ),
            ),
        ),
        max_size=25,
    ),
)  # fmt: skip
@settings(max_examples=150)
def test_no_conversation_breaks_or_changes_what_is_clean(greeting, said):
    guard, talk = unit(), Tcp(server_port=2525)
    guard.feed(talk.say(greeting, to_server=False))
    for to_server, data in said:
        packets = talk.say(data, to_server=to_server)
        assert guard.feed(packets) == packets
    guard.engine.flush(guard.now)
