import json
import re
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from compiler.model.values import find_values, outlines_of_manifests, outlines_of_values
from compiler.rules import ALL_RULES
from compiler.rules.listed_rules import CONSUMER_RULES, LIVE_RULES, NOT_IMPORTED
from tests.conftest import CHART, Helm
from tests.golden.cases import HERE, cases, compile_case
from tests.golden.conftest import Expectation
from tests.parity import parent_chart

OK, ERR = cases("ok"), cases("err")
NAMES = [case.name for case in OK]


def each_once(paths: Iterable[Path]) -> list[Path]:
    """A file for each content, its comments left aside: a third differ in those alone."""
    return list({re.sub("(?m)^#.*\n", "", path.read_text("utf-8")): path for path in paths}.values())


VALUES = each_once(path for case in OK for path in sorted(case.glob("expected/*")))
ALONE = HERE / "ok/everything-at-once/expected/values-prod.yaml"
NESTED = HERE / "ok/nested-for-a-parent-chart/expected/values-prod.yaml"
# What no folder can bring about, and where it is proved instead.
ELSEWHERE = {
    "layer-conflict": "the schema gives every place one type; tests/unit/stages/test_resolve.py",
    "unproven-output": "a defect of the compiler itself; tests/unit/test_pipeline.py",
    "stale-values": "said by `compile --check`",
    "stale-output": "said by `generate --check`; tests/unit/generate/test_files.py",
    "unconfirmed-prune": "said by `generate argocd`; tests/unit/generate/test_argocd.py",
    "unconfined-chart": "said by `render`",
    **{rule.id: "said by `verify`; tests/unit/operations/test_verify.py" for rule in LIVE_RULES},
    **{rule.id: "said by `consumers`; tests/consumers/test_caipe_forms.py" for rule in CONSUMER_RULES},
    NOT_IMPORTED.id: "said by `import`; tests/golden/test_imports.py",
}


@pytest.mark.parametrize("case", OK, ids=NAMES)
def test_what_passes_compiles_to_what_is_expected(case: Path, expectation: Expectation) -> None:
    compiled = compile_case(case)
    assert not compiled.result.failed, compiled.text
    assert compiled.files
    expectation.holds(case / "warnings.txt", compiled.text)
    for file in compiled.files:
        expectation.holds(case / f"expected/{file.output.path.name}", file.output.text)
    expected = {path.name for path in (case / "expected").iterdir()}
    assert expected == {file.output.path.name for file in compiled.files}


def name_of(path: Path) -> str:
    return f"{path.parent.parent.name}-{path.stem}"


def located_in(path: Path) -> tuple[str | None, dict[str, Any]]:
    """The name under which the file nests its values for a parent chart, if it does, and the values."""
    found = find_values(yaml.load(path.read_text("utf-8"), yaml.CSafeLoader))
    assert found is not None
    return found[0], dict(found[1])


@pytest.fixture(scope="module")
def rendered(helms: tuple[Helm, ...], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[str]]]:
    """By Helm, the documents of each file: all in one run, each file below a name of its own in a parent chart."""
    parent = parent_chart(tmp_path_factory.mktemp("parent"), CHART, name_of(VALUES[0]))
    described = json.loads((parent / "Chart.yaml").read_text("utf-8"))
    (dependency,) = described["dependencies"]
    described["dependencies"] = [dependency | {"alias": name_of(path)} for path in VALUES]
    (parent / "Chart.yaml").write_text(json.dumps(described), "utf-8")
    values = parent / "every-file.yaml"
    values.write_text("".join(map(nested, VALUES)), "utf-8")
    return [by_chart(helm.template(values, chart=parent)) for helm in helms]


def nested(path: Path) -> str:
    """The file's own text, for Helm to read, below the file's name."""
    text, (subchart, _) = path.read_text("utf-8"), located_in(path)
    if subchart is not None:
        return re.sub(f"(?m)^{subchart}:", f"{name_of(path)}:", text)
    return f"{name_of(path)}:\n{indent(text, '  ')}"


