"""The command for an order to go back: signed by both firmware keys, shown, and taken away again."""


def test_an_order_is_signed_and_taken_away(desk):
    desk.signed(*desk.firmware())
    words = ("allow-downgrade", "2.0.0", "--variant", "test")
    assert desk.signed(*words, "--from", "2.1.0", "--dry-run")["roles"]["firmware"] == 3
    done = desk.signed(*words, "--from", "2.1.0", "--from", "2.0.1")
    assert (done["what"], done["roles"]["firmware"]) == ("2.0.0 may replace 2.0.1, 2.1.0", 3)
    assert desk.signed(*words, "--from", "2.0.1", "--from", "2.1.0")["what"] == "already there"
    assert desk.signed(*words)["what"] == "nothing goes back to 2.0.0"


def test_one_firmware_key_alone_orders_nothing(desk):
    desk.signed(*desk.firmware())
    (desk.repository / "keys/firmware-2.pem").unlink()
    answer = desk.refused("allow-downgrade", "2.0.0", "--variant", "test", "--from", "2.1.0")
    assert "firmware needs 2 signatures" in answer


def test_what_cannot_be_ordered_is_refused(desk):
    desk.signed(*desk.firmware())
    assert "is not newer" in desk.refused("allow-downgrade", "2.0.0", "--variant", "test", "--from", "1.9.0")
    assert "not in the repository" in desk.refused(
        "allow-downgrade", "3.0.0", "--variant", "test", "--from", "4.0.0"
    )
