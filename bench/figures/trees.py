"""
Gradient boosting of 100 trees of 31 leaves: the fit alone on data in memory, and end to end from the table.

The fit alone is the engine's (bench/engine.c) beside the libraries' own, bins included, all on the same rows.
"""
import boosting
import lib

LIGHTGBM_GOAL, XGBOOST_GOAL, EXPERT_GOAL = 0.8, 0.7, 0.6
NUMBERS = ("cls1m", "cls200k_100")
MIXED = "churn200k"


def fit_alone(figures, table, rivals):
    """The engine and every library in turns."""
    with boosting.numbers(table) as rows, boosting.Engine() as engine:
        engine.load(rows)
        for opened in rivals.values():
            opened.load(rows)
        first = []

        def fit():
            answer = engine.fit(boosting.SETTINGS)
            first.append(answer["first"])
            return answer["seconds"]
        actions = {"ours": fit}
        for library, opened in rivals.items():
            actions[library] = lambda opened=opened: opened.do("fit", **boosting.SETTINGS)["seconds"]
        times = lib.in_turns(actions)
        lib.note(f"{table}: {rows.count} x {rows.columns}; bins and the first tree {min(first):.3f} s of ours")
    for library, goal in (("lightgbm", LIGHTGBM_GOAL), ("xgboost", XGBOOST_GOAL), ("hist", None)):
        name = f"fit alone, {table} : {boosting.LIBRARIES[library]}"
        if library not in rivals:
            figures.skip(name, "Python cannot import it")
        elif goal:
            figures.at_most(name, times["ours"], times[library], goal)
        else:
            figures.compare(name, times["ours"], times[library])


def end_to_end(figures, connection, table, rivals):
    """From the heap table to the stored model, beside the expert's fetch and the library's fit."""
    names = boosting.FEATURES[table]
    query = f"SELECT y, {', '.join(names)} FROM {table}_train"
    actions = {"ours": lambda: lib.seconds(lambda: boosting.train(
        connection, "bench_trees", f"{table}_train", table, boosting.SETTINGS))}
    for library in ("lightgbm", "xgboost"):
        if library in rivals:
            actions[library] = lambda opened=rivals[library]: opened.do(
                "end_to_end", query=query, features=len(names), **boosting.SETTINGS)["seconds"]
    times = lib.in_turns(actions)
    name = f"ml_train, {table} : COPY binary, "
    if "lightgbm" in rivals:
        figures.at_most(name + "LightGBM", times["ours"], times["lightgbm"], EXPERT_GOAL)
    else:
        figures.skip(name + "LightGBM", "Python cannot import it")
    if "xgboost" in rivals:
        figures.compare(name + "XGBoost", times["ours"], times["xgboost"])


def mixed(figures, connection, rivals):
    """Mixed types with native categories, fetched by csv: there is no expert's way to text and NULLs."""
    query, categories = boosting.frame_query(connection, f"{MIXED}_train", skip=("id",))
    actions = {"ours": lambda: lib.seconds(lambda: boosting.train(
        connection, "bench_trees_mixed", f"{MIXED}_train", MIXED, boosting.SETTINGS))}
    for library in ("lightgbm", "xgboost"):
        if library in rivals:
            actions[library] = lambda opened=rivals[library]: opened.do(
                "csv_end_to_end", query=query, categories=categories, target="y", labels=["0", "1"],
                **boosting.SETTINGS)["seconds"]
    times = lib.in_turns(actions)
    for library in list(times)[1:]:
        figures.compare(f"ml_train, {MIXED} : COPY csv, {boosting.LIBRARIES[library]}", times["ours"], times[library])


def run(figures):
    """Each table by itself, everybody in turns."""
    lib.section("gradient boosting: 100 trees of 31 leaves, 255 bins, two threads each")
    connection = lib.connect()
    for table in NUMBERS:
        with boosting.Rivals() as rivals:
            fit_alone(figures, table, rivals)
        with boosting.Rivals(("lightgbm", "xgboost")) as rivals:
            end_to_end(figures, connection, table, rivals)
    with boosting.Rivals(("lightgbm", "xgboost")) as rivals:
        mixed(figures, connection, rivals)
    connection.close()
