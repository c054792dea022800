"""Each JSON output fits its closed schema, and without any one of its keys it does not."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft7Validator

from compiler.change.plan import Kind, Location, Step
from compiler.cli.commands.backup import backup_content
from compiler.cli.terminal.contents import text_of
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.demo.local_openbao import LocalOpenBao
from compiler.live.ages import AgeState, KeyAge
from compiler.live.observation import Likeness
from compiler.operations.causes import NextStep
from compiler.operations.cutover import commit
from compiler.operations.cutover_gate import About, Mode
from compiler.operations.due import DueKey, DueList
from compiler.operations.status import LiveState, StoreFindings, WaitEnd, WaitResult, from_files
from compiler.operations.verify import KeyState
from compiler.render.content import envelope
from compiler.render.reports.cutover import cutover_content
from compiler.render.reports.status import status_data
from scripts.build_docs import output_schemas
from tests.commands import run_command
from tests.memory_store import secrets
from tests.platforms import BASE, CATALOGUE, write_project
from tests.unit.operations.cutover_bench import Bench

SCHEMAS = output_schemas()
VALIDATORS = {name: Draft7Validator(schema) for name, schema in SCHEMAS.items()}
# Maps whose keys are names of the input, or kinds.
MAPS = ("secrets", "missing", "counts", "changes")
# Of `change`, which tells of several commands, what each has of its own.
OPTIONAL = {
    ("change", name)
    for name in (
        "undo",
        "secret",
        "store",
        "inCommon",
        "rotation",
        "backup",
        "inUse",
        "notTheSame",
        "askedCluster",
        "notSeen",
    )
}
_PLACE = {"store": "vault", "name": "team/github", "property": None}
_REMOTE = {"store": "azure", "name": "team-github"}
# The shape that the engine of all writing commands reports in.
CHANGE: dict[str, Any] = {
    "format": 1,
    "command": "migrate",
    "environment": "prod",
    "sources": [{"store": "vault", "address": "https://vault/secret", "clusterId": "c1", "replaces": "http://v"}],
    "destinations": [
        {"store": "azure", "address": "https://v.vault.azure.net", "caller": None, "clusterId": None, "replaces": None}
    ],
    "onConflict": "fail",
    "steps": [
        {
            "secret": "github",
            "key": "TOKEN",
            "kind": "create",
            "source": _PLACE,
            "destination": None,
            "reason": None,
            "remedy": None,
        }
    ],
    "deletions": [{**_REMOTE, "versions": ["1", "2"]}],
    "expiries": [{**_REMOTE, "expires": "2027-01-31T00:00:00+00:00"}],
    "counts": {"create": 1},
    "extras": [_PLACE],
    "skipped": [{"secret": "slack", "reason": "it is there already"}],
    "notes": [
        {
            "kind": "expired",
            "secret": "github",
            "place": _REMOTE,
            "property": None,
            "date": None,
            "versions": [],
            "keeps": None,
            "remedy": None,
        }
    ],
    "blocked": False,
    "applied": True,
    "run": "20250131-120000-4fa1c2",
    "interrupted": False,
    "results": [
        {
            **_REMOTE,
            "state": "done",
            "version": "1",
            "otherVersions": [],
            "code": None,
            "reason": None,
            "remedy": None,
        }
    ],
    "exitCode": 0,
}


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: agent}
spec:
  template:
    spec:
      containers:
        - name: main
          envFrom: [{secretRef: {name: agent-github-secrets}}]
          env: [{name: A, valueFrom: {secretKeyRef: {name: unmade, key: KEY}}}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an environment that has an error, one that has a finding, and two that differ."""
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path, base=BASE, catalogue=CATALOGUE, prod="labels: {a: b}\n", dev="labels: {a: c}\n")


