"""Finds in a tree of the project what breaks its layout: what is too long, misnamed or past the outlet."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from compiler.stores.registry import PROVIDERS

LONGEST_MODULE = 600
LONGEST_FUNCTION = 50
# The constants that a descriptor is usually imported as.
_PROVIDER_NAMES = ("VAULT", "KEY_VAULT", "PROVIDER")
_NAMELESS = frozenset({"utils", "helpers", "common", "manager", "core", "misc", "util", "helper"})
# What stands beside the rules and is none.
_NO_RULES = frozenset({"__init__", "api", "listed_rules"})

# What conceals, and the rooms and modules that may: the forms themselves, the outlet, the excerpts of source lines, and
# the page, which is a file.
_CONCEALING = frozenset({"conceal", "printable"})
_MAY_CONCEAL = ("text/", "cli/terminal/contents.py", "render/content.py", "render/reports/page.py")
# A local server is a program of its own, and the streams are what the outlet stands before.
# The first module tells an older Python before it imports anything.
_MAY_PRINT = ("__main__.py", "demo/", "cli/terminal/outlet.py")

# A format, which knows no caller.
_SAY_NO_ROOT = frozenset({"operations/backup.py"})

# The one module that compares a store's version with that of a journal, and the fields that have it there.
_OWN_VERSION = "change/journal.py"
_RECORDED = frozenset({"after", "recovered_made"})

# The rooms whose errors end a command.
_OPERATIONS = ("operations", "change", "cluster", "consumers", "edit", "generate", "live")

# The one module that says if a list of an API server is whole, and the fields by which a list says it.
_LISTS = "compiler/cluster/lists.py"
_OF_LISTS = ("continue", "remainingItemCount")
_READINGS, _ITEMS = (ast.Subscript, ast.Call), re.compile(r"(?:\['items'\]|\.get\('items'(?:, .*)?\))$")

# The one module that quotes for a shell, and what begins a command line: a program, and a field or what it is to do.
_SHELL_LINE = "text/wording.py"
_SHELL = re.compile(
    r"\b(?:(?:az|bao) [a-z-]+|(?:argocd|az|bao|git|helm|kubectl|vault) \{\}"
    r"|kubectl (?:-n|--\w+|annotate|apply|auth|create|delete|describe|edit)\b"
    r"|kubectl (?:get|label|logs|patch|port-forward|rollout|wait)\b"
    r"|vault (?:kv|login|operator|policy|secrets|token|write)\b"
    r"|git (?:-C|add|checkout|clone|commit|diff|init|log|mv|pull|push|revert|show|status|switch)\b"
    r"|argocd (?:account|app|proj)\b|helm (?:get|install|lint|pull|repo|template|upgrade)\b)"
    r"|\{\} (?:kv|operator|keyvault|rollout) [a-z{-]+"
)


# "Where does a key lie in a store?" is answered by the inventory; resolving works it out once for what is compiled.
_FIND_PLACES = ("model/inventory.py", "stages/resolve.py")

# "Is it the same store?" is answered in one module. Elsewhere addresses are compared as texts alone: that which a run
# has recorded, and that which a variable replaces in a sentence.
_SAME_STORE = "model/store.py"
_ADDRESSES = frozenset(
    {"absolute", "address", "contact", "identity", "ids", "reachable_at", "server", "server_id", "url"}
)
_COMPARES_TEXTS = frozenset(
    {
        ("change/undo.py", "writers[store_id].address.absolute != address"),
        ("operations/retire.py", "options.stores.address(store).absolute != address"),
        ("live/stores.py", "parse_address(store.address) == parse_address(environ[name])"),
        ("stores/vault/client.py", "environ.get(name) == address.url"),
    }
)


# A function is named by a verb and its object, or after what it returns; not by a participle.
_PARTICIPLE = re.compile(
    r"\w+e[dn]|begun|bound|bought|brought|built|caught|dealt|done|drawn|fed|felt|found|gone|grown|heard|held|kept|known|laid|"
    "learnt|led|left|lent|lost|made|meant|met|paid|said|seen|sent|shown|sold|sought|spelt|spent|struck|sworn|taught|thought|"
    "thrown|told|torn|undone|understood|unheard|unknown|unmet|unread|unseen|unsent|untold|withdrawn|withheld|won"
)
_OTHER_WORDS = re.compile("children|embed|exceed|feed|listen|need|open|proceed|seed|shorten|token|when")
# Before a noun these say which ones it is about.
_SAYS_WHICH = re.compile(
    r"un\w+|broken|closed|deleted|enabled|expected|generated|hidden|known|managed|misplaced|removed|required|shared|stored|wanted"
)
_NO_NOUN = re.compile(
    "after|among|and|as|at|back|before|below|by|for|from|if|in|not|of|on|or|out|over|since|to|up|with"
)


def mistakes(root: Path) -> list[str]:
    """Every mistake below `root`, in words, each with the file that makes it."""
    try:
        return sorted(found for check in CHECKS for found in check(root))
    finally:
        _nodes.cache_clear()
        _rootless.cache_clear()


def _modules(root: Path) -> Iterator[Path]:
    return (root / "compiler").rglob("*.py")


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module, which several checks look at, but for "this name is read here": a third of them."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return tuple(node for node in nodes if not isinstance(node, ast.expr_context))


def _too_long(root: Path) -> Iterator[str]:
    for path in _modules(root):
        shown, text = path.relative_to(root), path.read_text("utf-8")
        if (lines := len(text.splitlines())) > LONGEST_MODULE:
            yield f"{shown} has {lines} lines"
        for node in _nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    yield f"{shown}: {node.name} has {lines} lines"


def _nameless(root: Path) -> Iterator[str]:
    for path in _modules(root):
        if path.stem in _NAMELESS or path.parent.name in _NAMELESS:
            yield f"{path.relative_to(root)} says by its name nothing of what belongs in it"


def _repeated_classes(root: Path) -> Iterator[str]:
    """Classes of one name: who reads one of them thinks of the other."""
    homes: dict[str, list[str]] = {}
    for path in _modules(root):
        for node in _nodes(path):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(str(path.relative_to(root)))
    for name, (first, *others) in homes.items():
        yield from (f"{other} has a class {name}, as {first} has" for other in others)


def _named_by_participles(root: Path) -> Iterator[str]:
    """Functions called `_judged` or `left_over`; a property that is true or false is called like a field."""
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        for node in _nodes(path):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_field = (
                "property" in map(ast.unparse, node.decorator_list) and ast.unparse(node.returns or node) == "bool"
            )
            if not is_field and _is_participle(node.name):
                yield f"compiler/{relative}: {node.name} is a participle: name it by a verb and its object"


def _is_participle(name: str) -> bool:
    first, *others = name.strip("_").split("_")
    if not _PARTICIPLE.fullmatch(first) or _OTHER_WORDS.fullmatch(first):
        return False
    return not (others and _SAYS_WHICH.fullmatch(first)) or _NO_NOUN.fullmatch(others[0]) is not None


def _unlisted_commands(root: Path) -> Iterator[str]:
    listed = {module for _, module in _commands(root)}
    files = {path.stem for path in (root / "compiler/cli/commands").glob("*.py")} - {"__init__"}
    for name in sorted(files - listed):
        yield f"compiler/cli/commands/{name}.py is no command of the table"
    for name in sorted(listed - files):
        yield f"the command {name} of the table has no file"


def _commands(root: Path) -> list[tuple[str, str]]:
    """The commands of the table, each with its module."""
    table = (root / "compiler/cli/commands/__init__.py").read_text("utf-8")
    return re.findall(r'^ +"([\w-]+)": \("(\w+)",', table, re.MULTILINE)


def _misnamed_rules(root: Path) -> Iterator[str]:
    for path in (root / "compiler/rules").glob("*.py"):
        if path.stem in _NO_RULES:
            continue
        rules = [call for call in _calls(path) if isinstance(call.func, ast.Name) and call.func.id == "rule"]
        ids = [argument.value for rule in rules for argument in rule.args[:1] if isinstance(argument, ast.Constant)]
        if ids != [path.stem.replace("_", "-")]:
            yield f"compiler/rules/{path.name} holds the rules {ids}"


def _idle_errors(root: Path) -> Iterator[str]:
    """Exception classes of operations that no operation catches: what is only shown is a Refusal."""
    paths = (path for room in _OPERATIONS for path in (root / "compiler" / room).rglob("*.py"))
    modules = {path: _nodes(path) for path in paths}
    handlers = [node for nodes in modules.values() for node in nodes if isinstance(node, ast.ExceptHandler)]
    caught = {name for node in handlers for name in _names(node.type)}
    for path, nodes in modules.items():
        classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        errors = [each.name for each in classes if any(map(_is_error, each.bases))]
        for name in errors:
            if name not in caught:
                yield f"{path.relative_to(root)}: no operation catches {name}; raise a Refusal"


def _is_error(base: ast.expr) -> bool:
    return any(name in ("Exception", "Refusal") or name.endswith("Error") for name in _names(base))


def _names(node: ast.AST | None) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name)) if node is not None else iter(())


def _past_outlet(root: Path) -> Iterator[str]:
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        called = {ast.unparse(node.func) for node in _calls(path)}
        if not relative.startswith(_MAY_CONCEAL):
            yield from (f"compiler/{relative} calls {name}, which is the outlet's" for name in called & _CONCEALING)
        if not relative.startswith(_MAY_PRINT):
            yield from (f"compiler/{relative} prints past the outlet: {name}" for name in called if _is_print(name))


def _unwritten_command_lines(root: Path) -> Iterator[str]:
    """Command lines in words that `command_line` did not write: without the caller's `--root` they miss the project."""
    # A sub-command, or a field in its place.
    line = re.compile(rf"platform-secrets (?:(?:{'|'.join(name for name, _ in _commands(root))})\b|$)")
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        if relative in _SAY_NO_ROOT:
            continue
        for node in _nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in _rootless(path):
                yield from (
                    f"compiler/{relative} writes `{said}` past command_line" for said in line.findall(node.value)
                )


