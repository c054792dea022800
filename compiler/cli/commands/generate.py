"""Runs `generate`, which writes what other programs read of an environment: each target is a row of a table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from types import MappingProxyType

from compiler.cli.invocation import Invocation
from compiler.cli.parser import Parser
from compiler.cli.targets import argocd, argocd_health, platform
from compiler.cli.targets.interface import Target
from compiler.refusal import Refusal

DESCRIPTION = """Generates files for Argo CD and CAIPE from environments; from all if none is named.
  argocd: AppProjects and Applications; printed, or written to --out
  argocd-health: health checks of ExternalSecrets and Applications, as a patch of argocd-cm; printed
  platform: values that make CAIPE's chart mount these Secrets and create none; printed, or written to --out"""
EXAMPLES = (
    "platform-secrets generate argocd prod --form application --repo https://git.example.com/secrets.git",
    "platform-secrets generate argocd prod --form app-of-apps --repo https://git.example.com/secrets.git --out argocd",
    "platform-secrets generate argocd-health",
    "platform-secrets generate platform prod --chart-version 0.6.0 --out caipe/values-prod.yaml",
    "platform-secrets generate platform prod --chart-version 0.6.0 --against ai-platform-engineering",
)
_TARGETS: Mapping[str, Target] = MappingProxyType(
    {"argocd": argocd.TARGET, "argocd-health": argocd_health.TARGET, "platform": platform.TARGET}
)


def configure(parser: Parser) -> None:
    parser.add_argument("target", choices=tuple(_TARGETS), help="what to generate")
    parser.add_argument("environments", metavar="ENV", nargs="*", help="environments; all by default")
    added: set[str] = set()
    for target in _TARGETS.values():
        # Two targets may take one option.
        for option, settings in target.options.items():
            if option not in added:
                parser.add_argument(option, **settings)
                added.add(option)


def run(arguments: Namespace, invocation: Invocation) -> int:
    target = _TARGETS[arguments.target]
    if arguments.environments and not target.takes_environments:
        raise Refusal("usage", f"{arguments.target} takes no environment", "leave the names out")
    for option, of in _owners().items():
        if getattr(arguments, option.removeprefix("--").replace("-", "_")) and arguments.target not in of:
            raise Refusal("usage", f"{option} is an option of {' and '.join(of)}", f"leave {option} out")
    return target.run(arguments, invocation)


def _owners() -> dict[str, list[str]]:
    """The targets that take each option."""
    owners: dict[str, list[str]] = {}
    for name, target in _TARGETS.items():
        for option in target.options:
            owners.setdefault(option, []).append(name)
    return owners
