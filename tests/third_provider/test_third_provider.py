from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE = """\
namespace: ai-platform
store: old
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  old: {provider: shelf, name: old-shelf, shelfUrl: "https://old.shelf.example.com"}
  new: {provider: shelf, name: new-shelf, shelfUrl: "https://new.shelf.example.com"}
secrets:
  github: {}
"""
CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {shelf: books/github}
    syncWave: -49
    keys: {GITHUB_TOKEN: {}}
"""
OLD, NEW = "https://old.shelf.example.com", "https://new.shelf.example.com"


def run(root: Path, *commands: list[str]) -> list[Any]:
    """The exit code of each command and the books on each shelf after it."""
    (root / "environments").mkdir(exist_ok=True)
    for name, text in (("base", BASE), ("dev", "{}\n"), ("catalogue", CATALOGUE)):
        (root / f"environments/{name}.yaml").write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.third_provider.commands", str(root)],
        input="".join(json.dumps(command) + "\n" for command in commands),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(line.removeprefix("DONE ")) for line in done.stdout.splitlines() if line.startswith("DONE ")]
    assert all(code == 0 for code, _ in found), done.stdout + done.stderr
    return [held for _, held in found]


def test_a_provider_from_a_folder_of_its_own_compiles_moves_and_goes_back(tmp_path: Path) -> None:
    move = ["migrate", "dev", "--to", "new", "--apply"]
    undo = ["--undo", "NEWEST", "--apply"]
    compiled, verified, moved, undone, again, switched, retired, back = run(
        tmp_path,
        ["compile", "--all"],
        ["verify", "dev"],
        move,
        ["migrate", "dev", *undo],
        [*move, "--recover"],
        ["cutover", "dev", "github", "--to", "new", "--apply"],
        ["retire", "dev", "--store", "old", "--without-cluster", "--apply"],
        ["retire", "dev", *undo],
    )
    book = ["books/github"]
    assert compiled == verified == {OLD: book}
    assert moved == again == switched == back == {OLD: book, NEW: book}
    assert undone == {OLD: book, NEW: []}
    assert retired == {OLD: [], NEW: book}
    assert "new-shelf" in (tmp_path / "chart/values-dev.yaml").read_text("utf-8")


def test_its_schema_and_its_rules_count(tmp_path: Path) -> None:
    (found,) = run(tmp_path, ["rules", "shelf-without-name"])
    assert found == {OLD: ["books/github"]}
    assert not (ROOT / "compiler").joinpath("stores/shelf").exists()
