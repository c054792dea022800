"""A values file belongs to no environment.

Its environment was removed, renamed, or moved to where no file is read: environments are the `.yaml` files in
`environments/` itself. Changes of the input no longer reach the values file, and Argo CD goes on deploying it as long
as an Application names it. `compile --check` takes one that this compiler wrote for an error.

    chart/values-qa.yaml         # and no environments/qa.yaml

Move the file back, or have the Application read the values file of the new name. If the environment is gone, delete its
Application first, and then the values file:

    platform-secrets compile --prune

Argo CD fails to render an Application that names a missing values file: nothing is synchronised, and its Secrets stay.
With `ignoreMissingValueFiles: true` it leaves the file out. The chart refuses to render nothing, but where another file
has secrets, or `allowEmpty: true`, Argo CD then prunes what only this one had. `--prune` keeps a values file whose
environment's file it sees elsewhere below `environments/`.
"""

from compiler.rules.api import PROJECT, WARNING, Finding, Findings, Project, Source, Span, quote, rule
from compiler.text.wording import closest, command_line

# A guess compares with every name there is: one for each of a thousand files would take seconds, ten thousand minutes.
_MOST_GUESSES = 20
_ARGO_CD = (
    "Argo CD fails to render an Application that reads a removed file, and keeps its Secrets unless it has "
    "`ignoreMissingValueFiles: true`"
)


@rule("orphan-values", WARNING, PROJECT)
def check(project: Project) -> Findings:
    names = set(project.names)
    orphans = ((name, path) for name, path in project.values_files.items() if name not in names)
    new = next((name for name in project.names if name not in project.values_files), None)
    for count, (name, path) in enumerate(orphans):
        unread = project.unread_files.get(name)
        match = (closest(name, project.names) or new) if count < _MOST_GUESSES else None
        message = f"no environment is named {quote(name)}"
        if unread is not None:
            message += f", and {quote(unread)} is not read as one"
            way_out = f"move that to {quote(f'environments/{name}.yaml')}"
        elif match is not None:
            way_out = (
                f'if "{match}" is its new name, have its Application read values-{match}.yaml, then remove this file'
            )
        else:
            way_out = f"once no Application reads it, `{command_line('compile', '--prune')}` removes it; {_ARGO_CD}"
        yield Finding(message, Span(Source(path)), help=way_out)
