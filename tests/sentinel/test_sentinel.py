"""A secret that somebody wrote into the input, wherever it is, is in no output."""

from collections.abc import Iterable
from pathlib import Path

import pytest

import compiler.pipeline
from compiler.render.formats import FORMATS
from tests.leaks import leaks
from tests.sentinel.conftest import (
    CATALOGUE_FILE,
    ENVIRONMENT,
    PLAIN,
    SECRET_PARTS,
    SHAPES,
    Place,
    everything_said,
    places,
    printed,
    write,
)

EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES)
COMMANDS = (
    ("compile",),
    *(("compile", "--format", form) for form in ("json", "github", "sarif")),
    ("compile", "--check"),
    ("explain", "prod"),
    ("explain", "prod", "--format", "json"),
    ("diff", "prod", "dev"),
)
# Where one can stand in text that is no tree of the schema's: `@` is the credential, in double quotes `"@"`.
WRITTEN = {
    "comment": "# @\nstroe: a # @\n",
    "comment beside an error": "namespace: AI # @\n",
    "plain": "namespace: @\n",
    "key": "@: a\n",
    "key of labels": "labels: {@: a}\n",
    "duplicate": "labels:\n  a: @\n  a: @\n",
    "duplicate key": 'labels: {"@": a, "@": b}\n',
    "duplicate in one line": "labels: {a: @, a: b, c: @}\n",
    "anchor": "labels: {a: &b @, c: @}\n",
    "name of an anchor": "labels: &b {a: b}\nannotations: *b # @\n",
    "tag": "labels: {a: !b @}\n",
    "not closed": 'labels: {a: "@", b: [\n',
    "not closed before": 'labels: {a: "@\n',
    "stray": "@ @: [@\n@",
    "block": "annotations:\n  a: |\n    @\n    @\n  stroe: [@]\n",
    "folded": "annotations: {a: >-\n  @}\n",
    "tab": "labels:\n\ta: @\n",
    "control": 'labels: {a: "@\\0", b: "@"}\n',
    "after a bad byte's line": "labels: {a: @, b: \x07}\n",
    "two documents": "a: @\n---\nb: @\n",
    "key without text": "labels: {1: @}\n",
    "list as key": "? [@]\n: @\n",
    "extends": 'extends: ["@"]\n',
    "a long line": "labels: {a: 'x" + " x" * 200 + "', stroe: " + "@, b: @, no: @}\n",
    "top": "@\n",
    "top list": "- @\n- {a: @}\n",
    "typo beside": "secrets: {gihub: {store: @}, github: {stroe: @}}\n",
    "conflicting layers": "secrets: {github: '@'}\nstores: {vault: [@], azure: {vaultUrl: {a: @}}}\n",
    "waiver": "waive: {@: '@', insecure-address: '@'}\n",
}


def test_the_schemas_have_the_places_that_this_looks_at() -> None:
    paths = {(place.file, place.path) for place in places()}
    assert len(paths) > 100
    assert (ENVIRONMENT, ("stores", "vault", "auth", "token", "name")) in paths
    assert (CATALOGUE_FILE, ("secrets", "github", "keys", "GITHUB_TOKEN", "remote", "azurekv", "name")) in paths
    assert (ENVIRONMENT, ("secrets", "github", "use", 0)) in paths


