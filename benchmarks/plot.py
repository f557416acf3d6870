"""Draws what ``compare.py`` and ``latency.py`` found.

    python benchmarks/plot.py FOLDER FILE

FOLDER holds ``compare.json`` and ``latency.json``; the ending of FILE says which kind of picture. Needs matplotlib
(``pip install -e .[bench]``).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

THEIRS, OURS = "Hertz + Kitex (Go)", "txgateway"
# Two that eyes without red or green tell apart as well, and print in grey.
COLOURS = {THEIRS: "#b8b8b8", OURS: "#2a6f97"}
WIDTH = 0.38


def draw_costs(axes: Axes, works: dict[str, Any]) -> None:
    """A pair of bars for each work: CPU time in parts of the Go gateway's."""
    for place, each in enumerate(works.values()):
        for who, offset, cpu in ((THEIRS, -WIDTH / 2, each["theirs"]["cpu"]), (OURS, WIDTH / 2, each["ours"]["cpu"])):
            height = 1.0 if who is THEIRS else each["ratio"]
            axes.bar(place + offset, height, WIDTH, color=COLOURS[who], label=who if place == 0 else None)
            axes.text(place + offset, height + 0.02, f"{cpu:,.0f}", ha="center", fontsize=8)
    axes.set_xticks(range(len(works)), list(works))
    axes.set_ylabel("CPU time of a request, Go's = 1")
    axes.set_title("What a request costs (above the bars: µs)", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def draw_latencies(axes: Axes, found: dict[str, Any]) -> None:
    """Latencies of both at the same rates, which do not wait for answers."""
    for who, name in (("theirs", THEIRS), ("ours", OURS)):
        mine = [each for key, each in found.items() if key.startswith(f"{who} same")]
        rows = sorted(mine, key=lambda row: row["rate"])
        rates = [row["rate"] / 1000 for row in rows]
        for part, line in (("p50", ":"), ("p99", "-")):
            axes.plot(rates, [row[part] for row in rows], line, color=COLOURS[name], marker="o", markersize=4)
            axes.annotate(f" {part}", (rates[-1], rows[-1][part]), fontsize=8, va="center")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    axes.set_xlabel("thousand requests a second, at a fixed rate")
    axes.set_ylabel("ms")
    axes.set_title("How long a small read takes", fontsize=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    # Texts stay texts, and the same figures give the same file.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "txgateway"}
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    draw_costs(left, json.loads((options.folder / "compare.json").read_text())["works"])
    draw_latencies(right, json.loads((options.folder / "latency.json").read_text()))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.file, dpi=150, metadata={"Date": None} if options.file.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
