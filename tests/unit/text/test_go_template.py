import pytest

from compiler.text.go_template import functions_of, read_template, versions_of


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("no action", []),
        ("{{ .a }}{{.b}}", ["a", "b"]),
        ('{{ index . "tls.crt" | b64enc }}', ["tls.crt"]),
        ("{{ index $ `a` }}", ["a"]),
        ("{{ .a.b }}", ["a"]),
        ("{{/* .a */}}{{- /* .b */ -}}", []),
        ('{{ "{{ .a }}" }}', []),
        ("{{ $x := .a }}{{ $x }}{{ $x.b }}", ["a"]),
        ("{{ range .a }}{{ .b }}{{ $.c }}{{ end }}{{ .d }}", ["a", "c", "d"]),
        ("{{ range $k, $v := . }}{{ $v.b }}{{ end }}", []),
        ("{{ with .a }}{{ .b }}{{ else }}{{ .c }}{{ end }}", ["a", "c"]),
        ("{{ if and .a (not .b) }}{{ .c }}{{ end }}", ["a", "b", "c"]),
        ("{{ (fromJson .a).b }}", ["a"]),
        ("{{ printf `%s` (index . `a-b` | trim) }}", ["a-b"]),
    ],
)
def test_reads_the_keys_that_a_text_names(text: str, keys: list[str]) -> None:
    read = read_template(text)
    assert (list(read.keys), read.mistake, read.unread) == (keys, None, "")


def test_says_where_each_name_is() -> None:
    read = read_template("a {{ .key | upper }}")
    assert (read.keys, read.functions) == ({"key": 5}, {"upper": 12})


@pytest.mark.parametrize("text", ["{{ range . }}{{ end }}", "{{ . }}", "{{ range $k, $v := . }}{{ $v }}{{ end }}"])
def test_knows_a_text_that_goes_through_all_keys(text: str) -> None:
    assert read_template(text).reads_all
    assert not read_template("{{ $x := . }}{{ with . }}{{ .a }}{{ end }}").reads_all


@pytest.mark.parametrize(
    "text",
    [
        '{{ template "x" . }}',
        '{{ define "x" }}{{ end }}',
        "{{ toJson . }}",
        '{{ get . "a" }}',
        "{{ . | dict }}",
        "{{ index . .a }}",
        "{{ $x := .a }}{{ $x = . }}",
        "{{ $x := . }}{{ $x.a }}",
        "{{ with . }}{{ .a }}{{ end }}",
        "{{ upper .1PASSWORD }}",
        "{{ .a @ }}",
        "{{ .a = 1 }}",
    ],
)
def test_guesses_nothing_where_it_does_not_understand(text: str) -> None:
    read = read_template(text)
    assert read.unread
    assert read.mistake is None


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("{{/* a }} {{ .b }}", ("a comment is not closed", 0)),
        ("a{{/* a */ .b }}{{/* c */}}", ("a comment is not closed", 1)),
        ("a{{ .b", ("an action is not closed", 1)),
        ("{{ if .a }}", ("an `end` is missing", 11)),
    ],
)
def test_says_what_is_not_closed(text: str, mistake: tuple[str, int]) -> None:
    assert read_template(text).mistake == mistake


@pytest.mark.parametrize(
    "text",
    [
        "{{ with $x := .a }}{{ $x }}{{ else }}{{ $x }}{{ end }}",
        "{{ if $x := .a }}{{ else if $y := .a }}{{ $x }}{{ else }}{{ $y }}{{ end }}",
        "{{ with .a }}{{ else with .a }}{{ . }}{{ end }}",
        "{{ print -1 1_0 0x1F 1.5e-3 .5 (print .a).b 1i }}",
        "{{- /* a */ -}}{{/**/}}{{.a}}}",
    ],
)
def test_takes_what_go_parses(text: str) -> None:
    read = read_template(text)
    assert (read.mistake, read.unread) == (None, "")


def test_a_name_with_a_hyphen_is_a_key_and_a_function() -> None:
    read = read_template("{{ .api-key }}")
    assert (read.keys, read.functions) == ({"api": 3}, {"key": 8})


def test_a_word_is_a_function_wherever_it_stands() -> None:
    assert list(read_template("{{ .a | default none }}").functions) == ["default", "none"]


def test_gives_the_text_that_is_printed_as_it_is_written() -> None:
    assert read_template('a{{ .x | default "b" }}c{{/* d */}}e').texts == ("a", "c", "e", "b")
    assert read_template('a{{ dict . "b" }}c').texts == ("a", ' dict . "b" ', "c", "b")
    assert read_template("a{{ .x").texts == ("a", "{{ .x")


@pytest.mark.parametrize(
    "text",
    [
        "{{/* }}" * 15_000,
        '{{"' * 20_000,
        "{{/*" * 15_000,
        "{{ (" * 15_000,
        "{{" + " " * 60_000,
        "{{ " + ". " * 30_000 + "}}",
    ],
)
def test_reads_hostile_texts_in_no_time(text: str) -> None:
    read = read_template(text)
    assert read.mistake is not None or read.unread


def test_functions_are_those_of_a_version() -> None:
    assert {"hexdec", "certSANs", "rsaDecrypt", "fail", "b64enc", "index"} <= functions_of((2, 9))
    assert functions_of((2, 6)) - functions_of((0, 16)) >= {"certSANs", "rsaDecrypt", "pemTruststoreToPKCS12"}
    assert "hexdec" not in functions_of((2, 6))
    assert "fail" not in functions_of((2, 12))
    assert not {"env", "expandenv", "getHostByName", "required", "include", "tpl", "lookup"} & functions_of((2, 9))
    assert versions_of("b64enc") == versions_of("nothing") == ""
