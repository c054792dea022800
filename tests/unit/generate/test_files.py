import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.generate.files import (
    HEADER,
    find_stale,
    generated_files,
    manifest_text,
    refuse_place,
    refuse_unfit,
)
from compiler.model.document import Diagnostic, Severity
from compiler.refusal import Refusal

TEXTS = {"a.yaml": f"{HEADER}a`.\na: 1\n", "prod/b.yaml": f"{HEADER}b`.\nb: 1\nc: 2\n"}


def generate(root: Path, *, is_check: bool = False) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    return generated_files(TEXTS, root / "out", "out", root, is_check=is_check)


def test_files_are_written_once(tmp_path: Path) -> None:
    first, second = generate(tmp_path), generate(tmp_path)
    assert first[0] == {"out/a.yaml": "written", "out/prod/b.yaml": "written"}
    assert second[0] == {"out/a.yaml": "unchanged", "out/prod/b.yaml": "unchanged"}
    assert first[1] == second[1] == ()
    assert {name: (tmp_path / "out" / name).read_text("utf-8") for name in TEXTS} == TEXTS


def test_a_check_writes_nothing_and_tells_what_is_missing(tmp_path: Path) -> None:
    states, found = generate(tmp_path, is_check=True)
    assert states == {"out/a.yaml": "stale", "out/prod/b.yaml": "stale"}
    assert [each.message for each in found] == ["out/a.yaml is missing", "out/prod/b.yaml is missing"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [("b: 1\n", "b: sentinel\n", 2), ("c: 2\n", "", 2), ("c: 2\n", "c: 2\nd: 3\n", 4), ("`.\nb: 1\nc: 2\n", "", 1)],
)
def test_a_check_tells_the_first_line_that_differs(tmp_path: Path, before: str, after: str, line: int) -> None:
    generate(tmp_path)
    text = TEXTS["prod/b.yaml"].replace(before, after)
    (tmp_path / "out/prod/b.yaml").write_text(text, "utf-8")
    states, found = generate(tmp_path, is_check=True)
    assert states == {"out/a.yaml": "up to date", "out/prod/b.yaml": "stale"}
    (stale,) = found
    assert (stale.rule, stale.message) == ("stale-output", "out/prod/b.yaml is out of date")
    assert stale.span.line == line
    # What somebody wrote there may be anything.
    (hidden,) = stale.conceals
    assert (hidden.start, hidden.end) == stale.span.source.line_bounds(line)


def test_another_ones_file_stays_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.yaml").write_text("mine: 1\n", "utf-8")
    _, found = generate(tmp_path)
    assert [each.rule for each in found] == ["foreign-output"]
    assert (tmp_path / "out/a.yaml").read_text("utf-8") == "mine: 1\n"
    assert not (tmp_path / "out/prod").exists()
    assert [each.rule for each in generate(tmp_path, is_check=True)[1]] == ["foreign-output", "stale-output"]


