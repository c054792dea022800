"""Makes the manifests of N environments in bare Python: what the parsers and the writer alone cost on this machine.

It loads, validates with jsonschema, merges and dumps: no place of any value, no rule, no proof.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator


def _load(path: Path, validator: Draft7Validator) -> dict[str, Any]:
    data: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    validator.validate(data)
    return data


def _merge(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        result[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _manifests(environment: dict[str, Any], catalogue: dict[str, Any]) -> list[dict[str, Any]]:
    manifests = []
    for name, secret in environment["secrets"].items():
        if not secret.get("enabled", True):
            continue
        entry = catalogue["secrets"][name]
        store = environment["stores"][secret.get("store", environment["store"])]
        remote = entry["remote"][store["provider"]]
        use = secret.get("use", entry.get("use"))
        keys = [key for key, said in entry["keys"].items() if not use or set(said.get("variants", use)) & set(use)]
        spec = {
            "refreshInterval": environment["refreshInterval"],
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": store["name"]},
            "target": {"name": entry["target"], "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [{"secretKey": key, "remoteRef": {"key": remote, "property": key}} for key in keys],
        }
        metadata = {
            "name": entry["target"],
            "namespace": environment["namespace"],
            "annotations": {"argocd.argoproj.io/sync-wave": str(entry["syncWave"])},
        }
        kind = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret"}
        manifests.append({**kind, "metadata": metadata, "spec": spec})
    return manifests


def main(root: Path, schemas: Path, out: Path) -> None:
    environment, catalogue = (
        Draft7Validator(json.loads((schemas / f"{name}.schema.json").read_text("utf-8")))
        for name in ("environment", "catalogue")
    )
    folder = root / "environments"
    base, entries = _load(folder / "base.yaml", environment), _load(folder / "catalogue.yaml", catalogue)
    for path in sorted(folder.glob("*.yaml")):
        if path.stem not in ("base", "catalogue"):
            manifests = _manifests(_merge(base, _load(path, environment)), entries)
            text = yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, sort_keys=False)
            (out / f"{path.stem}.yaml").write_text(text, "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
