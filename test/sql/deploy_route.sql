-- Routes: calls of an alias that go to other versions.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
CREATE SCHEMA deploy_route;
SET search_path = deploy_route, public;

CREATE TABLE calls AS
SELECT i AS id, i::float8 AS x, (i % 7)::float8 AS z, CASE WHEN i % 4 = 0 THEN 'pro' END AS plan, i % 2 = 0 AS mobile, 10.0 * i AS y1, 20.0 * i AS y2, 30.0 * i AS y3
FROM generate_series(1, 2000) i;
-- version v predicts 10 * v * x: a prediction tells the version
-- (that one feature tells the target is said in a warning)
SET client_min_messages = error;
SELECT version FROM ml_train('deploy_route', 'SELECT x, y1 AS y FROM calls', 'y', 'linear_regression');
SELECT version FROM ml_train('deploy_route', 'SELECT x, y2 AS y FROM calls', 'y', 'linear_regression');
SELECT version FROM ml_train('deploy_route', 'SELECT x, y3 AS y FROM calls', 'y', 'linear_regression');
RESET client_min_messages;
CREATE FUNCTION version_of(prediction float8, x float8) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT round(prediction / x / 10)::int $$;
CREATE FUNCTION shares() RETURNS TABLE (version int, share numeric) LANGUAGE sql STABLE AS $$
	SELECT version_of(ml_predict('deploy_route', c), x), round(count(*) / 2000.0, 1) FROM calls c GROUP BY 1 ORDER BY 1
$$;

-- by weight and key: every form of input goes the same way, and so does what recomputes it
SELECT ml_route('deploy_route', 'production', 2, weight => 0.2, key => 'id', reason => 'try it');
SELECT * FROM shares();
SELECT bool_and(version_of(ml_predict('deploy_route', c), x) = v) AS row,
	   bool_and(version_of(ml_predict('deploy_route', to_jsonb(c)), x) = v) AS jsonb,
	   bool_and(version_of(ml_predict('deploy_route', to_json(c)), x) = v) AS json,
	   bool_and((ml_predict_json('deploy_route', to_jsonb(c)) ->> 'version')::int = v) AS predict_json,
	   bool_and(version_of((ml_predict_json('deploy_route', to_jsonb(c)) ->> 'prediction')::float8, x) = v) AS prediction,
	   bool_and(v = CASE WHEN ml_bucket(id::text, 'deploy_route@production') < 0.2 THEN 2 ELSE 1 END) AS bucket
FROM calls c, ml_routed_version('deploy_route', c.id::text) v;
SELECT bool_and(version_of(b.prediction, x) = ml_routed_version('deploy_route', b.key)) AS batch, count(*) FROM ml_predict_batch('deploy_route', 'calls', 'id') b JOIN calls c ON c.id::text = b.key;
SELECT bool_and(b.key = b.n::text) AS in_order FROM ml_predict_batch('deploy_route', 'SELECT * FROM calls ORDER BY id', 'id') WITH ORDINALITY b(key, prediction, label, probability, n);
SELECT bool_and(version_of((e ->> 'prediction')::float8, (c ->> 'x')::float8) = (e ->> 'version')::int) AND
	   bool_and((e ->> 'version')::int = ml_routed_version('deploy_route', c ->> 'id')) AS array_of_objects
FROM (SELECT jsonb_agg(to_jsonb(c) ORDER BY id) AS input FROM calls c) i,
	 jsonb_array_elements(input) WITH ORDINALITY a(c, n),
	 jsonb_array_elements(ml_predict_json('deploy_route', input)) WITH ORDINALITY b(e, m)
WHERE n = m AND n <= 100;
SELECT mlaas_api.predict('deploy_route', '[{"id": 3, "x": 1}, null]')::jsonb -> 0 ? 'version' AS rest;

-- a name with a version, a model as a value and another alias know no routes; ml_evaluate takes the alias' own version
SELECT count(*) FILTER (WHERE version_of(ml_predict('deploy_route@1', c), x) <> 1) AS by_number,
	   count(*) FILTER (WHERE version_of(ml_predict(ml_model('deploy_route'), c), x) <> 1) AS by_value FROM calls c;
SELECT ml_predict_json('deploy_route@1', '{"x": 1}') ? 'version' AS tells;
SELECT round(value::numeric, 6) AS r2 FROM ml_evaluate('deploy_route', 'SELECT x, y1 AS y FROM calls') WHERE metric = 'r2';

-- a key keeps its version while the weight grows, and the sum is bounded
CREATE TABLE before AS SELECT id, ml_routed_version('deploy_route', id::text) AS version FROM calls;
SELECT ml_shift('deploy_route', 'production', 2, 0.5);
SELECT * FROM shares();
SELECT count(*) FROM before WHERE version = 2 AND ml_routed_version('deploy_route', id::text) <> 2;
SELECT ml_route('deploy_route', 'production', 3, weight => 0.4);
SELECT * FROM shares();
SELECT ml_shift('deploy_route', 'production', 3, 0.6);
SELECT ml_shift('deploy_route', 'production', 3, 0.5);
SELECT * FROM shares();
SELECT number, version, weight, key, salt FROM mlaas.routes WHERE name = 'deploy_route' ORDER BY number;

