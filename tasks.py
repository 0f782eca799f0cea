"""Invoke tasks, a few lines each; `./inv --list` shows them. What they call lives in the rooms and in `lab/`."""

import shlex
import sys

from invoke import Context, task

PYTHON = shlex.quote(sys.executable)
BIN = shlex.quote(sys.prefix) + "/bin"
CODE = "omamori lab tests tasks.py"


@task
def fix(c: Context) -> None:
    """Format the code and mend what ruff can mend."""
    c.run(f"{BIN}/ruff check --fix-only --quiet {CODE}")
    c.run(f"{BIN}/ruff format {CODE}")


@task
def check(c: Context) -> None:
    """Check style, types and import contracts (the inner loop of a change)."""
    c.run(f"{BIN}/ruff format --check --quiet {CODE}")
    c.run(f"{BIN}/ruff check {CODE}")
    c.run(f"{BIN}/lint-imports")
    c.run(f"{BIN}/mypy omamori lab")


@task(
    help={"fast": "leave out the image, the browser, the scenarios and what takes long", "args": "for pytest"}
)
def test(c: Context, fast: bool = False, args: str = "") -> None:  # noqa: FBT001, FBT002, PT028 - Invoke's way to say a flag
    """Run all tests; the last line is pytest's own."""
    chosen = '-m "not vm and not slow and not browser" --ignore tests/scenarios' if fast else "-n 2"
    c.run(f"{PYTHON} -m pytest -q {chosen} {args}", pty=sys.stdout.isatty())


@task(
    help={
        "once": "play and check every step, then stop everything and exit",
        "json": "write the figures to this file",
    }
)
def demo(c: Context, once: bool = False, json: str = "") -> None:  # noqa: FBT001, FBT002
    """Run the whole product on this machine: build, boot, block, tell, update; leaves the portal open."""
    flags = ("--once " if once else "") + (f"--json {shlex.quote(json)}" if json else "")
    c.run(f"{PYTHON} -m lab.demo {flags}", pty=sys.stdout.isatty())


@task(
    help={
        "json": "write the figures to this file; without a name print them, and nothing else",
        "check": "exit non-zero where a goal is missed",
    },
    optional=["json"],
)
def conformance(c: Context, json: str | bool = "", check: bool = False) -> None:  # noqa: FBT001, FBT002
    """Four shares: public rules that load, acceptance cases, bent HTTP, application names (needs OMAMORI_CORPUS)."""
    file = "-" if json is True else json
    flags = (f"--json {shlex.quote(file)} " if file else "") + ("--check" if check else "")
    c.run(f"{PYTHON} -m lab.conformance {flags}", pty=sys.stdout.isatty())


