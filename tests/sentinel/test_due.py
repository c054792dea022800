"""Credentials planted in values, tags and addresses of stores reach no list of what is due, and no metric."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from compiler.pipeline import compile_project
from compiler.stores.errors import Action, ForbiddenError, StoreLocation
from compiler.stores.interface import RENEW_DATE, VALUE_SINCE, StoreOptions
from tests.commands import run_command
from tests.leaks import leaks
from tests.sentinel.test_live_status import PARTS, PLANTED
from tests.unit.cli.two_ends import Ends

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("shape", PLANTED)
def test_nothing_planted_in_a_store_is_in_a_list_or_a_label(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, ends = PLANTED[shape], Ends()
    project = compile_project(ROOT, ["dev"]).project
    assert project is not None
    (environment,) = project.environments
    tags = dict.fromkeys((VALUE_SINCE, RENEW_DATE, "owner", "issuer"), secret)
    for number, each in enumerate(environment.secrets.values()):
        name = each.entry.remote["vault"]
        ends.vault.seed(name, **{item.key.name: secret for item in each.keys})
        newest, created = ends.vault.versions[name][-1], datetime.now(UTC) - timedelta(days=60 * number)
        attributes = replace(newest.attributes, created=created, tags=tags if number % 2 else {})
        ends.vault.versions[name][-1] = replace(newest, attributes=attributes, version=secret)
    place = StoreLocation(f"https://vault/{secret}", "ai-platform-engineering/jira-secret")
    ends.vault.failures["read", "ai-platform-engineering/jira-secret"] = ForbiddenError(
        place, Action.READ, f"you may not: {secret}", "get a role", permission="get"
    )

    def stores(environ: Mapping[str, str], options: StoreOptions | None = None) -> LiveStores:
        del options
        return LiveStores(environ, ends.open)

    monkeypatch.setattr("compiler.cli.commands.status.open_stores_for_reading", stores)
    metrics = tmp_path / "metrics.prom"
    for words in (
        (),
        ("--due", "90d"),
        ("--due", "90d", "--format", "json"),
        ("--format", "openmetrics"),
        ("--format", "openmetrics", "--out", str(metrics)),
    ):
        done = run_command(capsys, "--root", str(ROOT), "status", "dev", *words)
        assert done.code == (0 if "openmetrics" in words else 1)
        # What a store's error says, only its form can conceal.
        said = done.out if shape == "plain" else f"{done.out}\n{done.err}"
        if shape != "plain" or "openmetrics" in words:
            assert not leaks(said, PARTS[shape]), words
        if "json" in words:
            states = {each["state"] for each in json.loads(done.out)["environments"][0]["due"]["keys"]}
            assert states == {"overdue", "not-known", "in-time"}
    text = metrics.read_text("utf-8")
    assert "ATLASSIAN_TOKEN" in text
    assert not leaks(text, PARTS[shape])
