"""Who reads what: told by the example files that each consumer keeps, `contracts/examples/<consumer>/<full.name>.json`.

A consumer that starts to read a type adds an empty file of that name; `python -m contracts.generate` fills it.
"""

from pathlib import Path

EXAMPLES = Path(__file__).parent / "examples"


def reads(examples: Path = EXAMPLES) -> dict[str, list[str]]:
    """The full names that each consumer reads, sorted."""
    folders = sorted(folder for folder in examples.iterdir() if folder.is_dir())
    return {folder.name: sorted(path.stem for path in folder.glob("*.json")) for folder in folders}


def readers() -> dict[str, list[str]]:
    """The consumers of each full name, sorted; types that nobody reads are missing."""
    found: dict[str, list[str]] = {}
    for consumer, full_names in reads().items():
        for full_name in full_names:
            found.setdefault(full_name, []).append(consumer)
    return found
