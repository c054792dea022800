"""Plants random mistakes in modules, one at a time, and prints those that given tests do not notice.

Run it with the tests that are to stay before others are deleted, and compare: a mistake that only the others notice
needs a test. The same seed plants the same mistakes.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import tempfile
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.mutants import Mutant, copy_tree, is_killed  # noqa: E402 - found only with the path above

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OTHER = {ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">"}
_OTHER |= {ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is"}


def mistakes_in(text: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Each place of a mistake in a module, and the text that takes its place."""

    def shown(node: ast.AST) -> str:
        return ast.get_source_segment(text, node) or ""

    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.If(test=test) | ast.IfExp(test=test):
                yield test, f"(not ({shown(test)}))"
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                yield node, f"({shown(left)} {_OTHER[type(operator)]} {shown(right)})"
            case ast.BoolOp(op=operator, values=values):
                word = " or " if isinstance(operator, ast.And) else " and "
                yield node, f"({word.join(f'({shown(value)})' for value in values)})"
            case ast.Return(value=ast.expr() as value):
                yield value, "None"
            case ast.Expr(value=ast.Call()):
                yield node, "pass"
            case ast.comprehension(ifs=[test, *_]):
                yield test, f"(not ({shown(test)}))"


def plant(path: Path, node: ast.expr | ast.stmt, new: str, tests: Sequence[str]) -> Mutant:
    """The mutant of one place: the whole file is its old text, as a line may occur twice."""
    text = path.read_text("utf-8")
    lines = text.encode().splitlines(keepends=True)
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: (node.end_lineno or 1) - 1])) + (node.end_col_offset or 0)
    changed = (text.encode()[:begin] + new.encode() + text.encode()[end:]).decode()
    name = path.relative_to(ROOT).as_posix()
    old = " ".join(text.encode()[begin:end].decode().split())
    return Mutant(f"{name}:{node.lineno}", name, text, changed, tuple(tests), f"{old} -> {' '.join(new.split())}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a module of the program")
    parser.add_argument("--tests", nargs="+", required=True, help="what must notice each mistake")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    paths = [path.resolve() for path in options.files]
    places = [(path, node, new) for path in paths for node, new in mistakes_in(path.read_text("utf-8"))]
    chosen = random.Random(options.seed).sample(places, min(options.count, len(places)))  # noqa: S311 - no secret
    mutants = [plant(path, node, new, options.tests) for path, node, new in chosen]
    with tempfile.TemporaryDirectory(prefix="mistakes-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        copies.put(copy_tree(ROOT, Path(folder) / "copy"))
        survivors = [each for each in mutants if not is_killed(each, copies)]
    for each in sorted(survivors, key=lambda each: each.source):
        print(f"survived: {each.source}: {each.why}")
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mistakes noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
