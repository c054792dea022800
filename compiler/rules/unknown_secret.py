"""An environment lists a secret that the catalogue does not have.

The catalogue says what a secret is: its remote names, its keys and the Kubernetes Secret made of it. Without an entry
no Secret can be rendered, and pods that wait for it do not start.

    secrets:
      gihub: {}

Write the id as the catalogue has it, or add an entry there (`platform-secrets new secret NAME --key KEY`):

    secrets:
      github: {}
"""

from collections.abc import Collection

from compiler.model.environment import KEY, REST
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, Span, no_such_secret, rule
from compiler.text.credential import looks_like_credential
from compiler.text.wording import command_line, suggest


@rule("unknown-secret", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    # An entry that was left out as invalid is not unknown.
    if environment.catalogue.document.damaged:
        return
    root = environment.root
    for secret_id, node in root.members_at("secrets").items():
        yield from _judge(environment, secret_id, node.key_span, ("secrets", secret_id))
    for item in (item for step in root.items_at(KEY, "steps") for item in step.items):
        if item.value != REST:
            yield from _judge(environment, str(item.value), item.span, ())


def _judge(environment: Environment, secret_id: str, at: Span, scope: tuple[str, ...]) -> Findings:
    if secret_id not in (entries := environment.catalogue.entries):
        yield no_such_secret(secret_id, at, environment.catalogue, _way_out(secret_id, entries), scope)


def _way_out(name: str, entries: Collection[str]) -> str:
    from compiler.rules.forms.schema_error import SETTINGS, of_setting  # noqa: PLC0415 - only where one is wrong

    if name in SETTINGS:
        return of_setting(name)
    new = command_line("new", "secret", "NAME" if looks_like_credential(name) else name, "--key", "KEY")
    return (suggest(name, entries, "secrets") if entries else None) or f"`{new}` adds it"
