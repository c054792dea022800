"""Small charts in CAIPE's forms, before and after an upgrade, rendered by Helm and held against an environment."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, run_command
from tests.conftest import Helm
from tests.platforms import base_text, write_project

HERE = Path(__file__).parent
SENTINEL = "sentinel-of-the-chart-4711"
BASE = base_text("{llm: {}, github: {}, jira: {}, aws: {}, ui: {}, slack: {}}", namespace="agents", azure=None)
CATALOGUE = """\
naming: {target: "{secret}-secrets", vault: "agents/{secret}", azurekv: "agents-{secret}"}
secrets:
  llm:
    {target: agents-llm-secrets, remote: {vault: agents/llm}, syncWave: -50, keys: {OPENAI_API_KEY: {}, AWS_KEY_ID: {}}}
  github:
    target: agent-github-secrets
    remote: {vault: agents/github}
    syncWave: -49
    mountedBy: [mcp-github]
    keys: {GITHUB_TOKEN: {}}
  jira:
    {target: agent-jira-secrets, remote: {vault: agents/jira}, syncWave: -49, keys: {JIRA_TOKEN: {}, 1JIRA: {}}}
  aws: {target: agent-aws-secrets, remote: {vault: agents/aws}, syncWave: -49, keys: {AWS_KEY_ID: {}}}
  ui: {target: caipe-ui-secret, remote: {vault: agents/ui}, syncWave: -49, keys: {OIDC_CLIENT_SECRET: {}}}
  slack: {target: agent-slack-secrets, remote: {vault: agents/slack}, syncWave: -49, keys: {SLACK_BOT_TOKEN: {}}}
"""
NEW, TARGETS = "platform-secrets new secret", "release-targets-token"
# Each finding once: the rule, its severity, and a word of its message.
AFTER = [
    ("doubly-made-secret", "error", "agent-jira-secrets"),
    ("missing-consumed-key", "error", "GITHUB_PERSONAL_ACCESS_TOKEN"),
    ("needed-by-hook", "warning", "caipe-ui-secret"),
    ("repeated-key", "warning", "value"),
    ("repeated-key", "warning", "value"),
    ("shadowed-variable", "warning", "AWS_KEY_ID"),
    ("unmade-secret", "error", "caipe-keycloak-secret"),
    ("unmade-secret", "error", "release-targets-token"),
    ("unmade-secret", "note", "registry-login"),
    ("unmade-secret", "note", "release-mongodb-secret"),
    ("unread-secret", "warning", "agent-slack-secrets"),
    ("unusable-variable", "warning", "1JIRA"),
    ("wrong-mounted-by", "warning", "release-agentgateway"),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helms: tuple[Helm, ...]) -> Path:
    """The project, with both charts rendered."""
    write_project(tmp_path, base=BASE, catalogue=CATALOGUE, prod="labels: {a: b}\n")
    for chart in ("before", "after"):
        done = helms[0].run("template", "release", HERE / chart)
        assert done.returncode == 0, done.stderr
        (tmp_path / f"{chart}.yaml").write_text(done.stdout, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], project: Path) -> Callable[..., Done]:
    def invoke(*words: str) -> Done:
        assert project.is_dir()
        done = run_command(capsys, *words)
        assert SENTINEL not in done.out + done.err
        return done

    return invoke


def consumers(run: Callable[..., Done], *words: str) -> Done:
    return run("consumers", "prod", *words, "--format", "json")


def test_each_finding_of_the_newer_form_is_told_once(run: Callable[..., Done]) -> None:
    done = consumers(run, "--manifests", "after.yaml")
    found = sorted(done.report["diagnostics"], key=lambda each: (each["rule"], each["message"]))
    assert [(each["rule"], each["severity"]) for each in found] == [(rule, severity) for rule, severity, _ in AFTER]
    for each in AFTER:
        assert any(each[0] == one["rule"] and each[2] in one["message"] for one in found), each
    assert done.code == 1


def test_the_older_form_has_less_to_say(run: Callable[..., Done]) -> None:
    done = consumers(run, "--manifests", "before.yaml")
    rules = {each["rule"] for each in done.report["diagnostics"]}
    assert rules == {"unread-secret", "unusable-variable", "wrong-mounted-by"}
    assert done.code == 0
    assert run("consumers", "prod", "--manifests", "before.yaml", "--strict").code == 1


def test_every_format_tells_every_finding_at_its_place(run: Callable[..., Done]) -> None:
    for form in ("text", "github", "sarif"):
        done = run("consumers", "prod", "--manifests", "after.yaml", "--format", form)
        told = done.err if form == "text" else done.out
        for rule, _, word in AFTER:
            assert rule in told, (form, rule)
            assert word in told, (form, word)
        assert "after.yaml" in told
        assert "environments/base.yaml" in told


def test_what_an_upgrade_needs_can_be_pasted(run: Callable[..., Done]) -> None:
    done = consumers(run, "--manifests", "after.yaml", "--since", "before.yaml")
    upgrade = done.report["upgrade"]
    steps = {each["target"]: each["steps"] for each in upgrade["needs"] if not each["optional"]}
    assert steps == {
        "agent-aws-secrets": ["platform-secrets put prod aws"],
        "agent-github-secrets": [
            "# first add to github in environments/catalogue.yaml: GITHUB_PERSONAL_ACCESS_TOKEN",
            "platform-secrets put prod github",
        ],
        "caipe-keycloak-secret": [
            f"{NEW} caipe-keycloak --target caipe-keycloak-secret --key OIDC_CLIENT_SECRET --into prod",
            "platform-secrets put prod caipe-keycloak",
        ],
        "caipe-ui-secret": ["platform-secrets put prod ui"],
        "release-targets-token": [
            f"{NEW} {TARGETS} --target {TARGETS} --key AGENTGATEWAY_TARGETS_TOKEN --into prod",
            f"platform-secrets put prod {TARGETS}",
        ],
    }
    assert upgrade["unneeded"] == []
    assert consumers(run, "--manifests", "before.yaml", "--since", "after.yaml").report["upgrade"]["unneeded"] == [
        "aws",
        "ui",
    ]
    for line in (line for lines in steps.values() for line in lines if " new secret " in line):
        made = run(*shlex.split(line)[1:])
        assert made.code == 0, made.err
    after = consumers(run, "--manifests", "after.yaml").report["diagnostics"]
    unmade = [each for each in after if each["rule"] == "unmade-secret"]
    assert {each["severity"] for each in unmade} == {"note"}


def test_a_gap_is_closed_by_the_environment_and_the_charts_values(
    run: Callable[..., Done], project: Path, helms: tuple[Helm, ...]
) -> None:
    values = project / "values.yaml"
    values.write_text(
        "mcp-jira: {mcpSecrets: {create: false}}\n"
        "global: {agentgateway: {githubMcpServer: {existingSecret: {key: GITHUB_TOKEN}}}}\n",
        "utf-8",
    )
    rendered = helms[0].run("template", "release", HERE / "after", "--values", values)
    (project / "after.yaml").write_text(rendered.stdout, "utf-8")
    prod = project / "environments/prod.yaml"
    prod.write_text("madeElsewhere: {caipe-keycloak-secret: Keycloak, release-targets-token: the gateway}\n", "utf-8")
    done = consumers(run, "--manifests", "after.yaml")
    assert done.code == 0
    assert "error" not in {each["severity"] for each in done.report["diagnostics"]}
