"""How a principal's files are read as ours: a TOML file per principal says which of its columns is which of our fields, and what its
words, dates and movements mean. A file without a mapping has our columns.

    principal = "banque_orvane"

    [members]
    mode = "full"                     # whoever is missing has left; "delta": whoever is missing has not changed
    ends_at_most = 2                  # percent of those we know; a file that would end more stops and asks
    encoding = "windows-1252"         # found out where it is not given
    dates = "%d/%m/%Y"
    lists = ","                       # between several phones in a cell
    columns = { number = "NUM_ADH", last_name = "NOM", birth_date = "NE_LE" }
    fixed = { language = "fr" }
    values.civility = { "MME" = "mme", "MR" = "m" }
    ends = { column = "MVT", values = ["S"], from = "DATE_MVT" }   # a row that says who has left, and its last day; without: today
    conflicts = { phones = "newest", address = "theirs" }          # both sides have changed it: ours, theirs, newest, ask; ask where none is named

`[out]`, what we send back, is in `outgoing`.
"""

import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.common import Code
from services.kit.errors import Invalid
from services.reference.domain.amending import FIELDS, Rule
from services.reference.usecases.files import Encoding
from services.reference.usecases.outgoing import Outgoing
from services.reference.usecases.rows import BeneficiaryRow, ContractRow, GuaranteeRow, MemberRow, PrincipalRow, ProductRow, Row, StatementRow

Kind = Literal["principals", "products", "guarantees", "members", "contracts", "beneficiaries", "statements"]
Mode = Literal["full", "delta"]
Read = Callable[[Sequence[str]], dict[str, str]]

MODELS: dict[Kind, type[Row]] = {
    "principals": PrincipalRow,
    "products": ProductRow,
    "guarantees": GuaranteeRow,
    "members": MemberRow,
    "contracts": ContractRow,
    "beneficiaries": BeneficiaryRow,
    "statements": StatementRow,
}
ENDS: dict[Kind, str] = {
    "members": "ended_on",
    "contracts": "ends_on",
    "beneficiaries": "ended_on",
    "statements": "withdrawn_on",
}  # the field that holds the last day
_DATES = {"birth_date", "ended_on", "starts_on", "ends_on", "valid_from", "issued_on", "due_on", "paid_on", "withdrawn_on", "changed_on"}
_LISTS = {"phones", "emails", "services", "area", "excluded"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ends(_Part):
    """Which rows of a delta file say that somebody has left."""

    column: str
    values: list[str] = Field(min_length=1)
    last_day: str | None = Field(default=None, alias="from")


class FileMapping(_Part):
    """Of one kind of file. `columns`: our field -> their column; a field that is not named has our own name. `values`: their word -> ours."""

    mode: Mode = "delta"
    ends_at_most: Annotated[float, Field(ge=0, le=100)] = 2
    encoding: Encoding | None = None
    dates: str | None = None
    lists: str | None = Field(default=None, min_length=1)
    columns: dict[str, str] = {}
    fixed: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    ends: Ends | None = None
    conflicts: dict[str, Rule] = {}

    def missing(self, kind: Kind, columns: Sequence[str]) -> list[str]:
        """What a file with these columns lacks, in its own words."""
        needed = [name for name, of in MODELS[kind].model_fields.items() if of.is_required() and name not in self.fixed]
        wanted = {self.columns.get(name, name) for name in needed} | set(self.columns.values())
        if self.ends:
            wanted |= {self.ends.column} | ({self.ends.last_day} if self.ends.last_day else set())
        return sorted(wanted - set(columns))

    def reader(self, kind: Kind, columns: Sequence[str], today: date) -> Read:
        """From the cells of a row to our fields, empty ones left out."""
        places = {name: place for place, name in enumerate(columns)}
        fields = [(name, places[column]) for name in MODELS[kind].model_fields if (column := self.columns.get(name, name)) in places]
        changed = {name: change for name, _ in fields if (change := self._change(name))}

        def read(cells: Sequence[str]) -> dict[str, str]:
            row = self.fixed | {name: cell for name, place in fields if (cell := cells[place].strip()) != ""}
            for name, change in changed.items():
                if name in row:
                    row[name] = change(row[name])
            if self.ends and cells[places[self.ends.column]].strip() in self.ends.values:
                last = cells[places[self.ends.last_day]].strip() if self.ends.last_day else ""
                row[ENDS[kind]] = self._date(last) if last else today.isoformat()
            return row

        return read

    def _change(self, name: str) -> Callable[[str], str] | None:
        if words := self.values.get(name):
            return lambda cell: words.get(cell, cell)
        if self.dates and name in _DATES:
            return self._date
        if self.lists and name in _LISTS:
            return lambda cell: cell.replace(self.lists or "", "|")
        return None

    def _date(self, cell: str) -> str:
        """What is no date stays as it is: the row is refused with its own words."""
        if self.dates is None:
            return cell
        try:
            return datetime.strptime(cell, self.dates).date().isoformat()
        except ValueError:
            return cell


class Mapping(_Part):
    principal: Code | None = None
    principals: FileMapping = FileMapping()
    products: FileMapping = FileMapping()
    guarantees: FileMapping = FileMapping()
    members: FileMapping = FileMapping()
    contracts: FileMapping = FileMapping()
    beneficiaries: FileMapping = FileMapping()
    statements: FileMapping = FileMapping()
    out: Outgoing = Outgoing()

    @model_validator(mode="after")
    def _names_our_fields(self) -> Self:
        for kind, model in MODELS.items():
            part = self.of(kind)
            unknown = ({*part.columns, *part.fixed, *part.values} - set(model.model_fields)) if part else set()
            if unknown:
                raise ValueError(f"{kind}: {', '.join(sorted(unknown))} is no field of ours; the fields are {', '.join(model.model_fields)}")
            if kind not in ENDS and (part.mode == "full" or part.ends):
                raise ValueError(f"{kind}: only members, contracts, beneficiaries and statements end by a file")
            if part.conflicts and (kind != "members" or part.conflicts.keys() - set(FIELDS)):
                raise ValueError(f"{kind}: conflicts are about these fields of members: {', '.join(FIELDS)}")
        return self

    def of(self, kind: Kind) -> FileMapping:
        """With the principal in every row, where the mapping names it."""
        part: FileMapping = getattr(self, kind)
        if self.principal and "principal" in MODELS[kind].model_fields and "principal" not in {**part.columns, **part.fixed}:
            return part.model_copy(update={"fixed": part.fixed | {"principal": self.principal}})
        return part


OURS = Mapping()  # of files that have our columns


def read(file: Path) -> Mapping:
    """Raises `Invalid` that says what is wrong with the file."""
    try:
        return Mapping.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise Invalid(f"{file.name} is no TOML file: {wrong}", code="bad_mapping") from None
    except ValidationError as wrong:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in wrong.errors(include_url=False))
        raise Invalid(f"{file.name}: {said}", code="bad_mapping") from None
