-- Which class is predicted: thresholds and costs of mistakes, kept in the model.
CREATE SCHEMA decision_test;
SET search_path = decision_test, public;
\set SHOW_CONTEXT never

CREATE TABLE claims AS
SELECT i AS id, a, b, CASE WHEN a + noise > 0.9 THEN 'fraud' ELSE 'honest' END AS kind, a + noise > 0.9 AS fraud,
	   CASE WHEN a + noise > 0.9 THEN 'high' WHEN a + noise > 0 THEN 'mid' ELSE 'low' END AS level
FROM (SELECT i, hashint4(i) / 2147483648.0 AS a, hashint4(i + 7000) / 2147483648.0 AS b, hashint4(i + 20000) / 4294967296.0 AS noise
	  FROM generate_series(1, 4000) i) x;

CREATE FUNCTION decide(name text, target text, validation jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train(name, 'claims', target, 'logistic_regression', '{a,b}', validation => validation, deploy => 'always');
	RETURN ml_describe(name)->'training'->'decision';
END $$;

-- 1. a given threshold: of two classes the second is predicted from there on

SELECT decide('plain', 'fraud', '{}'), decide('given', 'fraud', '{"threshold": 0.2}');
SELECT count(*) FROM claims c WHERE (ml_probability('given', 'true', c) >= 0.2) <> (ml_predict_label('given', c) = 'true');
SELECT count(*) FROM claims c WHERE ml_predict('given', c) <> (ml_probability('given', 'true', c) >= 0.2)::int;
SELECT count(*) FROM claims c JOIN ml_predict_batch('given', 'claims', 'id') b ON b.key = c.id::text WHERE b.label <> ml_predict_label('given', c);
SELECT ml_predict_json('given', '{"a": 0.7, "b": 0}')->>'label' = ml_predict_label('given', 0.7, 0.0) AS json;
SELECT ml_predict_label(ml_model('given')::text::ml_model, 0.7, 0.0) = ml_predict_label('given', 0.7, 0.0) AS travels_with_the_value;
-- probabilities do not change, the metrics of classes do
SELECT count(*) FROM claims c WHERE ml_probability('given', 'true', c) <> ml_probability('plain', 'true', c);
SELECT metric, g.value > p.value AS greater, g.value < p.value AS less FROM ml_evaluate('given', 'claims') g JOIN ml_evaluate('plain', 'claims') p USING (metric) ORDER BY 1;
SELECT abs(value - (SELECT avg((ml_predict_label('given', c) = fraud::text)::int) FROM claims c)) < 1e-12 AS accuracy FROM ml_evaluate('given', 'claims') WHERE metric = 'accuracy';
SELECT validation FROM mlaas.versions WHERE name = 'given';

-- 2. a threshold chosen for a metric on the rows held out is as good as any other there

SELECT decide('chosen', 'fraud', '{"threshold": "f1"}') ->> 'chosen_for' AS chosen_for;
CREATE VIEW held_out AS SELECT * FROM claims WHERE id % 4 = 0;
SELECT (metrics->>'f1')::float8 >= (SELECT (metrics->>'f1')::float8 FROM mlaas.versions WHERE name = 'plain' ORDER BY version DESC LIMIT 1) AS better
FROM mlaas.versions WHERE name = 'chosen';
CREATE FUNCTION best(wanted text, OUT as_good_as_any boolean) LANGUAGE plpgsql AS $$
DECLARE
	decided float8;
	threshold float8;
	possible float8;
BEGIN
	PERFORM ml_train('best', 'SELECT a, b, fraud, id % 4 = 0 AS h FROM claims', 'fraud', 'logistic_regression', '{a,b}',
					 validation => jsonb_build_object('column', 'h', 'threshold', wanted), deploy => 'always');
	SELECT value INTO decided FROM ml_evaluate('best', 'held_out') e WHERE e.metric = wanted;
	possible := 0;
	FOR threshold IN SELECT DISTINCT ml_probability('best', 'true', h) FROM held_out h ORDER BY 1 LIMIT 1000 LOOP
		SELECT greatest(possible, CASE wanted WHEN 'accuracy' THEN (tp + tn) / n WHEN 'balanced_accuracy' THEN (tp / (tp + fn) + tn / (tn + fp)) / 2
			WHEN 'f1' THEN 2 * tp / (2 * tp + fp + fn) ELSE coalesce((tp * tn - fp * fn) / nullif(sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)), 0), 0) END) INTO possible
		FROM (SELECT count(*)::float8 AS n, (count(*) FILTER (WHERE fraud AND p >= threshold))::float8 AS tp, (count(*) FILTER (WHERE NOT fraud AND p >= threshold))::float8 AS fp,
					 (count(*) FILTER (WHERE fraud AND p < threshold))::float8 AS fn, (count(*) FILTER (WHERE NOT fraud AND p < threshold))::float8 AS tn
			  FROM scores) s;
	END LOOP;
	as_good_as_any := abs(decided - possible) < 1e-12;