-- without a key the features are the key
SELECT ml_unroute('deploy_route');
SELECT ml_route('deploy_route', 'production', 2, weight => 0.3);
SELECT * FROM shares();
SELECT bool_and(ml_predict('deploy_route', c) = ml_predict('deploy_route', x) AND ml_predict('deploy_route', x) = ml_predict('deploy_route', ARRAY[x])
				AND ml_predict('deploy_route', x) = ml_predict('deploy_route', jsonb_build_object('x', x))) AS forms FROM calls c;
SELECT bool_and(b.prediction = ml_predict('deploy_route', x)) AS batch FROM ml_predict_batch('deploy_route', 'calls', 'id') b JOIN calls c ON c.id::text = b.key;
SELECT ml_unroute('deploy_route', number => 1);
SELECT ml_unroute('deploy_route', number => 1);
SELECT ml_unroute('deploy_route');
-- a key that is a feature is found by its place
SELECT ml_route('deploy_route', 'production', 2, weight => 0.5, key => 'x');
SELECT bool_and(v = version_of(ml_predict('deploy_route', x), x)) AS value, bool_and(v = version_of(ml_predict('deploy_route', ARRAY[x]), x)) AS element,
	   bool_and(v = version_of(ml_predict('deploy_route', c), x)) AS row
FROM calls c, ml_routed_version('deploy_route', c.x::text) v;
SELECT ml_unroute('deploy_route');

-- a feature but for its capital letters
BEGIN;
SELECT ml_route('deploy_route', 'production', 2, condition => '"X" > 1000') > 0 AS routed;
ROLLBACK;
-- by condition; the first that holds decides
SELECT ml_route('deploy_route', 'production', 2, condition => 'plan = ''pro'' AND x > 1000 and mobile = true');
SELECT ml_route('deploy_route', 'production', 3, condition => 'plan is not null');
SELECT plan, x > 1000 AS high, version_of(ml_predict('deploy_route', c), x) AS version, count(*) FROM calls c GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT bool_and(ml_predict('deploy_route', c) = ml_predict('deploy_route', to_jsonb(c))) AS jsonb FROM calls c;
SELECT bool_and(b.prediction = ml_predict('deploy_route', c)) AS batch FROM ml_predict_batch('deploy_route', 'calls', 'id') b JOIN calls c ON c.id::text = b.key;
SELECT ml_unroute('deploy_route');
SELECT ml_route('deploy_route', 'production', 2, condition => 'setting ''app.tenant'' = ''acme''');
SELECT version_of(ml_predict('deploy_route', 4), 4);
SET app.tenant = 'acme';
SELECT version_of(ml_predict('deploy_route', 4), 4);
RESET app.tenant;
SELECT ml_unroute('deploy_route');
-- operators
CREATE FUNCTION holds(condition text, input jsonb) RETURNS boolean LANGUAGE sql AS $$
	SELECT ml_unroute('deploy_route');
	SELECT ml_route('deploy_route', 'production', 2, condition => condition);
	SELECT (ml_predict_json('deploy_route', input || '{"x": 1}') ->> 'version')::int = 2;
$$;
SELECT c AS condition, holds(c, '{"a": 5, "b": "it''s", "C d": true, "e": null}')
FROM unnest(ARRAY['a = 5', 'a <> 5', 'a != 6', 'a < 5.5', 'a <= 5', 'a > 5', 'a >= -1e1', 'a = ''5''', 'b = ''it''''s''', 'b < ''j''', 'b > 1',
				  '"C d" = true', '"C d" = false', 'c = true', 'e is null', 'e = 1', 'e <> 1', 'f IS NULL', 'f is not null', 'a = 5 and b <> ''x'' and e is null']) c;
SELECT ml_unroute('deploy_route');

-- by role: members, superusers only when they were made members
CREATE ROLE deploy_route_tester;
CREATE ROLE deploy_route_anna IN ROLE deploy_route_tester;
CREATE ROLE deploy_route_bob;
GRANT USAGE ON SCHEMA deploy_route TO deploy_route_anna, deploy_route_bob;
SELECT ml_grant('deploy_route', 'public', 'predict');
SELECT ml_route('deploy_route', 'production', 3, role => 'deploy_route_tester');
SELECT version_of(ml_predict('deploy_route', 4), 4) AS superuser;
SET ROLE deploy_route_anna;
SELECT version_of(ml_predict('deploy_route', 4), 4) AS anna;
SET ROLE deploy_route_bob;
SELECT version_of(ml_predict('deploy_route', 4), 4) AS bob;
SELECT count(*) FROM mlaas.routes;
SELECT ml_route('deploy_route', 'production', 3, weight => 1);
SELECT ml_shift('deploy_route', 'production', 3, 1);
SELECT ml_promote('deploy_route');
SELECT ml_unroute('deploy_route');
RESET ROLE;
SELECT ml_unroute('deploy_route');

