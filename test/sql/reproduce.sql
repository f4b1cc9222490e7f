-- Versions made again from their lineage.
CREATE SCHEMA reproduce;
SET search_path = reproduce, public;
SET client_min_messages = error;

CREATE TABLE rows_ (id int, x float8, kind text, day date, y float8, big boolean);
INSERT INTO rows_
SELECT i, ((i * 37) % 1000) / 10.0, (ARRAY['a', 'b', NULL])[1 + (i * 5) % 3], '2024-01-01'::date + i % 100,
	   ((i * 37) % 1000) / 5.0 + (i * 5) % 3 * 4 + ((i * 7919) % 101) / 7.0, ((i * 37) % 1000) + ((i * 7919) % 400) > 600
FROM generate_series(1, 600) i;
CREATE VIEW seen AS SELECT * FROM reproduce.rows_ WHERE id <= 400;
CREATE FUNCTION again(model text) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', identical, bytes_identical, row_digest_same, rows_then, rows_now, parameters_changed, features_changed, metrics_changed = '{}', reason) FROM ml_reproduce(model) $$;

-- every way to make a version
SELECT version FROM ml_train('reproduce_linear', 'seen', 'y', 'linear_regression', features => ARRAY['x', 'kind'], validation => '{"split": "none"}');
SELECT version FROM ml_train('reproduce_boost', 'SELECT x, kind, day, big FROM seen', 'big', 'gradient_boosting', params => '{"n_estimators": 15, "subsample": 0.7, "seed": 9}', validation => '{"seed": 7, "test_size": 0.3}');
SELECT version FROM ml_train('reproduce_forest', 'seen', 'y', 'random_forest', ARRAY['x', 'kind', 'day'], '{"n_estimators": 10}', weight => 'id', validation => '{"order_by": "id"}');
SELECT version FROM ml_train('reproduce_auto', 'SELECT x, kind, big FROM seen', 'big', preprocess => '{"max_categories": 5}');
SELECT version FROM ml_continue('reproduce_boost', 'SELECT * FROM rows_ WHERE id > 400', params => '{"n_estimators": 5}');
SELECT version FROM ml_refit('reproduce_boost', 'rows_', 0.5);
SELECT version FROM ml_update('reproduce_linear', 'SELECT * FROM rows_ WHERE id > 400');
SELECT version FROM ml_update('reproduce_auto', 'rows_', validation => '{"split": "none"}');
SELECT version FROM ml_truncate('reproduce_boost', 3);
SELECT version FROM ml_prune('reproduce_boost', 0.01);
SELECT version FROM ml_train('reproduce_lr', 'SELECT x, kind, big FROM seen', 'big', 'logistic_regression');
SELECT version FROM ml_ensemble('reproduce_mean', ARRAY['reproduce_boost', 'reproduce_lr'], 'weighted', ARRAY[1, 2.5], source => 'SELECT * FROM rows_ WHERE id > 400');
SELECT version FROM ml_ensemble('reproduce_stack', ARRAY['reproduce_boost@3', 'reproduce_lr'], 'stacking', source => 'SELECT * FROM rows_ WHERE id > 400', validation => '{"seed": 3}');
SELECT version FROM ml_train('reproduce_chained', 'SELECT x, y AS late, big FROM seen', 'big', 'logistic_regression');
SELECT version FROM ml_pipeline('reproduce_chain', ARRAY['reproduce_forest as late', 'reproduce_chained']);
SELECT name, version, lineage ->> 'operation' AS operation, again(name || '@' || version)
FROM mlaas.versions WHERE name LIKE 'reproduce\_%' ORDER BY name, version;

-- the settings and the search_path of then; what the caller has stays
SET search_path = public;
SET datestyle = 'German, DMY';
SELECT identical, reason FROM ml_reproduce('reproduce_boost@1');
SHOW search_path;
SHOW datestyle;
RESET datestyle;
SET search_path = reproduce, public;
SELECT lineage -> 'seed' AS seed, lineage ->> 'search_path' AS path, lineage -> 'settings' ? 'TimeZone' AS settings, lineage ->> 'role' = current_user AS role,
	   lineage #>> '{arguments,params}' AS params
FROM mlaas.versions WHERE name = 'reproduce_boost' AND version = 1;

