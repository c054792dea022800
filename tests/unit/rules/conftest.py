"""Builders: YAML texts in, what one rule finds in them out."""

from collections.abc import Mapping
from functools import cache
from typing import Protocol

import pytest

from compiler.model.document import Diagnostic, Document
from compiler.model.environment import Catalogue, Environment, Project
from compiler.rules.api import Rule, Scope
from compiler.stages.load import load_text
from compiler.stages.resolve import Resolver, catalogue_of, merge
from compiler.stages.validate import validate
from tests.platforms import base_text

BASE = base_text(
    "\n  github: {}",
    vault='name: vault-secret-store, server: "https://vault.example.com"',
    azure='name: azure-keyvault-store, vaultUrl: "https://platform.vault.azure.net"',
    more="fetch: perKey\n",
)
CATALOGUE = """\
secrets:
  global:
    target: ai-platform-global-secrets
    remote: {vault: platform/global, azurekv: platform-global}
    syncWave: -50
    mountedBy: [llm]
    keys:
      LLM_PROVIDER: {}
      OPENAI_API_KEY: {variants: [openai]}
      AWS_ACCESS_KEY_ID: {variants: [aws-bedrock]}
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    use: [pat]
    mountedBy: [mcp-github]
    keys:
      GITHUB_TOKEN: {variants: [pat]}
      GITHUB_APP_ID: {variants: [app]}
      GITHUB_APP_KEY: {variants: [app], remote: {azurekv: {name: github-app-key, whole: true}}}
  aws:
    target: agent-aws-secrets
    remote: {vault: platform/aws, azurekv: platform-aws}
    syncWave: -49
    mountedBy: [mcp-aws]
    keys:
      AWS_ACCESS_KEY_ID: {}
      AWS_REGION: {}
"""
# With an entry that takes a value from another.
TAKING = (
    CATALOGUE
    + """\
  ci:
    target: ci
    remote: {vault: platform/ci, azurekv: platform-ci}
    syncWave: -49
    keys:
      OWN: {}
      CI_TOKEN: {from: github/GITHUB_TOKEN}
"""
)


class Found(tuple["Diagnostic", ...]):
    """The diagnostics of one rule, with what their places hold."""

    __slots__ = ()

    @property
    def messages(self) -> list[str]:
        return [diagnostic.message for diagnostic in self]

    @property
    def helps(self) -> list[str | None]:
        return [diagnostic.help for diagnostic in self]

    @property
    def paths(self) -> list[str]:
        return [diagnostic.span.path for diagnostic in self]

    @property
    def marked(self) -> list[str]:
        """The text that each diagnostic points at."""
        return [d.span.source.text[d.span.start : d.span.end] for d in self]

    @property
    def related(self) -> list[str]:
        """The texts that the related places of all diagnostics point at."""
        return [r.span.source.text[r.span.start : r.span.end] for d in self for r in d.related]

    @property
    def scopes(self) -> list[tuple[str, ...]]:
        return [diagnostic.scope for diagnostic in self]


class Judge(Protocol):
    """Judges one text: a file, the catalogue, or `environments/prod.yaml` on top of a base."""

    def __call__(self, rule: Rule, text: str = "", *, base: str | None = BASE, catalogue: str = CATALOGUE) -> Found: ...


class JudgeProject(Protocol):
    """Judges environments by name, each on top of BASE, with the values files there are."""

    def __call__(
        self,
        rule: Rule,
        texts: Mapping[str, str],
        values_files: Mapping[str, str] | None = None,
        unread_files: Mapping[str, str] | None = None,
    ) -> Found: ...


@pytest.fixture
def judge() -> Judge:
    return _judge


@pytest.fixture
def judge_project() -> JudgeProject:
    return _judge_project


def _judge(rule: Rule, text: str = "", *, base: str | None = BASE, catalogue: str = CATALOGUE) -> Found:
    if rule.scope is Scope.DOCUMENT:
        schema = "catalogue" if text == CATALOGUE else "environment"
        return Found(map(rule.diagnostic, rule.check(_document(f"environments/{schema}.yaml", text, schema))))
    if rule.scope is Scope.CATALOGUE:
        return Found(map(rule.diagnostic, rule.check(_catalogue(text))))
    secrets = _catalogue(catalogue)
    findings = list(rule.catalogue_check(secrets))
    findings += rule.check(_environment("prod", text, base, secrets))
    return Found(map(rule.diagnostic, findings))


def _judge_project(
    rule: Rule,
    texts: Mapping[str, str],
    values_files: Mapping[str, str] | None = None,
    unread_files: Mapping[str, str] | None = None,
) -> Found:
    secrets = _catalogue(CATALOGUE)
    environments = tuple(_environment(name, text, BASE, secrets) for name, text in texts.items())
    project = Project(secrets, environments, tuple(texts), values_files or {}, unread_files or {})
    findings = list(rule.check(project))
    return Found(map(rule.diagnostic, rule.gather(findings)))


def _document(path: str, text: str, schema: str) -> Document:
    document, refused = load_text(path, text)
    assert document is not None, refused
    return validate(document, schema)[0]


@cache
def _catalogue(text: str) -> Catalogue:
    return catalogue_of(_document("environments/catalogue.yaml", text, "catalogue"))


@cache
def _base(text: str) -> Document:
    return _document("environments/base.yaml", text, "environment")


def _environment(name: str, text: str, base: str | None, catalogue: Catalogue) -> Environment:
    layers = [_base(base)] if base is not None else []
    layers.append(_document(f"environments/{name}.yaml", text, "environment"))
    root, _ = merge(layers)
    return Resolver(catalogue).environment(name, root, layers)
