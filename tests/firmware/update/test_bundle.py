"""Reading a bundle: whole ones open, everything else is refused by our own error."""

import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.update.errors import BadBundle
from omamori.firmware.update.staging import Bundle
from omamori.protocol import bundle
from omamori.protocol.errors import ProtocolError

CONTENTS = {name: name.encode() * 50 for name in bundle.MEMBERS}
LENIENT = settings(max_examples=300)


def manifest() -> bytes:
    files = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in CONTENTS.items()
    ]
    head = {"format": bundle.FORMAT, "image_id": "omamori", "variant": "test", "version": "1.1.0", "tries": 3}
    return json.dumps(head | {"files": files}).encode()


def tar(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


WHOLE = tar((bundle.MANIFEST, manifest()), *CONTENTS.items())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "any.bundle"


def opened(path, raw: bytes) -> str:
    """The refusal, or nothing where it opened and every file is what the manifest says."""
    path.write_bytes(raw)
    try:
        with Bundle(path) as one:
            for file in one.manifest.files:
                with one.open(file.name) as content:
                    assert hashlib.sha256(content.read()).hexdigest() == file.sha256
    except BadBundle as error:
        return str(error)
    return ""


def test_a_whole_one_opens(path):
    assert opened(path, WHOLE) == ""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_a_truncated_one_is_refused(path, share):
    end = WHOLE.index(CONTENTS[bundle.MEMBERS[-1]]) + len(CONTENTS[bundle.MEMBERS[-1]])
    assert opened(path, WHOLE[: int(end * share)])


def test_an_altered_file_is_refused(path):
    at = WHOLE.index(CONTENTS[bundle.VERITY]) + 7
    assert "root.verity is truncated or altered" in opened(path, WHOLE[:at] + b"?" + WHOLE[at + 1 :])


def test_a_link_in_place_of_a_file_is_refused(path):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writing:
        link = tarfile.TarInfo(bundle.MANIFEST)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        writing.addfile(link)
    assert "manifest.json is not where it belongs" in opened(path, archive.getvalue())


def test_a_manifest_of_a_megabyte_is_not_read(path):
    assert "is not where it belongs" in opened(path, tar((bundle.MANIFEST, b" " * 1_000_000)))


@LENIENT
@given(at=st.integers(0, len(WHOLE) - 1), junk=st.binary(min_size=1, max_size=40))
def test_one_damaged_place_is_refused_or_without_effect(path, at, junk):
    opened(path, (WHOLE[:at] + junk + WHOLE[at + len(junk) :])[: len(WHOLE)])


@LENIENT
@given(head=st.sampled_from([b"", WHOLE[:257], WHOLE[:512], WHOLE[:1024]]), rest=st.binary(max_size=2048))
def test_any_bytes_are_refused(path, head, rest):
    assert opened(path, head + rest)


@LENIENT
@given(
    key=st.sampled_from(["path", "size", "mtime", "GNU.sparse.map", "GNU.sparse.major", "hdrcharset", "uid"]),
    value=st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=30),
)
def test_any_extended_header_is_refused_or_without_effect(path, key, value):
    out = io.BytesIO()
    info = tarfile.TarInfo(bundle.MANIFEST)
    info.size, info.pax_headers = len(manifest()), {key: value}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(manifest()))
        for name, content in CONTENTS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    opened(path, out.getvalue())


@LENIENT
@given(
    field=st.sampled_from(["format", "image_id", "variant", "version", "tries", "files"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=4
    ),
)
def test_a_wrong_field_is_refused_or_kept_within_its_bounds(field, value):
    try:
        read = bundle.decode(json.dumps(json.loads(manifest()) | {field: value}).encode())
    except ProtocolError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
    else:
        assert 1 <= read.tries <= 9
        assert read.format == bundle.FORMAT
