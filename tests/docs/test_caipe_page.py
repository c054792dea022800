"""What the guide to CAIPE shows of a chart is what a chart of that form gives, and its table is that of the forms."""

import re
import shutil
from pathlib import Path

import pytest

from compiler.generate.platform import caipe_forms, version_of
from tests.commands import run_command
from tests.conftest import ROOT, Helm
from tests.platform.charts import write_chart

PAGE = (ROOT / "docs/how-to/caipe.md").read_text("utf-8")


def test_the_chart_that_is_shown_gives_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], helms: tuple[Helm, ...]
) -> None:
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    write_chart(tmp_path, "0.5.24", makes_secrets=False)
    agents = ("argocd", "jira", "pagerduty", "backstage", "confluence")
    own = f"components: [{', '.join(f'mcp-{agent}' for agent in agents)}]\n"
    (tmp_path / "own.yaml").write_text(own, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLATFORM_SECRETS_HELM", helms[0].path)
    match = re.search(r"<!-- against -->\n```console\n\$ platform-secrets (.*)\n([^`]*(?:`[^`]+`[^`]*)*?)```", PAGE)
    assert match is not None
    done = run_command(capsys, *match[1].split())
    assert done.code == 1
    assert match[2] == done.err + done.out


def test_the_table_of_versions_is_that_of_the_forms() -> None:
    rows = re.findall(r"^\| ([0-9.]+) (?:to ([0-9.]+)|and newer) \| `([a-zA-Z.-]+)` \|$", PAGE, re.MULTILINE)
    forms = caipe_forms()
    of_jira = [row for row in forms["rows"] if row["secrets"] == ["jira"]]
    assert len(rows) == len(of_jira)
    for (first, last, path), row in zip(rows, of_jira, strict=True):
        assert row["name"] == [path]
        assert first == row.get("since", forms["oldest"])
        assert bool(last) == ("before" in row)
        if until := version_of(last):
            # The last version before the one that has another form.
            numbers, *_ = until
            assert version_of(row["before"]) == version_of(f"{numbers[0]}.{numbers[1]}.{numbers[2] + 1}")
