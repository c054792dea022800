from __future__ import annotations

from pathlib import Path

import pytest

from compiler.generate.files import HEADER, Generated, generated_files, refuse_place, refuse_unfit
from compiler.refusal import Refusal

TEXTS = {"a.yaml": f"{HEADER}a`.\na: 1\n", "prod/b.yaml": f"{HEADER}b`.\nb: 1\nc: 2\n"}


def generate(root: Path, *, is_check: bool = False) -> Generated:
    return generated_files(TEXTS, root / "out", "out", root, is_check=is_check)


def test_files_are_written_once(tmp_path: Path) -> None:
    first, second = generate(tmp_path), generate(tmp_path)
    assert first.states == {"out/a.yaml": "written", "out/prod/b.yaml": "written"}
    assert second.states == {"out/a.yaml": "unchanged", "out/prod/b.yaml": "unchanged"}
    assert first.diagnostics == second.diagnostics == ()
    assert {name: (tmp_path / "out" / name).read_text("utf-8") for name in TEXTS} == TEXTS


def test_a_check_writes_nothing_and_tells_what_is_missing(tmp_path: Path) -> None:
    found = generate(tmp_path, is_check=True)
    assert found.states == {"out/a.yaml": "stale", "out/prod/b.yaml": "stale"}
    assert [each.message for each in found.diagnostics] == ["out/a.yaml is missing", "out/prod/b.yaml is missing"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [("b: 1\n", "b: sentinel\n", 2), ("c: 2\n", "", 2), ("c: 2\n", "c: 2\nd: 3\n", 4), ("`.\nb: 1\nc: 2\n", "", 1)],
)
def test_a_check_tells_the_first_line_that_differs(tmp_path: Path, before: str, after: str, line: int) -> None:
    generate(tmp_path)
    text = TEXTS["prod/b.yaml"].replace(before, after)
    (tmp_path / "out/prod/b.yaml").write_text(text, "utf-8")
    found = generate(tmp_path, is_check=True)
    assert found.states == {"out/a.yaml": "up to date", "out/prod/b.yaml": "stale"}
    (stale,) = found.diagnostics
    assert (stale.rule, stale.message) == ("stale-output", "out/prod/b.yaml is out of date")
    assert stale.span.line == line
    # What somebody wrote there may be anything.
    (hidden,) = stale.conceals
    assert (hidden.start, hidden.end) == stale.span.source.line_bounds(line)


def test_another_ones_file_stays_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.yaml").write_text("mine: 1\n", "utf-8")
    found = generate(tmp_path)
    assert [each.rule for each in found.diagnostics] == ["foreign-output"]
    assert (tmp_path / "out/a.yaml").read_text("utf-8") == "mine: 1\n"
    assert not (tmp_path / "out/prod").exists()
    assert [each.rule for each in generate(tmp_path, is_check=True).diagnostics] == ["foreign-output", "stale-output"]


def test_no_link_leads_out_of_the_project(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (root / "out").mkdir(parents=True)
    elsewhere.mkdir()
    (root / "out/prod").symlink_to(elsewhere)
    for is_check in (True, False):
        found = generate(root, is_check=is_check)
        assert "unwritable-output" in [each.rule for each in found.diagnostics]
    assert list(elsewhere.iterdir()) == []
    assert not (root / "out/a.yaml").exists()


@pytest.mark.parametrize(
    ("place", "reader"),
    [
        ("environments", "environments, where each file is read as an environment"),
        ("environments/layers", "environments, where each file is read as an environment"),
        ("chart/templates", "chart/templates, where Helm deploys each file"),
    ],
)
def test_no_link_leads_to_where_every_file_is_read(tmp_path: Path, place: str, reader: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / "out/prod").symlink_to(tmp_path / place)
    for is_check in (True, False):
        refused = generate(tmp_path, is_check=is_check).diagnostics[-1]
        assert (refused.rule, refused.message) == (
            "unwritable-output",
            f"out/prod/b.yaml leads through a link into {reader}",
        )
        assert refused.help == "remove the link, or name another folder with `--out`"
    assert list((tmp_path / place).iterdir()) == []
    assert not (tmp_path / "out/a.yaml").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", "utf-8")
    found = generate(tmp_path)
    assert {each.rule for each in found.diagnostics} == {"unwritable-output"}
    assert "out" in found.diagnostics[0].message


def test_a_folder_where_none_can_be_made(tmp_path: Path) -> None:
    found = generated_files(TEXTS, Path("/proc/none"), "/proc/none", tmp_path)
    (refused,) = found.diagnostics
    assert refused.rule == "unwritable-output"
    assert refused.message.startswith("the folder of /proc/none/a.yaml cannot be created: ")


@pytest.mark.parametrize("shown", ["a\nb: 1", "out/\udcff", "ghp_s3ntinels3ntinels3ntinels3ntinel0"])
def test_a_path_that_breaks_the_comment_above_a_file_is_refused(shown: str) -> None:
    with pytest.raises(Refusal, match="--out has a") as raised:
        refuse_unfit(shown, "file")
    assert (raised.value.help, shown in str(raised.value)) == ("name another file", False)
    refuse_unfit("out/values-prod.yaml", "file")


@pytest.mark.parametrize(
    "place", ["environments", "environments/layers", "a/../environments", "linked", "chart/templates"]
)
def test_a_folder_whose_files_are_read_for_something_else_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "linked").symlink_to("environments")
    with pytest.raises(Refusal, match="--out is in ") as raised:
        refuse_place(tmp_path / place, tmp_path)
    assert raised.value.help == "name a folder of its own, such as argocd or caipe"
    for other in (".", "chart", "environments-argocd", "argocd/environments"):
        refuse_place(tmp_path / other, tmp_path)
