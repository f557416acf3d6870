"""How long answers take at a fixed rate, which does not wait for them: ours and the Go gateway's.

    python benchmarks/latency.py [--seconds 8] [--shares 30,60,80] [--work get] [--json FILE]

First each one's own maximum is found, then it is given so many hundredths of that; and both
once more the same rates, those of the slower one. Milliseconds. Needs what ``compare.py``
needs, and h2load (Debian: nghttp2-client).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from attrs import asdict
from rig import WORKS, load, load_at, machine, need, rig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--shares", default="30,60,80")
    parser.add_argument("--work", default="get", choices=[name for name, work in WORKS.items() if not work.posts])
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    need("h2load")
    work, shares = WORKS[options.work], [int(share) / 100 for share in options.shares.split(",")]
    found: dict[str, Any] = {"machine": machine()}
    with rig() as town:
        programs = {"theirs": town.theirs(), "ours": town.ours()}
        for program in programs.values():
            load(program, work, 1)
        most = {who: load(program, work, 4).rate for who, program in programs.items()}
        slower = min(most.values())
        for who, program in programs.items():
            for what, top in (("own", most[who]), ("same", slower)):
                for share in shares:
                    figures = load_at(program.port, work.path, top * share, options.seconds)
                    found[f"{who} {what} {share:.0%}"] = asdict(figures)
                    print(
                        f"{who:7} {share:4.0%} of {'its own maximum' if what == 'own' else 'the slower one'}:"
                        f" {figures.rate:7.0f}/s  p50 {figures.p50:6.2f}  p99 {figures.p99:6.2f}"
                        f"  p99.9 {figures.p999:6.2f}  failed {figures.failed}",
                        flush=True,
                    )
    found["maximum"] = most
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
