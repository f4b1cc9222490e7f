"""Random forest and its kin over 200,000 rows of cls1m (a fifth of the table), beside scikit-learn."""
import boosting
import lib

FOREST_GOAL, AUC_GOAL = 0.25, 0.995
ROWS = lib.ROWS // 5
TRAINING = f"{lib.TRAINING_ROWS} AND id <= {ROWS * 5 // 4}"
HELD_OUT = f"NOT ({lib.TRAINING_ROWS}) AND id <= {ROWS * 5 // 4}"
# Our name, scikit-learn's, parameters of ours, parameters of theirs, goal, runs that count.
LEARNERS = (
    ("random_forest", "RandomForestClassifier", {"n_estimators": 100, "oob_score": False}, {"n_estimators": 100},
     FOREST_GOAL, 1),
    ("extra_trees", "ExtraTreesClassifier", {"n_estimators": 100, "oob_score": False}, {"n_estimators": 100}, None, 1),
    ("decision_tree", "DecisionTreeClassifier", {"max_depth": 8}, {"max_depth": 8}, None, lib.REPEATS),
)


def held_out_auc(connection, name, algorithm, params):
    """Train by ml_train on the rows that the engine had; the area under the curve on rows that it had not."""
    trained = lib.train(connection, name, f"SELECT * FROM cls1m WHERE {TRAINING}", algorithm,
                        {"split": "none"}, params=boosting.ours(params))
    auc = lib.value(connection, f"SELECT ml_roc_auc(t.y = 1, ml_probability('{name}@{trained['version']}', '1', t))"
                                f" FROM cls1m t WHERE {HELD_OUT}")
    return auc, trained["seconds"]


def run(figures):
    """The fit alone in turns, then what was learned; anomalies have no label to be compared by."""
    lib.section(f"forests: {ROWS} x {lib.FEATURES}, 100 trees to the last row, two threads each")
    connection = lib.connect()
    with boosting.numbers("cls1m", TRAINING) as rows, boosting.numbers("cls1m", HELD_OUT) as test, \
            boosting.Engine() as engine, \
            boosting.Rivals(("sklearn",)) as rivals:
        sklearn = rivals["sklearn"]
        engine.load(rows)
        sklearn.load(rows)
        for algorithm, learner, our_params, their_params, goal, repeats in LEARNERS:
            name = f"fit alone, {algorithm} : {learner}"
            if not boosting.offered(connection, algorithm):
                figures.skip(name, f"no algorithm {algorithm} here")
                continue
            times = lib.in_turns({
                "ours": lambda: engine.fit(our_params, algorithm)["seconds"],
                "theirs": lambda: sklearn.do("fit", learner=learner, **their_params)["seconds"]}, repeats, repeats > 1)
            if goal:
                figures.at_most(name, times["ours"], times["theirs"], goal)
            else:
                figures.compare(name, times["ours"], times["theirs"])
            theirs = sklearn.do("held_out", path=test.path, rows=test.count)["auc"]
            ours, seconds = held_out_auc(connection, f"bench_{algorithm}", algorithm, our_params)
            lib.note(f"{algorithm}: ml_train {seconds:.2f} s")
            figures.add(f"AUC on held-out rows, {algorithm}", f"{ours:.4f}", f"{theirs:.4f}", f"{ours / theirs:.4f}",
                        f">= {AUC_GOAL}", ours >= AUC_GOAL * theirs, timed=False)
        isolation(figures, connection, sklearn)
    connection.close()


def isolation(figures, connection, sklearn):
    """An isolation forest has no target: ml_train beside the fit alone, for what it is worth."""
    name = "ml_train, isolation_forest : IsolationForest, fit alone"
    if not boosting.offered(connection, "isolation_forest"):
        figures.skip(name, "no algorithm isolation_forest here")
        return
    times = lib.in_turns({
        "ours": lambda: lib.seconds(lambda: lib.train(
            connection, "bench_isolation", f"SELECT * FROM cls1m WHERE {TRAINING}", "isolation_forest",
            {"split": "none"}, target=None, params='{"n_estimators": 100}')),
        "theirs": lambda: sklearn.do("fit", learner="IsolationForest", n_estimators=100)["seconds"]})
    figures.compare(name, times["ours"], times["theirs"])
