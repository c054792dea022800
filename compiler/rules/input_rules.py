"""Documents the rules that loading, validating, merging and writing report themselves: ids, severities and pages."""

from compiler.model.diagnostic import MOST_OF_A_KIND, Severity
from compiler.rules.api import Rule, Scope

_ERRORS: dict[str, str] = {
    "unreadable-file": """An input file is missing, not a regular file, not readable, or changed while it was read.

A file that could not be read whole is not used, and nothing is written.

    environments/prod.yaml -> /etc/prod.yaml      # a link that leads out of the project

Write a regular file inside the project that the person or job that compiles can read.""",
    "too-large": """An input file is larger, deeper or has more values than any real one.

The limits protect the run against files that would take minutes or gigabytes to read: at most 4 MiB, 100,000 values and
32 levels, and at most 64 layers of an environment.

Before anything is built, the values that an environment resolves to are counted: ten a secret and a store, four a key,
or one for each store, and one a label or annotation, which are counted again for each secret that shares them, and for
each 100 characters. An environment may have 524,288. The environments of a run may have 1,000,000 beside 250 of each,
so that ten thousand with the seven secrets of CAIPE fit, and their values files 64 MiB; the finding names the largest.

    a: {a: {a: {a: …}}}                           # and so on, 10,000 levels deep

Split what is large into layers, and check how the file was made. Values files have the same limits, except for the
number of values: they may have one for every eight characters, so that 10,000 secrets of one key fit. If an environment
would compile to more, split it.""",
    "invalid-encoding": """An input file is not plain UTF-8.

Editors and Helm may read such bytes as other characters.

    description: caf\\xe9                          # Latin-1

Save the file as UTF-8 without a byte order mark.""",
    "empty-file": """The base or the catalogue has no content: white space and comments alone.

Every environment would lack what belongs in it, so checking stops here.

    # environments/base.yaml

Write what belongs there; `platform-secrets new secret` adds a first secret to an empty catalogue. A base that nobody
needs can be removed.""",
    "control-character": """A control character, an unusual line break, or a space that is not one in YAML.

Nobody types one on purpose, and a reviewer would not see what is compiled. Spaces of another kind come from web pages
and chats.

    namespace: "a\\u0000b"

Take the character out, or type a plain space in its place.""",
    "tab-indentation": """A line is indented with a tab, which YAML forbids.

Parsers disagree about how wide it is.

    secrets:
    \\tgithub: {}

Indent with spaces.""",
    "invalid-yaml": """The file is not valid YAML.

    secrets: {github: {store: azure}

The message says what is most likely meant: a line that begins at the wrong column, a quote or bracket that is not
closed, a colon without a space after it, a `: ` or a special character in a value without quotes, a conflict that git
left. Put right what it names; a value that begins with a sign such as `@`, `%` or `*` or has `: ` in it goes in quotes.
Only the first key of the line is shown, as the rest may be a secret.""",
    "duplicate-key": """A key is written twice in one map.

YAML tools keep one of the two, not all the same one, and Helm and PyYAML say nothing.

    secrets:
      github: {}
      github: {store: azure}

Merge the two into one.""",
    "forbidden-yaml": """The file has an anchor, alias, tag, merge key, template, directive or second document.

They make values appear where nobody wrote them, so that no position can be reported. Use a layer to share values.
Nothing fills in the `{{ }}` of a template.

    github: &default {store: azure}
    jira: *default

Write the value out, or put what is shared into a layer and name it under `extends:`.""",
    "non-string-key": """A key that is not a string: a number, `true`, `no`, `null`, a list or a map.

YAML 1.1, which Helm reads, gives such keys another type, so that look-ups miss them.

    labels: {on: "yes"}

Quote the key.""",
    "unknown-key": """A key that the schema does not have, most often a typo.

An unknown key would be silently ignored, and the intended setting would keep its default.

    stroe: azure

Write the key as in the reference; the help names the nearest one. The value of an unknown key is not shown, as it may
be a secret.""",
    "wrong-type": """A value of the wrong type: a string where a map is expected, a map where a list is expected.

    secrets: [github, jira]

Write the type that the message names, as its help shows; the references of the environment and the catalogue list
them. A secret's value does not go in place of a key's options, but into the store: `platform-secrets put`. Such a line
is shown with nothing but names that the project has, as anything else may be a secret.""",
    "invalid-value": """A value that the schema does not allow.

It is not one of the listed words, too long, out of range, or of the wrong form.

    fetch: per-key

Write one of the values that the message lists, or the form it describes.""",
    "contradictory-source": """A key takes its value `from` another, and sets what only that other key can set.

Place, variants, `rotate` and the rest of its life belong to the value, and a value has them once.

    keys:
      OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRET, rotate: 90d}

Set it on the key that has the value:

    oidc:
      keys:
        CLIENT_SECRET: {description: Client secret, rotate: 90d}
    ui:
      keys:
        OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRET}""",
    "unknown-layer": """`extends:` names neither base, nor a file of `environments/layers/`, nor an environment.

    extends: [bsae]

Write the name of an existing layer, without its folder and ending.""",
    "ambiguous-layer": """`extends:` names a layer that exists twice: in `environments/layers/` and as an environment.

    environments/layers/europe.yaml
    environments/europe.yaml

Rename one of the two.""",
    "layer-cycle": """Layers extend one another in a cycle.

    # environments/layers/a.yaml
    extends: [b]
    # environments/layers/b.yaml
    extends: [a]

Remove one of the names.""",
    "layer-conflict": """One layer has a map where another has a single value or a list, so they cannot be merged.

    # base.yaml
    secrets: {github: {use: [pat]}}
    # layers/a.yaml
    secrets: {github: {use: {pat: true}}}

Write the same type in both; to drop the lower layer's map first, write `null`.""",
    "invalid-environment-name": """A file in `environments/` whose name is not a valid environment name.

The name becomes part of the values file's name, of commands and of links.

    environments/Prod EU.yaml

Use lower-case letters, digits and inner hyphens, at most 63, and the ending `.yaml`.""",
    "conflicting-vault-url": """AZURE_KEYVAULT_NAME names another vault than the environment's `vaultUrl`.

One of the two is wrong, and guessing could move secrets into the wrong vault.

    stores: {azure: {vaultUrl: https://ai-platform-prod.vault.azure.net}}    # and AZURE_KEYVAULT_NAME=ai-platform-dev

Unset the variable, or correct `vaultUrl`.""",
    "unwritable-output": """A values file cannot be written: a link, a folder, a read-only file, a full disk.

Nothing was written; every old file is as it was. A folder may be a link to another one of the project; a link out of
it could make the command replace any of your files, or delete it by `--prune`.

    chart/values-prod.yaml -> /somewhere/else.yaml
    chart -> /somewhere/else

Make it a regular, writable file, or choose another folder with `--out`.""",
    "foreign-output": """The file that would be replaced was not written by this compiler.

Replacing or pruning it could lose somebody's work. A file with an anchor, an alias or a tag, or larger or deeper than
an input file may be, is not the compiler's either, whatever its first line says.

    # chart/values-prod.yaml, written by hand
    replicas: 3

Move the file away; the compiler then writes its own.""",
    "stale-values": """A values file is out of date.

It is not what its environment compiles to now: Argo CD would not render what was reviewed. `--check` reports it and
writes nothing.

    $ platform-secrets compile --check

Run `platform-secrets compile` (`make values` where there is a Makefile) and commit the result.""",
    "stale-output": """A generated file is out of date.

It is not what `generate` makes from the environments now, or it is left in the folder from another form or environment,
so that it would be applied beside the new files; `generate --check` reports it and writes nothing.

    $ platform-secrets generate argocd prod --form application --repo URL --out argocd --check

Run the same command without `--check`, as the file's head has it, and commit the result. Remove what is left over:
`generate` does not, and warns of it where it writes.""",
    "unproven-output": """A new values file does not read back as the data it was made from.

The compiler checks each file before it replaces the old one; this is a bug in the compiler, and nothing was written.

    $ platform-secrets compile prod

Please report it, with the environment's files if they may be shared.""",
    "unproven-chart": """The rendered manifests differ from what the catalogue and the environment say.

`compile --parity` renders the chart with each Helm that is named, or the one on PATH, for each store that a secret
could be in, and compares the parsed manifests with a table made by separate code.

    $ platform-secrets compile prod --parity

If the chart was edited, undo the edit; otherwise please report it.""",
    "unconfined-chart": """The chart makes Helm read or fetch files outside it.

Helm follows links below a chart into what it renders, and loads, over the network too, every schema that a
`values.schema.json` refers to. A project from elsewhere could have your files printed, or your machine call out. So
`render` and `compile --parity` look first, and do not start Helm.

    chart/templates/note.yaml -> ~/.ssh/id_ed25519
    "$ref": "https://example.com/schema.json"     # chart/values.schema.json; also a "$schema" that is no known draft
    chart/charts/helper-1.0.0.tgz                 # a packed chart: what is in it is not seen

Replace links by the files they lead to, refer only within the same file (`#/…`), and unpack packed charts.""",
}

