"""The version of External Secrets Operator is newer than those this compiler knows.

It is treated as 2.12, the newest one known. That is right as long as the newer one has no default for a new field; no
change of the CRDs was announced for 2.13 and 2.14. If it has one, Argo CD shows the ExternalSecrets as out of sync
until this program learns the field. It is a note: with `--strict` too it changes no exit code.

    externalSecretsOperator: "2.14"

No change is needed; a release of platform-secrets that knows the version ends the note. Until then it can be waived:

    waive: {newer-operator-version: compared with the CRD of 2.14 on 3 May}
"""

from compiler.model.facts import NEWEST, parse_minor
from compiler.rules.api import ENVIRONMENT, NOTE, Environment, Finding, Findings, rule


@rule("newer-operator-version", NOTE, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    text = environment.operator
    minor = parse_minor(text) if text is not None else None
    if minor is not None and minor > NEWEST:
        newer, newest = (".".join(map(str, each)) for each in (minor, NEWEST))
        yield Finding(
            f'External Secrets Operator "{newer}" is not known yet and treated as {newest}',
            environment.root.nearest("externalSecretsOperator"),
            help="update platform-secrets, or compare with the new version's CRD and waive this",
        )
