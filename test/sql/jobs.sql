-- Jobs and schedules, as far as one session can tell; test/t/006_jobs.pl has the rest.
SET client_min_messages = warning;
CREATE SCHEMA jobs;
SET search_path = jobs, public;
CREATE ROLE jobs_alice;
CREATE ROLE jobs_bob;
GRANT USAGE, CREATE ON SCHEMA jobs TO jobs_alice, jobs_bob;
CREATE TABLE line AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 100) i;
GRANT SELECT ON line TO PUBLIC;

-- The number of the job that was submitted last for a model.
CREATE FUNCTION last_job(model text) RETURNS bigint LANGUAGE sql AS $$ SELECT max(job) FROM mlaas.jobs WHERE name = model $$;

-- ---- submit and wait ----
SELECT ml_submit('jobs_line', 'line', 'y', 'linear_regression') > 0 AS submitted;
SELECT ml_wait(last_job('jobs_line'));
SELECT state, version, attempts, role = current_user AS own, sqlstate, message FROM mlaas.jobs WHERE job = last_job('jobs_line');
SELECT round(ml_predict('jobs_line', '{"x": 4}'::jsonb)::numeric, 6);

-- every argument gets there
SELECT ml_submit('jobs_line', 'SELECT x, x * x AS "Q", y, 1 + x / 100 AS w FROM line', 'y', 'linear_regression', features => '{Q,x}',
				 params => '{"l2": 0.5}', preprocess => '{"scale": "none"}', validation => '{"split": "random", "test_size": 0.25, "seed": 7}',
				 weight => 'w', deploy => 'always', priority => 3) > 0 AS submitted;
SELECT ml_wait(last_job('jobs_line'));
SELECT version FROM ml_train('jobs_line', 'SELECT x, x * x AS "Q", y, 1 + x / 100 AS w FROM line', 'y', 'linear_regression', features => '{Q,x}',
			  params => '{"l2": 0.5}', preprocess => '{"scale": "none"}', validation => '{"split": "random", "test_size": 0.25, "seed": 7}',
			  weight => 'w');
SELECT ml_predict('jobs_line@2', r) = ml_predict('jobs_line@3', r) AS same FROM (SELECT 5.0 AS x, 25.0 AS "Q") r;
SELECT priority, version, arguments FROM mlaas.jobs WHERE job = last_job('jobs_line');
SELECT version FROM mlaas.aliases WHERE name = 'jobs_line';

-- settings of the session go along: the job finds what the session found, and reads it in the same way
SET DateStyle = 'German';
SET my.factor = '3';
SELECT ml_submit('jobs_set', 'SELECT x, x * current_setting(''my.factor'')::float8 + extract(day FROM date ''02.01.2020'') AS y FROM line', 'y', 'linear_regression') > 0 AS submitted;
RESET DateStyle;
RESET my.factor;
SELECT ml_wait(last_job('jobs_set'));
SELECT round(ml_predict('jobs_set', '{"x": 10}'::jsonb)::numeric, 6);

-- an error comes back whole
SELECT ml_submit('jobs_bad', 'SELECT x, 1.0 AS y FROM line', 'y', 'linear_regression') > 0 AS submitted;
SELECT ml_wait(last_job('jobs_bad'));
SELECT state, version, sqlstate, message, detail, hint FROM mlaas.jobs WHERE job = last_job('jobs_bad');

-- ---- what is refused at once ----
\set VERBOSITY sqlstate
SELECT ml_submit(NULL, 'line', 'y');
SELECT ml_submit('jobs_line', 'lines', 'y');
SELECT ml_submit('jobs_line', 'line', 'z');
SELECT ml_submit('jobs_line', 'line', 'y', 'linear');
SELECT ml_submit('jobs_line', 'line', 'y', 'linear_regression', params => '{"l3": 1}');
SELECT ml_submit('jobs_line', 'line', 'y', deploy => 'sometimes');
SELECT ml_submit('jobs_line', 'line', 'y', priority => NULL);
SELECT ml_submit('a@b', 'line', 'y');
SELECT ml_submit('jobs_line', 'DELETE FROM line', 'y');
CREATE TEMP TABLE passing AS SELECT * FROM line;
CREATE TEMP VIEW passing_view AS SELECT * FROM line;
SELECT ml_submit('jobs_line', 'passing', 'y');
SELECT ml_submit('jobs_line', 'passing_view', 'y');
SELECT ml_submit('jobs_line', 'SELECT * FROM line WHERE x IN (SELECT x FROM passing)', 'y');
BEGIN READ ONLY;
SELECT ml_submit('jobs_line', 'line', 'y');
ROLLBACK;
SELECT ml_cancel(-1);
SELECT ml_wait(-1);
SELECT ml_cancel(NULL) IS NULL, ml_wait(NULL) IS NULL;
\set VERBOSITY terse
SELECT ml_submit('jobs_line', 'passing', 'y');
SELECT ml_wait(-1);

-- ---- roles ----
SET ROLE jobs_bob;
SELECT count(*) FROM mlaas.jobs;
SELECT count(*) FROM mlaas.schedules;
\set VERBOSITY sqlstate
SELECT ml_submit('jobs_line', 'line', 'y');
SELECT * FROM mlaas.job;
SELECT * FROM mlaas.schedule;
\set VERBOSITY terse
RESET ROLE;
SELECT last_job('jobs_line') AS job \gset
SET ROLE jobs_bob;
\set VERBOSITY sqlstate
SELECT ml_cancel(:job);
SELECT ml_wait(:job);
\set VERBOSITY terse
RESET ROLE;

