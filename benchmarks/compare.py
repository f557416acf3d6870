"""The gateway beside one in Go (Hertz and Kitex), on the same work, in one run.

    python benchmarks/compare.py [--rounds 5] [--seconds 4] [--works get,list20] [--gateway OPTIONS] [--json FILE]

Both serve ``tests/kitex/idl/bench.thrift`` and call the same real Kitex server. The gateway
under test has core 0 alone and one process (Go: GOMAXPROCS=1); the load generator and the
Kitex server share core 1. They take turns, round by round, and what counts is the ratio of
CPU time per request within a round, ours to theirs; other work on the machine hits both.

Needs wrk, Go 1.24 or newer, Linux and two cores; says what is missing and ends with status 75.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from attrs import asdict
from rig import WORKS, Program, load, machine, median, median_ratio, options_of, post_script, rig


def race(name: str, theirs: Program, ours: Program, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    work = WORKS[name]
    script = post_script(folder, theirs, work.records) if work.posts else None
    for program in (theirs, ours):
        load(program, work, 1, script)
    rounds = [
        (load(theirs, work, options.seconds, script), load(ours, work, options.seconds, script))
        for _ in range(options.rounds)
    ]
    others, mine = ([pair[side] for pair in rounds] for side in (0, 1))
    for who, figures in (("theirs", median(others)), ("ours", median(mine))):
        print(
            f"{name:10} {who:6} {figures.cpu:8.1f} us a request ({figures.user:.1f} of it user)"
            f"  {figures.rate:8.0f}/s  p50 {figures.p50}  p99 {figures.p99}  failed {figures.failed}"
        )
    ratio = median_ratio(mine, others)
    print(f"{name:10} ratio  {ratio:8.2f}", flush=True)
    return {"ratio": ratio, "theirs": asdict(median(others)), "ours": asdict(median(mine))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--gateway", default="", help="further options of twistd tgw")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    with rig() as town:
        theirs, ours = town.theirs(), town.ours(*options_of(options.gateway))
        works = {name: race(name, theirs, ours, options, town.folder) for name in options.works.split(",")}
        memory = {"theirs": theirs.memory(), "ours": ours.memory()}
    print(f"memory     theirs {memory['theirs']:.0f} MiB, ours {memory['ours']:.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "works": works, "memory": memory}, indent=2))


if __name__ == "__main__":
    main()
