"""Files as they come: every broken row is told with its line, and the rows around it are read."""

import gzip
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.kit.errors import Invalid
from services.reference.usecases.files import LINE_BYTES, opened

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "members.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def read(file: Path, **how: str) -> tuple[list[str], list[tuple[int, list[str], str]]]:
    with opened(file, **how) as table:  # type: ignore[arg-type]
        return table.columns, [tuple(line) for line in table.rows]  # type: ignore[misc]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(write: Write, encoding: str, delimiter: str) -> None:
    file = write(f"number{delimiter}last_name\r\n7{delimiter}Lefèvre\r\n8{delimiter}Noël\n".encode(encoding))
    assert read(file) == (["number", "last_name"], [(2, ["7", "Lefèvre"], ""), (3, ["8", "Noël"], "")])


def test_one_byte_of_another_encoding_costs_one_row(write: Write) -> None:
    file = write("number;name\n1;Noël\n2;".encode() + b"No\xebl\n" + "3;Zoé\n4;Aimée\n".encode())
    assert read(file)[1] == [(2, ["1", "Noël"], ""), (3, [], "wrong_encoding"), (4, ["3", "Zoé"], ""), (5, ["4", "Aimée"], "")]
    assert read(file, encoding="windows-1252")[1][1] == (3, ["2", "Noël"], "")


def test_quotes_hold_delimiters_quotes_and_lines(write: Write) -> None:
    file = write('number;"address"\n1;"3; rue ""Basse""\n35000 Rennes"\n2;5" à gauche\n3;fin\n')
    assert read(file) == (
        ["number", "address"],
        [(2, ["1", '3; rue "Basse"\n35000 Rennes'], ""), (4, ["2", '5" à gauche'], ""), (5, ["3", "fin"], "")],
    )


def test_a_cell_goes_on_for_several_lines_also_behind_a_quote_that_nobody_closes(write: Write) -> None:
    file = write('n;word\n1;"ouvert\n2;bon\n3;"rue\nBasse\nRennes\nFrance"\n4;bon\n')
    assert read(file)[1][1:] == [(3, ["2", "bon"], ""), (4, ["3", "rue\nBasse\nRennes\nFrance"], ""), (8, ["4", "bon"], "")]


@pytest.mark.parametrize("broken", ['2;"', '2;"oui" non', '"2;oui', '2;"oui\n3;"non'])
def test_a_quote_that_nobody_closes_costs_its_own_row(write: Write, broken: str) -> None:
    lines = [f"{number};bon" for number in range(10, 40)]
    _, rows = read(write("\n".join(("number;word", "1;bon", broken, *lines)) + "\n"))
    assert rows[0] == (2, ["1", "bon"], "")
    good = [cells[0] for _, cells, trouble in rows if not trouble]
    assert good == ["1", *(line.partition(";")[0] for line in lines)]
    assert [(number, trouble) for number, _, trouble in rows if trouble] == [(3 + more, "bad_quotes") for more in range(1 + broken.count("\n"))]


def test_a_quote_open_at_the_end_of_the_file_is_told(write: Write) -> None:
    assert read(write('number;word\n1;bon\n2;"ouvert\n3;bon'))[1] == [(2, ["1", "bon"], ""), (3, [], "bad_quotes"), (4, ["3", "bon"], "")]


def test_blank_short_long_and_zero_byte_rows(write: Write) -> None:
    assert read(write("a;b\n\n1;2\n  \n3\n4;5;6\n7;\0\n8;9"))[1] == [
        (3, ["1", "2"], ""), (5, ["3"], "wrong_number_of_cells"), (6, ["4", "5", "6"], "wrong_number_of_cells"), (7, [], "zero_byte"),
        (8, ["8", "9"], ""),
    ]  # fmt: skip


def test_a_line_of_ten_megabytes_is_one_bad_row_and_costs_no_memory(write: Write) -> None:
    file = write(b"a;b\n1;2\n3;" + b"x" * 10_000_000 + b'\n4;5\n6;"' + b"y" * LINE_BYTES + b'"\n7;8\n')
    tracemalloc.start()
    rows = read(file)[1]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(number, trouble) for number, _, trouble in rows] == [(2, ""), (3, "line_too_long"), (4, ""), (5, "line_too_long"), (6, "")]
    assert most < 4_000_000


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no_columns"),
        (b"\n1;2\n", "no_columns"),
        ("a;b\n1;2\n".encode("utf-16"), "wrong_encoding"),
        (b"a;b;a\n1;2;3\n", "bad_columns"),
        (";".join(f"c{n}" for n in range(300)).encode(), "bad_columns"),
        (b"\x1f\x8b\x08\x00broken", "bad_archive"),
        (b"PK\x03\x04broken", "bad_archive"),
    ],
)
def test_what_is_no_table_says_so(write: Write, content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(write(content))
    assert refused.value.code == code


def test_packed_files_are_read_and_bombs_are_not(write: Write, tmp_path: Path) -> None:
    table = "a;b\n1;é\n"
    assert read(write(gzip.compress(table.encode()), "members.csv.gz"))[1] == [(2, ["1", "é"], "")]
    packed = tmp_path / "members.zip"
    for name in ("members.csv", "more.csv"):
        with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, table)
        if name == "members.csv":
            assert read(packed)[1] == [(2, ["1", "é"], "")]
    with pytest.raises(Invalid, match="2 files"):
        read(packed)
    bomb = write(gzip.compress(b"a;b\n" + b"1;2\n" * 25_000_000), "bomb.csv.gz")
    with pytest.raises(Invalid, match="unpacks to more"), opened(bomb) as opening:
        for _ in opening.rows:
            pass
