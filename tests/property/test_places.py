"""Whatever is wrong with a file, what is said of it points into the file: at a line and column that an editor has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.pipeline import compile_project
from compiler.render.content import show
from tests.platforms import write_project

BASE = """namespace: ai-platform
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault: {provider: vault, name: vault-store, server: "https://vault.example.com"}
"""
CATALOGUE = """# What exists
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys:
      GITHUB_TOKEN: {description: "A token"}
      GITHUB_APP_ID:
        variants: [app]
"""
PROD = """secrets:
  github:
    store: vault
    use: [app]
labels:
  team: |
    platform
"""
TEXTS = {"base": BASE, "catalogue": CATALOGUE, "prod": PROD}
PIECES = st.sampled_from(
    [
        *("", " ", "  ", "\n", "\r\n", "\n\n", "\t"),
        *(":", ": ", "- ", "-", "{", "}", "[", "]", "{{ x }}", ",", "#", "'", '"'),
        *("&a", "*a", "!a", "|", ">", "|\n", "@", "`", "%", "? ", "<<: "),
        *("<<<<<<< HEAD\n", "=======\n", "---\n", "...\n"),
        *("\\", "\u00a0", "\u2028", "\0", "\u00e9", "\U0001f511", "true", "7", "null", "~", "Stripe: ", "x", "a: b: c"),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str]:
    """One of the files, cut off or with pieces in place of parts of it."""
    name = draw(st.sampled_from(sorted(TEXTS)))
    text = TEXTS[name]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.one_of(st.just(start), st.integers(start, min(len(text), start + 12)), st.just(len(text))))
        text = text[:start] + draw(PIECES) + text[end:]
    return name, text


def lines_of(text: str) -> list[str]:
    """The lines as an editor numbers them; what follows the last line break is none where it is empty."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def outside(folder: Path, texts: dict[str, str]) -> Iterator[str]:
    lines = {f"environments/{name}.yaml": lines_of(text) for name, text in texts.items()}
    for each in show(compile_project(folder).diagnostics):
        places = [(each.path, each.line, each.column), (each.path, each.end_line, each.end_column)]
        for path, line, column in (*places, *((note.path, note.line, note.column) for note in each.related)):
            if path not in lines:
                continue
            if not 1 <= line <= len(lines[path]) or not 1 <= column <= len(lines[path][line - 1]) + 1:
                yield f"{path}:{line}:{column} {each.message}"


@given(changed=mutated())
def test_every_place_is_inside_its_file(changed: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("project")
    texts = {**TEXTS, changed[0]: changed[1]}
    write_project(folder, **texts)
    assert list(outside(folder, texts)) == []
