"""What is asked of the generator, and environments to deploy."""

from __future__ import annotations

from compiler.generate.argocd import ChartSource, Deployed, Platform, Wanted

WANTED = Wanted("https://git/a.git", "main", "chart", "secrets", "argocd", {"prod": "west"}, apps="deploy/argocd")
PROD, DEV = Deployed("prod", ("platform", "web"), is_asked=True), Deployed("dev", ("platform",), is_asked=False)
CHART = ChartSource("registry/charts", "0.1.0", "platform-secrets")
PLATFORM = Platform("registry/charts", "ai", "0.6.0", "platform/values", "default")
