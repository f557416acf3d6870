"""The alert rules and the dashboard ask for metrics that there are, and the page on metrics lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml

from txgateway.core.metrics import HISTOGRAM
from txgateway.net.metrics import FAMILIES

ROOT = Path(__file__).parent.parent
RULES = [
    rule for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "deploy" / "dashboard.json").read_text("utf-8"))
SERIES = {
    name: {*family.labels, "instance", "job", *(["le"] if family.kind == HISTOGRAM else [])}
    for family in FAMILIES
    for name in (
        [f"{family.name}_{part}" for part in ("bucket", "sum", "count")] if family.kind == HISTOGRAM else [family.name]
    )
}


def queries() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    for variable, value in (("$__rate_interval", "1m"), ("$service", "book"), ("$job", "txgateway")):
        query = query.replace(variable, value)
    promql_parser.walk(promql_parser.parse(query), visit)
    return found


@pytest.mark.parametrize(("name", "query"), list(queries()))
def test_a_query_asks_for_what_there_is(name, query):
    asked = selectors(query)
    assert asked
    for selector in asked:
        assert selector.name in SERIES
        assert {matcher.name for matcher in selector.matchers.matchers} <= SERIES[selector.name]


def test_every_alert_says_what_it_is_about():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) == 23


def test_the_page_on_metrics_lists_every_family():
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8").splitlines()
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |"
        for each in FAMILIES
        if each.name.startswith("tgw_")
    ]
    assert [line for line in page if line.startswith("| `")] == rows
