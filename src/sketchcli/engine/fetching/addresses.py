"""Addresses as they may be shown and written down: without what might be secret in them."""

import hashlib
import re


def shown(url: str) -> str:
    """An address, or a text that ends with one, without user, password, query and fragment.

    >>> shown("https://me:secret@example.org:8080/a/b.zip?X-Amz-Signature=secret")
    'https://example.org:8080/a/b.zip'
    """
    return re.sub(r"(\w://)[^/?#]*@|[?#].*", r"\1", url, flags=re.DOTALL)


def key(url: str) -> str:
    """What tells files' addresses apart in our own notes; `shown` of it is `shown` of the address.

    Two queries may name two files: a hash stands in the place of each.

    >>> key("https://me:secret@example.org/a.zip"), key("https://example.org/a.zip?id=1")
    ('https://example.org/a.zip', 'https://example.org/a.zip#c9aff77574334305')
    """
    query = re.search(r"[?#].*", url, flags=re.DOTALL)
    if query is None:
        return shown(url)
    return f"{shown(url)}#{hashlib.sha256(query[0].encode()).hexdigest()[:16]}"
