from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from compiler.generate.argocd import health_patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def test_the_patch_is_printed_alone_and_says_how_to_apply_it(run: Callable[..., Any], project: Path) -> None:
    del project
    done = run("generate", "argocd-health")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == (
        "#   kubectl --namespace argocd patch configmap argocd-cm --type merge --patch-file FILE"
    )
    assert yaml.safe_load(done.out) == yaml.safe_load(health_patch())


def test_no_project_is_needed(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("generate", "argocd-health").code == 0
