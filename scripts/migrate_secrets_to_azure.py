"""Runs `platform-secrets migrate ENV --to AZURE` under the old command's name: the plan, or with APPLY=1 the apply.

Run it as `scripts/migrate_secrets_to_azure.py [ENV] [options of migrate]`, or as `make migrate-secrets-to-azure`; a
single environment need not be named. VAULT_ADDR, VAULT_TOKEN and AZURE_KEYVAULT_NAME count, as before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compiler.__main__ import run_program
from compiler.cli.invocation import project_folder
from compiler.cli.main import main
from compiler.pipeline import compile_project
from compiler.project_files import Library
from compiler.refusal import COULD_NOT_RUN, USAGE, Refusal
from compiler.stages.resolve import outside_of
from compiler.stores.azure_key_vault.provider import PROVIDER


def run(arguments: list[str]) -> int:
    """Runs `migrate` with the only environment and the only Key Vault, if none is named."""
    try:
        root = project_folder(None)
    except Refusal as refusal:
        return _refuse(refusal.message, refusal.help or "", COULD_NOT_RUN)
    named = bool(arguments) and not arguments[0].startswith("-")
    names = (arguments[0],) if named else Library(root).names
    if len(names) != 1:
        known = ", ".join(names) or "none"
        return _refuse("name the environment, as in `make migrate-secrets-to-azure ENV=prod`", f"there are: {known}")
    options = arguments[1:] if named else arguments
    if not {option.partition("=")[0] for option in options} & {"--to", "--undo"}:
        stores = _key_vaults(root, names[0])
        if len(stores) != 1:
            known = ", ".join(stores) or "none"
            return _refuse(f'name the Key Vault of "{names[0]}" with --to', f"its stores of that kind are: {known}")
        options = ["--to", stores[0], *options]
    if os.environ.get("APPLY") == "1" and "--apply" not in options:
        options = [*options, "--apply"]
    return main(["migrate", names[0], *options])


def _key_vaults(root: Path, name: str) -> list[str]:
    # What is wrong with the name or the input is for `migrate` to tell.
    if name not in Library(root).names:
        return ["azure"]
    project = compile_project(root, [name], outside_of(None, os.environ, variable_counts=False)).project
    if project is None or not project.environments:
        return ["azure"]
    return [store.id for store in project.environments[0].stores.values() if store.provider is PROVIDER]


def _refuse(message: str, help_text: str, code: int = USAGE) -> int:
    sys.stderr.write(f"error: {message}\nhelp: {help_text}\n")
    return code


if __name__ == "__main__":
    run_program(run)
