"""The rival of figures/rest.py: a Flask service with a model in memory, for gunicorn; MODEL names it."""
import os

import flask
import numpy

import lib

app = flask.Flask(__name__)


def fitted():
    """The model, learned from the rows that ours learns from."""
    connection = lib.connect()
    rows = numpy.array(lib.execute(connection, os.environ["QUERY"]), dtype=float)
    connection.close()
    if os.environ["MODEL"] == "logistic":
        from sklearn.linear_model import LogisticRegression
        model = LogisticRegression(max_iter=1000)
    else:
        from xgboost import XGBClassifier
        model = XGBClassifier(n_estimators=100, max_leaves=31, grow_policy="lossguide", max_depth=0, tree_method="hist",
                              learning_rate=0.1, n_jobs=1, verbosity=0)
    return model.fit(rows[:, 1:], rows[:, 0].astype(int))


MODEL = fitted()


@app.post("/predict")
def predict():
    """One row of numbers in, the probability of the second class out."""
    row = numpy.array([flask.request.get_json()["input"]])
    return {"probability": float(MODEL.predict_proba(row)[0, 1])}
