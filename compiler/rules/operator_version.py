"""Judges the version of External Secrets Operator that an environment names."""

import re

from compiler.model.environment import Environment
from compiler.model.facts import KNOWN, NEWEST, OLDEST, is_released, parse_minor
from compiler.rules.api import ENVIRONMENT, ERROR, NOTE, Finding, Findings, rule
from compiler.text.wording import typing_mistake

_LONGER = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d+)?", re.ASCII)
_KNOWN = f"known are {KNOWN}"


@rule("operator-version", ERROR, ENVIRONMENT)
def find_operator_version(environment: Environment) -> Findings:
    text = environment.operator
    if text is None:
        return
    minor = parse_minor(text)
    node = environment.root.nearest("externalSecretsOperator")
    if minor is None:
        longer = _LONGER.fullmatch(text)
        way_out = f'write "{longer[1]}.{longer[2]}"' if longer else typing_mistake(text) or 'write it as "2.9"'
        yield Finding("this is not a minor version", node, help=way_out)
    elif minor < OLDEST:
        yield Finding("this version does not serve external-secrets.io/v1", node, help=f"use 0.16 or newer; {_KNOWN}")
    elif minor <= NEWEST and not is_released(minor):
        yield Finding("there is no such version", node, help=_KNOWN)


@rule("newer-operator-version", NOTE, ENVIRONMENT, waivable=True)
def find_newer_operator_version(environment: Environment) -> Findings:
    text = environment.operator
    minor = parse_minor(text) if text is not None else None
    if minor is not None and minor > NEWEST:
        newer, newest = (".".join(map(str, each)) for each in (minor, NEWEST))
        yield Finding(
            f'External Secrets Operator "{newer}" is not known yet and treated as {newest}',
            environment.root.nearest("externalSecretsOperator"),
            help="update platform-secrets, or compare with the new version's CRD and waive this",
        )
