"""The factory's test on the booted image: what it needs is there, and it leaves nothing behind. Its two ports have no cable between them here."""

import json

WITHOUT = "--without ports --without lamp"


def test_the_hardware_is_tested_by_the_image_itself(host):
    before = host.check_output("ls -A /var/lib/omamori")
    done = host.run(f"omamori-unit self-test --factory --json {WITHOUT}")
    report = json.loads(done.stdout)
    print(done.stdout)
    outcomes = {line["check"]: line["outcome"] for line in report["lines"]}
    assert {name for name, outcome in outcomes.items() if outcome == "FAIL"} == {"claim"}, "it has none"
    assert {"memory", "processor", "matcher", "clock", "clock on the board"} <= set(outcomes)
    assert any(name.startswith("storage") for name in outcomes)
    assert (done.rc, report["passed"]) == (1, False)
    assert host.check_output("ls -A /var/lib/omamori") == before
