from pathlib import Path

import pytest

from tests.layout.layout import mistakes

ROOT = Path(__file__).resolve().parents[2]
SECOND = "judges by itself if a list is whole, as compiler/cluster/lists.py does"
PARTICIPLE = ": {} is a participle: name it by a verb and its object"
TABLE = 'COMMANDS = {\n    "put": ("put", "set keys"),\n}\n'
RULE = '@rule("good-rule", ERROR)\ndef check():\n    pass\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree without a mistake."""
    files = {
        "model/place.py": "",
        "cli/commands/__init__.py": TABLE,
        "cli/commands/put.py": "",
        "rules/good_rule.py": RULE,
    }
    for name, text in files.items():
        plant(tmp_path, name, text)
    assert mistakes(tmp_path) == []
    return tmp_path


def plant(root: Path, name: str, text: str) -> None:
    module = root / "compiler" / name
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(text)


def test_the_project_has_no_mistake() -> None:
    assert mistakes(ROOT) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("model/source.py", "\n" * 601, " has 601 lines"),
        ("model/source.py", "class A:\n    async def long(self):\n" + "        pass\n" * 50, ": long has 51 lines"),
        ("model/utils.py", "", " says by its name nothing of what belongs in it"),
        ("common/place.py", "", " says by its name nothing of what belongs in it"),
        (
            "model/source.py",
            "class A:\n    class A:\n        pass\n",
            " has a class A, as compiler/model/source.py has",
        ),
        ("model/source.py", "def _judged():\n    pass\n", PARTICIPLE.format("_judged")),
        ("model/source.py", "class A:\n    def left_over(self):\n        pass\n", PARTICIPLE.format("left_over")),
        ("model/source.py", "def shown_file():\n    pass\n", PARTICIPLE.format("shown_file")),
        (
            "model/source.py",
            "class A:\n    @property\n    def seen(self) -> tuple[str]:\n        pass\n",
            PARTICIPLE.format("seen"),
        ),
        ("cli/commands/get.py", "", " is no command of the table"),
        ("rules/bad_rule.py", RULE, " holds the rules ['good-rule']"),
        ("rules/no_rule.py", "", " holds the rules []"),
        (
            "operations/put/plan.py",
            "class LostError(Exception):\n    pass\n",
            ": no operation catches LostError; raise a Refusal",
        ),
        (
            "operations/put/plan.py",
            "class LostError(Refusal):\n    pass\n",
            ": no operation catches LostError; raise a Refusal",
        ),
        ("render/html.py", "a = conceal(b)\n", " calls conceal, which is the outlet's"),
        ("render/text.py", "def a():\n    sys.stderr.write(b)\n", " prints past the outlet: sys.stderr.write"),
        (
            "model/source.py",
            'HELP = f"run `platform-secrets put {a}`"\n',
            " writes `platform-secrets put` past command_line",
        ),
        ("model/source.py", 'HELP = f"run `platform-secrets {a}`"\n', " writes `platform-secrets ` past command_line"),
        ("stores/open.py", 'HELP = f"run `bao kv enable-versioning {mount}`"\n', " writes `bao kv` past shell_line"),
        ("stores/open.py", 'HELP = f"kubectl {verb} pod"\n', " writes `kubectl {}` past shell_line"),
        ("stores/open.py", 'HELP = f"{tool} kv undelete {name}"\n', " writes `{} kv undelete` past shell_line"),
        (
            "model/source.py",
            'def f(a):\n    return a.provider.id == "vault"\n',
            ":2 compares with a provider: a.provider.id == 'vault'",
        ),
        ("model/source.py", "A = B is not KEY_VAULT\n", ":1 compares with a provider: B is not KEY_VAULT"),
        ("model/source.py", 'A = {**B, "vault": B.provider is not C.provider}\n', ":1 has a map by providers: 'vault'"),
        ("model/source.py", "A = {VAULT.id: 1}\n", ":1 has a map by providers: VAULT.id"),
        ("model/source.py", 'match A:\n    case "azurekv":\n        pass\n', ":2 compares with a provider: 'azurekv'"),
        (
            "model/source.py",
            'match A:\n    case {"azurekv": B}:\n        pass\n',
            ":2 has a map by providers: 'azurekv'",
        ),
        (
            "rules/api.py",
            "SAME = a.address != b.address\n",
            " decides by itself which stores are one: a.address != b.address",
        ),
        (
            "live/stores.py",
            "PLACES = [place_in(store, entry, key, said) for key in keys]\n",
            ":1 finds places beside model/inventory.py: place_in(store, entry, key, said)",
        ),
        (
            "live/stores.py",
            "SAME = one_spelling(a) == one_spelling(b)\n",
            " decides by itself which stores are one: one_spelling(a) == one_spelling(b)",
        ),
        (
            "live/stores.py",
            "KEY = (a.url or '').rstrip('/').lower()\n",
            " decides by itself which stores are one: (a.url or '').rstrip('/').lower()",
        ),
        (
            "live/stores.py",
            "def f():\n    return Sameness.ANOTHER\n",
            " decides by itself which stores are one: Sameness.ANOTHER",
        ),
        (
            "live/stores.py",
            "TWO = one.provider.is_another(a, b)\n",
            " decides by itself which stores are one: one.provider.is_another(a, b)",
        ),
        ("stores/open.py", "import shlex\n", " imports shlex, which is shell_line's"),
        (
            "live/readers.py",
            'def f(page):\n    return not page["metadata"].get("continue")\n',
            f":2 {SECOND}: 'continue'",
        ),
        ("live/readers.py", 'A = B.get("remainingItemCount", 0) == 0\n', f":1 {SECOND}: 'remainingItemCount'"),
        ("cluster/view.py", 'A = B.get("items") or ()\n', f":1 {SECOND}: B.get('items')"),
        (
            "live/stores.py",
            'from compiler.cluster.client import C\nA = C.ask("pods")["items"]\n',
            f":2 {SECOND}: C.ask('pods')['items']",
        ),
        (
            "change/undo.py",
            "A = entry.after == found.version\n",
            ":1 judges a run's version: entry.after == found.version",
        ),
        (
            "change/undo.py",
            "A = entry.made != created.isoformat()\n",
            ":1 judges a run's version: entry.made != created.isoformat()",
        ),
        (
            "change/undo.py",
            "A = version not in {each.after for each in run}\n",
            ":1 judges a run's version: version not in {each.after for each in run}",
        ),
    ],
)
def test_a_planted_mistake_is_found(tree: Path, name: str, text: str, said: str) -> None:
    plant(tree, name, text)
    assert mistakes(tree) == [f"compiler/{name}{said}"]


