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
X_ARRAY = "ARRAY[" + ", ".join(f"'{x}'" for x in X) + "]"
DATABASE = "bench"

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


def rival(*arguments):
    """Run bench/rival.py in a process of its own (its memory is its own) and return what it prints."""
    environment = dict(os.environ)
    if environment.get("BENCH_RIVAL_LIBS"):
        environment["LD_LIBRARY_PATH"] = environment["BENCH_RIVAL_LIBS"]
    command = [sys.executable, os.path.join(HERE, "rival.py"), *map(str, arguments)]
    out = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(out.stdout.strip().splitlines()[-1])


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

    def add(self, name, ours, theirs, ratio, goal, reached):
        """One line; all but reached are text, reached may be None where nothing is to be reached."""
        mark = "-" if reached is None else "yes" if reached else "NO"
        self.rows.append((name, ours, theirs, ratio, goal, mark))
        print(f"   {name}: ours {ours}, rival {theirs}, ratio {ratio}, goal {goal}: {mark}", flush=True)

    def at_most(self, name, ours, theirs, goal):
        """Seconds of ours as a multiple of theirs, to stay below goal."""
        ratio = ours / theirs
        self.add(name, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ratio:.2f}", f"<= {goal}", ratio <= goal)

    def times_faster(self, name, ours, theirs, goal):
        """How many times the seconds of ours fit into theirs, to reach goal."""
        ratio = theirs / ours
        self.add(name, f"{ours:.3f} s", f"{theirs:.3f} s", f"{ratio:.1f}x", f">= {goal}x", ratio >= goal)

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
        print(f"{reached} reached, {missed} missed")
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
