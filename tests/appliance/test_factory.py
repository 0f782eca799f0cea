"""The factory's test on the booted image: what it needs is there, and it leaves nothing behind. Its two ports have no cable between them here."""

import json

WITHOUT = "--without ports --without lamp"


def test_the_hardware_is_tested_by_the_image_itself(host):
    before = host.check_output("ls -A /var/lib/omamori")
    done = host.run(f"omamori-unit self-test --factory --json {WITHOUT}")
    report = json.loads(done.stdout)
    print(done.stdout)
    details = {line["check"]: line["detail"] for line in report["lines"]}
    outcomes = {line["check"]: line["outcome"] for line in report["lines"]}
    assert {name for name, outcome in outcomes.items() if outcome == "FAIL"} == {"claim"}, (
        "PEM is no certificate"
    )
    assert details["claim"] == "the fleet's certificate is none"
    assert {"memory", "processor", "matcher", "clock", "clock on the board"} <= set(outcomes)
    assert any(name.startswith("storage") for name in outcomes)
    assert (done.rc, report["passed"]) == (1, False)
    assert host.check_output("ls -A /var/lib/omamori") == before


def test_ordered_from_the_boot_partition_it_runs_within_its_walls(host):
    """As `omamori image flash --self-test` leaves the order; the unit fails without a cable, so that the order stays."""
    host.check_output("mkdir -p /efi/omamori && echo --without lamp --without ports > /efi/omamori/self-test")
    try:
        host.run("systemctl start omamori-self-test")
        report = host.check_output("cat /efi/omamori/self-test.txt")
        print(report)
        assert "FAIL claim: the fleet's certificate is none" in report
        assert [line for line in report.splitlines() if line.startswith("FAIL ")] == [
            "FAIL claim: the fleet's certificate is none"
        ]
        assert host.file("/efi/omamori/self-test").exists
    finally:
        host.check_output("rm -f /efi/omamori/self-test*; systemctl reset-failed")