-- other rows, another type, a parameter's default in the meantime
INSERT INTO rows_ SELECT id - 10000, x + 1, kind, day, y + 100, NOT big FROM rows_ WHERE id <= 30;
SELECT identical, bytes_identical, row_digest_same, rows_then, rows_now, metrics_changed ? 'r2' AS r2, metrics_changed -> 'r2' ?& ARRAY['then', 'now', 'difference'] AS told, reason
FROM ml_reproduce('reproduce_linear@1');
SELECT identical, row_digest_same, rows_then, rows_now FROM ml_reproduce('reproduce_linear@1', 'SELECT * FROM seen WHERE id > 0');
DELETE FROM rows_ WHERE id < 0;
SELECT identical, bytes_identical FROM ml_reproduce('reproduce_linear@1');
DROP VIEW seen;
ALTER TABLE rows_ ALTER day TYPE timestamp;
CREATE VIEW seen AS SELECT * FROM rows_ WHERE id <= 400;
SELECT identical, row_digest_same, features_changed, reason FROM ml_reproduce('reproduce_boost@1');
-- a member is the version it was, whatever it is called, not what has its name now
SELECT ml_rename('reproduce_lr', 'reproduce_lr_renamed');
SELECT version FROM ml_train('reproduce_lr', 'SELECT x, kind, NOT big AS big FROM seen', 'big', 'logistic_regression');
SELECT identical, bytes_identical FROM ml_reproduce('reproduce_mean');
SELECT ml_drop('reproduce_lr');
SELECT ml_rename('reproduce_lr_renamed', 'reproduce_lr');
-- a parent that is gone, a source that is gone
\set VERBOSITY terse
SELECT ml_deploy('reproduce_linear', 2) IS NOT NULL AS deployed;
SELECT ml_drop('reproduce_linear', 1);
SELECT identical FROM ml_reproduce('reproduce_linear@2');
DROP TABLE rows_ CASCADE;
SELECT identical FROM ml_reproduce('reproduce_forest');
SELECT ml_reproduce('reproduce_none');
SELECT ml_reproduce(NULL);

-- only the role that made it runs its source
SET client_min_messages = warning;
CREATE ROLE reproduce_author;
CREATE ROLE reproduce_reader;
GRANT USAGE, CREATE ON SCHEMA reproduce TO reproduce_author;
GRANT USAGE ON SCHEMA reproduce TO reproduce_reader;
SET ROLE reproduce_author;
CREATE FUNCTION trap() RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'run by %', current_user; RETURN 1; END $$;
SELECT version FROM ml_train('reproduce_trap', 'SELECT i * i AS x, reproduce.trap() + i AS y FROM generate_series(1, 2) i', 'y', 'linear_regression', validation => '{"split": "none"}');
SELECT ml_grant('reproduce_trap', 'reproduce_reader', 'describe');
SELECT identical FROM ml_reproduce('reproduce_trap');
SET ROLE reproduce_reader;
SELECT ml_reproduce('reproduce_trap');
SELECT identical, rows_now FROM ml_reproduce('reproduce_trap', 'SELECT i AS x, i * 2 AS y FROM generate_series(1, 5) i');
SELECT ml_reproduce('reproduce_lr');
RESET ROLE;
-- nor do names in a source of the caller's own mean what the author's search_path makes of them
SET ROLE reproduce_author;
CREATE FUNCTION above(float8, int) RETURNS boolean LANGUAGE sql AS $$ SELECT reproduce.trap() IS NOT NULL $$;
CREATE OPERATOR > (LEFTARG = float8, RIGHTARG = int, FUNCTION = above);
SET search_path = reproduce, pg_catalog, public;
SELECT version FROM ml_train('reproduce_path', 'SELECT i AS x, i * 2 AS y FROM generate_series(1, 5) i', 'y', 'linear_regression', validation => '{"split": "none"}');
RESET ROLE;
SET search_path = public;
SELECT identical, rows_now FROM ml_reproduce('reproduce_path', 'SELECT i AS x, i * 2 AS y FROM generate_series(1, 5) i WHERE i::float8 > 0');
SELECT ml_reproduce('reproduce_trap');

SELECT count(ml_drop(name)) AS dropped FROM mlaas.models WHERE name LIKE 'reproduce\_%';
DROP SCHEMA reproduce CASCADE;
DROP OWNED BY reproduce_author, reproduce_reader;
DROP ROLE reproduce_author, reproduce_reader;
