"""QEMU's control socket: what the other end may do while a session begins."""

import gc
import socket
import threading

import pytest

from lab.qmp import Qmp, QmpError


@pytest.mark.parametrize("said", [b"", b'{"QMP": {}}\n', b'{"QMP": {}}\n{"error": {"desc": "no"}}\n'])
def test_a_machine_that_ends_while_we_connect_leaves_nothing_open(tmp_path, said):
    path = tmp_path / "qmp"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises((QmpError, OSError)):
            Qmp(path)
        server.join()
    gc.collect()  # a socket left open is a warning, and that an error
