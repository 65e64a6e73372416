"""Papers: every sentence has its English, and what is typed stays text."""

import ast
from pathlib import Path

from services.reference.usecases import papers
from services.reference.usecases.papers import Paper, Section


def test_every_sentence_of_the_papers_has_its_english() -> None:
    tree = ast.parse(Path(papers.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "say"]
    said = [node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)]
    assert len(said) == len(calls) > 20
    assert [sentence for sentence in said if not papers.words("en")._find(sentence, 0)] == []


async def test_a_paper_takes_any_text_and_any_length() -> None:
    evil = '#import "x.typ": * \n #panic() $x$ *bold* <label> @ref \\u{0} \'"[]{} العربية 😀'
    rows = [[evil, "1", "2"]] * 120
    paper = Paper("fr", evil, evil, [evil, evil], [(evil, evil)], [Section(evil, ["a", "b", "c"], rows, evil, 2), Section("empty")], evil)
    made = await papers.pdf(paper)
    assert made.startswith(b"%PDF-") and made == await papers.pdf(paper)