_WARNINGS: dict[str, str] = {
    "unconfirmed-prune": """Argo CD would delete ExternalSecrets, and with each its Secret, without asking a person.

An ExternalSecret that is taken out of Git is pruned, and the operator deletes the Secret that it owns: pods that mount
it do not start again. `generate argocd` looks for the sync options that make Argo CD wait instead, and switches pruning
off if one ExternalSecret lacks them. `Prune=false` does not help: the Application stays OutOfSync for ever.

    annotations: {}                               # environments/base.yaml

Write the annotation into `environments/base.yaml`, as `new project` does, and compile:

    annotations:
      argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm

The guide to Argo CD says how a person then confirms.""",
}

# What the schemas find, which is counted together.
_OF_SCHEMAS = ("unknown-key", "wrong-type", "invalid-value", "contradictory-source")
_LISTED = f"""

The first {MOST_OF_A_KIND} such findings of a file are listed, those of these rules counted together:
{", ".join(f"`{rule}`" for rule in _OF_SCHEMAS)}. One more says that there are others."""

INPUT_RULES: tuple[Rule, ...] = tuple(
    Rule(identifier, Severity.ERROR, Scope.INPUT, page + (_LISTED if identifier in _OF_SCHEMAS else ""))
    for identifier, page in _ERRORS.items()
) + tuple(Rule(identifier, Severity.WARNING, Scope.INPUT, page) for identifier, page in _WARNINGS.items())
