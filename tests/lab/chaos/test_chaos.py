"""Chaos for seconds rather than hours: that it runs, that nothing is amiss, and that it would notice."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lab import memory
from lab.chaos import depths, fuzz, soak, streams
from lab.chaos.mutation import Mutation
from lab.chaos.targets import named, targets


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_hostile_bytes_do_no_harm(target, tmp_path):
    outcome = fuzz.run(target, seconds=0.3, chance=20, keep=tmp_path, least=12)
    assert outcome.problem == ""
    assert outcome.inputs >= 12
    assert outcome.grown < 64 << 20


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("http", {"a", "1:8", "uf:fish.example"}),
        ("http2", {"a", "1:26"}),
        ("tls", {"1:23", "1:24", "uf:fish.example"}),
        ("dns", {"uf:fish.example"}),
        ("smtp", {"a", "1:21"}),
        ("pop3", {"a"}),
        ("imap", {"a"}),
        ("ftp", {"1:22"}),
        ("ssh", {"1:20"}),
    ],
)
def test_an_honest_conversation_is_taken_apart_to_its_depth(name, told):
    engine = streams.engine()
    take = streams.stream(name, engine, emptied=False)
    take(streams.seeds(name)[0])
    assert {each.signature_id for each in engine.take_detections()} >= told


def test_encrypted_openings_are_read():
    engine = streams.engine()
    depths.quic_datagrams(engine, emptied=False)(depths.hello_frames()[1])
    assert {each.signature_id for each in engine.take_detections()} == {"1:25", "uf:fish.example"}


def test_targets_are_chosen_by_name():
    assert [target.name for target in named("rules,lan-arp")] == ["lan-arp", "rules"]
    assert {target.name for target in named("stream-*")} >= {"stream-http", "stream-imap"}
    assert len(named("")) == len(targets())
    with pytest.raises(SystemExit, match="no target is called streams"):
        named("streams,rules")


def test_no_two_targets_have_one_name():
    names = [target.name for target in targets()]
    assert len(names) == len(set(names))


def raising(data):
    if len(data) % 3 == 0:
        raise KeyError("a bug")


def hungry(_data):
    bytearray(4 << 30)


def dying(_data):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("take", "told"), [(raising, "KeyError: 'a bug'"), (hungry, "MemoryError"), (dying, "ended with -9")]
)
def test_harm_is_noticed_and_the_input_kept(take, told, tmp_path):
    target = fuzz.Target("bad", lambda: [b"seed"], lambda: take)
    outcome = fuzz.run(target, seconds=5, chance=1, keep=tmp_path)
    assert told in outcome.problem
    kept = (tmp_path / "bad.input").read_bytes()
    assert take is not raising or len(kept) % 3 == 0


def test_a_slow_machine_tries_as_many_inputs_as_were_asked_for(tmp_path):
    target = fuzz.Target("slow", lambda: [b"seed"], lambda: lambda _data: time.sleep(0.01))
    assert fuzz.run(target, seconds=0, chance=1, keep=tmp_path, least=7).inputs == 7


def test_what_a_target_leaves_behind_is_removed(tmp_path):
    def leaves():
        made = Path(tempfile.mkdtemp())
        (tmp_path / "told").write_text(str(made))
        return dying

    target = fuzz.Target("bad", lambda: [b"seed"], leaves)
    assert "ended with -9" in fuzz.run(target, seconds=1, chance=1, keep=tmp_path).problem
    assert not Path((tmp_path / "told").read_text()).exists()


def test_an_input_that_hangs_is_noticed(tmp_path):
    target = fuzz.Target("slow", lambda: [b"seed"], lambda: lambda _data: time.sleep(600))
    assert "more than 1 s" in fuzz.run(target, seconds=2, chance=1, keep=tmp_path, hang=1).problem


def test_what_may_be_raised_is_no_harm(tmp_path):
    target = fuzz.Target("known", lambda: [b"seed"], lambda: raising, (KeyError,))
    assert fuzz.run(target, seconds=0.2, chance=1, keep=tmp_path).problem == ""


def test_the_same_chance_gives_the_same_inputs():
    ones, others = (Mutation([b"hello", b"world" * 9], 5) for _ in range(2))
    assert [ones.next() for _ in range(50)] == [others.next() for _ in range(50)]


def test_memory_of_a_process_and_its_children_is_counted():
    program = "import os,time; kept=bytearray(30_000_000); kept[::4096]=b'x'*len(kept[::4096]); os.fork(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        try:
            deadline = time.monotonic() + 20
            while len(memory.family(parent.pid)) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert 30_000_000 < memory.held(memory.family(parent.pid)) < 60_000_000
        finally:
            for pid in reversed(memory.family(parent.pid)):
                os.kill(pid, 9)


def test_pages_of_files_are_nobodys_memory(tmp_path):
    (tmp_path / "file").write_bytes(bytes(30_000_000))
    program = (
        "import mmap,sys,time; f=open(sys.argv[1],'rb'); m=mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ);"
        "print(len(m[::4096]),flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, tmp_path / "file"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline()
            assert 0 < memory.held([process.pid]) < 25_000_000
        finally:
            process.kill()


@pytest.mark.root
def test_a_short_soak_loses_nothing_and_says_what_it_saw():
    seen = soak.run(minutes=0.12, chance=20)
    assert seen.problems == []
    assert seen.done["downloads"] > 0
    assert seen.done["pages"] > 0
    assert sum(seen.mishaps.values()) == len(seen.recoveries) > 0
    assert seen.peak >= max(held for _, held in seen.memory) > 0
    assert json.dumps(seen.as_json())


def test_a_leak_would_be_seen():
    steady = [(float(at), 50_000_000 + at % 3) for at in range(40)]
    leaking = [(float(at), 50_000_000 + 1_000_000 * at) for at in range(40)]
    assert soak.Soak(1, memory=steady).growth == 0
    assert soak.Soak(1, memory=leaking).growth > 0.3
    assert soak.Soak(1, memory=steady[:4]).growth is None
