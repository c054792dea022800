from dataclasses import replace

from compiler.model.environment import Project
from compiler.stages.load import load_text
from compiler.stages.resolve import Resolver, catalogue_of


def test_it_is_whole_when_every_environment_is_in_the_run() -> None:
    document, _ = load_text("a.yaml", "{}\n")
    assert document is not None
    catalogue = catalogue_of(document)
    environment = Resolver(catalogue).environment("a", document.root, [document])
    project = Project(catalogue, (environment,), ("a",), {})
    assert project.is_whole
    assert not replace(project, names=("a", "b")).is_whole
    assert not replace(project, environments=()).is_whole
