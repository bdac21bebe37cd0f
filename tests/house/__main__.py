"""`make house`: print what the house promises about itself. Ends with 1 where a bound is broken."""

import sys

from house.bounds import broken
from house.counts import (
    exceptions,
    import_contracts,
    lines_by_package,
    long_files,
    middle,
    modules_per_folder,
    tests_by_folder,
)
from house.files import documents, product
from house.mirror import without_tests_of_their_own
from house.words import found

# Of commit c4997d9, the last of the first edition; the lab was in deploy/. Files and lines by package.
BEFORE = {"common": (52, 5066), "server": (36, 4635), "client": (16, 1692), "lab": (32, 3066)}
EXCEPTIONS_BEFORE = (147, 77)


def main() -> int:
    counts = modules_per_folder()
    print(f"modules per folder: median {middle(counts):g}, most {max(counts.values())}")
    for folder, count in counts.most_common(3):
        print(f"  {folder}: {count}")
    kept, lost = import_contracts()
    print(f"import contracts: {kept} kept, {lost} broken")
    print(f"retired words: {len(found([*product(), *documents()]))}")
    print(f"files over 400 lines: {len(long_files(400))}")
    now, (lines, inner) = exceptions(), EXCEPTIONS_BEFORE
    print(f"noqa: {now.lines}, of them {now.inner_imports} for imports inside functions; before: {lines}, {inner}")
    print("hand-written files and lines, now and before:")
    for package, (files, size) in lines_by_package().items():
        before = BEFORE[package]
        print(f"  {package}: {files} files, {size} lines; before: {before[0]} files, {before[1]} lines")
    tests = tests_by_folder()
    print(f"tests: {tests.total()} ({', '.join(f'{folder} {count}' for folder, count in tests.most_common())})")
    print(
        f"modules whose tests stand elsewhere, by tests/house/tested_elsewhere.txt: {len(without_tests_of_their_own())}"
    )
    wrong = [line for lines in broken().values() for line in lines]
    if lost:
        wrong.append("an import contract is broken: lint-imports says which")
    for line in wrong:
        print(f"broken: {line}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
