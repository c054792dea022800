from typing import Any

import pytest

from compiler.model.diagnostic import MOST_OF_A_KIND, Diagnostic, Severity
from compiler.model.document import Node
from compiler.model.facts import MAX_MANIFEST_DEPTH
from compiler.render.content import show
from compiler.stages import load as module
from compiler.stages.load import load_manifests


def loaded(text: str) -> list[Node]:
    kept: list[Node] = []
    count, diagnostics = load_manifests("m.yaml", text, kept.append)
    assert diagnostics == ()
    assert count == len(kept)
    return kept


def data(text: str) -> Any:  # noqa: ANN401 - any YAML
    return [each.plain_data() for each in loaded(text)]


def refused(text: str) -> Diagnostic:
    count, diagnostics = load_manifests("m.yaml", text, lambda _: None)
    assert count is None
    assert diagnostics[-1].severity is Severity.ERROR
    return diagnostics[-1]


def repeated(text: str) -> tuple[Diagnostic, ...]:
    count, diagnostics = load_manifests("m.yaml", text, lambda _: None)
    assert count is not None
    return diagnostics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# nothing\n", []),
        ("a: 1\n", [{"a": "1"}]),
        ("---\na: b\n---\n# empty\n---\nc: [d]\n...\n", [{"a": "b"}, None, {"c": ["d"]}]),
        ("%YAML 1.1\n---\na: b\n", [{"a": "b"}]),
        ('{"a": {"b": ["c", 7, true, null]}}', [{"a": {"b": ["c", "7", True, None]}}]),
        ("a: &x {b: c}\nd: *x\n", [{"a": {"b": "c"}, "d": {"b": "c"}}]),
        ("a: &x b\n---\na: &x c\nd: *x\n", [{"a": "b"}, {"a": "c", "d": "c"}]),
        ("a: &x {b: c, d: e}\nf: {<<: *x, d: g}\n", [{"a": {"b": "c", "d": "e"}, "f": {"b": "c", "d": "g"}}]),
        (
            "a: &x {b: c}\nd: &y {b: e, f: g}\nh: {<<: [*x, *y]}\n",
            [{"a": {"b": "c"}, "d": {"b": "e", "f": "g"}, "h": {"b": "c", "f": "g"}}],
        ),
        ('"<<": a\n', [{"<<": "a"}]),
        (
            "a: !!str true\nb: ! x\nc: !!binary eA==\nd: !!map {}\ne: !!seq []\n",
            [{"a": "true", "b": "x", "c": "eA==", "d": {}, "e": []}],
        ),
        (
            "a: yes\nb: 'yes'\nc: off\nd: ~\ne:\nf: 1e3\n8080: g\ntrue: h\n",
            [{"a": True, "b": "yes", "c": False, "d": None, "e": None, "f": "1e3", "8080": "g", "true": "h"}],
        ),
        ("a: |\n  x\n  \ty\n", [{"a": "x\n\ty\n"}]),
    ],
)
def test_what_other_programs_write_is_read(text: str, expected: object) -> None:
    assert data(text) == expected


def test_every_value_and_key_knows_its_place() -> None:
    text = "---\na: &x b\n---\nc: {d: 'e', f: [g]}\nh: &y {i: j}\nk: *y\n"
    first, second = loaded(text)
    assert first.nearest("a").span.where == "m.yaml:2:4"
    assert second.nearest("c", "d").span.where == "m.yaml:4:8"
    assert second.nearest("c", "d").key_span.where == "m.yaml:4:5"
    assert second.nearest("c", "f").items[0].span.where == "m.yaml:4:17"
    assert second.nearest("k").span.where == "m.yaml:6:4"
    assert second.nearest("k", "i").span.where == "m.yaml:5:11"


def test_documents_are_given_one_after_the_other() -> None:
    seen: list[object] = []
    count, diagnostics = load_manifests("m.yaml", "a: b\n---\nc: d\n---\ne: [\n", lambda each: seen.append(each.value))
    assert (count, len(seen), diagnostics[0].rule) == (None, 2, "invalid-yaml")


