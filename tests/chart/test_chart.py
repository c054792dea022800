"""The chart as a whole: the same bytes from every Helm and every way to use it, and nothing without an environment."""

import json
import re
import shutil
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.model.facts import PART_OF
from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "chart"
VALUES = Path(__file__).parent / "values"
SAMPLES = ("mixed", "templates", "vault-auth", "azure-auth")


def documents(output: str) -> str:
    """What is printed, without the line that says which template printed it and what stands between documents.

    Helm 4 keeps the line break before a document's end that Helm 3 trims, so no template of several documents can
    give the same bytes there; `\\n---` in Helm 3 is `\\n\\n---` in Helm 4.
    """
    return re.sub(r"\n+---\n# Source: \S+\n", "\n---\n", "\n" + output)


@pytest.mark.parametrize("sample", SAMPLES)
def test_helm_3_and_helm_4_print_the_same(sample: str, helms: tuple[Helm, ...]) -> None:
    first, second = (printed(helm, VALUES / f"{sample}.yaml") for helm in helms)
    assert documents(first) == documents(second)
    assert first.count("\n---\n") == second.count("\n---\n")
    assert first == re.sub(r"\n\n---\n", "\n---\n", second)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_subchart_prints_the_same(sample: str, helm: Helm, tmp_path: Path) -> None:
    values = yaml.load((VALUES / f"{sample}.yaml").read_text("utf-8"), yaml.CSafeLoader)
    parent = parent_chart(tmp_path, {"global": {"team": "platform"}, "platform-secrets": values})
    assert documents(helm.template(chart=parent)) == documents(printed(helm, VALUES / f"{sample}.yaml"))


def test_a_typo_below_a_parent_is_refused(helm: Helm, tmp_path: Path) -> None:
    parent = parent_chart(tmp_path, {"platform-secrets": {"externalSecret": {}}})
    done = helm.run("template", "platform-secrets", parent)
    assert done.returncode != 0
    assert "externalSecret" in done.stderr


def parent_chart(folder: Path, values: dict[str, Any]) -> Path:
    parent = folder / "parent"
    shutil.copytree(CHART, parent / "charts/platform-secrets")
    dependency = {"name": "platform-secrets", "version": "1.0.0", "repository": f"file://{CHART}"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(json.dumps(chart), "utf-8")
    (parent / "values.yaml").write_text(json.dumps(values), "utf-8")
    return parent


@pytest.mark.parametrize("sample", [None, *SAMPLES])
def test_lint_is_clean(sample: str | None, helm: Helm) -> None:
    values = ("--values", VALUES / f"{sample}.yaml") if sample else ()
    done = helm.run("lint", "--strict", CHART, *values)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"\[(WARNING|ERROR)\]", done.stdout)


def test_the_chart_alone_stops_with_one_sentence(helm: Helm) -> None:
    done = helm.run("template", "platform-secrets", CHART)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no ExternalSecret and no store is given: pass an environment's file" in done.stderr


@pytest.mark.parametrize("only", ["externalSecrets", "clusterSecretStores", "secretStores"])
def test_it_stops_for_neither_secrets_nor_stores_alone(only: str, helm: Helm, tmp_path: Path) -> None:
    values = yaml.load((VALUES / "mixed.yaml").read_text("utf-8"), yaml.CSafeLoader)
    path = tmp_path / "values.yaml"
    path.write_text(json.dumps({only: values[only]}), "utf-8")
    assert list(yaml.load_all(helm.template(path), yaml.CSafeLoader))


def test_it_prints_nothing_where_that_is_meant(helm: Helm) -> None:
    assert list(yaml.load_all(helm.template(options=("--set", "allowEmpty=true")), yaml.CSafeLoader)) == []


