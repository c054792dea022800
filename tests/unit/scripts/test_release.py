"""The release's commit and tag, in a clone of a small project whose tasks only note that they ran."""

import subprocess
from pathlib import Path

import pytest

from compiler.edit.chart import chart_files, schema_files
from scripts.release import NotReleasedError, release
from scripts.release_check import PAGES, disagreements

ROOT = Path(__file__).resolve().parents[3]
TASKS = "schemas docs release-check dist-check"
MAKEFILE = f".PHONY: {TASKS}\n{TASKS}:\n\t@echo $@ >> ../tasks; test $@ != $(FAILING)\n"
OLD, NEW = "1.0.0", "1.1.0"
CHANGES = "### Fixed\n\n- A thing.\n"
CHANGELOG = f"# Changelog\n\n## [Unreleased]\n\n{CHANGES}\n## [{OLD}] - 2026-11-28\n\nThe first.\n"


def git(root: Path, *words: str) -> str:
    return subprocess.run(["/usr/bin/git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A released 1.0.0, and a change after it."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.com")
    monkeypatch.setenv("FAILING", "nothing")
    root = tmp_path / "clone"
    files = {"Makefile": MAKEFILE, "CHANGELOG.md": CHANGELOG, **chart_files(), **schema_files()}
    files |= {page: (ROOT / page).read_text("utf-8") for page in (*PAGES, "compiler/__init__.py")}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    git(root, "init", "-q")
    git(root, "add", "--all")
    git(root, "commit", "-q", "-m", "Begin")
    git(root, "tag", f"v{OLD}")
    return root


def tasks(clone: Path) -> list[str]:
    path = clone.parent / "tasks"
    return path.read_text("utf-8").split() if path.exists() else []


def test_every_place_of_the_version_is_raised_committed_tried_and_tagged(clone: Path) -> None:
    said = release(clone, NEW, "2027-01-31")
    assert said[-1] == "publish it: git push --follow-tags origin HEAD"
    # The packages are built by the tasks, which only note here that they ran.
    wrong = [each for each in disagreements(clone, clone, f"v{NEW}") if not each.startswith("not built: ")]
    assert wrong == []
    assert f"## [Unreleased]\n\n## [{NEW}] - 2027-01-31\n\n{CHANGES}" in (clone / "CHANGELOG.md").read_text("utf-8")
    assert tasks(clone) == ["schemas", "docs", "release-check", "dist-check"]
    assert git(clone, "log", "-1", "--format=%s %D").startswith(f"Release {NEW} HEAD -> ")
    assert git(clone, "tag", "--points-at", "HEAD").split() == [f"v{NEW}"]
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "change", "why"),
    [
        ("", "", "is not a version"),
        ("1.1", "", "is not a version"),
        ("0.9.0", "", "0.9.0 is older than 1.0.0"),
        (OLD, "", "the tag v1.0.0 is there"),
        (NEW, "echo x > new", "has changes that are not committed"),
        (NEW, "git tag -d v1.0.0", "there is no tag v1.0.0"),
        (OLD, "git tag -d v1.0.0", "[Unreleased] has more: raise the version"),
        (NEW, "sed -i '/^- A thing/d; /^### Fixed/d' CHANGELOG.md; git commit -qam x", "nothing to release"),
        (NEW, "sed -i 's/1\\.0\\.0/1.0.1/' README.md; git commit -qam x", "README.md does not name the version"),
    ],
)
def test_what_is_in_the_way_is_said_and_no_tag_is_made(clone: Path, version: str, change: str, why: str) -> None:
    subprocess.run(change, shell=True, cwd=clone, check=True, capture_output=True)  # noqa: S602 - the text above
    before = git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain")
    with pytest.raises(NotReleasedError, match=r".") as raised:
        release(clone, version, "2027-01-31")
    assert why in str(raised.value)
    assert (git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain")) == before
    assert (tasks(clone), f"v{NEW}" in git(clone, "tag")) == ([], False)


def test_a_failed_check_makes_no_tag_and_the_next_run_goes_on_with_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILING", "dist-check")
    with pytest.raises(NotReleasedError, match="`make release-check dist-check` failed"):
        release(clone, NEW, "2027-01-31")
    assert git(clone, "tag").split() == [f"v{OLD}"]
    monkeypatch.setenv("FAILING", "nothing")
    release(clone, NEW, "2027-02-01")
    assert tasks(clone)[-2:] == ["release-check", "dist-check"]
    assert git(clone, "tag").split() == [f"v{OLD}", f"v{NEW}"]
    assert git(clone, "log", "--format=%s").splitlines() == [f"Release {NEW}", "Begin"]
