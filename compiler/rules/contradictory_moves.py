"""The steps of `moves:` cannot be taken in the order in which they are written.

`cutover ENV --next` takes the first step whose secrets are not all in the store `to`. So no two steps may name one
secret, no step may come after `all` (which stands for every secret that no other step names), a secret that guards a
store may not move beside others or before them, and there must be a store to go to.

    moves:
      to: azure
      steps: [[jira], [all], [argocd, jira]]

Name each secret once, and `all` alone and last; a secret with `guards: true` in the catalogue has a step of its own
after every other secret. With `all` it needs no step: it then moves after the rest by itself. Secrets that have a value
in common (`from` in the catalogue) belong in one step, as they only move together.

    moves:
      to: azure
      steps: [[jira], [argocd], [all]]
"""

from collections.abc import Mapping, Sequence

from compiler.model.environment import KEY, REST, Environment
from compiler.rules.api import ENVIRONMENT, ERROR, CatalogueKey, Entry, Finding, Findings, Node, Related, quote, rule


@rule("contradictory-moves", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    moves = environment.root.get(KEY)
    if moves is None or environment.damaged:
        return
    entries = environment.catalogue.entries
    steps = [step.items for step in moves.nearest("steps").items]
    for name, example in (("to", "to: azure"), ("steps", "steps: [[jira], [all]]")):
        if name not in moves.children:
            yield Finding(f'`moves` has no "{name}"', moves.key_span, help=f"add it, such as `{example}`")
    if REST in entries:
        message = f"{quote(REST)} is a secret of the catalogue, and in `moves` it means the rest"
        yield Finding(message, moves.key_span, help="give the secret another id")
    yield from _twice(steps)
    yield from _rest(steps)
    yield from _guards(steps, entries)
    yield from _check_shared_values(environment, steps)


def _twice(steps: Sequence[Sequence[Node]]) -> Findings:
    seen: dict[object, Node] = {}
    for item in (item for step in steps for item in step):
        if (first := seen.setdefault(item.value, item)) is not item:
            message = f"{quote(str(item.value))} is in two steps"
            yield Finding(message, item, help="name it once", related=(Related("first named", first.span),))


def _rest(steps: Sequence[Sequence[Node]]) -> Findings:
    for index, step in enumerate(steps):
        for item in step:
            if item.value == REST and (len(step) > 1 or index + 1 < len(steps)):
                message = f"{quote(REST)} means the rest, so it is a step of its own and the last"
                yield Finding(message, item, help="move it to the end")


def _guards(steps: Sequence[Sequence[Node]], entries: Mapping[str, Entry]) -> Findings:
    # The last step with a secret that guards nothing.
    last = max(
        (index for index, step in enumerate(steps) if not all(_is_guard(item, entries) for item in step)), default=-1
    )
    for index, step in enumerate(steps):
        for item in step:
            if _is_guard(item, entries) and (len(step) > 1 or index <= last):
                message = f"{quote(str(item.value))} guards a store, so it moves alone and after all others"
                entry = entries[str(item.value)].node
                related = (Related("said here", entry.nearest("guards").key_span),)
                way_out = f"put it in a step of its own at the end, or leave it to {quote(REST)}"
                yield Finding(message, item, help=way_out, related=related)


def _check_shared_values(environment: Environment, steps: Sequence[Sequence[Node]]) -> Findings:
    """The secrets of a step that have a value in common with one of another step, or of none."""
    at = {str(item.value): (index, item) for index, step in enumerate(steps) for item in step}
    rest = at.get(REST, (None, None))[0]
    first: dict[CatalogueKey, str] = {}
    for name, key in environment.shared_keys():
        other = first.setdefault(key.value_key, name)
        one, two = (at.get(each, (rest, None)) for each in (name, other))
        if one[0] != two[0] and (item := one[1] or two[1]) is not None:
            message = f"{quote(name)} and {quote(other)} have a value in common, so they move in one step"
            related = (Related("taken here", key.node.nearest("from").span),) if key.is_taken else ()
            yield Finding(message, item, help="name them in the same step", related=related)


def _is_guard(item: Node, entries: Mapping[str, Entry]) -> bool:
    entry = entries.get(str(item.value))
    return entry is not None and entry.guards