def by_chart(printed: str) -> dict[str, list[str]]:
    """The documents by the chart that printed each, without the line that names the template."""
    found: dict[str, list[str]] = {}
    for chart, document in re.findall(r"(?ms)^---\n# Source: (\S+)/templates/\S+\n(.*?)(?=^---\n|\Z)", printed):
        # Helm 4 keeps the line break before a document's end that Helm 3 trims.
        found.setdefault(chart.rpartition("/")[2], []).append(document.rstrip("\n"))
    return found


@pytest.mark.parametrize("path", VALUES, ids=name_of)
def test_what_passes_renders_alike_and_as_it_is_meant(path: Path, rendered: list[dict[str, list[str]]]) -> None:
    older, newer = (documents.get(name_of(path), []) for documents in rendered)
    assert older == newer
    manifests = [yaml.load(document, yaml.CSafeLoader) for document in newer]
    assert outlines_of_manifests(manifests) == outlines_of_values(located_in(path)[1])


@pytest.mark.parametrize("path", [ALONE, NESTED], ids=name_of)
def test_a_file_is_rendered_as_it_is(
    path: Path, helm: Helm, rendered: list[dict[str, list[str]]], tmp_path: Path
) -> None:
    subchart, _ = located_in(path)
    chart = CHART if subchart is None else parent_chart(tmp_path, CHART, subchart)
    (documents,) = by_chart(helm.template(path, chart=chart)).values()
    assert documents == rendered[-1][name_of(path)]


NO_VALUES = "no ExternalSecret and no store is given"
DISABLED = HERE / "ok/every-secret-disabled/expected"


def test_the_chart_refuses_to_print_nothing_without_a_file_and_passes_helm_lint(helm: Helm) -> None:
    done = helm.run("template", "platform-secrets", CHART)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{NO_VALUES}: pass an environment's file, such as --values chart/values-prod.yaml" in done.stderr
    for values in ((), ("--values", DISABLED / "values-prod.yaml"), ("--set", "allowEmpty=true")):
        done = helm.run("lint", "--strict", CHART, *values)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_environment_whose_secrets_are_all_disabled_prints_nothing(helm: Helm, tmp_path: Path) -> None:
    assert yaml.safe_load(helm.template(DISABLED / "values-prod.yaml")) is None
    nested = parent_chart(tmp_path, CHART, "platform-secrets")
    assert yaml.safe_load(helm.template(DISABLED / "values-nested.yaml", chart=nested)) is None


def test_a_subchart_needs_a_file_unless_it_is_disabled(helm: Helm, tmp_path: Path) -> None:
    parent = parent_chart(tmp_path, CHART, "platform-secrets")
    done = helm.run("template", "parent", parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert NO_VALUES in done.stderr
    described = yaml.safe_load((parent / "Chart.yaml").read_text("utf-8"))
    described["dependencies"][0]["condition"] = "platform-secrets.enabled"
    (parent / "Chart.yaml").write_text(json.dumps(described), "utf-8")
    assert yaml.safe_load(helm.template(chart=parent, options=("--set", "platform-secrets.enabled=false"))) is None
    done = helm.run("lint", parent)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", ERR, ids=[case.name for case in ERR])
def test_what_is_wrong_is_said_as_expected(case: Path, expectation: Expectation) -> None:
    compiled = compile_case(case)
    assert compiled.text
    expectation.holds(case / "expected.txt", compiled.text)
    if case.name in {rule.id for rule in ALL_RULES}:
        assert case.name in {diagnostic.rule for diagnostic in compiled.diagnostics}


def test_every_rule_has_a_case_that_breaks_it_and_one_that_keeps_it() -> None:
    rules = {rule.id for rule in ALL_RULES}
    broken = {rule for rule in rules if reports(HERE / "err" / rule / "expected.txt", rule)}
    kept = {
        rule
        for rule in rules
        if (HERE / "ok" / rule).is_dir() and not reports(HERE / "ok" / rule / "warnings.txt", rule)
    }
    assert rules - broken == ELSEWHERE.keys()
    assert rules - ELSEWHERE.keys() - kept == set()


def reports(file: Path, rule: str) -> bool:
    return file.exists() and f"[{rule}]" in file.read_text("utf-8")


def test_every_case_is_of_a_rule_or_says_more() -> None:
    assert len(OK) >= 12
    assert len(ERR) >= 25