def _unquoted_shell_lines(root: Path) -> Iterator[str]:
    """Command lines of other programs that `shell_line` did not write, and what quotes for a shell beside it."""
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        if relative in (_SHELL_LINE, *_SAY_NO_ROOT) or relative.startswith("demo/"):
            continue
        if any(isinstance(node, ast.Import) and node.names[0].name == "shlex" for node in _nodes(path)):
            yield f"compiler/{relative} imports shlex, which is shell_line's"
        strings = [node for node in _nodes(path) if isinstance(node, ast.Constant | ast.JoinedStr)]
        skipped = _rootless(path) | {
            id(each) for node in strings if isinstance(node, ast.JoinedStr) for each in node.values
        }
        for node in strings:
            if id(node) not in skipped:
                lines = _SHELL.findall(_text(node))
                yield from (f"compiler/{relative} writes `{line}` past shell_line" for line in lines)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    """What stands in a string, with `{}` for each field."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(each) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    return node.value if isinstance(node.value, str) else ""


@cache
def _rootless(path: Path) -> frozenset[int]:
    """The ids of the nodes in texts that know no caller."""
    return frozenset(id(inner) for node in _nodes(path) if _says_no_root(node) for inner in ast.walk(node))


def _says_no_root(node: ast.AST) -> bool:
    """A docstring or another bare text, a command's description, or its examples."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Assign) and {"EXAMPLES", "DESCRIPTION"} >= set(_names(node.targets[0]))


