-- a learner that takes a transform as it was fitted, and values as versions
CREATE SCHEMA prep_transform;
SET search_path = prep_transform, public;
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE TABLE homes AS
SELECT i AS id,
	   CASE WHEN i % 10 <> 0 THEN 20 + ((i * 37) % 101)::float8 END AS area,
	   exp(((i * 53) % 97) / 20.0) AS plot,
	   CASE WHEN i % 9 <> 0 THEN (ARRAY['low', 'mid', 'high'])[1 + i % 3] END AS class,
	   'c' || (i * i) % 40 AS city,
	   3 * ((i * 37) % 101) + 10 * (i % 3) + sin(i) AS price,
	   i % 3 > 0 AS sold
FROM generate_series(1, 600) i;

---- a value becomes a version
SELECT * FROM ml_register('prep', (SELECT ml_fit_preprocess('homes', '{"columns": {"plot": {"transform": "log1p", "scale": "minmax"}}}', '{area, plot, class}')), 'areas and plots');
SELECT * FROM ml_register('prep', (SELECT ml_fit_preprocess('homes', '{"scale": "none", "missing_indicator": false}', '{area, plot}')));
SELECT name, description, task, target, algorithm, deployed_version, latest_version, versions, metrics FROM mlaas.models WHERE name = 'prep';
SELECT version, status, algorithm, task, target, metrics, baseline, aliases, parent, n_train, n_test, n_skipped, seconds, source, validation, row_digest,
	   lineage - 'settings' - 'search_path' - 'role' AS lineage, lineage ->> 'role' = current_user AS role
FROM mlaas.versions WHERE name = 'prep' ORDER BY version;
SELECT number, action, version, reason, detail FROM mlaas.history WHERE name = 'prep' ORDER BY number;
SELECT ml_model('prep')::text = (SELECT ml_fit_preprocess('homes', '{"columns": {"plot": {"transform": "log1p", "scale": "minmax"}}}', '{area, plot, class}'))::text AS same_value;
SELECT jsonb_object_keys(ml_describe('prep@2')) AS described ORDER BY 1;

---- learners take it as it is
CREATE FUNCTION same_preparation(name text, transform text) RETURNS boolean
LANGUAGE sql AS $$ SELECT bool_and(ml_transform(same_preparation.name, h) IS NOT DISTINCT FROM ml_transform(transform, h)) FROM homes h $$;
CREATE FUNCTION learn(algorithm text, OUT n_train bigint, OUT n_test bigint, OUT same boolean, OUT transform text, OUT one_as_many boolean)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT t.n_train, t.n_test INTO learn.n_train, learn.n_test
	FROM ml_train('home', 'homes', 'price', learn.algorithm, preprocess => '{"transform": "prep"}', deploy => 'always',
				  params => CASE WHEN learn.algorithm IN ('gradient_boosting', 'random_forest') THEN '{"n_estimators": 10}' ELSE '{}' END::jsonb) t;
	same := same_preparation('home', 'prep');
	transform := ml_describe('home') #>> '{training,transform}';
	one_as_many := (SELECT bool_and(b.prediction = ml_predict('home', h)) FROM ml_predict_batch('home', 'homes', 'id') b JOIN homes h ON h.id = b.key::int);
