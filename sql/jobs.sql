-- Jobs and schedules: trainings that background workers run (src/pg/job.c, worker.c, scheduler.c, schedule.c),
-- and how far trainings are (src/pg/progress.c).
--
-- The tables have no grants: C code checks the caller's rights and writes as their owner.  No
-- foreign keys and no sequences, as in the registry; a job's number is the highest one plus one, under a lock.

CREATE TABLE mlaas.job (
	id				bigint NOT NULL,
	role			regrole NOT NULL,
	login			regrole NOT NULL,
	priority		int NOT NULL,
	attempts		int NOT NULL DEFAULT 0,
	version			int,
	submitted_at	timestamptz NOT NULL,
	started_at		timestamptz,
	finished_at		timestamptz,
	cancel_requested boolean NOT NULL DEFAULT false,
	state			text NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
	name			text COLLATE "C" NOT NULL,
	schedule		text COLLATE "C",
	sqlstate		text,
	message			text,
	detail			text,
	hint			text,
	arguments		jsonb NOT NULL,
	settings		jsonb NOT NULL,
	CONSTRAINT job_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE mlaas.job IS 'One row per training that was submitted. A job that runs is locked by its worker: one that says running and is not locked has died.';
COMMENT ON COLUMN mlaas.job.role IS 'Role as which it trains.';
COMMENT ON COLUMN mlaas.job.login IS 'Role that the session was logged in as: it must still be allowed to log in and to become that role.';
COMMENT ON COLUMN mlaas.job.arguments IS 'The arguments of ml_train that were given.';
COMMENT ON COLUMN mlaas.job.settings IS 'The settings of the session that submitted it, those of the server and of time limits apart.';

-- what a scheduler looks for
CREATE INDEX job_open ON mlaas.job (priority DESC, id) WHERE state IN ('queued', 'running');

CREATE TABLE mlaas.schedule (
	role			regrole NOT NULL,
	login			regrole NOT NULL,
	priority		int NOT NULL,
	failures		int NOT NULL DEFAULT 0,
	last_job		bigint,
	on_change		float8,
	rows_then		bigint,
	changes_then	bigint,
	every			interval,
	created_at		timestamptz NOT NULL,
	last_run		timestamptz,
	next_run		timestamptz NOT NULL,
	schedule		text COLLATE "C" NOT NULL,
	name			text COLLATE "C" NOT NULL,
	cron			text,
	time_zone		text NOT NULL,
	last_state		text,
	relations		text[] NOT NULL,
	arguments		jsonb NOT NULL,
	settings		jsonb NOT NULL,
	CONSTRAINT schedule_pkey PRIMARY KEY (schedule)
);
COMMENT ON TABLE mlaas.schedule IS 'One row per training that is to be repeated.';
COMMENT ON COLUMN mlaas.schedule.relations IS 'The tables that the source reads, as SQL names, whose changes count.';
COMMENT ON COLUMN mlaas.schedule.rows_then IS 'Their rows when it last trained, or was made.';
COMMENT ON COLUMN mlaas.schedule.changes_then IS 'Rows inserted, updated and deleted in them until then; NULL: not known, so that it trains when it is next looked at.';

REVOKE ALL ON mlaas.job, mlaas.schedule FROM PUBLIC;
ALTER TABLE mlaas.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlaas.schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY job_member ON mlaas.job USING (pg_catalog.pg_has_role(role::oid, 'USAGE'));
CREATE POLICY schedule_member ON mlaas.schedule USING (pg_catalog.pg_has_role(role::oid, 'USAGE'));

-- What waits or runs belongs to this server and stays here; what is over is kept with its number.  What dropped roles
-- left stays here too: their numbers may be those of others where it is restored.
SELECT pg_catalog.pg_extension_config_dump('mlaas.job',
	'WHERE state NOT IN (''queued'', ''running'') AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('mlaas.schedule',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role) AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = login)');

CREATE FUNCTION mlaas.training_progress(OUT pid int, OUT role oid, OUT name text, OUT job bigint, OUT phase text,
										OUT rows_read bigint, OUT iteration bigint, OUT iterations bigint,
										OUT loss float8, OUT fraction float8, OUT seconds float8, OUT seconds_left float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
ROWS 5
AS 'MODULE_PATHNAME', 'ml_training_progress';
COMMENT ON FUNCTION mlaas.training_progress() IS
'What the views mlaas.progress and mlaas.jobs show of trainings under way: those of roles that the current role belongs to, all for members of pg_read_all_stats. Starts the scheduler of jobs when there is something to do and none runs.';

CREATE VIEW mlaas.progress WITH (security_barrier) AS
SELECT p.pid, (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = p.role) AS role, p.name, p.job, p.phase, p.rows_read, p.iteration, p.iterations,
	   p.loss, p.fraction, p.seconds, p.seconds_left
FROM mlaas.training_progress() p;

COMMENT ON VIEW mlaas.progress IS
'Trainings under way in this database, by sessions and by jobs: those of the roles that the current role belongs to, all for members of pg_read_all_stats. Empty when track_activities is off there.';
COMMENT ON COLUMN mlaas.progress.pid IS 'Server process, as in pg_stat_activity.';
COMMENT ON COLUMN mlaas.progress.role IS 'Role that trains.';
COMMENT ON COLUMN mlaas.progress.name IS 'Model.';
COMMENT ON COLUMN mlaas.progress.job IS 'Number of the job; NULL for a session that trains by itself.';
COMMENT ON COLUMN mlaas.progress.phase IS 'reading rows, preparing, trying rates (gradient_boosting without learning_rate), fitting, scoring (metrics, importances) or storing.';
COMMENT ON COLUMN mlaas.progress.rows_read IS 'Rows read so far, a second reading of the source included; NULL where the rows are aggregated as they come.';
COMMENT ON COLUMN mlaas.progress.iteration IS 'Iterations done in this phase: rounds, trees, steps.';
COMMENT ON COLUMN mlaas.progress.iterations IS 'Iterations there will be, or at most.';
COMMENT ON COLUMN mlaas.progress.loss IS 'Loss after the last iteration, on the held-out rows where they decide when to stop, else on those learned from; NULL where none is known. For a ranking: NDCG.';
COMMENT ON COLUMN mlaas.progress.fraction IS 'Share of this phase that is done, 0 to 1; NULL when it may end at any time.';
COMMENT ON COLUMN mlaas.progress.seconds IS 'Seconds since the training began.';
COMMENT ON COLUMN mlaas.progress.seconds_left IS 'Seconds that this phase is likely to take still; NULL when that cannot be told.';

CREATE VIEW mlaas.jobs WITH (security_barrier) AS
SELECT j.id AS job, j.name, j.state, p.phase, p.rows_read, p.iteration, p.iterations, p.loss, p.fraction, p.seconds_left,
	   j.priority, (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = j.role) AS role, j.schedule, j.submitted_at, j.started_at, j.finished_at,
	   j.attempts, j.cancel_requested, j.version, j.sqlstate, j.message, j.detail, j.hint, j.arguments
FROM mlaas.job j
LEFT JOIN mlaas.training_progress() p ON p.job = j.id AND j.state = 'running'
WHERE pg_catalog.pg_has_role(j.role::oid, 'USAGE');

COMMENT ON VIEW mlaas.jobs IS
'Trainings that were submitted, by the roles that the current role belongs to: those that wait, run and are over.';
COMMENT ON COLUMN mlaas.jobs.job IS 'Number, as ml_submit returned it.';
COMMENT ON COLUMN mlaas.jobs.name IS 'Model.';
COMMENT ON COLUMN mlaas.jobs.state IS 'queued, running, succeeded, failed or cancelled.';
COMMENT ON COLUMN mlaas.jobs.phase IS 'Of a job that runs, as the following columns: see mlaas.progress.';
COMMENT ON COLUMN mlaas.jobs.rows_read IS 'Rows read so far.';
COMMENT ON COLUMN mlaas.jobs.iteration IS 'Iterations done in this phase: rounds, trees, steps.';
COMMENT ON COLUMN mlaas.jobs.iterations IS 'Iterations there will be, or at most.';
COMMENT ON COLUMN mlaas.jobs.loss IS 'Loss after the last iteration; NULL where none is computed.';
COMMENT ON COLUMN mlaas.jobs.fraction IS 'Share of this phase that is done, 0 to 1; NULL when it may end at any time.';
COMMENT ON COLUMN mlaas.jobs.seconds_left IS 'Seconds that this phase is likely to take still; NULL when that cannot be told.';
COMMENT ON COLUMN mlaas.jobs.priority IS 'Higher ones begin first; those of one priority in the order of their numbers.';
COMMENT ON COLUMN mlaas.jobs.role IS 'Role that submitted it, as which it trains.';
COMMENT ON COLUMN mlaas.jobs.schedule IS 'Schedule that submitted it; NULL when ml_submit did.';
COMMENT ON COLUMN mlaas.jobs.submitted_at IS 'When it was submitted.';
COMMENT ON COLUMN mlaas.jobs.started_at IS 'When the last attempt began.';
COMMENT ON COLUMN mlaas.jobs.finished_at IS 'When it succeeded, failed or was cancelled.';
COMMENT ON COLUMN mlaas.jobs.attempts IS 'How often it was begun: more than once after a crash or restart of the server.';
COMMENT ON COLUMN mlaas.jobs.cancel_requested IS 'Whether ml_cancel was called.';
COMMENT ON COLUMN mlaas.jobs.version IS 'Version that it stored; NULL unless it succeeded.';
COMMENT ON COLUMN mlaas.jobs.sqlstate IS 'SQLSTATE of the error that ended it.';
COMMENT ON COLUMN mlaas.jobs.message IS 'Text of that error; of a job that waits: why its last attempt ended.';
COMMENT ON COLUMN mlaas.jobs.detail IS 'Its DETAIL.';
COMMENT ON COLUMN mlaas.jobs.hint IS 'Its HINT.';
COMMENT ON COLUMN mlaas.jobs.arguments IS 'The arguments of ml_train.';

CREATE FUNCTION mlaas.schedule_change(relations text[], rows_then bigint, changes_then bigint)
RETURNS float8
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'ml_schedule_change';
COMMENT ON FUNCTION mlaas.schedule_change(text[], bigint, bigint) IS
'Share of the rows of tables that changed since then, by the statistics that autovacuum goes by; NULL when that is not known.';

CREATE VIEW mlaas.schedules WITH (security_barrier) AS
SELECT s.schedule, s.name, s.every, s.cron, s.time_zone, s.on_change,
	   mlaas.schedule_change(s.relations, s.rows_then, s.changes_then) AS changed,
	   s.next_run, s.last_run, s.last_job, coalesce(j.state, s.last_state) AS last_state, s.failures,
	   s.priority, (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = s.role) AS role, s.relations, s.created_at, s.arguments
FROM mlaas.schedule s
LEFT JOIN mlaas.job j ON j.id = s.last_job AND j.schedule = s.schedule
WHERE pg_catalog.pg_has_role(s.role::oid, 'USAGE');

COMMENT ON VIEW mlaas.schedules IS
'Trainings to be repeated, of the roles that the current role belongs to.';
COMMENT ON COLUMN mlaas.schedules.schedule IS 'Name of the schedule.';
COMMENT ON COLUMN mlaas.schedules.name IS 'Model.';
COMMENT ON COLUMN mlaas.schedules.every IS 'Time from the beginning of one run to the next; NULL: by cron, or by changes alone.';
COMMENT ON COLUMN mlaas.schedules.cron IS 'Minute, hour, day of month, month and day of week; NULL: by every, or by changes alone.';
COMMENT ON COLUMN mlaas.schedules.time_zone IS 'Time zone in which cron, and every in days or months, are meant.';
COMMENT ON COLUMN mlaas.schedules.priority IS 'Priority of its jobs.';
COMMENT ON COLUMN mlaas.schedules.role IS 'Role that made it, as which its jobs train.';
COMMENT ON COLUMN mlaas.schedules.created_at IS 'When it was made.';
COMMENT ON COLUMN mlaas.schedules.on_change IS 'Share of rows that must have changed for it to train; NULL: it always does.';
COMMENT ON COLUMN mlaas.schedules.changed IS 'Rows inserted, updated and deleted since it last trained, as a share of the rows there were then; NULL when that is not known.';
COMMENT ON COLUMN mlaas.schedules.next_run IS 'When it trains next, or looks whether enough has changed.';
COMMENT ON COLUMN mlaas.schedules.last_run IS 'When it last submitted a job; NULL when it has not yet.';
COMMENT ON COLUMN mlaas.schedules.last_job IS 'That job.';
COMMENT ON COLUMN mlaas.schedules.last_state IS 'What has become of that job.';
COMMENT ON COLUMN mlaas.schedules.failures IS 'Jobs that failed since the last one that succeeded: each doubles the wait for the next.';
COMMENT ON COLUMN mlaas.schedules.relations IS 'Tables whose changes count.';
COMMENT ON COLUMN mlaas.schedules.arguments IS 'The arguments of ml_train.';

GRANT SELECT ON mlaas.progress, mlaas.jobs, mlaas.schedules TO PUBLIC;

CREATE FUNCTION ml_submit(name text, source text, target text DEFAULT NULL, algorithm text DEFAULT 'auto',
						  features text[] DEFAULT NULL, params jsonb DEFAULT '{}', preprocess jsonb DEFAULT '{}',
						  validation jsonb DEFAULT '{}', weight text DEFAULT NULL, deploy text DEFAULT 'first',
						  priority int DEFAULT 0)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_submit';
COMMENT ON FUNCTION ml_submit(text, text, text, text, text[], jsonb, jsonb, jsonb, text, text, int) IS
'Lets a background worker call ml_train with these arguments, as the current role and with the settings of this session, once this transaction has been committed; returns the number of the job at once.
priority: jobs of a higher one begin first. mlaas.jobs shows what has become of it, ml_wait waits for it, ml_cancel ends it; on every change, the channel mlaas_jobs is notified with {"job": number, "state": state}.
The arguments are checked now, as far as that can be done without reading rows. statement_timeout and other limits of time do not hold for a job.
Errors: those of ml_train that can be told without reading rows; 0A000 a temporary table in the source; 53400 as many jobs wait as may (mlaas.max_queued_jobs).';

CREATE FUNCTION ml_cancel(job bigint)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_cancel';
COMMENT ON FUNCTION ml_cancel(bigint) IS
'Cancels a job from the commit on: one that waits at once, one that runs as soon as it notices, within a second as a rule. Returns false when it is over already. Errors: 42704 no such job; 42501 a job of another role.';

CREATE FUNCTION ml_wait(job bigint, timeout interval DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_wait';
COMMENT ON FUNCTION ml_wait(bigint, interval) IS
'Waits until a job is over, at most for timeout (default: as long as it takes), and returns its state: succeeded, failed or cancelled, or queued or running when the time is up. Errors: 42704 no such job; 42501 a job of another role; 55000 one that this transaction itself submitted.';

CREATE FUNCTION ml_schedule(name text, source text, target text DEFAULT NULL, algorithm text DEFAULT 'auto',
							features text[] DEFAULT NULL, params jsonb DEFAULT '{}', preprocess jsonb DEFAULT '{}',
							validation jsonb DEFAULT '{}', weight text DEFAULT NULL, deploy text DEFAULT 'first',
							priority int DEFAULT 0, every interval DEFAULT NULL, cron text DEFAULT NULL,
							on_change float8 DEFAULT NULL, time_zone text DEFAULT NULL, schedule text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_schedule';
COMMENT ON FUNCTION ml_schedule(text, text, text, text, text[], jsonb, jsonb, jsonb, text, text, int, interval, text, float8, text, text) IS
'Submits a job with these arguments again and again, as the current role and with the settings of this session; returns when it does so first.
every: an interval of at least a second, from the beginning of one run to that of the next. cron: minute, hour, day of month, month, day of week, as cron writes them: ''30 3 * * mon-fri''; or @hourly, @daily, @weekly, @monthly, @yearly. Either of them, not both.
on_change: train only when this share of the rows of the tables that the source reads was inserted, updated or deleted since it last trained: 0.1 is a tenth. Without every and cron, that is looked at once a minute.
time_zone: in which cron, and every in days or months, are meant; default: that of this session. schedule: the name of the schedule, default that of the model; a schedule of this name is replaced.
A run is left out while the job of the last one is not over; after a run that failed, the wait is 1 minute, then 2, 4, ... up to a day, if the next run does not come later anyway. Runs that were missed while the server was down are made up for by one.
Every run stores a version; with deploy at its default, first, nobody uses those after the first: if_better and always deploy them. Old ones stay until ml_drop_old, or ml_keep_versions, drops them.
Errors: those of ml_submit; 22004 none of every, cron and on_change; 22023 a cron text that cannot be read (the field is named) or another value that cannot be; 42501 a schedule of another role.';

CREATE FUNCTION ml_unschedule(schedule text)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_unschedule';
COMMENT ON FUNCTION ml_unschedule(text) IS
'Removes a schedule; a job that it submitted goes on. Returns false when there is no such schedule. Error 42501: a schedule of another role.';
