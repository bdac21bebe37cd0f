"""`make mutation`: change the core in small ways, one at a time, and see which changes the fast tests notice.

For each change only those fast tests run whose trace holds the changed line, until the first one fails. The changed
module exists in memory only. A change that makes a test hang counts as noticed. The changes that equivalent.txt lists,
each with its reason, are left out. Ends with 1 where too few changes are noticed.
"""

import argparse
import signal
import sys
import time

from mutation.child import preload
from mutation.core import core_modules
from mutation.equivalent import equivalents
from mutation.judge import judge
from mutation.mutants import Mutant, choose, mutants
from mutation.report import modules_of, report
from mutation.trace import trace


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the children end too
    arguments = _arguments()
    known = equivalents()
    chosen: list[Mutant] = []
    for module in core_modules(arguments.module):
        found = [mutant for mutant in mutants(module) if mutant.key not in known]
        chosen += choose(found, arguments.mutants, arguments.seed)
    if arguments.list:
        print(*chosen, sep="\n")
        return 0
    preload()
    begun = time.monotonic()
    traced = trace()
    print(f"{len(traced.seconds)} tests traced in {time.monotonic() - begun:.0f} s", flush=True)
    for test in traced.failed:
        print(f"left out, as it fails without any change: {test}")
    if arguments.control:
        chosen = [
            choose([mutant for mutant in chosen if mutant.module == module], 1, 0)[0] for module in modules_of(chosen)
        ]
    verdicts = []
    for verdict in judge(chosen, traced, arguments.jobs, changed=not arguments.control):
        verdicts.append(verdict)
        said = f"{verdict.outcome.seconds:5.1f} s  {verdict.word:8}  {verdict.mutant}"
        print(f"{len(verdicts):4}/{len(chosen)} {said}", flush=True)
    if arguments.control:
        failed = [verdict for verdict in verdicts if not verdict.survived]
        print(*(f"{verdict.mutant.module.path}: {verdict.outcome.failed}" for verdict in failed), sep="\n")
        print(f"{len(verdicts)} runs without a change, {len(failed)} of them with a failure")
        return int(bool(failed))
    return report(verdicts, time.monotonic() - begun)


def _arguments() -> argparse.Namespace:
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m mutation", description=summary, epilog=rest)
    parser.add_argument("--module", action="append", help="only modules whose path holds this; may be repeated")
    parser.add_argument("--mutants", type=int, default=20, help="changes per module (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="which changes are chosen (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="changes tried at a time (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the chosen changes and try none")
    parser.add_argument("--control", action="store_true", help="change nothing: every run must pass")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
