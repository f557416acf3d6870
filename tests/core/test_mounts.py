"""Where nobody tells of changes, somebody has to look."""

from __future__ import annotations

import pytest

from txgateway.core.mounts import tells_changes

MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /srv/idl rw shared:5 - nfs4 host:/idl rw,vers=4.2
31 22 0:27 / /srv/idl/local rw - tmpfs tmpfs rw
32 22 0:28 / /home/a\040b rw - fuse.sshfs host: rw
33 22 0:29 / /mnt rw - overlay overlay rw
something else
"""


@pytest.mark.parametrize(
    ("path", "tells"),
    [
        ("/", True),
        ("/etc/idl", True),
        ("/srv/idl", False),
        ("/srv/idl/deep/er", False),
        ("/srv/idl2", True),
        ("/srv/idl/local/x", True),
        ("/home/a b/idl", False),
        ("/mnt/idl", True),
    ],
)
def test_by_the_mount_that_is_nearest(path, tells):
    assert tells_changes(path, MOUNTINFO) is tells


def test_without_a_table_events_are_believed_in():
    assert tells_changes("/etc", "")
