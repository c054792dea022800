from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("argocd-health", "prod"), "argocd-health takes no environment"),
        (("argocd-health", "--repo", "https://git/a.git"), "--repo is an option of argocd"),
        (("argocd-health", "--check"), "--check is an option of argocd"),
        (("argocd", "prod"), "argocd needs --form"),
        (
            ("argocd", "nowhere", "--form", "application", "--repo", "https://git/a.git"),
            'there is no environment "nowhere"',
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Callable[..., Any], project: Path, words: tuple[str, ...], message: str
) -> None:
    del project
    done = run("generate", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert "help: " in done.err


def test_an_unknown_target_is_refused(run: Callable[..., Any], project: Path) -> None:
    del project
    assert run("generate", "helm").code == 2
