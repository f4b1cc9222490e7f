-- What "make demo" does once the tables are there; every statement is shown, then its result.
\set ON_ERROR_STOP on
\set ECHO queries
\pset footer off
\pset null '-'

\echo
\echo '-- Train a classifier: will a customer leave?  A part of the rows is held out for the metrics.'
SELECT name, version, task, algorithm, n_train, n_test, round(seconds::numeric, 2) AS seconds, deployed
FROM ml_train('churn', 'telco_churn', 'churn', deploy => 'never');

\echo '-- Train a regressor: what is a house worth?'
SELECT name, version, task, algorithm, n_train, n_test, round(seconds::numeric, 2) AS seconds, deployed
FROM ml_train('house_price', 'ames', 'sale_price', deploy => 'never');

\echo '-- Metrics on the held-out rows, beside those of the baseline (the shares of the classes, or the mean).'
SELECT v.name, v.version, m.key AS metric, round(m.value::numeric, 4) AS model,
	   round((v.baseline->>m.key)::numeric, 4) AS baseline
FROM mlaas.versions v, jsonb_each_text(v.metrics) m
ORDER BY 1, 2, 3;

\echo '-- Deploy: from now on the bare names mean these versions.'
SELECT * FROM ml_deploy('churn', 1);
SELECT * FROM ml_deploy('house_price', 1);

\echo '-- Predict for rows, by the names of their columns.'
SELECT t.tenure, t.contract, round(t.monthly_charges::numeric, 2) AS monthly_charges, t.churn AS truth,
	   ml_predict_label('churn', t) AS predicted,
	   round(ml_probability('churn', 'Yes', t)::numeric, 3) AS probability
FROM telco_churn t
LIMIT 5;

SELECT a.neighborhood, a.gr_liv_area, a.year_built, a.sale_price AS truth,
	   round(ml_predict('house_price', a)) AS predicted
FROM ames a
LIMIT 5;

\echo '-- Predict for one JSON object.'
SELECT ml_predict_label('churn', customer) AS predicted, ml_probabilities('churn', customer) AS probabilities
FROM (SELECT to_jsonb(t) - 'churn' AS customer FROM telco_churn t LIMIT 1) one;

\echo '-- Predict for a whole table, in blocks, on all cores.'
SELECT label, count(*) AS customers, round(avg(probability)::numeric, 3) AS mean_probability
FROM ml_predict_batch('churn', 'telco_churn')
GROUP BY label
ORDER BY label;

\echo '-- What is deployed.'
SELECT name, task, target, algorithm, deployed_version, latest_version FROM mlaas.models ORDER BY name;
