"""Long lists as one parameter: a PostgreSQL array literal, for `unnest($1::text::uuid[])`.

Only there: as a filter (`= any`), or where a column is made of it (`cardinality`), the whole literal is read again for each row.

asyncpg encodes a Python list element by element, with two abstract-class checks each; for the statements that every event passes
through, those checks were a fifth of the consumer's time.
"""

from collections.abc import Iterable


def plain(values: Iterable[object]) -> str:
    """Of numbers or ids, which need no quotes."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str]) -> str:
    """Of any texts without zero bytes."""
    known = tuple(values)
    if not known:
        return "{}"
    joined = '","'.join(known)
    if "\\" in joined or joined.count('"') > 2 * (len(known) - 1):  # rare: ids, codes and keys hold neither
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in known)
    return '{"' + joined + '"}'
