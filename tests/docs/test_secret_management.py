"""The guide's claims about the program: its messages, options and findings are the ones that the code has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.rules.live_rules import LIVE_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/secret-management.md").read_text("utf-8")
# Implicitly joined literals: what ends one and begins the next is no part of a message.
SOURCE = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text("utf-8") for path in (ROOT / "compiler").rglob("*.py")))
# Written with the values left out, as the page does: "…" stands for a field of the message.
MESSAGES = re.sub(r"\{[^{}\n]*\}", "…", SOURCE)


def section(title: str) -> str:
    return PAGE.partition(f"\n{title}\n")[2].partition("\n## ")[0]


def table_cells(text: str, column: int) -> list[str]:
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [cell for row in rows[1:] for cell in re.findall(r"`([^`]+)`", row[column])]


@pytest.mark.parametrize("message", table_cells(section("### Messages of the commands"), 0))
def test_messages_that_the_guide_explains_exist(message: str) -> None:
    parts = [part.strip(' "()') for part in re.split(r"…|AADSTS|VAULT_TOKEN|secrets/", message) if part.strip(' "()')]
    assert parts
    for part in parts:
        assert part in MESSAGES, part


def fragments(node: ast.expr) -> list[str]:
    """The first words of a literal, or of both sides of a choice, between two of its fields; nothing else has any."""
    if isinstance(node, ast.IfExp):
        return fragments(node.body) + fragments(node.orelse)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    pieces = [piece.strip(" ();:,") for text in texts for piece in text.split('"')]
    return [next((piece for piece in pieces if piece.count(" ") > 1), pieces[0])] if pieces else []


def is_text(node: ast.expr) -> bool:
    """Whether it is a reason or a remedy, or the name of one: more than two words, or a constant."""
    if isinstance(node, ast.Name):
        return node.id.isupper()
    if isinstance(node, ast.JoinedStr):
        return any(map(is_text, node.values))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 1


def reasons_of(tree: ast.Module, *, has_pairs: bool) -> Iterator[str]:
    """What the errors that a module makes say: their third argument, written there or before it as `reason`.

    With `has_pairs` also the first of a pair with its remedy.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name.endswith("Error") and len(node.args) > 3:
                yield from fragments(node.args[2])
        if has_pairs and isinstance(node, ast.Tuple) and len(node.elts) == 2 and all(map(is_text, node.elts)):
            yield from fragments(node.elts[0])
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                for where, value in pairs:
                    if isinstance(where, ast.Name) and where.id == "reason":
                        yield from fragments(value)


REASONS = {
    reason: str(path.relative_to(ROOT / "compiler"))
    for folder in ("stores", "operations")
    for path in sorted((ROOT / "compiler" / folder).rglob("*.py"))
    for reason in reasons_of(ast.parse(path.read_text("utf-8")), has_pairs=folder == "stores")
}


def test_reasons_are_found_in_the_code() -> None:
    assert len(REASONS) > 60
    assert REASONS["its newest version is disabled"] == "stores/azure_key_vault/errors.py"
    assert REASONS["the server is not initialised: it is new, and holds nothing yet"] == "stores/vault/replies.py"
    assert REASONS["no network route leads to it"] == "stores/sending/no_answer.py"


@pytest.mark.parametrize("reason", [reason for reason in REASONS if len(reason.split()) > 1])
def test_whatever_stops_a_command_is_among_the_symptoms(reason: str) -> None:
    # The page may stop at a message's first comma: whoever looks for its first words finds it.
    assert re.split(r"[,:(]", reason)[0].strip() in PAGE, REASONS[reason]


def test_every_finding_of_verify_is_in_the_guide() -> None:
    named = set(table_cells(section("## Verify"), 0))
    assert {rule.id for rule in LIVE_RULES} - named == set()


@pytest.mark.parametrize(
    ("command", "title"),
    [("verify", "Verify"), ("migrate", "Migrate"), ("restore", "Runs"), ("retire", "Delete what nobody reads")],
)
def test_options_that_the_guide_names_exist(command: str, title: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "compiler", command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    # An option of another program or command, of `az` in what a finding advises, is not this one's.
    foreign = rf"`(?:az |platform-secrets (?!{command}\b))[^`\n]*`"
    text = re.sub(foreign, "", section(f"## {title}"))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert named
    assert named - set(re.findall(r"--[a-z][a-z-]+", done.stdout)) == set()


def test_options_of_cutover_that_the_guide_names_exist() -> None:
    help_text = (ROOT / "docs/reference/commands.md").read_text("utf-8").partition("## platform-secrets cutover")[2]
    known = set(re.findall(r"--[a-z][a-z-]+", help_text.partition("\n## ")[0]))
    lines = re.findall(r"cutover (?:staging|lab)[^`\n#]*", PAGE)
    named = {option for line in lines for option in re.findall(r"--[a-z][a-z-]+", line)}
    assert named >= {"--to", "--back", "--next", "--finish", "--apply"}
    told = {"--cluster", "--accept-differences", "--accept-ending", "--without-comparison", "--with-dependants"}
    assert all(f"`{option}" in PAGE for option in told)
    assert (named | told) - known == set()


def test_variables_that_the_guide_names_are_read() -> None:
    own = set(re.findall(r"`((?:PLATFORM_SECRETS|AZURE_KEYVAULT|VAULT)_[A-Z_]+)(?:=1)?`", PAGE))
    assert len(own) > 15
    for name in own - {"VAULT_TOKEN_FILE"}:  # any variable's _FILE is composed
        assert name in SOURCE, name