END $$;
SELECT a AS algorithm, l.* FROM unnest('{linear_regression,gradient_boosting,random_forest,decision_tree,auto}'::text[]) a, LATERAL learn(a) l;
SELECT algorithm, preprocess, lineage #> '{arguments,preprocess}' AS given, lineage #>> '{arguments,transform}' AS transform,
	   (lineage #>> '{arguments,transform_version_id}')::uuid = (SELECT id FROM mlaas.versions WHERE name = 'prep' AND version = 1) AS version_id,
	   jsonb_path_query_array(features, '$[*].name') AS features
FROM mlaas.versions WHERE name = 'home' AND version IN (1, 2) ORDER BY version;
-- trees split prepared numbers, and NULL goes where the mean does
SELECT feature, count(*) > 0 AS splits FROM ml_trees('home@4') WHERE feature IS NOT NULL GROUP BY feature ORDER BY feature COLLATE "C";
SELECT bool_and(null_left = (0 <= threshold)) AS null_is_the_mean FROM ml_trees('home@4') WHERE feature = 'area';
SELECT bool_and(NOT null_left) AS null_is_null FROM ml_trees('home@4') WHERE feature = 'area is null';
SELECT ml_tree_sql('home@4');
SELECT abs(sum(contribution) - (SELECT ml_predict('home@4', h) FROM homes h WHERE id = 1)) < 1e-6 AS adds_up FROM ml_explain('home@4', (SELECT h FROM homes h WHERE id = 1));
-- out of the bag too: training rows were prepared as all others are
SELECT count(*) FROM ml_oob_predict('home@3', 'homes', 'id') WHERE trained;
SELECT count(DISTINCT metric) > 3 AS metrics, count(DISTINCT fold) AS folds FROM ml_cross_validate('homes', 'price', 'linear_regression', preprocess => '{"transform": "prep"}', validation => '{"folds": 3}');
SELECT n_train FROM ml_train('home', 'homes', 'sold', 'logistic_regression', features => '{class, plot, area}', preprocess => '{"transform": "prep@1"}', validation => '{"folds": 3}', deploy => 'never');
-- as a training of its own steps would be, where all rows are learned from
SELECT own.n_train, taken.n_train
FROM ml_train('own', 'homes', 'price', 'linear_regression', '{area, plot, class}', preprocess => '{"scale": "standard", "columns": {"plot": {"transform": "log1p", "scale": "minmax"}}}', validation => '{"split": "none"}') own,
	 ml_train('taken', 'homes', 'price', 'linear_regression', preprocess => '{"transform": "prep"}', validation => '{"split": "none"}') taken;
SELECT (SELECT array_agg(estimate ORDER BY feature) FROM ml_coefficients('own')) = (SELECT array_agg(estimate ORDER BY feature) FROM ml_coefficients('taken')) AS same;

---- made again, compared on the rows held out, brought up to date
SELECT identical, bytes_identical, reason FROM ml_reproduce('home@1');
SELECT name, version, deployed FROM ml_train('home', 'homes', 'price', 'linear_regression', preprocess => '{"transform": "prep"}', deploy => 'if_better');
SELECT ml_rename('prep', 'preparation');
SELECT identical, reason FROM ml_reproduce('home@1');
SELECT ml_drop('preparation');
SELECT identical FROM ml_reproduce('home@1');
SELECT abs(ml_predict('home@1', h) - price) < 30 AS predicts FROM homes h WHERE id = 1;
SELECT version, n_train FROM ml_update('home@4', 'homes');
SELECT same_preparation('home@8', 'home@4') AS same, ml_describe('home@8') #>> '{training,transform}' AS transform;
SELECT identical FROM ml_reproduce('home@8');

---- an encoding by the target has seen the rows that are held out
CREATE TABLE noise AS SELECT i AS id, 'k' || (i * 7919) % 300 AS k, ((i * 104729) % 1009)::float8 AS y FROM generate_series(1, 1200) i;
SELECT name FROM ml_register('leaky', (SELECT ml_fit_preprocess('noise', '{"columns": {"k": {"encode": "target", "smoothing": 0}}}', '{k}', 'y')));
SELECT (metrics ->> 'r2')::float8 > 0.1 AS too_good FROM ml_train('noise', 'noise', 'y', 'linear_regression', preprocess => '{"transform": "leaky"}');

---- what is refused
CREATE FUNCTION train(preprocess jsonb, algorithm text DEFAULT 'linear_regression', features text[] DEFAULT NULL, target text DEFAULT 'price', source text DEFAULT 'homes') RETURNS text
LANGUAGE sql AS $$ SELECT name FROM ml_train('t', source, target, algorithm, features, preprocess => preprocess) $$;
SELECT name FROM ml_register('prep', (SELECT ml_fit_preprocess('SELECT * FROM homes WHERE area > 0', '{"columns": {"area": {"impute": "error"}}}', '{area, plot}')));
SELECT train('{"transform": "prep", "scale": "none"}');
SELECT train('{"transform": "prep", "scale": "none"}', 'auto');
SELECT train('{"transform": 1}');
SELECT train('{"transform": "perp"}');
SELECT train('{"transform": "prep@7"}');
SELECT train('{"transform": "home"}');
SELECT train('{"transform": "prep"}', features => '{area}');
SELECT train('{"transform": "prep"}', features => '{area, plot, class}');
SELECT train('{"transform": "prep"}', target => 'plot');
SELECT train('{"transform": "prep"}', source => 'SELECT area, price FROM homes');
SELECT train('{"transform": "prep"}', source => 'SELECT area::text, plot, price FROM homes');
SELECT train('{"transform": "prep"}');
SELECT train('{"transform": "prep"}', source => 'SELECT * FROM homes WHERE area > 0');
SELECT ml_fit_preprocess('homes', '{"transform": "prep"}');
SELECT ml_predict('prep', h) FROM homes h;
SELECT * FROM ml_evaluate('prep', 'homes');
SELECT ml_publish('prep');
SELECT ml_pipeline('p', '{prep, home}');
SELECT ml_submit('t', 'homes', 'price', preprocess => '{"transform": "nowhere"}');

---- a value that predicts: what it says of itself does not count
SELECT * FROM ml_register('copy', ml_model('home@1'), deploy => 'never');
SELECT version, task, target, metrics, n_train, parent FROM mlaas.versions WHERE name = 'copy';
SELECT ml_predict('copy@1', h) = ml_predict('home@1', h) AS same FROM homes h WHERE id = 5;
SELECT count(*) > 3 AS metrics FROM ml_evaluate('copy@1', 'homes');
SELECT ml_guard('copy', 'r2 >= 0');
SELECT ml_deploy('copy', 1);
SELECT version, deployed FROM ml_register('copy', ml_model('home@1'), deploy => 'always');
SELECT ml_drop_guard('copy', 1);
SELECT ml_guard('copy', 'r2 >= 0', source => 'homes');
SELECT version, deployed FROM ml_deploy('copy', 1);
SELECT version, deployed FROM ml_register('copy', ml_model('home@2'), deploy => 'if_better');
SELECT ml_deploy('copy', 3, strategy => 'if_better');
SELECT deployed, metric FROM ml_deploy('copy', 3, strategy => 'if_better', holdout => 'homes', margin => 1e9);
SELECT ml_reproduce('copy@1');
SELECT ml_copy('copy@1', 'copy of copy');
SELECT ml_reproduce('copy of copy@1');
SELECT ml_deploy('copy of copy', 1);
SELECT ml_guard('copy of copy', 'r2 >= 0', 'staging');
SELECT ml_deploy('copy of copy', 1, 'staging');
SELECT version FROM ml_update('copy@1', 'homes');
SELECT version FROM ml_register('copy', (SELECT ml_fit('logistic_regression', '{}', sold::text, plot) FROM homes), deploy => 'never');
SELECT version FROM ml_update('copy@5', 'homes');
SELECT version FROM ml_continue('copy@3', 'homes', '{"n_estimators": 2}');
SELECT version, parent_version FROM ml_truncate('copy@3', 1);
SELECT * FROM ml_folds('copy@1');
-- a model that refuses NULL may be a member: the whole refuses it too
SELECT train('{"columns": {"plot": {"impute": "error"}}}', features => '{plot, area}') AS name;
SELECT ml_predict(ml_ensemble(ARRAY[ml_model('t@2'), ml_model('home@1')]), '{"area": null, "plot": 2, "class": null}'::jsonb) > 0 AS predicts;
SELECT ml_predict(ml_ensemble(ARRAY[ml_model('t@2'), ml_model('home@1')])::text::ml_model, '{"area": null, "plot": null, "class": null}'::jsonb);
-- a group's model, and one made of models
SELECT version, task, algorithm FROM ml_register('group', (SELECT ml_fit('linear_regression', '{}', price, plot) FROM homes GROUP BY class ORDER BY class LIMIT 1));
SELECT version, algorithm FROM ml_register('group', ml_ensemble(ARRAY[ml_model('home@1'), ml_model('home@2')]));
SELECT ml_route('group', 'production', 2, weight => 0.5);
SELECT ml_register(NULL, ml_model('home@1'));
SELECT ml_register('x', NULL);
SELECT ml_register('a@b', ml_model('home@1'));
SELECT ml_register('x', ml_model('home@1'), deploy => 'sometimes');
SELECT ml_register('x', '{"mlaas_model": 1}');
BEGIN READ ONLY;
SELECT ml_register('x', ml_model('home@1'));
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT version, deployed FROM ml_register('x', ml_model('home@1'), 'new');
SELECT description FROM mlaas.models WHERE name = 'x';
ROLLBACK;

---- rights: to train on a transform of another takes describe
CREATE ROLE regress_preparer;
CREATE ROLE regress_learner;
GRANT USAGE, CREATE ON SCHEMA prep_transform TO regress_preparer, regress_learner;
GRANT SELECT ON homes TO regress_preparer, regress_learner;
SET ROLE regress_preparer;
SELECT name FROM ml_register('theirs', (SELECT ml_fit_preprocess('homes', '{}', '{area, plot}')));
RESET ROLE;
SET ROLE regress_learner;
SELECT train('{"transform": "theirs"}');
SELECT name FROM ml_register('theirs', ml_fit_preprocess('homes', '{}', '{area, plot}'));
RESET ROLE;
SET ROLE regress_preparer;
SELECT ml_grant('theirs', 'regress_learner', 'predict');
RESET ROLE;
SET ROLE regress_learner;
SELECT train('{"transform": "theirs"}');
RESET ROLE;
SET ROLE regress_preparer;
SELECT ml_grant('theirs', 'regress_learner', 'describe');
RESET ROLE;
SET ROLE regress_learner;
SELECT name FROM ml_train('mine', 'homes', 'price', 'linear_regression', preprocess => '{"transform": "theirs"}');
SELECT identical FROM ml_reproduce('mine');
SELECT name FROM ml_register('theirs', ml_fit_preprocess('homes', '{}', '{area, plot}'));
RESET ROLE;
-- where a role is there for those who train, registering takes it
CREATE ROLE mlaas_trainer;
SET ROLE regress_learner;
SELECT name FROM ml_register('mine', ml_model('mine'));
RESET ROLE;
DROP ROLE mlaas_trainer;
SET ROLE regress_learner;
SELECT name, version FROM ml_register('mine', ml_model('mine'));
RESET ROLE;
-- what the model depends on tells what its transform read
SELECT jsonb_array_length(lineage -> 'dependencies') AS dependencies FROM mlaas.versions WHERE name = 'mine' AND version = 1;

SELECT count(ml_drop(name)) FROM mlaas.models WHERE name IN ('prep', 'home', 'own', 'taken', 'leaky', 'noise', 'copy', 'copy of copy', 'group', 'theirs', 'mine', 't');
DROP SCHEMA prep_transform CASCADE;
DROP ROLE regress_preparer, regress_learner;
