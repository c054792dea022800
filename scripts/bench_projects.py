"""Makes a project of a given size in a folder, for `scripts/bench.py` to measure."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generate(root: Path, count: int, *, on_one_vault: bool = False) -> Path:
    """A project of `count` small environments over the shipped base and catalogue, without values files.

    Each has a Key Vault of its own, or all have one: then each is found to read what the first reads.
    """
    shutil.rmtree(root, ignore_errors=True)
    (root / "environments").mkdir(parents=True)
    (root / "chart").mkdir()
    for name in ("base", "catalogue"):
        shutil.copy(ROOT / f"environments/{name}.yaml", root / "environments")
    for number in range(count):
        vault = "ai-platform-00000" if on_one_vault else f"ai-platform-{number:05d}"
        (root / f"environments/e{number:05d}.yaml").write_text(
            "store: azure\n"
            f"stores: {{azure: {{vaultUrl: https://{vault}.vault.azure.net}}}}\n"
            "secrets:\n"
            "  global: {use: [azure-openai]}\n"
            "  github: {store: vault}\n"
            "  slack: {enabled: false}\n",
            encoding="utf-8",
        )
    return root


def generate_catalogue(root: Path, entries: int) -> Path:
    """A project of one environment that has every one of `entries` secrets of four keys."""
    generate(root, 0)
    lines = ["secrets:"]
    for number in range(entries):
        name = f"team-{number:04d}"
        lines += [
            f"  {name}:",
            f"    description: The secret of team {number}",
            f"    target: agent-{name}-secrets",
            f"    remote: {{vault: ai-platform-engineering/{name}, azurekv: ai-platform-engineering-{name}}}",
            "    syncWave: -49",
            "    keys:",
            *(f"      TEAM_{number:04d}_{key}: {{description: Key {key}}}" for key in ("TOKEN", "URL", "USER", "ID")),
        ]
    (root / "environments/catalogue.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    base = (root / "environments/base.yaml").read_text("utf-8").partition("\nsecrets:")[0]
    names = "".join(f"\n  team-{number:04d}: {{}}" for number in range(entries))
    (root / "environments/base.yaml").write_text(f"{base}\nsecrets:{names}\n", encoding="utf-8")
    (root / "environments/prod.yaml").write_text("refreshInterval: 30m\n", encoding="utf-8")
    return root
