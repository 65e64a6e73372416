"""What we send back to a principal, in its own words: the mapping read the other way round. What `[out]` does not say is as in `[members]`.

[out]
fields = ["phones", "emails", "address"]   # beside the number, that always stands first; all where none are named
delimiter = ";"
encoding = "windows-1252"
dates = "%d/%m/%Y"
lists = ","
columns = { phones = "TELEPHONE" }
values.civility = { mme = "MME" }          # our word -> theirs
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.reference.domain.amending import FIELDS, Value
from services.reference.usecases.files import Encoding


class Outgoing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: list[str] = Field(default=list(FIELDS), min_length=1)
    delimiter: Literal[";", ",", "\t", "|"] = ";"
    encoding: Encoding | None = None
    dates: str | None = None
    lists: str | None = Field(default=None, min_length=1)
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}

    @model_validator(mode="after")
    def _of_ours(self) -> Self:
        unknown = {*self.fields, *self.columns, *self.values} - {"number", *FIELDS}
        if unknown or len(set(self.fields)) < len(self.fields):
            raise ValueError(f"{', '.join(sorted(unknown)) or 'a field twice'}: the fields that go out are {', '.join(FIELDS)}")
        return self


class Writer:
    """Rows of members as the principal reads them. `incoming`: the mapping of its own files of members."""

    def __init__(self, out: Outgoing, incoming: Any) -> None:
        self.fields = ["number", *(name for name in out.fields if name != "number")]
        self.encoding = out.encoding or incoming.encoding or "utf-8"
        self._delimiter = out.delimiter
        self._dates = out.dates or incoming.dates
        self._lists = out.lists or incoming.lists or "|"
        self._columns: dict[str, str] = incoming.columns | out.columns
        reversed_words = {name: {ours: theirs for theirs, ours in words.items()} for name, words in incoming.values.items()}
        self._words: dict[str, dict[str, str]] = reversed_words | out.values

    def file(self, rows: Iterable[Mapping[str, Value]]) -> bytes:
        """A line of columns, then one a row. What the encoding lacks is written without its accents."""
        text = io.StringIO(newline="")
        lines = csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n")
        lines.writerow([self._columns.get(name, name) for name in self.fields])
        lines.writerows([self._cell(name, row[name]) for name in self.fields] for row in rows)
        return "".join(map(self._written, text.getvalue())).encode(self.encoding)

    def _cell(self, name: str, value: Value) -> str:
        if isinstance(value, list):
            return self._lists.join(value)
        if value and name == "birth_date" and self._dates:
            return date.fromisoformat(value).strftime(self._dates)
        said = value or ""
        return self._words.get(name, {}).get(said, said)

    def _written(self, letter: str) -> str:
        try:
            letter.encode(self.encoding)
        except UnicodeEncodeError:
            plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
            return plain or "?"
        return letter