def test_notes_say_what_to_do(helm: Helm, tmp_path: Path) -> None:
    """Helm renders the notes only against a cluster, so a copy of the chart prints them as a manifest."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    probe = '{"notes": {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}}'
    (chart / "templates/probe.yaml").write_text(probe, "utf-8")
    notes = yaml.load(helm.template(chart=chart, options=("--set", "allowEmpty=true")), yaml.CSafeLoader)["notes"]
    assert "make values ENV=prod" in notes
    assert "helm upgrade --install platform-secrets <chart> --values chart/values-prod.yaml" in notes
    assert "kubectl wait externalsecret" in notes
    # Events say nothing from External Secrets Operator 2.14 on.
    assert "platform-secrets verify <environment> <secret>" in notes
    assert "describe" not in notes
    assert max(map(len, notes.splitlines())) <= 110


def test_waves_go_from_stores_to_the_shared_secret_to_the_agents(rendered: Callable[..., list[dict[str, Any]]]) -> None:
    waves: dict[str, set[int]] = {"store": set(), "global": set(), "agent": set()}
    for manifest in rendered("mixed"):
        name = manifest["metadata"]["name"]
        if manifest["kind"] != "ExternalSecret":
            group = "store"
        else:
            group = "global" if name == "ai-platform-global-secrets" else "agent"
        waves[group].add(int(manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]))
    assert max(waves["store"]) < min(waves["global"])
    assert max(waves["global"]) < min(waves["agent"])


HOSTILE = ('x"\n  injected: "y', "x'\n---\nkind: Injected", "x\n---\nkind: Injected", "{{ .Release.Name }}", "a: b # c")


@cache
def printed(helm: Helm, *values: Path) -> str:
    return helm.template(*values)


def test_free_text_stays_text(helm: Helm, tmp_path: Path) -> None:
    """Annotations are the one place where anything may stand: it comes back as it was, and nothing comes beside it."""
    path = tmp_path / "values.yaml"
    hostile = {f"example.com/{number}": text for number, text in enumerate((*HOSTILE, "&a *b"))}
    path.write_text(json.dumps({"externalSecrets": {"github": {"annotations": hostile}}}), "utf-8")
    meant = list(yaml.load_all(printed(helm, VALUES / "mixed.yaml"), yaml.CSafeLoader))
    for manifest in meant:
        if manifest["metadata"]["name"] == "agent-github-secrets":
            manifest["metadata"]["annotations"] |= hostile
    assert list(yaml.load_all(helm.template(VALUES / "mixed.yaml", path), yaml.CSafeLoader)) == meant


MAPS = ("labels", "secretLabels", "secretAnnotations")
FIELDS = ("name", "namespace", "syncWave", "refreshInterval", "remoteKey", "keys", *MAPS)


def test_quoting_holds_even_without_the_schema(helm: Helm, tmp_path: Path) -> None:
    """A parent chart or a person may skip the schema (`--skip-schema-validation`); the lines are still ours."""
    github = yaml.load((VALUES / "mixed.yaml").read_text("utf-8"), yaml.CSafeLoader)["externalSecrets"]["github"]
    # Each text in a secret of its own: one that breaks out would add a document or a field beside the harmless ones.
    # Helm prints them in the order of these names.
    places = {f"{field}-{number}": (field, text) for field in sorted(FIELDS) for number, text in enumerate(HOSTILE)}

    def printed(secrets: dict[str, Any]) -> list[dict[str, Any]]:
        path = tmp_path / "values.yaml"
        path.write_text(json.dumps({"externalSecrets": secrets}), "utf-8")
        return list(yaml.load_all(helm.template(path, options=("--skip-schema-validation",)), yaml.CSafeLoader))

    harmless = printed({name: github | filled(field, "harmless") for name, (field, _) in places.items()})
    hostile = printed({name: github | filled(field, text) for name, (field, text) in places.items()})
    assert [each["kind"] for each in hostile] == ["ExternalSecret"] * len(places)
    for one, other, (field, text) in zip(harmless, hostile, places.values(), strict=True):
        assert field_names(other) <= field_names(one), field
        assert text in texts(other), field


def filled(field: str, text: str) -> dict[str, object]:
    """The field with that text as its value, or in it."""
    if field == "keys":
        return {field: [text]}
    return {field: {"team": text} if field in MAPS else text}


def field_names(node: object) -> set[str]:
    if isinstance(node, dict):
        return set(node).union(*map(field_names, node.values()))
    return set().union(*map(field_names, node)) if isinstance(node, list) else set()


def texts(node: object) -> set[object]:
    if isinstance(node, dict | list):
        return set().union(*map(texts, node.values() if isinstance(node, dict) else node))
    return {node}


def test_a_package_carries_no_environment(helm: Helm, tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "values-prod.yaml").write_text("externalSecrets: {}\n", "utf-8")
    done = helm.run("package", chart, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "platform-secrets-1.0.0.tgz") as package:
        names = {Path(name).relative_to("platform-secrets").as_posix() for name in package.getnames()}
    kinds = {"external-secret.yaml", "cluster-secret-store.yaml", "secret-store.yaml", "_helpers.tpl", "NOTES.txt"}
    files = {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", ".helmignore"}
    assert names == files | {f"templates/{name}" for name in kinds}


def test_templates_decide_nothing() -> None:
    """Loops, `with`, two conditions, one refusal: what to print is in the values, where a review sees it."""
    text = "".join(path.read_text("utf-8") for path in sorted((CHART / "templates").iterdir()))
    code = re.sub(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", "", text, flags=re.DOTALL)
    actions = re.findall(r"\{\{-?\s*(.*?)\s*-?\}\}", code)
    empty = "if not (or .Values.externalSecrets .Values.clusterSecretStores .Values.secretStores .Values.allowEmpty)"
    conditions = {empty, "if $secret.templateData", 'if ne $secret.fetch "perKey"'}
    assert {action for action in actions if action.startswith("if")} == conditions
    (refusal,) = [action for action in actions if action.startswith("fail ")]
    actions.remove(refusal)
    assert not re.search(
        r"\b(tpl|lookup|fail|required|default|set|unset|merge|randAlphaNum|now|ternary)\b", " ".join(actions)
    )
    for action in actions:
        if re.match(r"(\$|\.)", action) and not action.startswith((".Chart.", ".Release.Name")):
            assert action.endswith("| quote"), action


def test_every_value_is_documented_and_in_the_schema() -> None:
    text = (CHART / "values.yaml").read_text("utf-8")
    schema = json.loads((ROOT / "schemas/values.schema.json").read_text("utf-8"))
    values = yaml.load(text, yaml.CSafeLoader)
    assert list(values) == list(schema["properties"])
    assert {name: value for name, value in values.items() if value != {}} == {"partOf": PART_OF, "allowEmpty": False}
    assert re.findall(r"^# -- [A-Z].*(?:\n# .*)*\n(\w+):", text, re.MULTILINE) == list(values)
