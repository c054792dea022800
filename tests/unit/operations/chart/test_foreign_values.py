from pathlib import Path

import pytest

from compiler.operations.diff import ChartValues
from compiler.stages.emit import read_values, values_tree

ROOT = Path(__file__).resolve().parents[4]
CHART = ChartValues()
HEAD = "# Compiled from x\nexternalSecrets:\n  jira:\n"


def without(text: str) -> str:
    for start, end in reversed(CHART.hidden(text, values_tree(text))):
        text = f"{text[:start]}…{text[end:]}"
    return text


@pytest.mark.parametrize("path", sorted(ROOT.glob("chart/values-*.yaml")), ids=lambda path: path.name)
def test_all_that_is_compiled_is_shown(path: Path) -> None:
    text = path.read_text("utf-8")
    assert without(text) == text
    data = read_values(text)
    assert CHART.known(data, CHART.part()) == data


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("name: x", "name: x"),
        ("password: hunter2", "password: …"),
        ('password: "hunter2"', "password: …"),
        ("more: {a: hunter2, b: [hunter2]}", "more: …"),
        ("text: |\n      hunter2\n      hunter2\n    name: x", "text: …\n    name: x"),
        ("refreshInterval: {x: hunter2}", "refreshInterval: …"),
        ("storeRef: {kind: SecretStore, password: hunter2}", "storeRef: {kind: SecretStore, password: …}"),
        ("storeRef: hunter2", "storeRef: …"),
        ("keys: [A, {hunter2: hunter2}, [hunter2]]", "keys: [A, …, …]"),
        ("labels: {team: platform}", "labels: {team: platform}"),
        ("name: x # hunter2", "name: x …"),
        ("# hunter2: hunter2\n    name: x", "…\n    name: x"),
        ("? more\n    : hunter2", "? more\n    : …"),
    ],
)
def test_what_the_chart_has_no_place_for_is_hidden(written: str, shown: str) -> None:
    assert without(f"{HEAD}    {written}\n") == f"{HEAD}    {shown}\n"


@pytest.mark.parametrize("member", ["other: hunter2", "global: {x: hunter2}", "externalSecrets: hunter2", "hunter2"])
def test_members_of_the_file_are_judged_too(member: str) -> None:
    assert "hunter2" not in without(f"# Compiled from x\n{member}\n")
    assert "hunter2" not in without(f"{member}\n")


def test_data_is_judged_as_text_is() -> None:
    data = {
        "externalSecrets": {"jira": {"name": "x", "password": "hunter2", "keys": ["A", {"b": "hunter2"}]}},
        "clusterSecretStores": {
            "v": {"provider": {"vault": {"server": "https://v", "token": "hunter2"}, "aws": {"region": "hunter2"}}}
        },
        "other": ["hunter2"],
    }
    known = CHART.known(data, CHART.part())
    assert "hunter2" not in str(known)
    assert known["externalSecrets"]["jira"] == {"name": "x", "password": "…", "keys": ["A", "…"]}
    assert known["clusterSecretStores"]["v"]["provider"] == {"vault": {"server": "https://v", "token": "…"}, "aws": "…"}
    assert known["other"] == "…"


def test_a_part_is_known_by_its_place() -> None:
    store = CHART.part("clusterSecretStores", "any")
    assert CHART.known({"name": "v", "more": 1}, store) == {"name": "v", "more": "…"}
    assert CHART.known("x", CHART.part("nowhere", "at all")) == "…"
    assert CHART.known({"a": 1}, CHART.part("nowhere", "at all")) == "…"


@pytest.mark.parametrize("path", sorted(ROOT.glob("chart/values-*.yaml")), ids=lambda path: path.name)
def test_all_that_is_compiled_for_a_parent_is_shown(path: Path) -> None:
    head, *lines = path.read_text("utf-8").splitlines(keepends=True)
    text = f"{head}secrets:\n{''.join(f'  {line}' for line in lines)}"
    assert without(text) == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "s: {externalSecrets: {a: {name: x, password: hunter2}}}",
            "s: {externalSecrets: {a: {name: x, password: …}}}",
        ),
        ("s: {externalSecrets: {}, other: hunter2}", "s: {externalSecrets: {}, other: …}"),
        ("s: {partOf: hunter2}", "s: …"),
        ("s: {externalSecrets: {}}\nt: {externalSecrets: {}}", "s: …\nt: …"),
        ("s: {externalSecrets: {}}\ns: {externalSecrets: {}}", "s: …\ns: …"),
        ("global: {externalSecrets: {a: {name: hunter2}}}", "global: {externalSecrets: …}"),
        ("s: [externalSecrets]", "s: …"),
        ("s: {externalSecrets: {}} # hunter2", "s: {externalSecrets: {}} …"),
    ],
)
def test_below_a_subcharts_name_the_same_is_hidden(written: str, shown: str) -> None:
    assert without(f"# Compiled from x\n{written}\n") == f"# Compiled from x\n{shown}\n"