def _calls(path: Path) -> list[ast.Call]:
    return [node for node in _nodes(path) if isinstance(node, ast.Call)]


def _is_print(name: str) -> bool:
    return name == "print" or name.startswith(("sys.stdout.write", "sys.stderr.write"))


def _compared_providers(root: Path) -> Iterator[str]:
    """Comparisons with a provider, and maps by providers' ids, outside of `stores`: the descriptor has what differs."""
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        if relative.startswith("stores/"):
            continue
        for node in _nodes(path):
            if isinstance(node, ast.Compare | ast.MatchValue) and any(map(_is_provider, ast.walk(node))):
                yield f"compiler/{relative}:{node.lineno} compares with a provider: {ast.unparse(node)}"
            elif isinstance(node, ast.Dict | ast.MatchMapping):
                for key in filter(None, node.keys):
                    if any(map(_is_provider, ast.walk(key))):
                        yield f"compiler/{relative}:{key.lineno} has a map by providers: {ast.unparse(key)}"


def _is_provider(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in PROVIDERS
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).endswith(_PROVIDER_NAMES)


def _second_answers_to_whole_lists(root: Path) -> Iterator[str]:
    """What judges beside its one module if a list of an API server is whole: what a part lacks would count as gone."""
    for path in (*_modules(root), *(root / "scripts/end_to_end").rglob("*.py")):
        shown = path.relative_to(root).as_posix()
        if shown == _LISTS:
            continue
        reads_pages = shown.startswith("compiler/cluster/") or "compiler.cluster.client" in path.read_text("utf-8")
        for node in _nodes(path):
            if isinstance(node, ast.Constant):
                is_read = node.value in _OF_LISTS
            else:
                is_read = reads_pages and isinstance(node, _READINGS) and bool(_ITEMS.search(ast.unparse(node)))
            if is_read and isinstance(node, ast.expr):
                said = f"judges by itself if a list is whole, as {_LISTS} does: {ast.unparse(node)}"
                yield f"{shown}:{node.lineno} {said}"


