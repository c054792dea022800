"""A secret is synchronised before the store it is read from.

Argo CD goes through sync waves from the lowest, and waits for each to be healthy. Rendered stores are in wave -60. An
ExternalSecret in an earlier wave fails without its store, and so does the synchronisation, at every retry: the store's
wave is never reached. One in the same wave does not wait for its store, and fails at first.

    stores:
      vault: {render: true}
    # and in the catalogue
    global: {syncWave: -60}

Use a wave above -60, as the catalogue's entries have:

    global: {syncWave: -50}
"""

from compiler.model.facts import STORE_WAVE
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, rule


@rule("early-sync-wave", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered:
            continue
        for secret in environment.secrets.values():
            if secret.store is store and secret.entry.sync_wave <= STORE_WAVE:
                yield Finding(
                    f'"{secret.id}" is in sync wave {secret.entry.sync_wave}, its store in {STORE_WAVE}',
                    secret.entry.node.nearest("syncWave"),
                    help=f"use a `syncWave` above {STORE_WAVE}",
                    related=(Related("rendered by this", store.node.nearest("render").span),),
                    scope=("secrets", secret.id),
                )
