"""A key is fetched, but no text of the entry's template uses it.

With a template the Secret has the template's keys and no others. Pods do not get the key, and the whole ExternalSecret
still fails where a store lacks it.

    template:
      data:
        URL: "https://{{ .USER }}@example.com"
    keys:
      USER: {description: User}
      TOKEN: {description: Token}

Use it in a text, pass it on as it is, or remove it:

    template:
      data:
        URL: "https://{{ .USER }}@example.com"
        TOKEN: "{{ .TOKEN }}"
"""

from compiler.model.environment import pass_text
from compiler.rules.api import CATALOGUE, WARNING, Catalogue, Finding, Findings, quote, rule


@rule("unused-key", WARNING, CATALOGUE, waivable=True)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if not entry.template:
            continue
        from compiler.text.go_template import read_template  # noqa: PLC0415 - few entries have a template

        texts = [read_template(text) for text in entry.template.values()]
        if any(each.may_read_all for each in texts):
            continue
        used = {name for each in texts for name in each.keys}
        # The old value is kept in the store, whatever the Secret has.
        used |= {key.lifetime.previous_key or "" for key in entry.keys.values()}
        for name, key in entry.keys.items():
            if name not in used:
                yield Finding(
                    f"no text of the template of {quote(entry.id)} uses {quote(name)}: the Secret does not have it",
                    key.node.key_span,
                    help=f"add `{name}: '{pass_text(name)}'` to `template.data`, or remove the key",
                    scope=("secrets", entry.id),
                )
