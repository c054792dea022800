"""Reports of `status` on two stores in memory and a cluster: what `report` draws, and what it is tested with."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.operations.causes import next_of_secrets, next_step
from compiler.operations.status import Status, StepContext, with_live_state
from compiler.operations.status_live import StatusJudge, with_values
from compiler.operations.status_wait import with_ages
from compiler.render.content import envelope
from compiler.render.reports.status import status_data
from compiler.stores.interface import RENEW_DATE
from tests.unit.operations.status_world import GITHUB, JIRA, SPACE, World

HERE = Path(__file__).parent / "report"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
CATALOGUE = (
    ("{description: Token, variants: [pat]}", "{description: T, variants: [pat], rotate: 90d, owner: agents}"),
    (
        "{description: Token}",
        "{description: T, maxAge: 90d, owner: payments, issuer: 'https://id.example.com/tokens?team=payments'}",
    ),
    ("{description: URL}", "{description: U, issuer: self}"),
)


class Reports:
    """What `status --format json` prints of the environments of a world."""

    def __init__(self, made: World) -> None:
        self.world = made
        for old, new in CATALOGUE:
            made.bench.change("catalogue", old, new)
        self.date(made.bench.vault, "agents/github", 120)
        self.date(made.bench.vault, "agents/jira", 100)

    @staticmethod
    def date(store: Any, name: str, days: int, **tags: str) -> None:  # noqa: ANN401 - a memory store
        newest = store.versions[name][-1]
        dated = replace(newest.attributes, created=NOW - timedelta(days=days), tags=tags)
        store.versions[name][-1] = replace(newest, version=str(len(store.versions[name])), attributes=dated)

    def of(self, *found: Status, code: int = 0) -> str:
        asked = StepContext()
        shown = [status_data(each, next_step(each, asked), next_of_secrets(each, asked)) for each in found]
        name = found[0].environment.name if len(found) == 1 else None
        return text_of(envelope("status", name, code, {"moment": NOW, "environments": shown}))

    def offline(self) -> str:
        """Two environments, from their files alone: one inherits its store, the other one has a secret of its own."""
        self.world.bench.write("dev", "secrets: {jira: {enabled: false}}\n")
        self.world.bench.write("prod", "store: azure\nsecrets: {jira: {store: vault}}\n")
        return self.of(self.world.status("dev"), self.world.status("prod"))

    def moving(self) -> str:
        """prod on its way to Key Vault: github is there and its value there is another one, jira lacks a key there."""
        bench = self.world.bench
        bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
        bench.azure.versions.clear()
        bench.azure.seed("agents-github", GITHUB_TOKEN="t-9")
        bench.azure.seed("agents-jira", JIRA_TOKEN="t-2")
        self.date(bench.azure, "agents-github", 3, **{RENEW_DATE: "2026-12-05"})
        self.date(bench.azure, "agents-jira", 3)
        self.world.platform.run(bench.environment())
        self.world.platform.pod(SPACE, "agent-github", GITHUB)
        self.world.platform.pod(SPACE, "agent-jira", JIRA, ready=False, waiting="CrashLoopBackOff")
        status, stores = self.world.status(), bench.live()
        status, found = with_values(status, stores)
        status = with_ages(status, found, stores, NOW)
        live = StatusJudge(status).every(self.world.snapshot())
        return self.of(
            with_live_state(status, {name: replace(each, refreshed=NOW) for name, each in live.items()}), code=1
        )

    def silent(self) -> str:
        """staging, whose Vault does not answer, and whose Key Vault has lost a secret that it can recover."""
        bench = self.world.bench
        bench.write("staging", "secrets: {jira: {store: azure}}\n")
        bench.silent.add("vault")
        bench.azure.deleted.add("agents-jira")
        stores = bench.live()
        status, found = with_values(self.world.status("staging"), stores)
        return self.of(with_ages(status, found, stores, NOW), code=3)


@pytest.fixture
def reports(world: World) -> Reports:
    return Reports(world)


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> Callable[[str, str], dict[str, Any]]:
    """Compares a text with a sample in HERE; with `--update-samples` it writes that instead."""

    def holds(name: str, text: str) -> dict[str, Any]:
        path = HERE / name
        if request.config.getoption("--update-samples", default=False):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8"), f"{name}: `pytest tests/unit/operations --update-samples`"
        found: dict[str, Any] = json.loads(text)
        return found

    return holds