def test_no_link_leads_out_of_the_project(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (root / "out").mkdir(parents=True)
    elsewhere.mkdir()
    (root / "out/prod").symlink_to(elsewhere)
    for is_check in (True, False):
        _, found = generate(root, is_check=is_check)
        assert "unwritable-output" in [each.rule for each in found]
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
        refused = generate(tmp_path, is_check=is_check)[1][-1]
        assert (refused.rule, refused.message) == (
            "unwritable-output",
            f"out/prod/b.yaml leads through a link into {reader}",
        )
        assert refused.help == "remove the link, or name another folder with `--out`"
    assert list((tmp_path / place).iterdir()) == []
    assert not (tmp_path / "out/a.yaml").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", "utf-8")
    _, found = generate(tmp_path)
    assert {each.rule for each in found} == {"unwritable-output"}
    assert "out" in found[0].message


def test_a_folder_where_none_can_be_made(tmp_path: Path) -> None:
    _, found = generated_files(TEXTS, Path("/proc/none"), "/proc/none", tmp_path)
    (refused,) = found
    assert refused.rule == "unwritable-output"
    assert refused.message.startswith("/proc/none cannot be created: ")


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


ARGOCD = "# Generated by `platform-secrets generate argocd`"
NOW = ("00-project.yaml", "application-prod.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NOW:
        write(tmp_path, name)
    return tmp_path


def write(folder: Path, name: str, text: str = f"{ARGOCD}.\n") -> Path:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder / name


def found(folder: Path, *, is_check: bool = True) -> list[str]:
    every = list(find_stale(NOW, folder, "argocd", ARGOCD, is_check=is_check))
    assert {each.rule for each in every} <= {"stale-output"}
    return [each.span.path for each in every]


@pytest.mark.parametrize("name", ["applicationset.yaml", "application-dev.yaml", "prod/secrets.yaml"])
def test_a_file_of_another_form_is_found(folder: Path, name: str) -> None:
    write(folder, name).chmod(0o444)
    assert found(folder) == [f"argocd/{name}"]


def test_one_that_somebody_saved_in_another_encoding_is_found(folder: Path) -> None:
    path = write(folder, "application-dev.yaml")
    path.write_bytes(path.read_bytes() + "# für später\n".encode("latin-1"))
    assert found(folder) == ["argocd/application-dev.yaml"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.yaml", "kind: Application\n"),
        ("values.yaml", "# Generated by `platform-secrets generate platform`.\n"),
        ("notes.md", f"{ARGOCD}.\n"),
        ("prod/mine.yaml", ""),
        ("a/../.yaml~", f"{ARGOCD}.\n"),
    ],
)
def test_what_is_anothers_is_not(folder: Path, name: str, text: str) -> None:
    (folder / "a").mkdir()
    write(folder, name, text)
    assert found(folder) == []


@pytest.mark.parametrize("first", [NOW[0], "project.yaml"])
def test_a_folder_with_a_project_of_its_own_is_another_commands(folder: Path, first: str) -> None:
    write(folder, "eu/application-prod.yaml")
    assert found(folder) == ["argocd/eu/application-prod.yaml"]
    write(folder, f"eu/{first}")
    assert found(folder) == []


def test_no_link_is_followed_and_no_pipe_waited_for(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "link.yaml").symlink_to(write(elsewhere, "a.yaml"))
    (folder / "linked").symlink_to(elsewhere)
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    assert found(folder) == []


def test_it_is_an_error_of_a_check_and_else_a_warning(folder: Path) -> None:
    write(folder, "applicationset.yaml")
    for is_check, severity in ((True, Severity.ERROR), (False, Severity.WARNING)):
        (left,) = find_stale(NOW, folder, "argocd", ARGOCD, is_check=is_check)
        assert left.severity is severity
    assert (
        left.message
        == "argocd/applicationset.yaml is left from another form or environment, and would still be applied"
    )


def test_the_former_name_of_the_projects_file_is_said_as_what_it_is(folder: Path) -> None:
    """Its AppProject is deployed and stays: nobody is to remove that too."""
    write(folder, "project.yaml")
    (left,) = find_stale(NOW, folder, "argocd", ARGOCD, is_check=True)
    assert left.message == "argocd/project.yaml is named 00-project.yaml now, and would be applied after it"
    assert left.help == "remove it: the new file has the same AppProjects"


def test_of_a_folder_that_is_not_there_nothing_is_told(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == []


def test_a_manifest_is_written_in_its_order_and_in_block_style() -> None:
    manifest: dict[str, Any] = {
        "kind": "Application",
        "metadata": {"name": "a", "annotations": {"argocd.argoproj.io/sync-wave": "-10"}},
        "spec": {"retry": {"limit": 5, "refresh": True}, "options": ["A=true", "b c"], "none": [], "empty": {}},
        "sources": [{"ref": "values", "helm": {"valueFiles": ["$values/a.yaml"]}}, {"path": "chart"}, [], [["x"]]],
    }
    assert manifest_text(manifest) == (
        "kind: Application\n"
        "metadata:\n"
        "  name: a\n"
        "  annotations:\n"
        '    argocd.argoproj.io/sync-wave: "-10"\n'
        "spec:\n"
        "  retry:\n"
        "    limit: 5\n"
        "    refresh: true\n"
        "  options:\n"
        "    - A=true\n"
        '    - "b c"\n'
        "  none: []\n"
        "  empty: {}\n"
        "sources:\n"
        "  - ref: values\n"
        "    helm:\n"
        "      valueFiles:\n"
        '        - "$values/a.yaml"\n'
        "  - path: chart\n"
        "  - []\n"
        "  - - - x\n"
    )
    assert yaml.safe_load(manifest_text(manifest)) == manifest


SCALARS = ["y", "No", "on", "null", "~", "1e3", "0o17", "12", ".inf", "=", "'", "é", "<<", "https://example.com/a.git"]
SCALARS += ["", "a: b", "a #b", "{{ .env }}", "a\nb", "a\n\n b\n", "\n  b\n", " a\n", "a \nb\n", "a\n \nb\n", "a \n"]
SCALARS += ["a\n\n", "\ta\n", "yes\n", "---\n"]


@pytest.mark.parametrize("text", SCALARS)
def test_every_text_reads_back(text: str) -> None:
    manifest: dict[str, Any] = {"of member": text, "list": [text], text: "as a key"}
    assert yaml.safe_load(manifest_text(manifest)) == manifest
    # What YAML 1.1 of other readers takes for true or false stands in quotes too.
    assert text.lower() != "y" or manifest_text(manifest).count('"y"') == 3


def test_a_text_of_lines_stands_as_a_block() -> None:
    assert manifest_text({"a.b": "one\n\n  two: {}\n"}) == "a.b: |\n  one\n\n    two: {}\n"