-- by a claim of the request
SELECT ml_route('deploy_route', 'production', 2, claim => 'app.plan', value => 'beta');
SELECT ml_route('deploy_route', 'production', 3, claim => 'https://example.com/roles', value => 'tester');
CREATE FUNCTION with_claims(claims text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.jwt.claims', claims, true);
	RETURN version_of(ml_predict('deploy_route', 4), 4);
END $$;
SELECT c AS claims, with_claims(c)
FROM unnest(ARRAY['{"app": {"plan": "beta"}}', '{"app": {"plan": "free"}}', '{"app": "beta"}', '{"app.plan": "beta"}', '{"https://example.com/roles": ["user", "tester"]}',
				  '{"https://example.com/roles": "user"}', '{}', '[]', '']) c;
SELECT ml_unroute('deploy_route');

-- promotion, and back; a rollback during a canary only ends it
SELECT ml_route('deploy_route', 'production', 2, weight => 0.1);
SELECT version, previous_version FROM ml_rollback('deploy_route');
SELECT * FROM shares();
-- a deployment leaves the routes
SELECT ml_route('deploy_route', 'production', 2, weight => 0.1);
SELECT version FROM ml_deploy('deploy_route', 3);
SELECT * FROM shares();
SELECT version, previous_version FROM ml_rollback('deploy_route');
SELECT version, previous_version FROM ml_rollback('deploy_route');
SELECT ml_route('deploy_route', 'production', 2, weight => 0.1);
SELECT ml_route('deploy_route', 'production', 3, weight => 0.1);
SELECT ml_promote('deploy_route');
SELECT ml_promote('deploy_route', version => 1);
SELECT version, previous_version, deployed FROM ml_promote('deploy_route', version => 2, reason => 'it is good');
SELECT * FROM shares();
SELECT version, previous_version FROM ml_rollback('deploy_route');
SELECT ml_rollback('deploy_route');
SELECT action, version, from_version, reason, detail FROM mlaas.history WHERE at >= :'began' AND name = 'deploy_route' AND action IN ('deploy', 'rollback') ORDER BY number;
SELECT action, version, reason, detail FROM mlaas.history WHERE at >= :'began' AND name = 'deploy_route' AND action = 'route' ORDER BY number LIMIT 4;

-- what is refused
SELECT ml_promote('deploy_route');
SELECT ml_promote('deploy_route', version => 2);
SELECT ml_route('deploy_route', 'production', 2);
SELECT ml_route('deploy_route', 'production', 2, weight => 0.1, role => 'deploy_route_tester');
SELECT ml_route('deploy_route', 'production', 2, weight => 1.5);
SELECT ml_route('deploy_route', 'production', 2, weight => 'NaN');
SELECT ml_route('deploy_route', 'production', 2, claim => 'plan');
SELECT ml_route('deploy_route', 'production', 2, role => 'deploy_route_nobody');
SELECT ml_route('deploy_route', 'production', 2, role => 'deploy_route_tester', key => 'id');
SELECT ml_route('deploy_route', 'production', 9, weight => 0.1);
SELECT ml_route('deploy_route', 'staging', 2, weight => 0.1);
SELECT ml_route('deploy_route', 'production', 2, condition => c) FROM unnest(ARRAY['']) c;
SELECT ml_route('deploy_route', 'production', 2, condition => 'plan =');
SELECT ml_route('deploy_route', 'production', 2, condition => 'plan = ''pro');
SELECT ml_route('deploy_route', 'production', 2, condition => 'plan = other');
SELECT ml_route('deploy_route', 'production', 2, condition => 'plan = ''a'' or true');
SELECT ml_route('deploy_route', 'production', 2, condition => 'pg_sleep(1) is null');
SELECT ml_route('deploy_route', 'production', 2, condition => 'setting ''log_directory'' = ''x''');
SELECT ml_route('deploy_route', NULL, 2, weight => 0.1);
SELECT ml_shift('deploy_route', 'production', 2, 0.1);
SELECT ml_route('deploy_route', 'production', 2, weight => 0.1);
SELECT ml_route('deploy_route', 'production', 2, weight => 0.1);
SELECT ml_drop('deploy_route', 2);
SET client_min_messages = error;
SELECT version FROM ml_train('deploy_route', 'SELECT x, x > 500 AS y FROM calls', 'y', deploy => 'never');
RESET client_min_messages;
SELECT ml_route('deploy_route', 'production', 4, weight => 0.1);
SELECT ml_bucket(NULL, 'x') IS NULL AND ml_bucket('x', NULL) IS NULL AS strict;
-- the buckets of keys are stored by others, so they never change
SELECT k AS key, round(ml_bucket(k, 'churn@production')::numeric, 9) FROM unnest(ARRAY['1', '2', 'anna', '']) k;

-- they go with the model
SELECT ml_drop('deploy_route');
SELECT count(*) FROM mlaas.route r WHERE NOT EXISTS (SELECT FROM mlaas.model m WHERE m.id = r.model_id);
SET client_min_messages = error;
DROP SCHEMA deploy_route CASCADE;
DROP ROLE deploy_route_anna;
DROP ROLE deploy_route_bob;
DROP ROLE deploy_route_tester;
