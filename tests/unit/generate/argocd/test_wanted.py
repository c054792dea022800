from __future__ import annotations

from compiler.generate.argocd import Deployed


def test_an_environments_own_namespace_is_the_first() -> None:
    assert Deployed("prod", ("own", "other"), is_asked=True).namespace == "own"
