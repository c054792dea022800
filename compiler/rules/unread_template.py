"""A text of a template that this program does not read to its end.

Names of keys are checked where an action says them: `.KEY`, `$.KEY` and `index . "tls.crt"`. A definition, or an action
that takes all keys at once, may read any key, so a name that is misspelt there, and a key that nothing uses, are not
found.

    template:
      data:
        config.json: '{{ dict "user" (get . "USER") | toJson }}'

Name the keys:

    template:
      data:
        config.json: '{{ dict "user" .USER | toJson }}'

Waive it where the text is meant as it is.
"""

from compiler.rules.api import CATALOGUE, WARNING, Catalogue, Finding, Findings, quote, rule, waiver


@rule("unread-template", WARNING, CATALOGUE, waivable=True)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for made, text in entry.template.items():
            from compiler.text.go_template import read_template  # noqa: PLC0415 - few entries have a template

            if unread := read_template(text).unread:
                yield Finding(
                    f"the keys that the text of {quote(made)} needs are not checked, as it has {unread}",
                    entry.target_nodes[made],
                    help=f"name each key, as in `{{{{ .KEY }}}}`; {waiver('unread-template', entry.id)}",
                    scope=("secrets", entry.id),
                )