def _judged_versions(root: Path) -> Iterator[str]:
    """Comparisons with what a journal has of a version: `RunEntry.is_own` alone says whether one is the run's own."""
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        for node in _nodes(path) if relative != _OWN_VERSION else ():
            if isinstance(node, ast.Compare) and not all(isinstance(each, ast.Is | ast.IsNot) for each in node.ops):
                named = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
                # A store's own reading has the times of its versions, to look one up in.
                is_equation = any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
                if named & _RECORDED or (is_equation and "made" in named):
                    yield f"compiler/{relative}:{node.lineno} judges a run's version: {ast.unparse(node)}"


def _second_sameness(root: Path) -> Iterator[str]:
    """Answers of their own to the question whether two stores are one."""
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        if relative == _SAME_STORE:
            continue
        compares = [node for node in _nodes(path) if isinstance(node, ast.Compare)]
        found: list[ast.AST] = [
            node
            for node in compares
            if isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn)
            and any(map(_is_address, (node.left, *node.comparators)))
        ]
        compared = {id(each) for node in compares for each in ast.walk(node)}
        found += [node for node in _nodes(path) if id(node) not in compared and _decides(node)]
        for node in found:
            if (relative, said := ast.unparse(node)) not in _COMPARES_TEXTS:
                yield f"compiler/{relative} decides by itself which stores are one: {said}"


def _second_tables(root: Path) -> Iterator[str]:
    """What works out beside the inventory where a key lies in a store."""
    for path in _modules(root):
        relative = path.relative_to(root / "compiler").as_posix()
        for call in _calls(path) if relative not in _FIND_PLACES else ():
            if ast.unparse(call.func) == "place_in":
                yield f"compiler/{relative}:{call.lineno} finds places beside model/inventory.py: {ast.unparse(call)}"


def _is_address(node: ast.AST) -> bool:
    """An address, in any form, or an identity; not the name of the setting that has one."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2] in {"host_of", "identity", "one_spelling", "parse_address"}
    return (
        isinstance(node, ast.Attribute)
        and node.attr in _ADDRESSES
        and not ast.unparse(node).endswith("provider.address")
    )


def _decides(node: ast.AST) -> bool:
    """A verdict, the providers' part of one, or a spelling of an address for comparison."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "Sameness"
    said = ast.unparse(node) if isinstance(node, ast.Call) else ""
    return said.endswith((".rstrip('/').lower()", ".lower().rstrip('/')")) or ".is_another(" in said


CHECKS = (
    _second_sameness,
    _second_tables,
    _compared_providers,
    _second_answers_to_whole_lists,
    _judged_versions,
    _too_long,
    _nameless,
    _repeated_classes,
    _named_by_participles,
    _unlisted_commands,
    _misnamed_rules,
    _idle_errors,
    _past_outlet,
    _unwritten_command_lines,
    _unquoted_shell_lines,
)
