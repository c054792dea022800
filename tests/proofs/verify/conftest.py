"""A copy of the shipped project to verify, and the command run on it; the stores are those of the folder above."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, run_command

ROOT = Path(__file__).resolve().parents[3]
# Every entry with every variant of it; the shipped base has the others.
EVERY_SECRET = """\
  global: {use: [azure-openai, openai, aws-bedrock]}
  github: {use: [pat, app]}
  confluence: {}
  aws: {use: [accounts]}
  gitlab: {}
  komodor: {}
  splunk: {use: [mcp]}
  victorops: {use: [orgs]}
  webex: {use: [bot]}
  sharepoint: {}
  slack-mcp: {use: [xoxp]}
  github-mcp-server: {}
  litellm-mcp: {}
  slack-bot: {use: [client, oauth2]}
  webex-bot: {}
  caipe-ui:
    use:
    - langfuse
    - okta-token
    - okta-oauth
    - github-app
    - confluence-app
    - webex-app
    - pagerduty-app
    - github-redirect
    - confluence-redirect
    - webex-redirect
    - pagerduty-redirect
    - pagerduty-scopes
    - agentic-apps
    - webex-link
    - webex-bot-admin
  dynamic-agents: {}
  autonomous-agents: {use: [webex, webex-signed]}
  user-context: {}
  agent-context: {use: [overlap]}
  agentgateway-targets: {}
  agentgateway-cas: {}
  scheduler: {}
  scheduler-token: {}
  openfga: {}
  audit-service: {use: [session]}
  skill-scanner: {}
  keycloak-admin: {}
  keycloak-database: {}
  keycloak-idp: {}
  keycloak-platform: {}
  keycloak-ui: {}
  keycloak-slack-bot: {}
  keycloak-webex-bot: {}
  keycloak-scheduler: {}
  caipe-mongodb: {}
  mongodb: {}
"""
# Those of them that take a value from another entry, so that no bundle holds all of their keys.
TAKING = (
    "slack-mcp",
    "github-mcp-server",
    "webex-bot",
    "dynamic-agents",
    "autonomous-agents",
    "scheduler",
    "keycloak-ui",
)


def key_by_key(secrets: str) -> str:
    """The text of `EVERY_SECRET` with those that cannot be a bundle read key by key."""
    for each in TAKING:
        secrets = secrets.replace(f"  {each}: {{", f"  {each}: {{fetch: perKey, ").replace(", }", "}")
    return secrets


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The shipped catalogue and base, without environments."""
    root = tmp_path / "project"
    (root / "environments").mkdir(parents=True)
    for name in ("base", "catalogue"):
        shutil.copy(ROOT / f"environments/{name}.yaml", root / "environments")
    return root


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command on the project in this process."""

    def invoke(*argv: str | Path) -> Done:
        return run_command(capsys, "--root", project, *argv)

    return invoke
