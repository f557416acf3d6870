"""The HTTP servers on random streams: they agree on every request and status, however the bytes are cut."""

from __future__ import annotations

import os
import random
from itertools import islice

from twisted.logger import globalLogPublisher

from tests.contract.http_streams import Door, disagreement, streams

COUNT = int(os.environ.get("TXGATEWAY_STREAMS", "1500"))
SEED = int(os.environ.get("TXGATEWAY_SEED", "1"))


def test_both_doors_agree_on_any_stream():
    failures = []

    def observe(event):
        if "log_failure" in event:
            failures.append(event["log_failure"])

    globalLogPublisher.addObserver(observe)
    doors = {"httptools": Door("httptools"), "klein": Door("klein")}
    dice = random.Random(SEED)
    found = [
        difference
        for data in islice(streams(SEED), COUNT)
        if (difference := disagreement(data, doors, dice)) is not None
    ]
    globalLogPublisher.removeObserver(observe)
    assert not found, f"{len(found)} of {COUNT}:\n" + "\n".join(found[:5])
    assert not failures
