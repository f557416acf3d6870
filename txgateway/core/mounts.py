"""Which file systems tell of no change that another machine makes."""

from __future__ import annotations

import re

_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "fuse", "virtiofs", "vboxsf", "prl_fs", "lustre", "gfs", "ocfs")
_OCTAL = re.compile(r"\\([0-7]{3})")


def tells_changes(path: str, mountinfo: str) -> bool:
    """Whether the kernel learns of every change below a path.

    :param path: absolute, without symbolic links.
    :param mountinfo: what stands in Linux's ``/proc/self/mountinfo``.
    """
    mounts = dict(mount for line in mountinfo.splitlines() if (mount := _mount(line)))
    while path not in mounts and path not in ("/", ""):
        path = path.rpartition("/")[0] or "/"
    return not mounts.get(path, "").startswith(_REMOTE)


def _mount(line: str) -> tuple[str, str] | None:
    """Mount point and type of one line: ``36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw``."""
    before, dash, behind = line.partition(" - ")
    fields = before.split(" ")
    if not dash or len(fields) < 5:
        return None
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]), behind.split(" ")[0]