@pytest.mark.parametrize("form", ["value", "key", "under an unknown key", "list", "list of maps"])
def test_no_place_of_a_schema_shows_a_credential(project: Path, form: str) -> None:
    for index, place in enumerate(places()):
        # Each place sees another shape in each form; together they see all.
        shape = list(SHAPES)[(index + len(form)) % len(SHAPES)]
        # And another format: what all of them are given is looked at each time.
        output = list(FORMATS)[(index // len(SHAPES)) % len(FORMATS)]
        said = everything_said_with(project, place, form, SHAPES[shape], [output])
        assert not leaks(said, SECRET_PARTS[shape]), (place, shape)


def everything_said_with(project: Path, place: Place, form: str, secret: str, formats: Iterable[str] = FORMATS) -> str:
    value: object = {
        "value": secret,
        "key": {secret: "x"},
        "under an unknown key": {"unknownKey": secret},
        "list": [secret],
        "list of maps": [{"name": secret}],
    }[form]
    write(project, {place.file: place.text(value)})
    said = everything_said(project, formats)
    assert said.diagnostics, "a credential stands there, and nothing is said of it"
    return said.text


def test_no_place_shows_a_plain_secret_that_is_no_text_there(project: Path) -> None:
    for place in places():
        if "string" not in place.types:
            assert PLAIN not in everything_said_with(project, place, "value", PLAIN), place


def test_no_place_shows_a_plain_secret_under_an_unknown_key(project: Path) -> None:
    closed = [place for place in places() if "object" in place.types and not is_free(place)]
    assert len(closed) > 30
    for place in closed:
        assert PLAIN not in everything_said_with(project, place, "under an unknown key", PLAIN), place


def is_free(place: Place) -> bool:
    """Whether the map holds names of the user's own, so that no key is unknown there."""
    free = {"labels", "annotations", "secretLabels", "secretAnnotations", "waive", "madeElsewhere"}
    return bool(place.path) and place.path[-1] in free


@EVERY_SHAPE
def test_no_text_shows_a_credential(project: Path, shape: str) -> None:
    # Each shape in each text, in one of the two files in turn.
    for at, (name, text) in enumerate(WRITTEN.items(), list(SHAPES).index(shape)):
        file = (ENVIRONMENT, CATALOGUE_FILE)[at % 2]
        write(project, {file: text.replace("@", SHAPES[shape])})
        assert not leaks(everything_said(project).text, SECRET_PARTS[shape]), (name, file)


@pytest.mark.parametrize(
    "text",
    [
        "githubToken: @\ngithubToken: @\n",
        "{githubToken: @, githubToken: @}\n",
        "githubToken: @ [\n",
        "githubToken: {a: @\n",
        "githubToken: '@\n",
        "githubToken: &a @\n",
        "githubToken: !a @\n",
        "\tgithubToken: @\n",
        "githubToken:\n\t@\n",
        "githubToken: @\x07\n",
        "githubToken: |\n  @\n  @\nstroe: x\n",
        "secrets: {github: @, gihub: @}\n",
        "secrets: {github: {githubToken: @, store: gcp, fetch: @}}\n",
        "secrets: [@]\nstores: @\n",
        "namespace: {name: @}\nstore: [@]\n",
        "stores: {vault: {render: @, auth: @}}\n",
        "secrets: {" + ", ".join(f"k{index}: @" for index in range(150)) + "}\n",
        "{" + ", ".join(f"k{index}: @" for index in range(150)) + "}\n",
    ],
)
def test_no_text_shows_a_plain_secret_in_a_place_for_none(project: Path, text: str) -> None:
    write(project, {ENVIRONMENT: text.replace("@", PLAIN)})
    said = everything_said(project)
    assert said.diagnostics
    assert PLAIN not in said.text


@EVERY_SHAPE
def test_no_command_prints_a_credential(project: Path, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = SHAPES[shape]
    (project / "environments/dev.yaml").write_text(f"labels: {{a: {secret}}}\nstroe: {secret}\n", "utf-8")
    for text in (f"githubToken: '{secret}'\n", f"labels: {{a: '{secret}'}}\n", f"labels: {{a: {secret}, a: b}}\n"):
        write(project, {ENVIRONMENT: text})
        for command in COMMANDS:
            output = printed(capsys, project, *command)
            assert output
            assert not leaks(output, SECRET_PARTS[shape]), command


@EVERY_SHAPE
def test_what_is_said_outside_the_files_is_not_shown(
    project: Path, shape: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, part = SHAPES[shape], SECRET_PARTS[shape]
    rendered = (
        "store: azure\nstores:\n  azure: {vaultUrl: null, render: true, conditions: {namespaces: [ai-platform]}, "
        "auth: {managedIdentity: {}}}\n"
    )
    write(project, {ENVIRONMENT: rendered})
    for command in (*COMMANDS[:-1], ("diff", "prod", "--store", secret)):
        if command[0] == "compile":
            assert not leaks(printed(capsys, project, *command, "prod", "--store", secret), part)
        monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", secret)
        monkeypatch.setenv("AZURE_KEYVAULT_NAME", secret)
        assert not leaks(printed(capsys, project, *command), part)
        monkeypatch.delenv("AI_PLATFORM_SECRET_STORE")
        assert not leaks(printed(capsys, project, *command), part)
        monkeypatch.delenv("AZURE_KEYVAULT_NAME")
    for argument in ((secret,), ("compile", secret), ("explain", "prod", secret), ("rules", secret), (f"--{secret}",)):
        assert not leaks(printed(capsys, project, *argument), part), argument


@EVERY_SHAPE
def test_an_unexpected_error_shows_neither_its_text_nor_a_variable(
    project: Path, shape: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(SHAPES[shape]) from ValueError(SHAPES[shape])

    monkeypatch.setattr(compiler.pipeline, "merge_onto", fail)
    output = printed(capsys, project, "compile")
    assert "internal error: RuntimeError" in output
    assert not leaks(output, SECRET_PARTS[shape])
