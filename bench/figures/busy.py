"""A fit while another process spins on one of the cores: the multiple of its quiet time."""
import os
import subprocess
import sys

import boosting
import lib

GOAL = 2.2
SETTINGS = {**boosting.SETTINGS, "rounds": 30}
SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True:\n    pass"


class Neighbour:
    """A process that keeps the last core busy."""

    def __enter__(self):
        core = max(os.sched_getaffinity(0))
        self.process = subprocess.Popen([sys.executable, "-c", SPIN, str(core)])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def beside(action):
    """Seconds of an action that has a neighbour."""
    with Neighbour():
        return action()


def run(figures):
    """Quiet and busy in turns, library by library: a rival that spins is no neighbour to the next."""
    cores = len(os.sched_getaffinity(0))
    lib.section(f"a neighbour on one of {cores} cores: fit alone, cls1m, {SETTINGS['rounds']} trees")
    with boosting.numbers("cls1m") as rows:
        with boosting.Engine() as engine:
            engine.load(rows)
            measure(figures, "ours", lambda: engine.fit(SETTINGS)["seconds"], GOAL)
        for library in boosting.LIBRARIES:
            with boosting.Rivals((library,)) as rivals:
                for opened in rivals.values():
                    opened.load(rows)
                    measure(figures, boosting.LIBRARIES[library], lambda: opened.do("fit", **SETTINGS)["seconds"])
    connection = lib.connect()
    measure(figures, "ml_train", lambda: lib.seconds(lambda: boosting.train(
        connection, "bench_busy", "cls1m_train", "cls1m", SETTINGS)), GOAL)
    connection.close()


def measure(figures, name, action, goal=None):
    """One line: the busy time beside the quiet one."""
    times = lib.in_turns({"quiet": action, "busy": lambda: beside(action)})
    ratio = times["busy"] / times["quiet"]
    figures.add(f"beside a spinning process, {name}", f"{times['busy']:.2f} s", f"{times['quiet']:.2f} s (quiet)",
                f"{ratio:.1f}x", f"<= {goal}x" if goal else "-", ratio <= goal if goal else None)
