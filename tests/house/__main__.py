"""`make house`: print what the house promises about itself. Ends with 1 where a bound is broken.

`--write` corrects the numbers of tests in tests/README.md first.
"""

import sys
from collections import Counter

from house.bounds import broken
from house.counts import (
    exceptions,
    import_contracts,
    lines_by_package,
    long_files,
    middle,
    modules_per_folder,
    tests_by_file,
)
from house.files import documents, product
from house.mirror import without_tests_of_their_own
from house.readme import out_of_date, write
from house.words import found

# Of commit c4997d9, the last of the first edition; the lab was in deploy/. Files and lines by package.
BEFORE = {"common": (52, 5066), "server": (36, 4635), "client": (16, 1692), "lab": (32, 3066)}
EXCEPTIONS_BEFORE = (147, 77)


def main() -> int:
    kept, lost = import_contracts()
    tests = tests_by_file()
    if "--write" in sys.argv:
        write(tests)
    _print_sizes()
    print(f"import contracts: {kept} kept, {lost} broken")
    print(f"retired words: {len(found([*product(), *documents()]))}")
    _print_tests(tests)
    wrong = [line for lines in broken().values() for line in lines] + out_of_date(tests)
    if lost:
        wrong.append("an import contract is broken: lint-imports says which")
    for line in wrong:
        print(f"broken: {line}")
    return int(bool(wrong))


def _print_sizes() -> None:
    counts = modules_per_folder()
    print(f"modules per folder: median {middle(counts):g}, most {max(counts.values())}")
    for folder, count in counts.most_common(3):
        print(f"  {folder}: {count}")
    print("hand-written files and lines, now and before:")
    for package, (files, size) in lines_by_package().items():
        before = BEFORE[package]
        print(f"  {package}: {files} files, {size} lines; before: {before[0]} files, {before[1]} lines")
    print(f"files over 400 lines: {len(long_files(400))}")
    now, (lines, inner) = exceptions(), EXCEPTIONS_BEFORE
    print(f"noqa: {now.lines}, of them {now.inner_imports} for imports inside functions; before: {lines}, {inner}")


def _print_tests(tests: Counter[str]) -> None:
    folders: Counter[str] = Counter()
    for path, count in tests.items():
        folders[path.split("/")[1]] += count
    print(f"tests: {tests.total()} ({', '.join(f'{folder} {count}' for folder, count in folders.most_common())})")
    elsewhere = len(without_tests_of_their_own())
    print(f"modules without a file of unit tests named after them: {elsewhere}; tests/house/tested_elsewhere.txt")


if __name__ == "__main__":
    sys.exit(main())
