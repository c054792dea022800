"""platform-secrets: environments in, proven Helm values and moved secrets out."""

__version__ = "0.1.0"
