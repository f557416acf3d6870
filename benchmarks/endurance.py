"""Whether anything grows over a million requests.

    python benchmarks/endurance.py [--requests 1000000] [--json FILE]

Small reads, one in a hundred of them refused and one in a hundred at a path that there is not; memory and
descriptors are looked at ten times. Needs what ``compare.py`` needs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rig import WORKS, load, machine, rig

SCRIPT = """
local count = 0
request = function()
  count = count + 1
  if count % 100 == 50 then return wrk.format("GET", "/bench/get?num=700") end
  if count % 100 == 99 then return wrk.format("GET", "/nothing/" .. count) end
  return wrk.format("GET", "/bench/get?num=" .. count % 100)
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    rows = []
    with rig() as town:
        program = town.ours()
        script = town.folder / "mixed.lua"
        script.write_text(SCRIPT)
        warm = load(program, WORKS["get"], 3, script)
        done, step = 0.0, options.requests / 10
        while done < options.requests:
            seconds = max(1, round(step / warm.rate))
            figures = load(program, WORKS["get"], seconds, script)
            done += figures.rate * seconds
            rows.append((round(done), program.memory(), program.descriptors(), figures.cpu))
            print("{:9d} requests  {:6.1f} MiB  {:4d} descriptors  {:5.1f} us".format(*rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
