"""Makes the reference page of the JSON outputs: a section for each schema of schemas/output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.pages.schema_page import GENERATED, schema_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTRODUCTION = """Every command that has `--format json` prints one object on standard output, in ASCII; progress,
notes and errors go to standard error. If the command is refused before there is anything to report (a wrong command
line; an environment with errors, unless the command judges it), standard output stays empty.

Every object begins with `format`, `command` and `environment`, which is null for a command on no environment or on
several, and ends with `exitCode`. None holds a value of a secret, and what looks like a credential is shown as `…`; the
versions of a Key Vault under `version` and `otherVersions` are shown as the vault names them.

Each object fits a closed schema, JSON Schema draft-07, in `schemas/output`. Every key below is always there, except the
keys that belong to one command, which name it. `--format sarif` prints SARIF 2.1.0, and `--format github` GitHub's
workflow commands."""


def output_page(schemas: Mapping[str, dict[str, Any]]) -> str:
    """The page; `schemas` are named as their files are."""
    lines = ["# JSON outputs", "", GENERATED, "", _INTRODUCTION, ""]
    for name, schema in schemas.items():
        lines += [f"## {schema['title']}", "", f"`schemas/output/{name}.schema.json`", ""]
        lines += schema_tables(schema, "###", "The object")
    return "\n".join(lines).rstrip() + "\n"
