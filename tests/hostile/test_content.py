"""Content that is meant to break a reader gets a diagnostic at its place, and never a traceback."""

from pathlib import Path

import pytest

from compiler.cli.terminal.contents import text_of
from compiler.model.document import Diagnostic
from compiler.pipeline import compile_project
from compiler.render.content import CommandRun, show
from compiler.render.formats import render_text
from compiler.rules import ALL_RULES

BOMB = "a: &a [x, x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(30))

HOSTILE: dict[str, tuple[str | bytes, str, int]] = {
    "alias bomb": (BOMB, "forbidden-yaml", 1),
    "merge key": ("labels: {a: b}\nannotations:\n  <<: {a: b}\n", "forbidden-yaml", 3),
    "python object": ("labels: {a: b}\nnamespace: !!python/object/apply:os.system [id]\n", "forbidden-yaml", 2),
    "local tag": ("namespace: !env HOME\n", "forbidden-yaml", 1),
    "tagged key": ("!!str namespace: a\n", "forbidden-yaml", 1),
    "anchored key": ("&a namespace: a\n", "forbidden-yaml", 1),
    "alias as a key": ("labels: &a {a: b}\n*a : c\n", "forbidden-yaml", 1),
    "directive": ("%YAML 1.1\n---\nnamespace: a\n", "forbidden-yaml", 1),
    "tag directive": ("%TAG ! tag:example.com,2000:\n---\nnamespace: a\n", "forbidden-yaml", 1),
    "two documents": ("namespace: a\n---\nnamespace: b\n", "forbidden-yaml", 2),
    "a second document after its end": ("namespace: a\n...\nnamespace: b\n", "invalid-yaml", 3),
    "nul": ("labels: {a: b}\nnamespace: a\0b\n", "control-character", 2),
    "escaped nul": ('labels: {a: b}\nnamespace: "a\\0b"\n', "control-character", 2),
    "escaped bell in a key": ('labels: {"a\\a": b}\n', "control-character", 1),
    "escape sequence": ("namespace: a\x1b[2J\n", "control-character", 1),
    "line separator": ("namespace: a\u2028store: b\n", "control-character", 1),
    "next line": ("namespace: a\x85store: b\n", "control-character", 1),
    "carriage returns alone": ("namespace: a\rstore: b\r", "control-character", 1),
    "byte order mark": (b"\xef\xbb\xbfnamespace: a\n", "invalid-encoding", 1),
    "byte order mark inside": ("labels: {a: b}\nnamespace: \ufeffa\n", "control-character", 2),
    "UTF-16": ("namespace: a\n".encode("utf-16"), "invalid-encoding", 1),
    "Latin-1": (b"labels: {a: b}\nannotations: {a: caf\xe9}\n", "invalid-encoding", 2),
    "overlong UTF-8": (b"namespace: \xc0\xaf\n", "invalid-encoding", 1),
    "surrogate in UTF-8": (b"namespace: \xed\xa0\x80\n", "invalid-encoding", 1),
    "escaped lone surrogate": ('labels: {a: b}\nnamespace: "\\ud800"\n', "invalid-yaml", 2),
    "escaped pair of surrogates": ('namespace: "\\ud83d\\ude00"\n', "invalid-yaml", 1),
    "escape past Unicode": ('namespace: "\\UFFFFFFFF"\n', "invalid-yaml", 1),
    "list as a key": ("labels: {a: b}\n? [a, b]\n: c\n", "non-string-key", 2),
    "map as a key": ("{{a: b}: c}\n", "non-string-key", 1),
    "template": ("namespace: {{ .Values.x }}\n", "forbidden-yaml", 1),
    "empty key": ("labels: {a: b}\n: c\n", "invalid-yaml", 2),
    "null as a key": ("labels: {null: b}\n", "non-string-key", 1),
    "number as a key": ("labels: {1e3: b}\n", "non-string-key", 1),
    "date as a key": ("labels: {2024-01-01: b}\n", "non-string-key", 1),
    "key twice": ("labels: {a: b}\nnamespace: a\nnamespace: b\n", "duplicate-key", 3),
    "key twice by an escape": ('labels: {a: b, "\\x61": c}\n', "duplicate-key", 1),
    "tab": ("secrets:\n\tgithub: {}\n", "tab-indentation", 2),
    "tab after spaces": ("secrets:\n  \tgithub: {}\n", "tab-indentation", 2),
    "huge integer": ("labels: {a: b}\nnamespace: " + "9" * 2_000 + "\n", "ambiguous-scalar", 2),
    "huge fraction": ("namespace: 1." + "9" * 10_000 + "\n", "ambiguous-scalar", 1),
    "huge exponent": ("namespace: 1e999999999\n", "ambiguous-scalar", 1),
    "not a number": ("namespace: .nan\n", "ambiguous-scalar", 1),
    "infinity": ("namespace: -.inf\n", "ambiguous-scalar", 1),
    "number of minutes": ("namespace: 190:20:30\n", "ambiguous-scalar", 1),
    "boolean": ("namespace: true\n", "ambiguous-scalar", 1),
    "one line of a megabyte": ("labels: {a: b}\nnamespace: " + "x" * 1_000_000 + "\n", "invalid-value", 2),
    "key of a megabyte": ("labels: {a: b}\n" + "x" * 1_000_000 + ": a\n", "invalid-yaml", 2),
    "quoted key of a megabyte": ('"' + "x" * 1_000_000 + '": a\n', "invalid-yaml", 1),
    "10,000 levels of lists": ("labels: {a: b}\na: " + "[" * 10_000 + "]" * 10_000 + "\n", "too-large", 2),
    "10,000 levels of maps": ("{a: " * 10_000 + "b" + "}" * 10_000 + "\n", "too-large", 1),
    "33 levels": ("labels: {a: b}\na: " + "[" * 33 + "]" * 33 + "\n", "too-large", 2),
    "33 levels of blocks": ("".join(" " * level + "a:\n" for level in range(40)), "too-large", 34),
    "never closed": ("labels: {a: b}\nstores: {vault: {a: [\n", "invalid-yaml", 2),
    "quote never closed": ("labels: {a: b}\nnamespace: 'a\n\nstore: b\n", "invalid-yaml", 2),
    "reserved sign": ("labels: {a: b}\nnamespace: @a\n", "invalid-yaml", 2),
    "list at the top": ("- namespace\n", "wrong-type", 1),
    "text at the top": ("namespace\n", "wrong-type", 1),
    "number at the top": ("5\n", "wrong-type", 1),
    "name that ends in a line break": ('secrets: {"github\\n": {}}\n', "invalid-value", 1),
    "layer that ends in a line break": ('extends: ["base\\n"]\n', "invalid-value", 1),
    "path as a layer": ("extends: [../../etc/passwd]\n", "invalid-value", 1),
    "chart injection": ('namespace: \'a"\\n  b: {{ .Files.Get "x" }}\'\n', "invalid-kubernetes-name", 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_refused_at_its_place(project: Path, name: str) -> None:
    content, rule, line = HOSTILE[name]
    diagnostics = judge(project, "prod", content)
    assert (rule, line) in {(each.rule, each.span.line) for each in diagnostics}
    assert {each.span.path for each in diagnostics} == {"environments/prod.yaml"}


SMALL = [name for name, (content, _, _) in HOSTILE.items() if len(content) < 100_000]


@pytest.mark.parametrize("name", SMALL)
def test_hostile_content_of_what_is_shared_is_refused_too(project: Path, name: str) -> None:
    for file in ("catalogue", "base", "layers/eu"):
        before = (project / f"environments/{file}.yaml").read_text("utf-8")
        assert judge(project, file, HOSTILE[name][0])
        (project / f"environments/{file}.yaml").write_text(before, "utf-8")


def judge(project: Path, file: str, content: str | bytes) -> list[Diagnostic]:
    """What is said of the file with this content, after it was printed."""
    path = f"environments/{file}.yaml"
    (project / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    result = compile_project(project)
    assert result.failed
    text = text_of(render_text(show(result.diagnostics), ALL_RULES, CommandRun("compile")))
    # The text of a hostile file must neither make the output large nor rule the terminal.
    assert len(text) < 5_000
    assert text.replace("\n", "").isprintable()
    return [each for each in result.diagnostics if each.span.path == path]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"# nothing\n", b"{}\n", b"labels: {a: b}", b"labels: {a: b}\r\nannotations: {a: b}\r\n"]
)
def test_what_is_only_unusual_is_taken(project: Path, content: bytes) -> None:
    (project / "environments/prod.yaml").write_bytes(content)
    assert compile_project(project).diagnostics == ()
