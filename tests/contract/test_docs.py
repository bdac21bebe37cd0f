"""What the documentation points to is there: links, their anchors, and the tree in docs/architecture.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(page for room in ROOT.glob("[a-z]*") for page in room.rglob("*.md"))]
PAGES = [page for page in PAGES if "node_modules" not in page.parts]  # of tests/interop
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_BRANCH = re.compile(r"^( *)(\S+) {2,}\S", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = _HEADING.findall(page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def branches(tree: str) -> list[str]:
    """Return the paths of an indented tree, folders with a slash at the end."""
    paths, above = [], [""]
    for indent, name in _BRANCH.findall(tree):
        depth = len(indent) // 2
        above[depth + 1 :] = []
        paths.append("".join(above) + name)
        above.append(name)
    return paths


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for path, anchor in _LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            lost.append(f"{path}#{anchor}")
    assert lost == []


def test_a_tree_is_read_with_its_folders() -> None:
    tree = "a/        first\n  b.py    second\n  c/      third\n    d.py  fourth\ne/  fifth\n"
    assert branches(tree) == ["a/", "a/b.py", "a/c/", "a/c/d.py", "e/"]


def test_the_tree_in_the_architecture_page_is_the_tree() -> None:
    tree = ARCHITECTURE.read_text().split("```\n")[1]
    paths = branches(tree)
    assert len(paths) > 100
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_folder_of_the_product_is_in_the_tree() -> None:
    paths = branches(ARCHITECTURE.read_text().split("```\n")[1])
    packages = [
        init.parent.relative_to(ROOT)
        for top in ("common", "server", "client", "lab")
        for init in (ROOT / top).rglob("__init__.py")
    ]
    below_lab = {package for package in packages if len(package.parts) > 3 and package.parts[0] == "lab"}
    assert {f"{package}/" for package in packages if package not in below_lab} - set(paths) == set()