def test_a_command_of_the_table_without_a_file_is_found(tree: Path) -> None:
    (tree / "compiler/cli/commands/put.py").unlink()
    assert mistakes(tree) == ["the command put of the table has no file"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model/source.py", "\n" * 600),
        ("model/source.py", "def f():\n" + "    pass\n" * 49),
        ("model/__init__.py", ""),
        ("model/source.py", "def known_keys():\n    pass\n"),
        ("model/source.py", "def unread_files():\n    pass\n"),
        ("model/source.py", "def open():\n    pass\n"),
        ("model/source.py", "def is_written():\n    pass\n"),
        ("model/source.py", "class A:\n    @property\n    def failed(self) -> bool:\n        pass\n"),
        ("stores/open.py", 'A = B == "vault"\n'),
        ("model/source.py", 'A = {"store": B.provider is not C.provider}\n'),
        ("stores/open.py", 'A = {"vault": 1}\n'),
        ("cluster/lists.py", 'A = B["items"], B.get("continue"), B.get("remainingItemCount")\n'),
        ("cluster/client.py", 'A = {"items": [str]}\nfor a in A.items():\n    continue\n'),
        ("consumers/readers.py", 'A = B.get("items")\n'),
        ("change/undo.py", "A = entry.after is not None and entry.is_own(version, created)\n"),
        ("change/undo.py", "A = version in known.made\n"),
        ("change/journal.py", "A = version == self.after\n"),
        ("rules/api.py", ""),
        ("operations/backup.py", 'PAGE = "run `platform-secrets put dev`"\n'),
        ("model/source.py", '"""Tells of `platform-secrets put dev`."""\nNAME = "platform-secrets"\n'),
        ("model/source.py", 'EXAMPLES = ("platform-secrets put dev",)\n'),
        ("stores/open.py", '"""Runs `kubectl get`."""\nHELP = f"the vault denies {it}, as kubectl does"\n'),
        ("rules/forms/where.py", ""),
        (
            "operations/put/plan.py",
            "class LostError(Exception):\n    pass\n\n\ntry:\n    f()\nexcept (LostError, OSError):\n    g()\n",
        ),
    ],
)
def test_what_is_within_the_bounds_is_none(tree: Path, name: str, text: str) -> None:
    plant(tree, name, text)
    assert mistakes(tree) == []


def test_the_run_on_a_cluster_judges_no_list_by_itself(tree: Path) -> None:
    script = tree / "scripts/end_to_end/cluster.py"
    script.parent.mkdir(parents=True)
    script.write_text('from compiler.cluster.client import C\nA = C.get("items")\n')
    assert mistakes(tree) == [f"scripts/end_to_end/cluster.py:2 {SECOND}: C.get('items')"]
