"""Answers of a real API server (1.34) with External Secrets Operator 2.9, as they were recorded; no values are in them.

Seven ExternalSecrets of `dev` in `ai-platform-engineering`, all on the Key Vault, and what was seen while one of them
was switched.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.model.environment import Store
from tests.live_platform import provider_of

_FOLDER = Path(__file__).resolve().parent / "recordings/cluster"
NAMESPACE = "ai-platform-engineering"


def recorded(name: str) -> dict[str, Any]:
    """The list in `name`.json."""
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return found


def by_name(name: str) -> dict[str, dict[str, Any]]:
    """The objects of a list by their names."""
    return {each["metadata"]["name"]: each for each in recorded(name)["items"]}


def as_compiled(live: dict[str, Any], compiled: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded ExternalSecret with the `target` of `compiled`: what the chart writes there has grown since."""
    return {**live, "spec": {**live["spec"], "target": compiled["spec"]["target"]}}


def leading_to(live: dict[str, Any], store: Store) -> dict[str, Any]:
    """A recorded store object that leads to `store`."""
    return {**live, "spec": {**live["spec"], "provider": provider_of(store)}}


def watched(name: str) -> list[dict[str, Any]]:
    """The objects of a watch in `name`.jsonl, in the order of its events."""
    lines = (_FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["object"] for line in lines if line]
