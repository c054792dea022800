"""A values file belongs to no environment.

Its environment was removed or renamed, and the file stayed. Argo CD goes on deploying it as long as an Application
names it, and changes of the input no longer reach it.

    chart/values-qa.yaml         # and no environments/qa.yaml

Remove it, once no Application deploys it:

    platform-secrets compile --prune
"""

from compiler.rules.api import PROJECT, WARNING, Finding, Findings, Project, Source, Span, quoted, rule
from compiler.text.wording import closest, command_line

# A guess compares with every name there is: one for each of a thousand files would take seconds, ten thousand minutes.
_MOST_GUESSES = 20


@rule("orphan-values", WARNING, PROJECT)
def check(project: Project) -> Findings:
    names = set(project.names)
    orphans = ((name, path) for name, path in project.values_files.items() if name not in names)
    for count, (name, path) in enumerate(orphans):
        match = closest(name, project.names) if count < _MOST_GUESSES else None
        renamed = f'; "{match}" may be its new name' if match else ""
        yield Finding(
            f"no environment is named {quoted(name)}",
            Span(Source(path)),
            help=f"`{command_line('compile', '--prune')}` removes this file{renamed}",
        )
