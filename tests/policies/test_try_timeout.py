"""Each try has its own time."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.policies.scripted import CALL, REPLY, Behind
from txgateway.policies import compose
from txgateway.policies.try_timeout import try_timeout


@pytest.mark.parametrize(("deadline", "due"), [(10.0, 3.0), (2.0, 2.0)])
def test_a_try_has_its_own_time_within_the_deadline(deadline, due):
    clock = Clock()
    clock.advance(1.0)
    behind = Behind(clock, REPLY)
    compose([try_timeout(2.0, clock.seconds)], behind)(CALL.replace(deadline=deadline))
    assert behind.calls[0][1].deadline == due
