"""The page on two articles: its counts are those of its rows, and each code mistake that it names is run on it."""

import re
from collections import Counter
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "course" / "articles.md").read_text(encoding="utf-8")
VERDICTS = ("right", "imprecise", "wrong")


def rows(article):
    section = re.search(rf"^## {article}: .*?(?=^## )", PAGE, re.M | re.S)[0]
    return [[cell.strip() for cell in line.split(" | ")] for line in re.findall(r"^\| \d+ \|.*", section, re.M)]


def test_the_counts_are_those_of_the_rows():
    total = Counter()
    for article in ("000", "001"):
        found = Counter(row[2] for row in rows(article))
        assert set(found) <= set(VERDICTS)
        assert f"| {article} | {' | '.join(str(found[v]) for v in VERDICTS)} | {found.total()} |" in PAGE
        assert [int(row[0].strip("| ")) for row in rows(article)] == [*range(1, found.total() + 1)]
        total += found
    assert f"| both | {' | '.join(str(total[v]) for v in VERDICTS)} | {total.total()} |" in PAGE


def test_each_statement_that_is_not_right_is_named_by_the_doctor_or_the_page_says_why_not():
    last = PAGE.partition("## Named by the doctor, or why not")[2]
    said = re.findall(r"(00\d): ([\d, to]+)", last)
    named = {(article, int(n)) for article, numbers in said for n in re.findall(r"\d+", numbers)}
    named |= {("001", n) for n in range(7, 11)} if "7 to 10" in last else set()
    for article in ("000", "001"):
        for number, row in enumerate(rows(article), 1):
            assert row[2] == "right" or (article, number) in named
