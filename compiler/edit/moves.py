"""Decides which edits of an environment's file switch secrets, which end a move, and where a secret was before."""

from collections.abc import Iterable, Sequence

from compiler.edit.yaml_edit import Edit, is_flow
from compiler.model.document import Node
from compiler.model.environment import MARK, Environment, Store, progress_of

_SECRETS, _STORE = "secrets", "store"


def switch_edits(environment: Environment, secrets: Iterable[str], store: Store) -> tuple[Edit, ...]:
    """The edits that give each secret its own `store:`; a line that was there without need gets a mark."""
    going = tuple(secrets)
    stood = [secret for secret in going if _stands_without_need(environment, secret)]
    return tuple(
        Edit((_SECRETS, secret, _STORE), store.id, _mark(environment, secret, stood) if secret in stood else None)
        for secret in going
    )


def return_edits(environment: Environment, secrets: Iterable[str], store: Store) -> tuple[Edit, ...]:
    """The edits by which each secret reads `store` again: they remove only the lines that a switch added."""
    going = tuple(secrets)
    marked = [secret for secret in going if _store_by_mark(environment, secret) == store.id]
    sets: list[Edit] = []
    dropped: list[str] = []
    for secret in going:
        path, comment = (_SECRETS, secret, _STORE), _line_comment(environment, secret)
        if secret in marked:
            sets.append(Edit(path, store.id, _mark(environment, secret, gone=marked)))
        elif comment is None or _store_without_own(environment, secret) != store.id:
            sets.append(Edit(path, store.id))
        elif comment and _goes_with_line(environment, secret):
            # Somebody wrote there why it reads that store.
            sets.append(Edit(path, store.id))
        else:
            dropped.append(secret)
    return (*sets, *_drop_edits(environment, dropped))


def was_in(environment: Environment, secret: str, store: Store) -> bool:
    """Whether the files say that a secret was in `store`, which it does not read now."""
    nodes = [environment.root.get(_SECRETS, secret, _STORE), environment.root.get(_STORE)]
    written = [each.value for node in nodes if node is not None for each in (node, *node.overrode)]
    own = environment.document.root.get(_STORE)
    mark = MARK.search(_text_behind(own)) if own is not None else None
    if store.id in (*written, _store_by_mark(environment, secret), mark[1] if mark is not None else None):
        return True
    serving, progress = environment.secrets[secret].store, progress_of(environment)
    # Of two stores, its own `store:` or its step of `moves:` says it. A store without an address holds nothing.
    known = {each.id for each in environment.stores.values() if each.addresses}
    if serving is None or known | {store.id} != {store.id, serving.id}:
        return False
    if progress is not None and serving is progress.to:
        return any(secret in step for step in progress.steps) or _rest_of_line(environment, secret) is not None
    # A line of its own may hold a secret where it is until the move comes to it.
    return progress is None and _rest_of_line(environment, secret) is not None


def _stands_without_need(environment: Environment, secret: str) -> bool:
    """Whether the secret's own `store:` changes nothing, so that the way back would remove it."""
    own = environment.document.root.get(_SECRETS, secret, _STORE)
    if own is None or own.value != _store_without_own(environment, secret):
        return False
    return not (_line_comment(environment, secret) and _goes_with_line(environment, secret))


def _rest_of_line(environment: Environment, secret: str) -> str | None:
    """The line behind a secret's own `store:`; None if the environment's file has none."""
    own = environment.document.root.get(_SECRETS, secret, _STORE)
    return _text_behind(own) if own is not None and own.value is not None else None


def _text_behind(node: Node) -> str:
    start, end = node.rest_of_line
    return node.source.text[start:end]


def _read_mark(environment: Environment, secret: str) -> tuple[str, tuple[str, ...]] | None:
    """The mark on a secret's line: the former store, and the secrets that were in it."""
    found = MARK.search(_rest_of_line(environment, secret) or "")
    return (found[1], tuple((found[2] or secret).split(", "))) if found is not None else None