-- a function with its owner's rights makes its owner's jobs
SET ROLE jobs_alice;
CREATE FUNCTION retrain() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = jobs, public
AS $$ SELECT ml_submit('jobs_alice', 'line', 'y', 'linear_regression') $$;
RESET ROLE;
SELECT retrain() > 0 AS submitted;
SELECT ml_wait(last_job('jobs_alice'));
SELECT role, state, message FROM mlaas.jobs WHERE job = last_job('jobs_alice');

-- ---- cancel ----
BEGIN;
SELECT ml_submit('jobs_line', 'line', 'y') > 0 AS submitted;
SELECT state FROM mlaas.jobs WHERE job = last_job('jobs_line');
SELECT ml_cancel(last_job('jobs_line'));
SELECT state, sqlstate, message, cancel_requested FROM mlaas.jobs WHERE job = last_job('jobs_line');
SELECT ml_cancel(last_job('jobs_line'));
SELECT ml_wait(last_job('jobs_line'));
COMMIT;
BEGIN;
SELECT ml_submit('jobs_line', 'line', 'y') > 0 AS submitted;
\set VERBOSITY sqlstate
SELECT ml_wait(last_job('jobs_line'));
\set VERBOSITY terse
ROLLBACK;

-- ---- schedules ----
SET TimeZone = 'Europe/Berlin';
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '0 3 1 jan *') > now() AS planned;
SELECT to_char(next_run, 'MM-DD HH24:MI TZH') AS next, time_zone, every, cron, on_change, last_run, last_job, last_state, failures, relations, arguments
FROM mlaas.schedules WHERE schedule = 'jobs_line';
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '@yearly') = date_trunc('year', now()) + interval '1 year' AS new_year;
SELECT ml_schedule('jobs_line', 'line', 'y', every => '1 hour', time_zone => 'America/New_York', priority => 2) BETWEEN now() + '59 min' AND now() + '61 min' AS planned;
SELECT time_zone, every, cron, priority FROM mlaas.schedules WHERE schedule = 'jobs_line';
SELECT ml_schedule('jobs_line', 'line', 'y', on_change => 0.2, schedule => 'jobs_other') > now() AS planned;
SELECT schedule, name, on_change, changed, relations FROM mlaas.schedules WHERE name = 'jobs_line' ORDER BY schedule;
SELECT ml_schedule('jobs_new', 'SELECT l.x, k.y FROM line l JOIN (SELECT * FROM line) k USING (x)', 'y', on_change => 0.2) > now() AS planned;
-- nothing has been trained yet: what changed since is not known
SELECT schedule, changed, relations FROM mlaas.schedules WHERE name = 'jobs_new';
\set VERBOSITY sqlstate
SELECT ml_schedule('jobs_line', 'line', 'y');
SELECT ml_schedule('jobs_line', 'line', 'y', every => '1 day', cron => '* * * * *');
SELECT ml_schedule('jobs_line', 'line', 'y', every => '0.5 s');
SELECT ml_schedule('jobs_line', 'line', 'y', every => '-1 day');
SELECT ml_schedule('jobs_line', 'line', 'y', on_change => 0);
SELECT ml_schedule('jobs_line', 'line', 'y', on_change => 'NaN');
SELECT ml_schedule('jobs_line', 'SELECT i AS x, i AS y FROM generate_series(1, 9) i', 'y', on_change => 0.1);
SELECT ml_schedule('jobs_line', 'line', 'y', every => '1 day', time_zone => 'Mars/Olympus');
SELECT ml_schedule('jobs_line', 'line', 'y', every => '1 day', schedule => '');
SELECT ml_schedule('jobs_line', 'passing', 'y', every => '1 day');
SELECT ml_schedule('jobs_line', 'line', 'z', every => '1 day');
BEGIN READ ONLY;
SELECT ml_schedule('jobs_line', 'line', 'y', every => '1 day');
ROLLBACK;
SET ROLE jobs_bob;
SELECT ml_unschedule('jobs_other');
RESET ROLE;
\set VERBOSITY default
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '61 * * * *');
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '* * * juno *');
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '* * *');
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '0 0 30 2 *');
SELECT ml_schedule('jobs_line', 'line', 'y', cron => '@dayly');
\set VERBOSITY terse
SELECT ml_unschedule('jobs_line'), ml_unschedule('jobs_other'), ml_unschedule('jobs_new'), ml_unschedule('jobs_none');

-- one that runs
SELECT ml_schedule('jobs_often', 'line', 'y', 'linear_regression', every => '1 second') IS NOT NULL AS planned;
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		PERFORM pg_sleep(0.02);
		COMMIT;
		EXIT WHEN (SELECT count(*) FROM mlaas.jobs JOIN mlaas.schedules s USING (schedule) WHERE schedule = 'jobs_often' AND state = 'succeeded' AND submitted_at >= s.created_at) >= 2;
	END LOOP;
END $$;
SELECT count(*) >= 2 AS ran FROM mlaas.jobs JOIN mlaas.schedules s USING (schedule) WHERE schedule = 'jobs_often' AND state = 'succeeded' AND submitted_at >= s.created_at;
SELECT last_run IS NOT NULL AS ran, failures FROM mlaas.schedules WHERE schedule = 'jobs_often';
SELECT ml_unschedule('jobs_often');
SELECT bool_and(ml_wait(job) = 'succeeded') AS over FROM mlaas.jobs WHERE schedule = 'jobs_often';

SELECT ml_drop(name) > 0 AS dropped FROM mlaas.models WHERE name LIKE 'jobs\_%' ORDER BY name;
RESET TimeZone;
DROP SCHEMA jobs CASCADE;
DROP OWNED BY jobs_alice, jobs_bob;
DROP ROLE jobs_alice, jobs_bob;
