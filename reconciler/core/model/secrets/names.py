"""Whether a key names a secret, in whatever way it is spelled: api_key, apiKey, X-Api-Key, DB_PWD, accessTokens."""

# ruff: noqa: SIM905  # tables of words: a hundred of them in quotes are harder to read

import re

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")

# A name that ends with one of these is a secret's.
_SECRET = frozenset(
    """
    password passwords passwd passwds pwd pwds pass passphrase passphrases passcode passcodes pw secret secrets
    credential credentials creds token tokens bearer bearers authorization auth cookie cookies jwt jwts dsn dsns
    webhook webhooks apikey apikeys apitoken authtoken accesstoken refreshtoken accesskey secretkey privatekey
    connectionstring
    """.split()
)
# Before `key` or `keys`; a key alone is one of a mapping, and a public, primary or cache key is no secret.
_KEYS = """
    api access private secret signing encryption master admin virtual service account storage shared ssh license
    subscription function deploy write read ingest integration team auth session hmac provider
    """.split()
_PAIRS = frozenset(
    (
        *(f"{word} {key}" for word in _KEYS for key in ("key", "keys")),
        *(
            f"{word} {string}"
            for word in ("connection", "conn")
            for string in ("string", "strings", "str")
        ),
        *(
            f"{word} {url}"
            for word in ("webhook", "hook")
            for url in ("url", "urls", "uri", "endpoint")
        ),
        *("service account", "service accounts", "pass phrase", "pass word", "private pem"),
    )
)
# Tokens that models count, or that stand in texts: max_tokens, cost_per_token, eos_token.
_COUNTED = frozenset(
    """
    max min input output prompt completion total limit used num number count per reasoning cached cache budget context
    credit thinking pad eos bos unk sep cls mask stop special start end begin image audio text estimated average avg
    next page continuation first last rejected accepted
    """.split()
)
# What may hang on a secret's name without changing what it is: password_prod, token2, api_key_value.
_TAIL = frozenset(
    """
    value text string str prod production dev development staging stage test live old new previous current default
    primary secondary backup b base encoded raw plain plaintext
    """.split()
)


def names_a_secret(name: str) -> bool:
    """By the words of the name: the last ones say what it is. `max_tokens` and `token_limit` are numbers."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while (
        len(words) > 1
        and " ".join(words[-2:]) not in _PAIRS
        and (words[-1] in _TAIL or words[-1].isdecimal())
    ):
        words.pop()
    if not words:
        return False
    if words[-1] in ("token", "tokens"):
        return not _COUNTED & set(words[:-1])
    return words[-1] in _SECRET or " ".join(words[-2:]) in _PAIRS