END $$;
SELECT name FROM ml_train('best', 'SELECT a, b, fraud, id % 4 = 0 AS h FROM claims', 'fraud', 'logistic_regression', '{a,b}', validation => '{"column": "h"}');
CREATE TABLE scores AS SELECT fraud, ml_probability('best', 'true', h) AS p FROM held_out h;
SELECT m, best(m) AS as_good_as_any FROM unnest('{accuracy,balanced_accuracy,f1,mcc}'::text[]) m;
-- with folds it is chosen on what each fold says of the rows it did not see
SELECT d->>'chosen_for' AS chosen_for, abs((d->>'threshold')::float8 - (ml_describe('chosen')->'training'->'decision'->>'threshold')::float8) < 0.15 AS near
FROM decide('folded', 'fraud', '{"folds": 4, "threshold": "f1"}') d;

-- 3. costs

SELECT decide('cost', 'kind', '{"costs": {"fraud": {"honest": 4}}}');
SELECT count(*) FROM claims c WHERE (ml_predict_label('cost', c) = 'fraud') <> (ml_probability('cost', 'fraud', c) * 4 >= ml_probability('cost', 'honest', c));
SELECT validation->'costs' AS costs FROM mlaas.versions WHERE name = 'cost';
SELECT decide('three', 'level', '{"costs": {"high": {"low": 10, "mid": 3}, "low": {"mid": 0.5}}}') IS NOT NULL AS stored;
SELECT count(*) FROM claims c, LATERAL (SELECT (p->>'high')::float8 AS high, (p->>'mid')::float8 AS mid, (p->>'low')::float8 AS low FROM ml_probabilities('three', c) p) p
WHERE ml_predict_label('three', c) <> CASE least(low + mid, high * 10 + mid, high * 3 + low * 0.5) WHEN low + mid THEN 'high' WHEN high * 10 + mid THEN 'low' ELSE 'mid' END;
-- a model that learns on keeps its decision
SELECT name FROM ml_train('on', 'claims', 'fraud', 'gradient_boosting', '{a,b}', '{"n_estimators": 5}', validation => '{"threshold": 0.3}');
SELECT version FROM ml_continue('on', 'claims', '{"n_estimators": 2}');
SELECT ml_describe('on@2')->'training'->'decision' AS decision;
SELECT version FROM ml_truncate('on', 3);
SELECT ml_describe('on@3')->'training'->'decision' AS decision;
-- one that was chosen too: folds do not choose it anew
SELECT name FROM ml_train('kept', 'claims', 'fraud', 'gradient_boosting', '{a,b}', '{"n_estimators": 5}', validation => '{"threshold": "f1"}');
SELECT version FROM ml_continue('kept', 'claims', '{"n_estimators": 2}', validation => '{"folds": 3}');
SELECT ml_describe('kept@1') #> '{training,decision}' = ml_describe('kept@2') #> '{training,decision}' AS kept_by_folds;

-- 4. errors

SELECT decide('bad', 'fraud', '{"threshold": 0}');
SELECT decide('bad', 'fraud', '{"threshold": 1}');
SELECT decide('bad', 'fraud', '{"threshold": true}');
SELECT decide('bad', 'fraud', '{"threshold": "f2"}');
SELECT decide('bad', 'level', '{"threshold": 0.5}');
SELECT decide('bad', 'id', '{"threshold": 0.5}');
SELECT decide('bad', 'id', '{"costs": {}}');
SELECT decide('bad', 'kind', '{"costs": [[0, 1], [1, 0]]}');
SELECT decide('bad', 'kind', '{"costs": {"fraud": 5}}');
SELECT decide('bad', 'kind', '{"costs": {"fraud": {"honest": -1}}}');
SELECT decide('bad', 'kind', '{"costs": {"froud": {"honest": 1}}}');
SELECT decide('bad', 'kind', '{"costs": {"fraud": {"honst": 1}}}');
SELECT decide('bad', 'kind', '{"threshold": 0.5, "costs": {}}');
SELECT replace(ml_model('given')::text, '"threshold": 0.2', '"threshold": 1.2')::ml_model;
SELECT count(*) FROM mlaas.models WHERE name = 'bad';

SELECT ml_drop(name) > 0 AS dropped FROM unnest('{plain,given,chosen,best,folded,cost,three,on,kept}'::text[]) name;
SET client_min_messages = warning;
DROP SCHEMA decision_test CASCADE;
