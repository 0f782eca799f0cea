"""The SSH server of one opening: its files in a directory of its own, and one `sshd -i` for each stream. No socket listens."""

import os
import pwd
import sys
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.grant import Grant

SSHD: Final = "/usr/sbin/sshd"
_CONFIG: Final = """\
# Written for one opening; see decision 0029. One user, one key, no forwarding of anything, no file transfer.
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
AllowUsers {user}
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
PermitEmptyPasswords no
PermitRootLogin no
UsePAM no
DisableForwarding yes
AllowTcpForwarding no
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
PermitUserRC no
PermitUserEnvironment no
MaxAuthTries 3
MaxSessions 4
LoginGraceTime 30
ClientAliveInterval 30
ClientAliveCountMax 4
PrintMotd no
UseDNS no
LogLevel VERBOSE
"""


@dataclass(frozen=True, slots=True)
class Door:
    """`folder` is this process's alone and goes with it."""

    folder: Path
    sshd: str = SSHD

    def prepare(self, grant: Grant) -> None:
        """Write what the server reads. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        until = grant.until.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
        line = f'restrict,pty,expiry-time="{until}" {grant.key}\n'
        config = _CONFIG.format(folder=self.folder, user=pwd.getpwuid(os.getuid()).pw_name)
        written = {"host_key": grant.host_key, "authorized_keys": line, "sshd_config": config}
        for name, content in written.items():
            files.write_atomic(self.folder / name, content.encode(), mode=0o600)

    @property
    def command(self) -> list[str]:
        """The server for the stream on its standard input and output; what it has to say goes to standard error."""
        cell = [sys.executable, "-m", "omamori.firmware.support.cell"]
        return [*cell, self.sshd, "-i", "-e", "-f", str(self.folder / "sshd_config")]

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of ours."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": os.environ.get("LANG", "C.UTF-8")}

    def remove(self) -> None:
        """The host key goes first."""
        for name in ("host_key", "authorized_keys", "sshd_config"):
            (self.folder / name).unlink(missing_ok=True)
