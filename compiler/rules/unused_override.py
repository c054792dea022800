"""A line of an environment's file has no effect.

It repeats what a lower layer sets, removes what does not exist, repeats the catalogue's `use` or `remote`, or sets
something on a secret that it disables. A reader takes it for a difference, and a later change of the shared layer
does not reach the environment, as the copy wins.

    # environments/base.yaml says `refreshInterval: 1h` and lists github
    refreshInterval: 1h
    secrets:
      github: {use: [pat]}       # the catalogue's default
      slack: {enabled: false, fetch: bundle}
      jenkins: null              # no layer lists it

Leave it out:

    secrets:
      slack: {enabled: false}

Only the environment's own file is checked: what is needless in a shared layer for one environment may matter to
another. A secret's `store:` is never reported, even where it equals the environment's: it holds the secret there
while the rest move. Nor is a `store:` of the environment with the mark `# before: azure` of `cutover --finish`: it says
where the way back leads. Neither are the `use` and `remote` of a disabled secret from which another takes a value: they
count there.
"""

from compiler.model.environment import MARK, Environment
from compiler.rules.api import ENVIRONMENT, WARNING, Finding, Findings, Node, Related, quote, rule, waiver_scope

_SECRET_SETTING = 3
_MEANT_WHEN_DISABLED = frozenset({"enabled", "waive", "store"})


@rule("unused-override", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    # A damaged file's emptied maps may have changed just what was taken out.
    if len(environment.layers) > 1 and not environment.damaged:
        yield from _compare(environment.document.root, environment.root, ())
    own = environment.document.root.children.get("secrets")
    merged = environment.root.children.get("secrets")
    if own is None or merged is None:
        return
    for secret_id, node in own.children.items():
        if node.children:
            yield from _check_disabled(node, merged.children.get(secret_id), secret_id, environment)
            yield from _as_the_catalogue(node, environment, secret_id)


def _compare(own: Node, merged: Node, path: tuple[str, ...]) -> Findings:
    """Walks the environment's own file, which is small, beside the merged tree, which remembers what lay below."""
    for key, node in own.children.items():
        here = (*path, key)
        if key == "extends" and not path:
            continue
        winner = merged.children.get(key)
        if winner is None:
            removal = merged.removed.get(key)
            if node.value is None and not node.is_empty and removal is not None and not removal.overrode:
                message = f"{quote(key)} is removed here, but no lower layer has it"
                yield Finding(message, node.key_span, help="remove the line", scope=waiver_scope(here))
        elif node.children:
            yield from _compare(node, winner, here)
        elif not _holds_store(node, here):
            yield from _check_repetition(node, winner, key, here)


def _holds_store(node: Node, path: tuple[str, ...]) -> bool:
    """Whether it is a secret's `store:`, or the environment's with the mark of a switch."""
    start, end = node.rest_of_line
    is_marked = path == ("store",) and MARK.search(node.source.text[start:end]) is not None
    return is_marked or (len(path) == _SECRET_SETTING and path[0] == "secrets" and path[-1] == "store")


def _check_repetition(node: Node, winner: Node, key: str, path: tuple[str, ...]) -> Findings:
    below = winner.overrode[0] if winner.overrode else None
    # Where something from outside the files won, what it overrode is the node itself.
    if below is None or winner.source is not node.source:
        return
    empty_mapping = isinstance(node.value, dict) and isinstance(below.value, dict)
    if empty_mapping or node.plain_data() == below.plain_data():
        message = f"{quote(key)} repeats what a lower layer says"
        related = (Related("set here", below.span),)
        yield Finding(message, node.key_span, help="remove the line", related=related, scope=waiver_scope(path))


def _check_disabled(own: Node, merged: Node | None, secret_id: str, environment: Environment) -> Findings:
    enabled = merged.children.get("enabled") if merged is not None else None
    if enabled is None or enabled.value is not False:
        return
    for key, node in own.children.items():
        if key not in _MEANT_WHEN_DISABLED and node.value is not None and not _is_followed(environment, secret_id, key):
            message = f"{quote(key)} has no effect, as {quote(secret_id)} is disabled"
            related = (Related("disabled here", enabled.span),)
            way_out = "remove the line, or enable the secret"
            yield Finding(message, node.key_span, help=way_out, related=related, scope=("secrets", secret_id))


def _is_followed(environment: Environment, secret_id: str, setting: str) -> bool:
    """Whether a secret that the environment has takes a value from the disabled one, and with it this setting."""
    origins = environment.catalogue.origins
    return setting in {"use", "remote"} and any(
        holder.id == secret_id for name in environment.secrets for holder in origins.get(name, ())
    )


def _as_the_catalogue(own: Node, environment: Environment, secret_id: str) -> Findings:
    secret = environment.secrets.get(secret_id)
    if secret is None:
        return
    scope, entry = ("secrets", secret_id), secret.entry
    use = own.children.get("use")
    if use is not None and entry.default_variants is not None and not secret.node.nearest("use").overrode:
        chosen = [item.value for item in use.items]
        if isinstance(use.value, tuple) and sorted(map(str, chosen)) == sorted(entry.default_variants):
            message = f"`use` repeats the default of {quote(secret_id)}"
            related = (Related("the default", entry.node.nearest("use").span),)
            yield Finding(message, use.key_span, help="remove the line", related=related, scope=scope)
    for provider, node in own.members_at("remote").items():
        if node.value == entry.remote.get(provider) and not secret.node.nearest("remote", provider).overrode:
            message = f"{quote(provider)} repeats the catalogue's name of {quote(secret_id)}"
            related = (Related("the catalogue's name", entry.node.nearest("remote", provider).span),)
            yield Finding(message, node.key_span, help="remove the line", related=related, scope=scope)
