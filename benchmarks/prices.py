"""What each feature costs on a request's way: the gateway as shipped, and without it, in turns.

    python benchmarks/prices.py [--rounds 5] [--seconds 3] [--only log,metrics] [--json FILE]

CPU time of the gateway per small read, in microseconds, and the difference within each round.
Needs what ``compare.py`` needs.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from rig import IDL, WORKS, Figures, Program, Rig, load, machine, median, rig

# What the configuration says so that a feature is off, or on where it is off as shipped.
OFF = {
    "access log": '[log]\naccess = "off"\n',
    "metrics": "[metrics]\nrequests = false\n",
    "ejection": "[health]\nejection = false\n",
    "native codec": '[mapping]\ncodec = "plain"\n',
}
ON = {
    "breaker of each method": "[breaker]\nper_method = true\n",
    "breaker of each instance": "[breaker]\nper_instance = true\n",
    "two retries": "[policy]\nretries = 2\n",
    "a timeout for each try": "[policy]\ntimeout = 0.5\n",
    "ewma instead of wrr": '[upstream]\nbalancer = "ewma"\n',
    "ttheader instead of framed": '[upstream]\ntransport = "ttheader"\n',
    "mux instead of framed": '[upstream]\ntransport = "mux"\n',
}
# The share of the requests that is recorded, and sent to a collector.
TRACED = {"traces, none recorded": 0.0, "traces of a tenth": 0.1, "traces of all": 1.0}
WITHOUT_RULE = "the rule of the field"


def measure(programs: dict[str, Program], rounds: int, seconds: float) -> dict[str, list[Figures]]:
    for program in programs.values():
        load(program, WORKS["get"], 1)
    figures: dict[str, list[Figures]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            figures[name].append(load(program, WORKS["get"], seconds))
    return figures


def gateways(town: Rig, only: list[str]) -> dict[str, Program]:
    def wanted(name: str) -> bool:
        return not only or any(word in name for word in only)

    found = {"as shipped": town.ours()}
    for name, text in (OFF | ON).items():
        if wanted(name):
            found[name] = town.configured(text)
    if any(map(wanted, TRACED)):
        endpoint = town.collector()
        for name, share in TRACED.items():
            if wanted(name):
                found[name] = town.configured(f'[tracing]\nendpoint = "{endpoint}"\nsample = {share}\n')
    if not only:
        idl = town.folder / "bench.thrift"
        idl.write_text("\n".join(_without_rule(line) for line in IDL.read_text().splitlines()))
        found[WITHOUT_RULE] = town.ours(idl=idl)
        found["http through klein"] = town.ours("--http", "klein")
    return found


def _without_rule(line: str) -> str:
    return line.split(", api.vd=")[0] + ")" if "api.vd" in line else line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="", help="words of the features' names")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    with rig() as town:
        figures = measure(gateways(town, [w for w in options.only.split(",") if w]), options.rounds, options.seconds)
    shipped = figures.pop("as shipped")
    print(f"{'as shipped':28} {median(shipped).cpu:6.1f} us a request")
    prices = {}
    for name, each in figures.items():
        apart = statistics.median(other.cpu - mine.cpu for other, mine in zip(each, shipped, strict=True))
        is_off = name in OFF or name == WITHOUT_RULE
        prices[name] = -apart if is_off else apart
        print(f"{name:28} {prices[name]:+6.1f} us{'' if is_off else ', where it is chosen'}")
    if options.json:
        document = {"machine": machine(), "shipped": median(shipped).cpu, "prices": prices}
        options.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
