"""What all figures share: connections, timing, rivals in their own process, the closing table."""
import json
import os
import statistics
import subprocess
import sys
import time

import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = int(os.environ["ROWS"])
REPEATS = int(os.environ["REPEATS"])
FEATURES = 20
X = [f"x{i}" for i in range(1, FEATURES + 1)]
X_LIST = ", ".join(X)
WIDE_FEATURES = 100
THREADS = 2                     # of ours and of every rival, where a figure sets them
X_ARRAY = "ARRAY[" + ", ".join(f"'{x}'" for x in X) + "]"
DATABASE = "bench"

# What COPY's binary form begins and ends with.
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
COPY_TRAILER = b"\xff\xff"

# The held-out part, as a condition on its complement.
TRAINING_ROWS = "id % 5 <> 0"


def connect(dbname=DATABASE, workers=None):
    """A new backend in autocommit; workers sets max_parallel_workers_per_gather."""
    connection = psycopg2.connect(dbname=dbname)
    connection.autocommit = True
    if workers is not None:
        execute(connection, f"SET max_parallel_workers_per_gather = {workers}")
    return connection


def execute(connection, sql, arguments=None):
    """Run one statement and return its rows, or nothing when it has none."""
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else None


def value(connection, sql, arguments=None):
    """The first value of the first row."""
    return execute(connection, sql, arguments)[0][0]


def seconds(action):
    """The wall-clock seconds of one call."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def medians(*actions, repeats=None):
    """
    Median seconds of each action.  Every action runs once before it counts, then they take
    turns, so that a machine that gets slower meets all of them.
    """
    for action in actions:
        action()
    times = [[] for _ in actions]
    for _ in range(repeats or REPEATS):
        for action, taken in zip(actions, times):
            taken.append(seconds(action))
    return [statistics.median(taken) for taken in times]


def in_turns(actions, repeats=None, warm=True):
    """
    Name -> the least of the seconds that each action (name -> callable) says it took.  As in medians, all of
    them run once before it counts (unless warm is off: what takes a minute), then take turns.  The least,
    since the rivals' threads spin where they wait: one neighbour for a moment costs them much more than us.
    """
    for action in actions.values():
        if warm:
            action()
    times = {name: [] for name in actions}
    for _ in range(repeats or REPEATS):
        for name, action in actions.items():
            times[name].append(action())
    return {name: min(taken) for name, taken in times.items()}


def rival_environment():
    """What a rival's process sees: the OpenBLAS with threads."""
    environment = dict(os.environ)
    if environment.get("BENCH_RIVAL_LIBS"):
        environment["LD_LIBRARY_PATH"] = environment["BENCH_RIVAL_LIBS"]
    return environment


def rival(*arguments):
    """Run bench/rival.py in a process of its own (its memory is its own) and return what it prints."""
    command = [sys.executable, os.path.join(HERE, "rival.py"), *map(str, arguments)]
    out = subprocess.run(command, env=rival_environment(), stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(out.stdout.strip().splitlines()[-1])


class Worker:
    """A process that answers each line with a line of JSON, and keeps what it was told before."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, line):
        """The answer to one line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        ensure(answer.startswith("{"), f"no answer to {line}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def ensure(condition, message):
    """Stop when a result is wrong: the time of a wrong answer is worth nothing."""
    if not condition:
        raise SystemExit(f"bench: wrong result: {message}")


def section(title):
    """The heading of a figure group."""
    print(f"\n== {title}", flush=True)


def note(text):
    """One measured fact that has no goal."""
    print(f"   {text}", flush=True)


class Figures:
    """The figures of a run, printed as one table at the end."""

    def __init__(self):
        self.rows = []
        self.certain = set()    # rows that hold on a busy machine too
        self.settled = 0

    def add(self, name, ours, theirs, ratio, goal, reached, timed=True):
        """One line; all but reached are text, reached may be None where nothing is to be reached."""
        if not timed:
            self.certain.add(len(self.rows))
        mark = "-" if reached is None else "yes" if reached else "NO"
        self.rows.append((name, ours, theirs, ratio, goal, mark))
        print(f"   {name}: ours {ours}, rival {theirs}, ratio {ratio}, goal {goal}: {mark}", flush=True)

    def skip(self, name, why):
        """A figure that this run cannot measure."""
        self.add(name, "-", "-", "-", "-", None)
        note(f"skipped: {why}")

    def at_most(self, name, ours, theirs, goal):
        """Seconds of ours as a multiple of theirs, to stay below goal."""
        ratio = ours / theirs
        self.add(name, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ratio:.2f}", f"<= {goal}", ratio <= goal)

    def compare(self, name, ours, theirs):
        """Seconds beside each other, with nothing to reach."""
        self.add(name, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ours / theirs:.2f}", "-", None)

    def times_faster(self, name, ours, theirs, goal):
        """How many times the seconds of ours fit into theirs, to reach goal."""
        ratio = theirs / ours
        self.add(name, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ratio:.1f}x", f">= {goal}x", ratio >= goal)

    def settle(self, trusted):
        """Mark what was added since the last call when the machine was not ours alone meanwhile."""
        if not trusted:
            for n, row in enumerate(self.rows):
                if n >= self.settled and n not in self.certain and row[-1] != "-":
                    self.rows[n] = (*row[:-1], row[-1] + "?")
        self.settled = len(self.rows)

    def table(self):
        """Print the table; returns how many figures were missed."""
        head = ("name", "ours", "rival", "ratio", "goal", "reached")
        lines = [head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        print()
        for n, line in enumerate(lines):
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
            if n == 0:
                print("  ".join("-" * width for width in widths))
        missed = sum(line[-1] == "NO" for line in self.rows)
        reached = sum(line[-1] == "yes" for line in self.rows)
        doubtful = sum(line[-1].endswith("?") for line in self.rows)
        print(f"{reached} reached, {missed} missed" + (f", {doubtful} measured on a busy machine" if doubtful else ""))
        return missed


def million(rows_per_second):
    """Rows per second as text."""
    return f"{rows_per_second / 1e6:.2f} M rows/s"


def train(connection, name, source, algorithm, validation, target="y", features=X_ARRAY, params="{}"):
    """SELECT ml_train(...) as one row of a dictionary."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ml_train(%s, %s, %s, %s, features => {features}, params => %s,"
            " validation => %s)",
            (name, source, target, algorithm, params, json.dumps(validation)))
        return dict(zip([column.name for column in cursor.description], cursor.fetchone()))


def coefficients(connection, trained):
    """Feature -> estimate of the version that train() returned."""
    return dict(execute(connection, "SELECT feature, estimate FROM ml_coefficients(%s)",
                        (f"{trained['name']}@{trained['version']}",)))
