"""A project of two agents, and what pods of given manifests need of it."""

from functools import partial
from pathlib import Path

import pytest

from compiler.consumers.findings import EnvironmentSecrets, judge, secrets_of
from compiler.consumers.readers import ObjectIndex, take
from compiler.model.document import Diagnostic
from compiler.model.environment import Environment
from compiler.pipeline import compile_project
from compiler.stages.load import load_manifests
from compiler.stages.resolve import Outside
from tests.platforms import write_agents_project

# A pod that reads all that the project makes.
BOTH = "envFrom: [{secretRef: {name: agent-github-secrets}}, {secretRef: {name: agent-jira-secrets}}]"


def deployment(container: str, name: str = "platform-agent", more: str = "", head: str = "") -> str:
    """The text of a Deployment whose only container has `container` in it, its pod `more` and its metadata `head`."""
    return (
        f"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}{head}}}\n"
        f"spec:\n  template:\n    spec:\n      containers:\n        - name: main\n          {container}\n{more}"
    )


class Bench:
    """The project in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        write_agents_project(root)

    def change(self, name: str, old: str, new: str) -> None:
        path = self.root / f"environments/{name}.yaml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def add(self, text: str) -> None:
        """Writes more into the environment's file."""
        self.change("prod", "labels:", f"{text}\nlabels:")

    def environment(self) -> Environment:
        result = compile_project(self.root, ["prod"], Outside())
        assert result.project is not None
        assert not result.failed, result.diagnostics
        return result.project.environments[0]

    def own(self) -> EnvironmentSecrets:
        return secrets_of(self.environment())

    def found(self, *manifests: str) -> tuple[Diagnostic, ...]:
        return judge(self.own(), gathered(*manifests))

    def of(self, rule: str, *manifests: str) -> list[str]:
        """The messages of that rule."""
        return [each.message for each in self.found(*manifests) if each.rule == rule]

    def one(self, rule: str, *manifests: str) -> Diagnostic:
        (found,) = (each for each in self.found(*manifests) if each.rule == rule)
        return found


def last(text: str, word: str, file: str = "m0.yaml") -> str:
    """The place where `word` is written for the last time, as diagnostics say it."""
    before = text[: text.rindex(word)].split("\n")
    return f"{file}:{len(before)}:{len(before[-1]) + 1}"


def gathered(*manifests: str, namespace: str = "agents") -> ObjectIndex:
    """What the manifests hold; the first is a file, and so on."""
    found = ObjectIndex()
    for number, text in enumerate(manifests):
        count, refused = load_manifests(f"m{number}.yaml", text, partial(take, gathered=found, namespace=namespace))
        assert count is not None, refused
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
