"""The table of modules and the survivors."""

from mutation.core import Module
from mutation.judge import Verdict
from mutation.mutants import Mutant

FLOOR, MODULE_FLOOR = 95.0, 85.0  # percent


def report(verdicts: list[Verdict], seconds: float) -> int:
    """Print the table and the survivors; return the exit status."""
    print(f"\n{'module':55} tried killed hung survived   %")
    low = []
    for module in modules_of([verdict.mutant for verdict in verdicts]):
        percent = _row(module.path, [verdict for verdict in verdicts if verdict.mutant.module == module])
        if percent < MODULE_FLOOR:
            low.append(module.path)
    percent = _row("all", verdicts)
    survivors = [verdict for verdict in verdicts if verdict.survived]
    if survivors:
        print("\nSurvivors, with the number of tests that run the line:")
        print(*(f"{verdict.mutant}  ({verdict.tests} tests)" for verdict in survivors), sep="\n")
    print(f"\n{len(verdicts)} changes in {seconds:.0f} s, {seconds / max(1, len(verdicts)):.1f} s per change")
    if low or percent < FLOOR:
        print(f"expected {FLOOR:.0f} % in all and {MODULE_FLOOR:.0f} % per module; lower: {', '.join(low) or 'all'}")
        return 1
    return 0


def _row(name: str, verdicts: list[Verdict]) -> float:
    words = [verdict.word for verdict in verdicts]
    percent = 100 * (1 - words.count("survived") / len(words)) if words else 100.0
    counts = f"{len(words):5} {words.count('killed'):6} {words.count('hung'):4} {words.count('survived'):8}"
    print(f"{name:55} {counts} {percent:5.1f}")
    return percent


def modules_of(chosen: list[Mutant]) -> list[Module]:
    """Return the modules of the mutants, in their order."""
    return list(dict.fromkeys(mutant.module for mutant in chosen))