def _store_by_mark(environment: Environment, secret: str) -> str | None:
    mark = _read_mark(environment, secret)
    return mark[0] if mark is not None and secret in mark[1] else None


def _mark(environment: Environment, secret: str, stood: Iterable[str] = (), gone: Iterable[str] = ()) -> str:
    """The new mark of a secret's line: with the secrets `stood`, and without those that have `gone` back."""
    store, names = _read_mark(environment, secret) or (_store_without_own(environment, secret), ())
    left = [name for name in dict.fromkeys((*names, *stood)) if name not in set(gone)]
    if not is_flow(environment.document.root.nearest(_SECRETS)):
        # Each has a line of its own.
        return f"before: {store}" if secret in left else ""
    return f"before: {store} for {', '.join(left)}" if left else ""


def _goes_with_line(environment: Environment, secret: str) -> bool:
    entry = environment.document.root.nearest(_SECRETS, secret)
    is_shared = is_flow(environment.document.root.nearest(_SECRETS))
    return not is_shared and (not is_flow(entry) or _is_needless(environment, secret))


def _line_comment(environment: Environment, secret: str) -> str | None:
    """The comment on a secret's own line, without a mark; None if the environment's file has no such line."""
    rest = _rest_of_line(environment, secret)
    return MARK.sub("", rest).partition("#")[2].strip() if rest is not None else None


def _store_without_own(environment: Environment, secret: str) -> str | None:
    below = _lower_node(environment, _SECRETS, secret, _STORE)
    value = below.value if below is not None else None
    return value if isinstance(value, str) else environment.root.text(_STORE)


def _lower_node(environment: Environment, *path: str) -> Node | None:
    winner = environment.root.get(*path)
    if winner is None or environment.document.root.get(*path) is None:
        return winner
    return winner.overrode[0] if winner.overrode else None


def _drop_edits(environment: Environment, names: Sequence[str]) -> tuple[Edit, ...]:
    own = environment.document.root.get(_SECRETS)
    gone = [name for name in names if _is_needless(environment, name)]
    # With a map in braces, the comment on its line would be removed too.
    is_kept = own is not None and is_flow(own) and "#" in _text_behind(own)
    if own is not None and gone and len(gone) == len(own.children) and not is_kept:
        return (Edit((_SECRETS,), None),)
    return tuple(Edit((_SECRETS, name, *(() if name in gone else (_STORE,))), None) for name in names)


def finish_edits(environment: Environment, store: Store) -> tuple[Edit, ...]:
    """The edits that make `store` the environment's, and remove its file's overrides that name it.

    An override stays if it hides one of a lower layer. A former `store:` that no lower layer has is kept as a mark, for
    the way back.
    """
    members = environment.document.root.members_at(_SECRETS)
    dropped = [name for name in members if _is_droppable(environment, name, store)]
    return (*_own_store(environment, store), *_drop_edits(environment, dropped))


def _own_store(environment: Environment, store: Store) -> tuple[Edit, ...]:
    node, own = environment.root.get(_STORE), environment.document.root
    if node is not None and node.value == store.id:
        return ()
    below = _lower_node(environment, _STORE)
    lower = [each.value for each in (below, *below.overrode)] if below is not None else []
    if _STORE in own.children and node is not None and node.value not in lower and not is_flow(own):
        return (Edit((_STORE,), store.id, f"before: {node.value}"),)
    is_needless = _STORE in own.children and below is not None and below.value == store.id and len(own.children) > 1
    return (Edit((_STORE,), None if is_needless else store.id),)


def _is_droppable(environment: Environment, name: str, store: Store) -> bool:
    if environment.document.root.text(_SECRETS, name, _STORE) != store.id:
        return False
    below = _lower_node(environment, _SECRETS, name, _STORE)
    return below is None or below.value in (None, store.id)


def _is_needless(environment: Environment, name: str) -> bool:
    own, merged = environment.document.root.get(_SECRETS, name), environment.root.get(_SECRETS, name)
    lower = [node for node in (merged.overrode if merged is not None else ()) if node.value is not None]
    return own is not None and len(own.children) == 1 and bool(lower)
