"""The version of External Secrets Operator is newer than those this compiler knows.

It is treated as 2.9, the newest one known. That is right as long as the newer one defaults no new field; if it does,
Argo CD shows the ExternalSecrets as out of sync until this program learns the field.

    externalSecretsOperator: "2.11"

No change is needed; a release of platform-secrets that knows the version ends the warning. Until then it can be
waived:

    waive: {newer-operator-version: compared with the CRD of 2.11 on 3 May}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.model.operator_release import NEWEST, parse_minor
from compiler.rules.interface import Finding, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    text = environment.operator
    minor = parse_minor(text) if text is not None else None
    if minor is not None and minor > NEWEST:
        yield Finding(
            f'External Secrets Operator "{minor[0]}.{minor[1]}" is not known yet and treated as 2.9',
            environment.root.nearest("externalSecretsOperator"),
            help="update platform-secrets, or compare with the new version's CRD and waive this",
        )


RULE = Rule("newer-operator-version", Severity.WARNING, Scope.ENVIRONMENT, page=__doc__, check=check, waivable=True)
