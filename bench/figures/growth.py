"""
How the cost of a fit grows with rows, features, leaves and trees: the engine alone on numbers made up as they are read.

A step's exponent is log(time ratio) / log(size ratio): 1 is linear.  Columns that are zero in nearly all rows cost
less: a table of one-hot codes stands beside LightGBM, which bundles them too.
"""
import math

import boosting
import lib
import tables

ONE_HOT_GOAL = 0.8              # times LightGBM's seconds, as for dense tables
GOAL = 1.2                      # of every step's exponent: caches that no longer hold it all are part of it
BASE = {"rows": lib.ROWS // 10, "features": lib.FEATURES, "leaves": 31, "trees": 20}
AXES = (("rows", [lib.ROWS // 100, lib.ROWS // 10, lib.ROWS, lib.ROWS * 10], {}),
        ("features", [10, 30, 100, 300, 1000], {"rows": lib.ROWS // 50}),
        ("leaves", [8, 16, 31, 64, 128, 255], {}),
        ("trees", [10, 30, 100, 300], {}))


def fit(engine, size):
    """The least seconds of two fits, one where it takes long; bytes a row."""
    engine.ask(f"synthetic 2 {size['rows']} {size['features']}")
    settings = {**boosting.SETTINGS, "rounds": size["trees"], "leaves": size["leaves"]}
    answers = [engine.fit(settings)]
    if answers[0]["seconds"] < 2.0:
        answers += [engine.fit(settings) for _ in range(2)]
    return min(answer["seconds"] for answer in answers), answers[0]["peak"] / size["rows"]


def one_hot(figures):
    """100 trees over columns of which bundles can be made, beside LightGBM."""
    x, y = tables.one_hot(lib.ROWS * 4 // 25)
    name = f"fit alone, one-hot {len(y)} x {len(x)} : LightGBM"
    with boosting.Rivals(("lightgbm",)) as rivals, boosting.Rows(x, y, 2) as rows, boosting.Engine() as engine:
        del x
        engine.load(rows)
        actions = {"ours": lambda: engine.fit(boosting.SETTINGS)["seconds"]}
        for library, opened in rivals.items():
            opened.load(rows)
            actions[library] = lambda opened=opened: opened.do("fit", **boosting.SETTINGS)["seconds"]
        times = lib.in_turns(actions)
    if "lightgbm" in times:
        figures.at_most(name, times["ours"], times["lightgbm"], ONE_HOT_GOAL)
    else:
        figures.add(name, f"{times['ours']:.3f} s", "-", "-", "-", None)


def run(figures):
    """One axis at a time, all else as in BASE."""
    lib.section("growth of the fit alone: " + ", ".join(f"{size} {name}" for name, size in BASE.items()) + ", but for")
    with boosting.Engine() as engine:
        for axis, sizes, others in AXES:
            taken, steps = [], []
            for size in sizes:
                seconds, held = fit(engine, {**BASE, **others, axis: size})
                taken.append(seconds)
                if len(taken) > 1:
                    steps.append(math.log(taken[-1] / taken[-2]) / math.log(size / sizes[len(taken) - 2]))
                lib.note(f"{size:>9} {axis:<8} {seconds:9.3f} s  {held:8.1f} bytes a row"
                         + (f"  exponent {steps[-1]:.2f}" if steps else ""))
            figures.add(f"growth over {axis}, {sizes[0]} .. {sizes[-1]}", f"{taken[0]:.3f} .. {taken[-1]:.3f} s",
                        "linear", f"exponent {max(steps):.2f} at worst", f"<= {GOAL}", max(steps) <= GOAL)
    one_hot(figures)