@pytest.fixture
def printed(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    assert project.is_dir()

    def run(*argv: str) -> dict[str, Any]:
        done = run_command(capsys, *argv, "--format", "json")
        assert done.report["exitCode"] == done.code, done.err
        assert done.report["command"] == argv[0]
        return done.report

    return run


def reported(command: str, environment: str | None, code: int, content: dict[str, Any]) -> dict[str, Any]:
    """What a command prints of its `content`."""
    found: dict[str, Any] = json.loads(text_of(envelope(command, environment, code, content)))
    return found


def errors(name: str, instance: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATORS[name].iter_errors(instance)]


def fits(name: str, instance: object) -> bool:
    return not any(VALIDATORS[name].iter_errors(instance))


def holds(name: str, instance: dict[str, Any]) -> None:
    """Fails where the instance does not fit, where it fits without one of its keys, or fits with one more."""
    assert errors(name, instance) == []
    for path, mapping in objects(instance, ()):
        if path[-1:] in {(name,) for name in MAPS} and "keys" not in mapping:
            continue
        for key in mapping:
            if (name, key) not in OPTIONAL:
                assert not fits(name, without(instance, (*path, key))), f"{name} fits without {(*path, key)}"
        assert not fits(name, with_more(instance, path)), f"{name} fits with one more at {path}"


def objects(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from objects(member, (*path, key))


def without(instance: dict[str, Any], path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON
    changed: Any = copy.deepcopy(instance)
    node = changed
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return changed


def with_more(instance: dict[str, Any], path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON
    changed: Any = copy.deepcopy(instance)
    node = changed
    for part in path:
        node = node[part]
    node["oneMore"] = 1
    return changed


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_closed_and_requires_what_it_names(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])
    described = [node for _, node in objects(SCHEMAS[name], ()) if isinstance(node.get("additionalProperties"), bool)]
    assert described
    for node in described:
        assert node["additionalProperties"] is False
        optional = (
            {key for key in node["properties"] if (name, key) in OPTIONAL} if "format" in node["properties"] else set()
        )
        assert set(node["required"]) == set(node["properties"]) - optional
    for path, node in objects(SCHEMAS[name], ()):
        if path[-1:] == ("properties",) and "if" not in path:
            assert all("description" in member or "$ref" in member for member in node.values()), path


def test_compile(project: Path, printed: Callable[..., dict[str, Any]]) -> None:
    ok = printed("compile", "prod")
    assert (ok["environment"], ok["exitCode"]) == ("prod", 0)
    assert errors("compile", ok) == []
    (project / "environments/prod.yaml").write_text("secrets: {gihub: {}, github: {}}\n", "utf-8")
    several = printed("compile")
    assert (several["environment"], several["exitCode"]) == (None, 1)
    assert several["diagnostics"]
    assert any(each["related"] for each in several["diagnostics"])
    holds("compile", several)


def test_explain_diff_and_rules(project: Path, printed: Callable[..., dict[str, Any]]) -> None:
    explained = printed("explain", "prod")
    explained["values"] = [each for each in explained["values"] if each["overrode"]] or explained["values"][:1]
    holds("explain", explained)
    assert errors("explain", printed("explain", "prod")) == []
    compared = printed("diff", "prod", "dev")
    assert compared["exitCode"] == 1
    holds("diff", compared)
    (project / "environments/dev.yaml").write_text("stores: {vault: {mount: kv}}\n", "utf-8")
    elsewhere = printed("diff", "prod", "dev")
    assert elsewhere["addresses"]
    holds("diff", elsewhere)
    printed("compile", "prod")
    against = printed("diff", "prod", "--against", "chart/values-prod.yaml")
    assert against["addressesNotCompared"]
    holds("diff", against)
    holds("rules", printed("rules", "shared-place"))
    assert errors("rules", printed("rules")) == []


def test_verify(
    project: Path,
    printed: Callable[..., dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("openbao")) as server:
        monkeypatch.setenv("VAULT_ADDR", server.url)
        monkeypatch.setenv("VAULT_TOKEN", server.token)
        found = printed("verify", "prod")
        assert (found["environment"], found["exitCode"], len(found["stores"])) == ("prod", 1, 1)
        assert found["counts"]["keys"] == found["counts"]["error"] == len(found["keys"]) > 0
        holds("verify", found)
        assert printed("compile", "prod", "--out", "out")["exitCode"] == 0
        of_file = printed("verify", "--values", "out/values-prod.yaml")
        assert (of_file["environment"], of_file["valuesFile"]) == (None, "out/values-prod.yaml")
        assert errors("verify", of_file) == []
    (project / "environments/prod.yaml").write_text("secrets: {gihub: {}}\n", "utf-8")
    broken = printed("verify", "prod")
    assert (broken["exitCode"], broken["keys"]) == (1, [])
    assert errors("verify", broken) == []


def test_cutover(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "switched")
    bench.equal()
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    bench.write("canary", "extends: [prod]\n")
    more: dict[str, Any] = {"accepted": ("JIRA_TOKEN",), "with_dependants": True}
    for plan in (bench.plan(Mode.NEXT, **more), bench.to_azure("jira", "github", **more)):
        content = cutover_content(plan, ("environments/prod.yaml",), commit(plan))
        report = reported("cutover", "prod", 0, content)
        holds("cutover", report)
    assert {each["verdict"] for each in report["checks"]} == {"passed", "noted"}
    bench.silent.add("vault")
    closed = reported("cutover", "prod", 1, cutover_content(bench.plan(Mode.NEXT), (), None))
    assert errors("cutover", closed) == []
    abouts = SCHEMAS["cutover"]["definitions"]["check"]["properties"]["about"]["enum"]
    assert abouts == [str(each) for each in About]


def test_consumers(project: Path, printed: Callable[..., dict[str, Any]]) -> None:
    (project / "old.yaml").write_text(DEPLOYMENT.replace("agent-github-secrets", "other"), "utf-8")
    (project / "new.yaml").write_text(DEPLOYMENT, "utf-8")
    found = printed("consumers", "prod", "--manifests", "new.yaml", "--since", "old.yaml")
    assert (found["environment"], found["exitCode"], found["workloads"]) == ("prod", 1, 1)
    assert found["upgrade"]["needs"]
    assert any(each["related"] for each in found["diagnostics"])
    holds("consumers", found)
    back = printed("consumers", "prod", "--manifests", "old.yaml", "--since", "new.yaml")
    assert back["upgrade"]["unneeded"] == ["github"]
    assert errors("consumers", back) == []
    assert errors("consumers", printed("consumers", "prod", "--manifests", "old.yaml")) == []
    (project / "old.yaml").write_text("a: [", "utf-8")
    assert errors("consumers", printed("consumers", "prod", "--manifests", "old.yaml")) == []
    (project / "environments/prod.yaml").write_text("secrets: {gihub: {}}\n", "utf-8")
    broken = printed("consumers", "prod", "--manifests", "new.yaml")
    assert (broken["exitCode"], broken["secrets"]) == (1, [])
    assert errors("consumers", broken) == []


EXTERNAL_SECRET = """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: shop-db, namespace: shop}
spec:
  secretStoreRef: {name: s, kind: ClusterSecretStore}
  data: [{secretKey: DB_PASSWORD, remoteRef: {key: shop/db, property: password}}]
---
apiVersion: external-secrets.io/v1
kind: PushSecret
metadata: {name: push, namespace: shop}
"""


def test_import(project: Path, printed: Callable[..., dict[str, Any]]) -> None:
    (project / "es.yaml").write_text(EXTERNAL_SECRET, "utf-8")
    store = ("--store", "s=vault", "--server", "https://shop.example.com")
    words = ("import", "external-secrets", "es.yaml", "--environment", "shop", *store)
    found = printed(*words)
    assert (found["environment"], found["exitCode"], found["equalKeys"], found["applied"]) == ("shop", 0, 1, False)
    assert found["counts"]["found"] == {"objects": 2, "keys": 1}
    holds("import", found)
    (project / "es.yaml").write_text("a: [", "utf-8")
    assert errors("import", printed(*words)) == []


HELM = """#!/bin/sh
[ "$1" = version ] && echo v3.22.0 && exit 0
for last; do :; done
cat "$last/manifests"
"""


def test_generate(project: Path, printed: Callable[..., dict[str, Any]]) -> None:
    (project / "shop").mkdir()
    (project / "shop/Chart.yaml").write_text("name: shop\n", "utf-8")
    (project / "shop/manifests").write_text(DEPLOYMENT, "utf-8")
    (project / "helm").write_text(HELM, "utf-8")
    (project / "helm").chmod(0o755)
    words = ("generate", "platform", "prod", "--chart-version", "0.6.0", "--against", "shop", "--helm", "helm")
    found = printed(*words)
    assert (found["environment"], found["exitCode"], found["workloads"], found["unread"]) == ("prod", 1, 1, ["github"])
    assert any(each["related"] for each in found["diagnostics"])
    holds("generate", found)
    (project / "shop/more").symlink_to("/etc/hostname")
    assert errors("generate", printed(*words)) == []
    (project / "environments/prod.yaml").write_text("secrets: {gihub: {}}\n", "utf-8")
    broken = printed(*words)
    assert (broken["exitCode"], broken["secrets"]) == (1, [])
    assert errors("generate", broken) == []


def test_status(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "looked-at")
    bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    status = from_files(bench.environment())
    found = LiveState(
        (ClusterProblem(ClusterState.PODS, "no"),),
        ("why",),
        3,
        ("do", "more"),
        ("pods",),
        2,
        ("note",),
        datetime.now(UTC),
    )
    found = replace(found, readers=(("Deployment", "agent"),))
    states = {"JIRA_TOKEN": {"vault": KeyState.PRESENT, "azure": KeyState.MISSING}}
    values = StoreFindings(Likeness.DIFFERENT, ("JIRA_TOKEN",), ("JIRA_URL",), ("no",), states=states)
    key = DueKey("jira", "JIRA_TOKEN", "vault", "agents", True, KeyAge(AgeState.OVERDUE, None, datetime.now(UTC), "no"))
    rows = tuple(replace(row, live=found, values=values, keys=(key,)) for row in status.rows)
    waited = WaitResult(WaitEnd.TIME_UP, 600, {})
    looked = replace(status, rows=rows, closed=("no",), is_live=True, waited=waited, forced=("jira",))
    step, now = NextStep(("next",), "deploy"), datetime.now(UTC)
    shown = status_data(looked, step, {"jira": step}, DueList(now, (key,), 2))
    holds("status", reported("status", "prod", 4, {"moment": now, "environments": [shown]}))
    unheard = WaitResult(WaitEnd.TIME_UP, 5, {}, unanswered="the stores")
    bare = status_data(replace(status, progress=None, waited=unheard), NextStep())
    assert errors("status", reported("status", None, 0, {"moment": now, "environments": [bare, bare]})) == []
    found = SCHEMAS["status"]["definitions"]
    assert found["problem"]["properties"]["state"]["enum"] == [str(each) for each in ClusterState][2:]
    assert found["live"]["properties"]["state"]["enum"] == [str(each) for each in ClusterState][1:]
    assert found["other"]["properties"]["comparison"]["enum"] == [
        str(each) for each in Likeness if each is not Likeness.UNKNOWN
    ]
    assert found["wait"]["properties"]["end"]["enum"] == [str(each) for each in WaitEnd]
    assert found["key"]["properties"]["age"]["enum"] == [*(str(each) for each in AgeState), None]
    states_ = [str(each) for each in KeyState]
    assert found["key"]["properties"]["state"]["enum"] == states_
    assert found["place"]["properties"]["state"]["enum"] == states_[:-2]
    assert found["dueKey"]["properties"]["state"]["enum"] == [str(each) for each in AgeState]


def test_backup() -> None:
    backup: Any = SimpleNamespace(
        environment="dev", time="2026-01-02T03:04:05+00:00", values={("a", "B"): None}, missing=(("c", "D"),)
    )
    lacking = (
        Step("c", "D", Kind.MISSING, Location("vault", "agents/c", "D"), None, "why"),
        Step("c", "E", Kind.MISSING, None, None, "why"),
    )
    gathered: Any = SimpleNamespace(backup=backup, lacking=lacking, left_out=(("agents/a", "X"),))
    report = reported("backup", "dev", 0, backup_content(gathered, "dev.age", is_written=True))
    holds("backup", report)


def test_runs(project: Path, printed: Callable[..., dict[str, Any]]) -> None:
    folder = project / ".platform-secrets/runs"
    folder.mkdir(parents=True)
    (folder / "20250131-120000-4fa1c2.jsonl").write_text("{}\n", "utf-8")
    recorded = Path(__file__).parents[1] / "unit/cli/recorded/complete/audit"
    found = printed("runs", "--audit", str(recorded))
    assert (found["environment"], len(found["runs"]), len(found["unread"])) == (None, 1, 1)
    holds("runs", found)
    assert errors("runs", printed("runs", "prod")) == []


def test_change() -> None:
    holds("change", CHANGE)
    held = {"environment": "prod", "time": "2026-01-02T03:04:05+00:00", "secrets": {"a": ["B"]}, "missing": {}}
    in_use = [{"name": "team/a", "secrets": ["a"], "readers": ["prod/a"], "unproven": ["dev/vault"]}]
    stays: dict[str, Any] = {"inUse": in_use, "notTheSame": ["lab/vault"], "askedCluster": False, "notSeen": ["others"]}
    retired = {"command": "retire", "store": "vault", **stays}
    holds("change", CHANGE | retired)
    apart = [{"reader": "c/D", "store": "azure"}]
    common = {"secret": "a", "key": "B", "holder": None, "place": "team/a[B]", "readers": ["b/C"], "apart": apart}
    put: dict[str, Any] = {"command": "put", "secret": "a", "store": "vault", "inCommon": [common]}
    several = put | {"secret": None, "store": None}
    revoke = [{"key": "B", "issuer": None, "disableFirst": False}]
    live = {"restarts": ["kubectl"], "notSeen": ["why"]}
    named: dict[str, Any] = {"keys": ["B"], "kept": ["why"], "otherEnvironments": ["prod/a"], "revoke": revoke, **live}
    rotated = {"command": "rotate", "secret": "a", "rotation": {"run": None, "phase": None, **named}}
    for own in (put, several, rotated, {"command": "restore", "backup": held}, retired):
        assert errors("change", CHANGE | own) == []
        assert errors("change", CHANGE | {"command": own["command"]})
        assert errors("change", CHANGE | {"command": own["command"], "undo": "20250131-120000-4fa1c2"}) == []
