# SPDX-License-Identifier: GPL-2.0
"""What the experiments share on the host: runs, each in a guest of its own."""

import argparse
import csv
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'tools/guest'))
import guest                        # noqa: E402
from guest import GuestError        # noqa: E402

KERNELS = 'stock', 'ours'
COUNTS = 'persistent', 'active', 'inactive'
TOOLS = 'gcc', 'gnuplot', 'ip', 'ipvsadm', 'setpriv'

print_lock = threading.Lock()


class Run:
    """A guest, and what it left. script is the guest's."""

    script = None

    def __init__(self, name, kernel):
        self.name, self.kernel = name, kernel
        self.started = self.guest = None
        self.given_up = False

    def say(self, text):
        took = time.monotonic() - self.started
        with print_lock:
            print(f'[{self.name} {took:5.1f} s] {text}', flush=True)

    def line(self, line):
        """What the guest says."""
        self.say(line)

    def play(self, args, program):
        """To be said by a kind of run: call boot(), read what is left."""
        raise NotImplementedError

    def boot(self, args, program, argv, *, mem, append, patience):
        """Run the guest to its end; give the directory of what it left."""
        results = os.path.join(args.results, self.name)
        if self.given_up:
            return results
        self.started = time.monotonic()
        # What an earlier run left must not pass for this one's.
        shutil.rmtree(results, ignore_errors=True)
        os.makedirs(results)
        shutil.copy(program, results)
        kernel = args.kernel if self.kernel == 'ours' else args.stock
        with guest.Guest(self.name, os.path.join(HERE, self.script), argv,
                         results=results, kernel=kernel, mem=mem,
                         on_line=self.line,
                         append=f'time-travel=inf-cpu {append}') as g:
            self.guest = g
            if not self.given_up and g.wait(patience):
                raise GuestError(f'{self.name}: {self.script} failed, see '
                                 f'{results}/output')
        return results

    def stop(self):
        """From another thread: end it, also if it has just begun."""
        self.given_up = True
        if self.guest:
            self.guest.crash()


def read_table(path):
    """A file of tab-separated values, [{column: value}]."""
    with open(path, encoding='ascii', newline='') as file:
        return [{name: int(value) if value.isdigit() else value
                 for name, value in row.items()}
                for row in csv.DictReader(file, delimiter='\t')]


def write_table(path, rows):
    with open(path, 'w', encoding='ascii') as file:
        for row in rows:
            file.write('\t'.join(str(value) for value in row) + '\n')


def number(n):
    return f'{n:,}'.replace(',', ' ')


def deviations(rows, what, who='backup'):
    """Of a backup's count from the master's in each row, in %."""
    return [100 * (row[f'{who}_{what}'] - row[f'master_{what}']) /
            row[f'master_{what}'] for row in rows if row[f'master_{what}']]


def worst_and_mean(found):
    if not found:
        return f'{"-":>7}{"-":>6}'
    worst = max(found, key=abs)
    mean = sum(map(abs, found)) / len(found)
    return f'{worst:7.2f}{mean:6.2f}'


def plot(results, script, names, scale=1):
    """Have gnuplot draw, in the directory of the results; it knows "runs" and
    "scale".
    """
    done = subprocess.run(
        ['gnuplot', '-e', f'runs = "{" ".join(names)}"; scale = {scale:g}',
         os.path.join(HERE, script)], cwd=results, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise GuestError(f'gnuplot: {done.stdout.strip()}')


def check_traffic(runs):
    """Runs of the same traffic must have had the same packets; a run knows
    hashes of these, one of each hour.
    """
    hashes = {tuple(run.hashes): run.name for run in runs}
    if len(hashes) > 1:
        raise GuestError(f'not the same traffic: {", ".join(hashes.values())}')


def compile_traffic(results):
    program = os.path.join(results, 'traffic')
    done = subprocess.run(
        ['gcc', '-O2', '-Wall', '-Wextra', '-o', program,
         os.path.join(HERE, 'traffic.c'), '-lm'], check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise GuestError(f'gcc: {done.stdout.strip()}')
    return program


def choose(runs, patterns):
    """Those with a name that fits one; all without a pattern."""
    for pattern in patterns:
        if not any(fnmatch.fnmatch(run.name, pattern) for run in runs):
            raise GuestError(f'no run is called {pattern}; there are '
                             f'{" ".join(run.name for run in runs)}')
    return [run for run in runs if not patterns or
            any(fnmatch.fnmatch(run.name, p) for p in patterns)]


def check_tools():
    path = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    missing = [t for t in TOOLS if not shutil.which(t, path=path)]
    if missing:
        raise GuestError(f'not installed: {", ".join(missing)}; '
                         '`make experiment` installs what it needs')


def play(runs, args):
    """All of them, some at a time. Gives the minutes it took."""
    check_tools()
    for kernel in {run.kernel for run in runs}:
        guest.check_kernel(args.kernel if kernel == 'ours' else args.stock)
    os.makedirs(args.results, exist_ok=True)
    program = compile_traffic(args.results)
    started = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(run.play, args, program) for run in runs]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for run in runs:
                run.stop()
            raise
    return (time.monotonic() - started) / 60


def tell(args, runs, minutes, lines):
    """Leave the table, and show it."""
    text = '\n'.join(lines)
    with open(os.path.join(args.results, 'table.txt'), 'w',
              encoding='ascii') as file:
        file.write(text + '\n')
    print(f'\n{text}\n\n{len(runs)} runs took {minutes:.0f} minutes; tables '
          f'and plots are in {args.results}')


def parser(description, results):
    """With the arguments of all experiments."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter)
    found.add_argument('runs', nargs='*', metavar='RUN',
                       help='a pattern of names; all without one')
    found.add_argument('--hours', type=int, metavar='N',
                       default=int(os.environ.get('HOURS') or 24),
                       help='$HOURS, else 24')
    found.add_argument('--kernel', default=guest.default_kernel(),
                       help='our kernel; $GUEST_KERNEL, else %(default)s')
    found.add_argument(
        '--stock', default=os.environ.get(
            'STOCK_KERNEL', os.path.join(TOP, 'build/uml-6.12-stock/linux')),
        help='the stock one; $STOCK_KERNEL, else %(default)s')
    found.add_argument('--results', metavar='DIR',
                       default=os.path.join(TOP, 'build', results),
                       help='default %(default)s')
    return found


def main(arguments, perform):
    args = arguments.parse_args()
    # As an exception, so that the guests are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    try:
        perform(args)
        return 0
    except GuestError as e:
        print(f'{arguments.prog}: {e}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 2
