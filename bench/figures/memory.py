"""Peak memory of a training: what its processes hold of their own, shared memory aside."""
import os
import threading
import time

import lib

ONE_PASS_GOAL_MB = 50.0
KEPT_BASE_MB, KEPT_FACTOR = 100.0, 1.5
MIB = 1024.0 * 1024.0
FIELDS = ("VmHWM", "RssAnon", "RssFile", "RssShmem")


def status(pid):
    """Some fields of /proc/<pid>/status in MiB; None when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        return {name: int(fields[name].split()[0]) / 1024.0 for name in FIELDS}
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None


def parallel_workers(pid):
    """The parallel workers of a backend, by the title the server gives them."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                    title = cmdline.read()
            except OSError:
                continue
            if f"parallel worker for PID {pid} ".encode() in title.replace(b"\0", b" ") + b" ":
                found.append(int(entry))
    return found


class Peak:
    """Samples a backend and its parallel workers while a statement runs."""

    def __init__(self, pid, workers):
        self.pid, self.workers, self.peak, self.done = pid, workers, 0.0, False
        self.thread = threading.Thread(target=self.watch)

    def sample(self):
        """The memory of their own of all processes now; the program's pages count once."""
        leader = status(self.pid)
        if leader:
            workers = map(status, parallel_workers(self.pid) if self.workers else [])
            held = leader["RssAnon"] + leader["RssFile"] + sum(entry["RssAnon"] for entry in workers if entry)
            self.peak = max(self.peak, held)

    def watch(self):
        """Sample until told to stop."""
        while not self.done:
            self.sample()
            time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done = True
        self.thread.join()
        self.sample()


def peak(action, workers, tables):
    """
    MiB at most held by a fresh backend during action: the higher of what was sampled (with the
    workers) and of the kernel's own high-water mark less the shared memory touched, which
    misses no moment.  The tables are read once before, so that shared memory is mapped.
    """
    connection = lib.connect(workers=workers)
    pid = lib.value(connection, "SELECT pg_backend_pid()")
    for table in tables:
        lib.execute(connection, f"SELECT count(*) FROM {table}")
    before = status(pid)
    with Peak(pid, workers) as sampled:
        action(connection)
    after = status(pid)
    connection.close()
    exact = after["VmHWM"] - after["RssShmem"]
    return max(sampled.peak, exact), before["RssAnon"] + before["RssFile"]


def measure(figures, name, action, workers, goal, features_mb=None, tables=("reg1m", "cls1m")):
    """One figure; the rival is the size of the features at 8 bytes each."""
    used, empty = peak(action, workers, tables)
    features = features_mb or lib.ROWS * lib.FEATURES * 8 / MIB
    figures.add(f"memory {name}, {workers} workers", f"{used:.0f} MB", f"{features:.0f} MB (features as float8)",
                f"{used / features:.2f}", f"<= {goal:.0f} MB", used <= goal, timed=False)
    lib.note(f"the backend held {empty:.0f} MB before")


def run(figures):
    """Nothing kept for one pass; else 1.5 times the features that are learned from."""
    lib.section("peak memory of a training")
    fit = f"SELECT ml_fit('linear_regression', '{{}}', y, {lib.X_LIST}) FROM reg1m"
    for workers in (0, 2):
        measure(figures, "linear ml_train, nothing held out", lambda c: lib.train(
            c, "bench_memory", "reg1m", "linear_regression", {"split": "none"}), workers, ONE_PASS_GOAL_MB)
        measure(figures, "linear ml_fit", lambda c: lib.execute(c, fit), workers, ONE_PASS_GOAL_MB)
    times_three = "SELECT r.* FROM reg1m r CROSS JOIN generate_series(1, 3)"
    measure(figures, "linear ml_train, three times the rows", lambda c: lib.train(
        c, "bench_memory", times_three, "linear_regression", {"split": "none"}), 0, ONE_PASS_GOAL_MB)
    features = lib.ROWS * lib.FEATURES * 8 / MIB
    kept = KEPT_FACTOR * features + KEPT_BASE_MB
    measure(figures, "linear ml_train, a fifth held out", lambda c: lib.train(
        c, "bench_memory", "reg1m", "linear_regression", {"split": "random"}), 0, kept)
    measure(figures, "logistic ml_train, a fifth held out", lambda c: lib.train(
        c, "bench_memory_logistic", "cls1m", "logistic_regression", {"split": "stratified"}), 0, kept)
    part = features * 0.8
    measure(figures, "logistic ml_train, nothing held out", lambda c: lib.train(
        c, "bench_memory_logistic", "cls1m_train", "logistic_regression", {"split": "none"}), 0,
        KEPT_FACTOR * part + KEPT_BASE_MB, part)
