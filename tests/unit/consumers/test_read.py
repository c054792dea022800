import errno
import io
import os
import threading
from pathlib import Path

import pytest

import compiler.consumers.look
from compiler.consumers.look import read_manifests, read_texts
from compiler.refusal import Refusal
from tests.unit.consumers.conftest import BOTH, deployment

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"


def names(*paths: Path | str) -> list[str]:
    found, diagnostics = read_manifests([str(path) for path in paths], "n")
    assert found is not None, diagnostics
    return [each.name for each in found.workloads]


def test_files_and_folders_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(POD % "b", "utf-8")
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}', "utf-8")
    (tmp_path / "notes.txt").write_text("no manifest: [", "utf-8")
    (tmp_path / ".hidden.yaml").write_text("no manifest: [", "utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.yml").write_text(POD % "c", "utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/d.yaml").write_text("no manifest: [", "utf-8")
    (tmp_path / "pipe.yaml").symlink_to(tmp_path / "sub")
    assert names(tmp_path) == ["a", "b", "c"]
    assert names(tmp_path / "sub", tmp_path / "b.yaml") == ["c", "b"]


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(POD % "a", "utf-8"))
    writer.start()
    assert names(tmp_path / "pipe") == ["a"]
    writer.join()


def test_standard_input_is_one_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("\ufeff" + POD % "a", "utf-8")
    with (tmp_path / "in").open("rb") as given:
        monkeypatch.setattr(
            "builtins.open", lambda file, *_, **__: io.BytesIO(given.read()) if file == 0 else pytest.fail("no file")
        )
        found, diagnostics = read_manifests(["-"], "n")
    assert diagnostics == ()
    assert found is not None
    assert [each.at.path for each in found.workloads if each.at] == ["<stdin>"]


def test_a_file_that_is_refused_says_why_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [", "utf-8")
    (tmp_path / "b.yaml").write_text(POD % "b" + "kind: Pod\n", "utf-8")
    found, diagnostics = read_manifests([str(tmp_path)], "n")
    assert found is None
    assert [each.rule for each in diagnostics] == ["invalid-yaml", "repeated-key"]


@pytest.mark.parametrize(
    ("text", "is_template"),
    [
        ("kind: Pod\nmetadata: {name: {{ .Release.Name }}}\n", True),
        ("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n", True),
        ("kind: Pod\ntemplate: '{{ .token }}'\nmetadata: {[a]: b}\n", False),
    ],
)
def test_a_charts_template_is_to_be_rendered_first(tmp_path: Path, text: str, *, is_template: bool) -> None:
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    found, (diagnostic, *_) = read_manifests([str(tmp_path)], "n")
    assert found is None
    render = "render it, `helm template NAME CHART | platform-secrets consumers ENV --manifests -`"
    assert (render in (diagnostic.help or "")) is is_template


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "there is no manifest in "), (b"---\n# Source: a\n", "there is no manifest in "), (b"\xff", "is not UTF-8")],
)
def test_what_holds_no_manifest_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(Refusal) as refused:
        names(tmp_path / "a.yaml")
    assert said in refused.value.message
    assert refused.value.help == "check the command that writes " + ("it" if content == b"\xff" else "them")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read: no such file"):
        names(tmp_path / "none.yaml")


def test_a_link_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD % "x", "utf-8")
    (tmp_path / "b.yaml").symlink_to("gone.yaml")
    with pytest.raises(Refusal, match=r"b\.yaml cannot be read: no such file"):
        names(tmp_path)


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD % "x", "utf-8")
    assert names(tmp_path, tmp_path / "a.yaml", tmp_path / "../" / tmp_path.name) == ["x"]


@pytest.mark.parametrize("what", ["inner", "inner/a.yaml"])
def test_what_cannot_be_read_of_a_folder_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("inner/a.yaml", "b.yaml"):
        (tmp_path / name).write_text(POD % "x", "utf-8")
    closed = str(tmp_path / what)

    def allowed(path: str | Path) -> str | Path:
        if str(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), closed)
        return path

    scandir, opened = os.scandir, io.open
    # Root may read everything, so permissions alone would not keep the tests from it.
    monkeypatch.setattr(os, "scandir", lambda path: scandir(allowed(path)))
    monkeypatch.setattr(io, "open", lambda path, *given: opened(allowed(path), *given))
    with pytest.raises(Refusal, match="permission denied") as refused:
        names(tmp_path)
    assert refused.value.message.startswith(f"{closed} cannot be read")


def test_all_together_keep_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler.consumers.look, "MAX_MANIFEST_BYTES", 100)
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text(POD % "x" * 1, "utf-8")
    assert names(tmp_path) == ["x", "x"]
    (tmp_path / "c.yaml").write_text("# " + "x" * 40, "utf-8")
    with pytest.raises(Refusal, match="more than 100 bytes"):
        names(tmp_path)


def test_a_text_at_hand_is_read_as_a_file_is() -> None:
    gathered, found = read_texts([("<shop>", deployment(BOTH))], "<shop>", "agents")
    assert found == ()
    assert gathered is not None
    assert [each.namespace for each in gathered.workloads] == ["agents"]
    nothing, (refused,) = read_texts([("<shop>", "a: [")], "<shop>", "agents")
    assert (nothing, refused.span.path) == (None, "<shop>")
    with pytest.raises(Refusal, match="there is no manifest in <shop>"):
        read_texts([("<shop>", "")], "<shop>", "agents")
