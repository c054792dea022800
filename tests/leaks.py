"""A text and a secret in, the forms of the secret that are in the text out."""

import base64
import html
import json
import urllib.parse

_USABLE = 10


def leaks(text: str, secret: str) -> list[str]:
    """The secret as it is, escaped for JSON, HTML or a URL, in Base64, hexadecimal digits or another letter case, or
    wrapped over lines, or a half of it that is long enough to use.
    """
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    # The last character of Base64 differs with what follows in the same text.
    forms = {secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe=""), encoded[:-1]}
    forms |= {html.escape(secret), secret.encode().hex()}
    half = len(secret) // 2
    if half >= _USABLE:
        forms |= {secret[:half], secret[half:]}
    joined = "".join(text.split()).casefold()
    return sorted(form for form in forms if form in text or "".join(form.split()).casefold() in joined)