def test_a_key_that_is_written_twice_is_a_finding_and_the_last_one_counts() -> None:
    kept: list[Node] = []
    count, (found,) = load_manifests("m.yaml", "a: {b: 1, b: 2}\n", kept.append)
    assert (count, kept[0].plain_data()) == (1, {"a": {"b": "2"}})
    assert (found.rule, found.severity) == ("repeated-key", Severity.WARNING)
    assert found.message == 'the key "b" is written twice; the last one counts'
    assert (found.span.where, found.related[0].span.where) == ("m.yaml:1:11", "m.yaml:1:5")


def test_not_more_of_them_are_told_than_anybody_reads() -> None:
    found = repeated("{" + "a: 1, " * 1000 + "}")
    assert len(found) == MOST_OF_A_KIND + 1
    assert found[-1].message.startswith("there are more")


@pytest.mark.parametrize(
    ("text", "rule", "where"),
    [
        ("a: *x\n", "forbidden-yaml", "m.yaml:1:4"),
        ("a: &x [*x]\n", "forbidden-yaml", "m.yaml:1:8"),
        ("a: &x b\n---\nc: *x\n", "forbidden-yaml", "m.yaml:3:4"),
        ("a: !!python/object:os.system b\n", "forbidden-yaml", "m.yaml:1:4"),
        ("a: !custom {b: c}\n", "forbidden-yaml", "m.yaml:1:4"),
        ("a: !!map b\n", "forbidden-yaml", "m.yaml:1:4"),
        ("? [a]\n: b\n", "non-string-key", "m.yaml:1:3"),
        ("a: &x b\n*x : c\n", "non-string-key", "m.yaml:2:1"),
        ("a: [\n", "invalid-yaml", "m.yaml:1:4"),
        ("a: 'b\n", "invalid-yaml", "m.yaml:1:4"),
        ("a: b\x07\n", "control-character", "m.yaml:1:5"),
        ("[" * 300 + "]" * 300, "too-large", f"m.yaml:1:{MAX_MANIFEST_DEPTH + 2}"),
        # libyaml meets its own limit first.
        ("[" * 5000, "too-large", "m.yaml:1:1001"),
    ],
)
def test_what_is_hostile_or_no_yaml_is_refused_at_its_place(text: str, rule: str, where: str) -> None:
    found = refused(text)
    assert (found.rule, found.span.where) == (rule, where)


def test_aliases_cannot_repeat_more_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MANIFEST_NODES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refused("\n".join(lines)).rule == "too-large"


def test_aliases_cannot_nest_deeper_than_there_may_be() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, MAX_MANIFEST_DEPTH + 2))]
    assert refused("\n".join(lines)).message == "what the aliases repeat is too large"
    assert len(data("\n".join(lines[: MAX_MANIFEST_DEPTH - 1]))) == 1


def test_values_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MANIFEST_NODES", 5)
    assert data("[1, 2, 3, 4]") == [["1", "2", "3", "4"]]
    assert refused("[1, 2, 3]\n---\n[4]\n").message == "the manifests have more than 5 values"


@pytest.mark.parametrize(
    "text",
    [
        "data: {TOKEN: sentinel-4711, TOKEN: sentinel-4711}\n",
        "data: {TOKEN: sentinel-4711\n",
        "data: {TOKEN: !x sentinel-4711}\n",
        "data: {TOKEN: 'sentinel-4711\x07'}\n",
        "TOKEN: sentinel-4711: sentinel-4711\n",
        "sentinel-4711\n\tsentinel-4711: [\n",
        "TOKEN: 'sentinel-4711\nOTHER: 'b'\n",
        "TOKEN: &sentinel-4711 [*sentinel-4711]\n",
    ],
)
def test_no_diagnostic_shows_any_of_the_text(text: str) -> None:
    _, diagnostics = load_manifests("m.yaml", text, lambda _: None)
    assert diagnostics
    assert "sentinel" not in repr(show(diagnostics))
    assert not any(each.span.source.text.strip() for each in diagnostics)


def test_a_line_break_of_any_kind_keeps_places() -> None:
    assert loaded("a: b\r\nc: 'é€😀'\r\nd: e\r\n")[0].nearest("d").span.where == "m.yaml:3:4"
