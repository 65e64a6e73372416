"""CSV files as back offices really send them: UTF-8 or Windows-1252, `;` or `,`, packed or not, with rows that are broken.

A broken row is told with its line and stops nothing; memory stays the same whatever the file, its lines and its cells are like.
"""

import csv
import gzip
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast

from services.kit.errors import Invalid

Encoding = Literal["utf-8", "windows-1252"]

LINE_BYTES = 65_536  # the longest address with every e-mail is a hundredth of that
ROW_LINES = 20  # that one quoted cell may go on for
COLUMNS = 200
SAMPLE_BYTES = 1 << 20
UNPACKED_RATIO = 200  # text like this packs ten to one, a bomb a thousand to one
UNPACKED_BYTES = 8 << 30


class Line(NamedTuple):
    """A row with the number of its first line in the file; `trouble` says why it is none."""

    number: int
    cells: list[str]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is open: its columns, and its rows to be read once."""

    columns: list[str]
    rows: Iterator[Line]


@contextmanager
def opened(file: Path, encoding: Encoding | None = None) -> Iterator[Table]:
    """What is not given is found out. Raises `Invalid` for a file that cannot be read as a table."""
    with _unpacked(file) as sample:
        encoding = encoding or _encoding(file.name, sample.read(SAMPLE_BYTES))
    with _unpacked(file) as data:
        try:
            head = data.readline(LINE_BYTES).removeprefix(b"\xef\xbb\xbf").decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError:
            raise Invalid(f"{file.name}: its first line is not {encoding}", code="wrong_encoding") from None
        if not head.strip():
            raise Invalid(f"{file.name}: its first line names no columns", code="no_columns")
        delimiter = max(";,\t|", key=head.count)
        columns = [name.strip() for name in head.split(delimiter)] if '"' not in head else next(csv.reader([head], delimiter=delimiter))
        twice = sorted({name for name in columns if name and columns.count(name) > 1})
        if twice or len(columns) > COLUMNS:
            said = f"has the column {', '.join(twice)} twice" if twice else f"has {len(columns)} columns, {COLUMNS} at most are read"
            raise Invalid(f"{file.name} {said}", code="bad_columns")
        yield Table(columns, _Rows(data, encoding, delimiter, len(columns)).read())


class _Rows:
    """Line by line, so that a quote that nobody closes costs its own row and not the rest of the file."""

    def __init__(self, data: IO[bytes], encoding: str, delimiter: str, columns: int) -> None:
        self._data = data
        self._encoding = encoding
        self._delimiter = delimiter
        self._columns = columns
        self._ahead: deque[bytes | None] = deque()
        self._line = 1  # the columns

    def read(self) -> Iterator[Line]:
        while (raw := self._next()) != b"":
            self._line += 1
            number = self._line
            if raw is None:
                yield Line(number, [], "line_too_long")
            elif row := self._row(raw):
                yield Line(number, *row)

    def _row(self, raw: bytes) -> tuple[list[str], str] | None:
        """None for a line that is blank."""
        try:
            text = raw.decode(self._encoding).rstrip("\r\n")
        except UnicodeDecodeError:
            return [], "wrong_encoding"
        if not text or text.isspace():
            return None
        if "\0" in text:
            return [], "zero_byte"
        if '"' not in text:
            cells = text.split(self._delimiter)
        else:
            try:
                cells = self._parsed([text])
            except csv.Error:
                joined = self._joined(text)
                if joined is None:
                    return [], "bad_quotes"
                cells = joined
        return cells, "" if len(cells) == self._columns else "wrong_number_of_cells"

    def _joined(self, text: str) -> list[str] | None:
        """With the lines that its last cell goes on in; None, and they stay to be read, where that makes no row."""
        lines = [text]
        for taken in range(1, ROW_LINES):
            if len(self._ahead) < taken:
                self._ahead.append(self._read())
            raw = self._ahead[taken - 1]
            if not raw:
                return None
            try:
                lines.append(raw.decode(self._encoding).rstrip("\r\n"))
                cells = self._parsed(["\n".join(lines)])
            except UnicodeDecodeError:
                return None
            except csv.Error:
                continue
            if len(cells) != self._columns:
                return None
            for _ in range(taken):
                self._ahead.popleft()
            self._line += taken
            return cells
        return None

    def _parsed(self, rows: list[str]) -> list[str]:
        return next(csv.reader(rows, delimiter=self._delimiter, strict=True))

    def _next(self) -> bytes | None:
        """The next line as it is; None for one that is too long, empty at the end."""
        return self._ahead.popleft() if self._ahead else self._read()

    def _read(self) -> bytes | None:
        raw = self._data.readline(LINE_BYTES)
        if len(raw) < LINE_BYTES or raw.endswith(b"\n"):
            return raw
        while len(rest := self._data.readline(LINE_BYTES)) == LINE_BYTES and not rest.endswith(b"\n"):
            pass
        return None


def _encoding(name: str, sample: bytes) -> Encoding:
    """As most of what is no ASCII says. Raises `Invalid`."""
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Invalid(f"{name} is UTF-16: export it as UTF-8", code="wrong_encoding")
    text = sample.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return "windows-1252" if broken > sum(not sign.isascii() for sign in text) - broken else "utf-8"


@contextmanager
def _unpacked(file: Path) -> Iterator[IO[bytes]]:
    """Of a `.gz`, or of the only file of a `.zip`. Raises `Invalid`, while it is read as well for what unpacks to too much."""
    try:
        with file.open("rb") as packed:
            start = packed.read(4)
            packed.seek(0)
            if start.startswith(b"\x1f\x8b"):
                with gzip.open(packed) as unpacked:
                    yield cast("IO[bytes]", _Measured(unpacked, file))
            elif start == b"PK\x03\x04":
                with zipfile.ZipFile(packed) as archive:
                    names = [one for one in archive.infolist() if not one.is_dir()]
                    if len(names) != 1:
                        raise Invalid(f"{file.name} holds {len(names)} files: pack one only", code="bad_archive")
                    with archive.open(names[0]) as unpacked:
                        yield cast("IO[bytes]", _Measured(unpacked, file))
            else:
                yield packed
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, RuntimeError) as wrong:
        raise Invalid(f"{file.name} cannot be unpacked: {wrong}", code="bad_archive") from None


class _Measured:
    """Reads on only while what comes out is in proportion to what is in the file."""

    def __init__(self, unpacked: IO[bytes] | gzip.GzipFile, file: Path) -> None:
        self._unpacked = unpacked
        self._name = file.name
        self._most = min(UNPACKED_BYTES, max(file.stat().st_size, 100_000) * UNPACKED_RATIO)
        self._read = 0

    def read(self, size: int) -> bytes:
        return self._counted(self._unpacked.read(size))

    def readline(self, size: int) -> bytes:
        return self._counted(self._unpacked.readline(size))

    def _counted(self, data: bytes) -> bytes:
        self._read += len(data)
        if self._read > self._most:
            raise Invalid(f"{self._name} unpacks to more than {self._most:,} bytes: that is no file of rows", code="bad_archive")
        return data
