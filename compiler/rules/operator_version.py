"""The version of External Secrets Operator is not one that this compiler supports.

The version decides which defaulted fields are written out, so that Argo CD finds no difference. It is the minor version
in quotes; unquoted, `2.10` is the number 2.1. Versions older than 0.16 do not serve the API `external-secrets.io/v1`.

    externalSecretsOperator: "v2.9.1"

Write the minor version alone:

    externalSecretsOperator: "2.9"

Known are 0.16 to 0.20, 1.0 to 1.3 and 2.0 to 2.12; a newer one is the note `newer-operator-version`.
"""

import re

from compiler.model.facts import KNOWN, NEWEST, OLDEST, is_released, parse_minor
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, rule
from compiler.text.wording import typing_mistake

_LONGER = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d+)?", re.ASCII)
_KNOWN = f"known are {KNOWN}"


@rule("operator-version", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
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
