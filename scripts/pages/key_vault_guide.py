"""Writes the guide to the catalogue's Key Vault secrets: the JSON shape of each, and how to create it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from compiler.stores.azure_key_vault.provider import PROVIDER
from scripts.pages.schema_page import GENERATED

if TYPE_CHECKING:
    from compiler.model.environment import Catalogue, CatalogueKey, Entry

_INTRODUCTION = """What each secret of the platform holds when its store is Azure Key Vault, and how to create it.

Each secret is **one Key Vault secret whose value is one JSON object**, of content type `application/json`. External
Secrets Operator reads one property of it for each key of the Kubernetes Secret, so a property that is missing fails
the whole ExternalSecret. Values are text: write `"true"`, not `true`.

Key Vault names are letters, digits and hyphens only: they are **not** the Vault paths with `/` replaced. Use exactly
the names below; nothing reads others."""

_CREATING = """## How to create one

Write the JSON into a file that only you can read, never onto the command line, where it would stay in the shell's
history and in the process list:

```bash
AZURE_KEYVAULT_NAME=my-vault     # the name alone, without .vault.azure.net
umask 077
file=$(mktemp)
"${EDITOR:-vi}" "$file"          # the JSON shape below, with the real values
az keyvault secret set --vault-name "$AZURE_KEYVAULT_NAME" --name ai-platform-engineering-github \\
  --content-type application/json --file "$file" --encoding utf-8 --output none
shred -u "$file"
```

`platform-secrets put ENV SECRET` does the same without a file: it asks for each value and shows none.

Whoever writes needs a [role that cannot purge](how-to/set-up-stores.md#set-up-key-vault), and not `Key Vault Secrets
Officer`, which can; the operator in the cluster needs `Key Vault Secrets User` and no more. A value may have 25,600
bytes. Setting a secret again makes a new version, and `az keyvault secret set` gives it no tags and no dates of the one
before; the operator reads the newest version at its next refresh."""


def key_vault_guide(catalogue: Catalogue) -> str:
    """The page `docs/ai-platform-azure-keyvault-secrets.md`. Placeholders only; no value ever comes near it."""
    lines = ["# The platform's secrets in Azure Key Vault", "", GENERATED, "", _INTRODUCTION, "", "## Overview", ""]
    lines += ["| Key Vault secret | Kubernetes Secret | for | keys |", "|---|---|---|---|"]
    entries = [entry for entry in catalogue.entries.values() if PROVIDER.id in entry.remote]
    for entry in entries:
        remote = entry.remote[PROVIDER.id]
        lines.append(f"| [`{remote}`](#{remote}) | `{entry.target}` | {entry.description} | {len(entry.keys)} |")
    for name, holders in catalogue.origins.items():
        entry = catalogue.entries[name]
        if PROVIDER.id not in entry.remote:
            remotes = [holder.remote[PROVIDER.id] for holder in holders if PROVIDER.id in holder.remote]
            links = ", ".join(f"[`{remote}`](#{remote})" for remote in remotes)
            lines.append(f"| those of {links} | `{entry.target}` | {entry.description} | {len(entry.keys)} |")
    lines += ["", _CREATING, ""]
    for entry in entries:
        lines += _section(entry)
    return "\n".join(lines).rstrip() + "\n"


def _section(entry: Entry) -> list[str]:
    lines = [
        f"## {entry.remote[PROVIDER.id]}",
        "",
        f"{entry.description}. Makes the Kubernetes Secret `{entry.target}`.",
        "",
    ]
    lines += ["| key | holds | variants | rotate |", "|---|---|---|---|"]
    for key in entry.keys.values():
        variants = ", ".join(f"`{name}`" for name in key.value_key.variants) or "always"
        rotate = f"every {days} days" if (days := key.lifetime.rotate_days) else ""
        lines.append(f"| `{key.name}` | {key.description} | {variants} | {rotate} |")
    lines.append("")
    for title, keys in _shapes(entry):
        inside = {key.name: f"<{key.description}>" for key in keys if _lies_inside(key)}
        lines += [title, "", "```json", json.dumps(inside, indent=2, ensure_ascii=False), "```", ""]
        for key in keys:
            if not _lies_inside(key):
                lines += [_elsewhere(key), ""]
    return lines


def _shapes(entry: Entry) -> list[tuple[str, tuple[CatalogueKey, ...]]]:
    if not entry.variants:
        return [("The value:", tuple(entry.keys.values()))]
    chosen = entry.default_variants
    if chosen == ():
        plain = [("The value, without any variant:", entry.keys_of(()))]
        return plain + [(f"With the variant `{name}`:", entry.keys_of((name,))) for name in entry.variants]
    shapes = []
    for name in entry.variants:
        by_default = " (the default)" if chosen is not None and name in chosen else ""
        shapes.append((f"With `use: [{name}]`{by_default}:", entry.keys_of((name,))))
    return shapes


def _lies_inside(key: CatalogueKey) -> bool:
    return PROVIDER.id not in key.remote and not key.is_taken


def _elsewhere(key: CatalogueKey) -> str:
    if key.origin is not None:
        return f"`{key.name}` is elsewhere: the value of `{key.value_key.name}` of `{key.origin.entry.id}`."
    remote = key.remote[PROVIDER.id]
    where = f"the Key Vault secret `{remote.name}`" if remote.name else "this secret"
    what = "its whole value" if remote.whole else f"its property `{remote.property or key.name}`"
    return f"`{key.name}` is elsewhere: {where}, {what}."
