"""Names Argo CD's sync waves: the annotation, the wave of rendered stores and the one of a new secret.

Argo CD applies the lowest wave first. The platform's secrets begin at -50, so that stores come before all of them.
"""

from typing import Final

ANNOTATION: Final = "argocd.argoproj.io/sync-wave"
STORE_WAVE: Final = -60
NEW_SECRET_WAVE: Final = -49
