"""The client's side of QUIC's first packets (RFC 9000, 9001, 9369), as far as tests need it."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omamori.firmware.engine.applications.quic import client_keys

V1, V2 = 1, 0x6B3343CF
CONNECTION = bytes.fromhex("8394c8f03e515708")


def number(value):
    """A variable-length integer of two bytes, or of four where it takes them."""
    return (0x4000 | value).to_bytes(2, "big") if value < 0x4000 else (0x8000_0000 | value).to_bytes(4, "big")


def crypto(offset, data):
    return b"\6" + number(offset) + number(len(data)) + data


def initial(frames, *, sequence=0, version=V1, connection=CONNECTION, size=1162, keys_of=None, token=b""):
    """One protected Initial packet whose frames are padded to `size`."""
    keys = client_keys(version, keys_of or connection)
    plain = frames.ljust(size, b"\0")
    kind = 0xC3 if version == V1 else 0xD3
    head = bytes([kind]) + version.to_bytes(4, "big") + bytes([len(connection)]) + connection + b"\0"
    head += number(len(token))[-1:] if len(token) < 64 else number(len(token))
    head += token + number(4 + len(plain) + 16) + sequence.to_bytes(4, "big")
    nonce = (int.from_bytes(keys.iv, "big") ^ sequence).to_bytes(12, "big")
    sealed = AESGCM(keys.key).encrypt(nonce, plain, head)
    block = Cipher(algorithms.AES(keys.mask), modes.ECB())  # noqa: S305 - so says RFC 9001, 5.4.3
    mask = block.encryptor().update(sealed[:16])
    hidden = bytes(a ^ b for a, b in zip(head[-4:], mask[1:], strict=False))
    return bytes([head[0] ^ mask[0] & 15]) + head[1:-4] + hidden + sealed


def hello(name, *, padding=0, protocol=b"h3"):
    """A TLS client hello as QUIC carries it."""

    def extension(kind, body):
        return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body

    listed = b"\0" + len(name).to_bytes(2, "big") + name
    protocols = bytes([len(protocol)]) + protocol
    extensions = extension(0, len(listed).to_bytes(2, "big") + listed) if name else b""
    extensions += extension(43, b"\2\3\4") + extension(16, len(protocols).to_bytes(2, "big") + protocols)
    extensions += extension(13, b"\0\4\4\3\x08\4") + extension(0x39, bytes(padding))
    ciphers = b"\x13\1\x13\2\x13\3"
    body = b"\3\3" + bytes(range(32)) + b"\0" + len(ciphers).to_bytes(2, "big") + ciphers + b"\1\0"
    body += len(extensions).to_bytes(2, "big") + extensions
    return b"\1" + len(body).to_bytes(3, "big") + body