@task(
    help={
        "rules": "a rule file or folder in place of the corpus (or the demo's rules where there is none)",
        "only": "workloads, separated by commas",
        "rounds": "how many times each is measured",
        "json": "write the figures to this file",
        "check": "exit non-zero where a goal is missed",
        "quick": "one short round, to see that it works",
        "python": "ours without compiled modules takes part too",
    }
)
def bench(
    c: Context,
    rules: str = "",
    only: str = "",
    rounds: int = 3,
    json: str = "",
    check: bool = False,  # noqa: FBT001, FBT002
    quick: bool = False,  # noqa: FBT001, FBT002
    python: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Measure the data path against a plain bridge and Suricata inline (installs Debian's in a root of its own)."""
    valued = {"--rules": rules, "--only": only, "--rounds": str(rounds), "--json": json}
    flags = [f"{name} {shlex.quote(value)}" for name, value in valued.items() if value]
    flags += [
        name for name, wanted in {"--check": check, "--quick": quick, "--python": python}.items() if wanted
    ]
    c.run(f"{PYTHON} -m lab.bench {' '.join(flags)}", pty=sys.stdout.isatty())


@task(
    help={
        "minutes": "of the soak",
        "fuzz_minutes": "for each target of hostile input",
        "unit": "cut the power of an appliance in QEMU instead",
        "cuts": "how often",
        "rots": "in how many units the running slot loses bits",
        "faults": "what else befalls a unit: all, none, or names with commas between",
        "follow": "let every n-th unit whose power was cut arrive at what is wanted",
        "only": "scenarios, separated by commas: soak, fuzz",
        "targets": "of hostile input, separated by commas: `stream-*,rules`",
        "json": "write the figures to this file",
        "check": "exit non-zero where anything was amiss",
    }
)
def chaos(
    c: Context,
    minutes: float = 30.0,
    fuzz_minutes: float = 10.0,
    unit: bool = False,  # noqa: FBT001, FBT002
    cuts: int = 200,
    rots: int = 8,
    faults: str = "all",
    follow: int = 1,
    only: str = "",
    targets: str = "",
    chance: str = "",
    json: str = "",
    check: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Kill, freeze and swap under traffic, feed hostile bytes to all that reads any, cut the power of a unit."""
    valued = {"--only": only, "--targets": targets, "--chance": chance, "--json": json}
    flags = [f"{name} {shlex.quote(value)}" for name, value in valued.items() if value]
    flags += ["--check"] if check else []
    flags += (
        [f"--unit --cuts {cuts} --rots {rots} --faults {shlex.quote(faults)} --follow {follow}"]
        if unit
        else []
    )
    c.run(f"{PYTHON} -m lab.chaos --minutes {minutes} --fuzz-minutes {fuzz_minutes} {' '.join(flags)}")


@task(
    help={
        "variant": "which recipe",
        "json": "write the figures to this file",
        "check": "exit non-zero where a goal is missed",
    }
)
def cold(c: Context, variant: str = "test", json: str = "", check: bool = False) -> None:  # noqa: FBT001, FBT002
    """Build an image from nothing, again, and after a change of our code, by the clock."""
    flags = (f"--json {shlex.quote(json)} " if json else "") + ("--check" if check else "")
    c.run(f"{PYTHON} -m lab.cold --variant {shlex.quote(variant)} {flags}", pty=sys.stdout.isatty())


@task(
    help={"json": "write the figures to this file", "check": "exit non-zero where a goal is missed"},
)
def figures(c: Context, json: str = "", check: bool = False) -> None:  # noqa: FBT001, FBT002
    """Measure a unit in QEMU: its start, its memory, and how long an update is felt."""
    flags = (f"--json {shlex.quote(json)} " if json else "") + ("--check" if check else "")
    c.run(f"{PYTHON} -m lab.figures {flags}", pty=sys.stdout.isatty())


@task(
    help={
        "json": "write the figures to this file",
        "check": "exit non-zero where a goal is missed",
        "only": "codes or names of correct offices, with commas between; also faults, mixtures, correct",
        "jobs": "topologies at the same time",
    }
)
def lab(c: Context, json: str = "", check: bool = False, only: str = "", jobs: int = 4) -> None:  # noqa: FBT001, FBT002
    """Every wiring fault, correct office and mixture built for real and judged by the real process."""
    flags = (f"--json {shlex.quote(json)} " if json else "") + ("--check " if check else "")
    flags += (f"--only {shlex.quote(only)} " if only else "") + f"--jobs {jobs}"
    c.run(f"{PYTHON} -m lab.wiring {flags}", pty=sys.stdout.isatty())


@task
def docs(c: Context) -> None:
    """Write the generated reference pages and golden import lists anew."""
    c.run(f"{PYTHON} -m lab.reference")


@task
def lock(c: Context) -> None:
    """Compile the lock files with hashes from pyproject.toml (needs uv)."""
    flags = "--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet --no-emit-package omamori"
    c.run(
        f"uv pip compile --universal --python-version 3.11 {flags} --extra dev pyproject.toml -o requirements/dev.txt"
    )
    target = "--python-version 3.13 --python-platform x86_64-manylinux_2_28"
    c.run(f"uv pip compile {target} {flags} --extra unit pyproject.toml -o requirements/unit.txt")
