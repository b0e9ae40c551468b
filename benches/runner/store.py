"""Files: a section's JSON, its table for people, and the measured parts of RESULTS.md."""

import json
import re

from . import machine

MET = {True: "met", False: "**missed**", None: ""}


def store(folder, name, section):
    """Writes NAME.json (everything) and NAME.md (the tables)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(section, indent=1) + "\n")
    (folder / f"{name}.md").write_text(f"# {name}\n\n{markdown(section)}")


def load(folder, name):
    """A stored section, or `None`."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def markdown(section):
    """Figures first, tables below, then what they hold for."""
    rows = [
        [figure["figure"], figure["aim"], figure["measured"], MET[figure["met"]], figure["detail"]]
        for figure in section["figures"]
    ]
    parts = [grid(["figure", "aim", "measured", "", "how"], rows)]
    for table in section["tables"]:
        parts.append(f"{table['title']}:\n\n{grid(table['columns'], table['rows'])}")
    notes = f"`{section['command']}` on {machine.in_words(section['machine'])}."
    if section["machine"]["disturbed"]:
        notes += f" Disturbed: {section['machine']['disturbed']}."
    parts.append(notes + "\n")
    return "\n".join(parts)


def grid(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def refresh(results, folder):
    """Puts the stored sections between their marks in RESULTS.md; what stands outside is written by people.
    The names that were put in."""
    text = results.read_text()
    placed = []

    def measured(match):
        section = load(folder, match["name"])
        if section is None:
            return match[0]
        placed.append(match["name"])
        return f"{match['open']}\n\n{markdown(section)}\n{match['close']}"

    pattern = r"(?P<open><!-- measured: (?P<name>[a-z-]+) -->).*?(?P<close><!-- end of (?P=name) -->)"
    text = re.sub(pattern, measured, text, flags=re.DOTALL)
    results.write_text(text)
    return placed
