import json
from pathlib import Path

import pytest

from tests.commands import EditFile, RunCommand

SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"


def test_every_value_has_its_place(run: RunCommand, project: Path) -> None:
    done = run("explain", "prod")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert "namespace: ai-platform-engineering  environments/base.yaml:3:12" in lines
    at = lines.index("store: azure  environments/prod.yaml:3:8")
    assert lines[at + 1] == "    over vault  environments/base.yaml:4:8"
    assert "stores.vault.render: false  (default)" in lines
    assert "secrets.github.use: [pat]  environments/catalogue.yaml:47:10  (from the catalogue)" in lines


def test_a_key_is_explained_by_the_lines_that_decide(run: RunCommand, project: Path) -> None:
    out = run("explain", "staging", "jira/ATLASSIAN_TOKEN").out.splitlines()
    assert out[0].startswith("jira/ATLASSIAN_TOKEN: ai-platform-engineering-jira[ATLASSIAN_TOKEN]  ")
    assert out[1] == "secrets.jira.store: azure  environments/staging.yaml:10:12"


def test_json_holds_the_same(run: RunCommand, project: Path) -> None:
    data = json.loads(run("explain", "prod", "store", "--format", "json").out)
    assert data == {
        "format": 1,
        "command": "explain",
        "environment": "prod",
        "values": [
            {
                "path": "store",
                "value": "azure",
                "origin": "written",
                "where": "environments/prod.yaml:3:8",
                "overrode": [{"value": "vault", "where": "environments/base.yaml:4:8"}],
                "note": None,
            }
        ],
        "exitCode": 0,
    }


def test_what_came_from_outside_is_named(run: RunCommand, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "vault")
    done = run("explain", "prod", "store")
    assert done.out.splitlines() == [
        "store: vault  AI_PLATFORM_SECRET_STORE",
        "    over azure  environments/prod.yaml:3:8",
        "    over vault  environments/base.yaml:4:8",
    ]
    assert "note: AI_PLATFORM_SECRET_STORE chooses" in done.err


def test_what_looks_like_a_credential_is_not_shown(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/dev.yaml", "secrets:\n", f"annotations: {{token: {SENTINEL}}}\nsecrets:\n")
    for form in ("text", "json"):
        done = run("explain", "dev", "annotations", "--format", form)
        assert SENTINEL not in done.out + done.err
        assert "annotations.token" in done.out


def test_what_can_be_explained_is_explained_despite_errors(run: RunCommand, project: Path, edit: EditFile) -> None:
    edit("environments/dev.yaml", "secrets:\n", "secrets:\n  gihub: {}\n")
    done = run("explain", "dev", "store")
    assert (done.code, done.out) == (1, "store: vault  environments/base.yaml:4:8\n")
    assert "error[unknown-secret]" in done.err


def test_without_a_catalogue_there_is_nothing_to_explain(run: RunCommand, project: Path) -> None:
    (project / "environments/catalogue.yaml").unlink()
    assert run("explain", "dev").code == 1
