-- What a REST client sees through PostgREST: schema mlaas_api (src/pg/rest.c, predict_json.c,
-- predict_key.c), beside the functions that ml_publish makes.
--
-- Names and comments become the API and its description, so arguments have plain names and
-- types.  Everything runs with the rights of the role of the request.

-- ---- views ----

CREATE VIEW mlaas_api.models WITH (security_barrier) AS
SELECT m.name,
	   m.description,
	   m.tags,
	   m.task,
	   m.target,
	   m.algorithm,
	   m.deployed_version,
	   m.latest_version,
	   m.metrics,
	   m.features,
	   p.function_name AS function,
	   p.key,
	   m.owner,
	   m.created_at,
	   m.trained_at
FROM mlaas.models m
LEFT JOIN mlaas.published p ON p.model_name = m.name;

COMMENT ON VIEW mlaas_api.models IS
'The models that the role of the request may use.';
COMMENT ON COLUMN mlaas_api.models.name IS 'Name: the argument model of the functions.';
COMMENT ON COLUMN mlaas_api.models.description IS 'What the model is for, in the words of who manages it.';
COMMENT ON COLUMN mlaas_api.models.tags IS 'Tags, in order.';
COMMENT ON COLUMN mlaas_api.models.task IS 'regression, binary, multiclass, ranking, anomaly or transform.';
COMMENT ON COLUMN mlaas_api.models.target IS 'What is predicted.';
COMMENT ON COLUMN mlaas_api.models.algorithm IS 'Algorithm of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas_api.models.deployed_version IS 'Version that the bare name uses; null when none is deployed.';
COMMENT ON COLUMN mlaas_api.models.latest_version IS 'Highest version: use it as name@version.';
COMMENT ON COLUMN mlaas_api.models.metrics IS 'Metrics on held-out rows, by name: {"roc_auc": 0.84, ...}.';
COMMENT ON COLUMN mlaas_api.models.features IS 'What an input must have: name, kind and type of each feature.';
COMMENT ON COLUMN mlaas_api.models.function IS 'Function of its own under /rpc/, with the features as arguments; null when there is none.';
COMMENT ON COLUMN mlaas_api.models.key IS 'What the argument key of predict_by_key is; null when the model cannot be asked by key.';
COMMENT ON COLUMN mlaas_api.models.owner IS 'Role that owns the model.';
COMMENT ON COLUMN mlaas_api.models.created_at IS 'When the name was trained first.';
COMMENT ON COLUMN mlaas_api.models.trained_at IS 'When this version was trained.';

CREATE VIEW mlaas_api.versions WITH (security_barrier) AS
SELECT v.name,
	   v.version,
	   v.status,
	   v.aliases,
	   v.parent,
	   v.algorithm,
	   v.task,
	   v.target,
	   v.metrics,
	   v.baseline,
	   v.features,
	   v.parameters,
	   v.preprocess,
	   v.validation,
	   v.source,
	   v.n_train,
	   v.n_test,
	   v.n_skipped,
	   v.seconds,
	   v.bytes,
	   v.trained_by,
	   v.created_at,
	   v.row_digest,
	   v.software_version
FROM mlaas.versions v;

COMMENT ON VIEW mlaas_api.versions IS
'The versions of the models that the role of the request may describe, and how each came to be.';
COMMENT ON COLUMN mlaas_api.versions.name IS 'Name of the model.';
COMMENT ON COLUMN mlaas_api.versions.version IS 'Number: name@version uses this one.';
COMMENT ON COLUMN mlaas_api.versions.status IS 'candidate, approved or archived.';
COMMENT ON COLUMN mlaas_api.versions.aliases IS 'Aliases that point at this version; null when there is none.';
COMMENT ON COLUMN mlaas_api.versions.parent IS 'Version it was made from, as name@version; null for a model of its own.';
COMMENT ON COLUMN mlaas_api.versions.algorithm IS 'Algorithm.';
COMMENT ON COLUMN mlaas_api.versions.task IS 'regression, binary, multiclass, ranking, anomaly or transform.';
COMMENT ON COLUMN mlaas_api.versions.target IS 'What is predicted.';
COMMENT ON COLUMN mlaas_api.versions.metrics IS 'Metrics on held-out rows, by name.';
COMMENT ON COLUMN mlaas_api.versions.baseline IS 'The same metrics of the mean, or of the shares of the classes.';
COMMENT ON COLUMN mlaas_api.versions.features IS 'What it learned from: name, kind and type.';
COMMENT ON COLUMN mlaas_api.versions.parameters IS 'All parameters of the algorithm.';
COMMENT ON COLUMN mlaas_api.versions.preprocess IS 'Options of the preparation, as given.';
COMMENT ON COLUMN mlaas_api.versions.validation IS 'How rows were held out, as given.';
COMMENT ON COLUMN mlaas_api.versions.source IS 'Table, view or query, as given.';
COMMENT ON COLUMN mlaas_api.versions.n_train IS 'Rows learned from.';
COMMENT ON COLUMN mlaas_api.versions.n_test IS 'Rows held out.';
COMMENT ON COLUMN mlaas_api.versions.n_skipped IS 'Rows left out because their target is null.';
COMMENT ON COLUMN mlaas_api.versions.seconds IS 'Duration of the training in seconds.';
COMMENT ON COLUMN mlaas_api.versions.bytes IS 'Size of the model in bytes.';
COMMENT ON COLUMN mlaas_api.versions.trained_by IS 'Role that trained it.';
COMMENT ON COLUMN mlaas_api.versions.created_at IS 'When it was stored.';
COMMENT ON COLUMN mlaas_api.versions.row_digest IS 'Digest of the rows read: equal rows, equal digest.';
COMMENT ON COLUMN mlaas_api.versions.software_version IS 'Versions of mlaas and PostgreSQL that trained it.';

CREATE VIEW mlaas_api.metrics WITH (security_barrier) AS
SELECT m.name, m.version, m.metric, m.value, m.baseline
FROM mlaas.metrics m;

COMMENT ON VIEW mlaas_api.metrics IS
'The metrics of each version of the models that the role of the request may use, one a row.';
COMMENT ON COLUMN mlaas_api.metrics.name IS 'Name of the model.';
COMMENT ON COLUMN mlaas_api.metrics.version IS 'Number of the version.';
COMMENT ON COLUMN mlaas_api.metrics.metric IS 'Name of the metric, as in scikit-learn.';
COMMENT ON COLUMN mlaas_api.metrics.value IS 'On held-out rows; null where it is not defined.';
COMMENT ON COLUMN mlaas_api.metrics.baseline IS 'Of the mean, or of the shares of the classes, on the same rows.';

CREATE VIEW mlaas_api.deployments WITH (security_barrier) AS
SELECT a.name, a.alias, a.version, a.deployed_at
FROM mlaas.aliases a;

COMMENT ON VIEW mlaas_api.deployments IS
'What is deployed: where the aliases of each model that the role of the request may use point.';
COMMENT ON COLUMN mlaas_api.deployments.name IS 'Name of the model.';
COMMENT ON COLUMN mlaas_api.deployments.alias IS 'production is what the bare name means; others are used as name@alias.';
COMMENT ON COLUMN mlaas_api.deployments.version IS 'Version that it points at.';
COMMENT ON COLUMN mlaas_api.deployments.deployed_at IS 'When it was moved there.';

CREATE VIEW mlaas_api.history WITH (security_barrier) AS
SELECT h.name, h.number, h.at, h.who, h.action, h.alias, h.version, h.from_version, h.reason, h.detail
FROM mlaas.history h;

COMMENT ON VIEW mlaas_api.history IS
'What happened to the models that the role of the request manages, deployments among it.';
COMMENT ON COLUMN mlaas_api.history.name IS 'Name of the model.';
COMMENT ON COLUMN mlaas_api.history.number IS 'Order of the events of one model.';
COMMENT ON COLUMN mlaas_api.history.at IS 'When.';
COMMENT ON COLUMN mlaas_api.history.who IS 'Role that did it.';
COMMENT ON COLUMN mlaas_api.history.action IS 'train, deploy, rollback, approve, grant, publish, drop, ...';
COMMENT ON COLUMN mlaas_api.history.alias IS 'Alias that was moved.';
COMMENT ON COLUMN mlaas_api.history.version IS 'Version that it happened to.';
COMMENT ON COLUMN mlaas_api.history.from_version IS 'Version that the alias pointed at before.';
COMMENT ON COLUMN mlaas_api.history.reason IS 'As given.';
COMMENT ON COLUMN mlaas_api.history.detail IS 'What the other columns do not tell.';

CREATE VIEW mlaas_api.algorithms AS
SELECT a.name,
	   a.tasks,
	   a.description,
	   (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
				   'name', p.name, 'type', p.type, 'default', p.default_value, 'min', p.min, 'max', p.max,
				   'choices', p.choices, 'description', p.description)))
		FROM @extschema@.ml_params(a.name) p) AS parameters
FROM @extschema@.ml_algorithms() a;

COMMENT ON VIEW mlaas_api.algorithms IS
'The algorithms that train can use, with their parameters.';
COMMENT ON COLUMN mlaas_api.algorithms.name IS 'The argument algorithm of train.';
COMMENT ON COLUMN mlaas_api.algorithms.tasks IS 'What it can learn: regression, binary, multiclass, ranking, anomaly.';
COMMENT ON COLUMN mlaas_api.algorithms.description IS 'What it is.';
COMMENT ON COLUMN mlaas_api.algorithms.parameters IS 'Members of the argument params of train: name, type, default, min, max, choices, description.';

CREATE VIEW mlaas_api.jobs WITH (security_barrier) AS
SELECT j.job, j.name, j.state, j.phase, j.rows_read, j.iteration, j.iterations, j.loss, j.fraction, j.seconds_left,
	   j.priority, j.role, j.submitted_at, j.started_at, j.finished_at, j.version, j.sqlstate, j.message, j.detail, j.hint
FROM mlaas.jobs j;

COMMENT ON VIEW mlaas_api.jobs IS
'Trainings that train has queued, of the roles that the role of the request belongs to: those that wait, run and are over.';
COMMENT ON COLUMN mlaas_api.jobs.job IS 'Number, as train returned it.';
COMMENT ON COLUMN mlaas_api.jobs.name IS 'Name of the model.';
COMMENT ON COLUMN mlaas_api.jobs.state IS 'queued, running, succeeded, failed or cancelled.';
COMMENT ON COLUMN mlaas_api.jobs.phase IS 'What a job that runs is at: reading rows, preparing, trying rates, fitting, scoring or storing.';
COMMENT ON COLUMN mlaas_api.jobs.rows_read IS 'Rows read so far.';
COMMENT ON COLUMN mlaas_api.jobs.iteration IS 'Iterations done in this phase: rounds, trees, steps.';
COMMENT ON COLUMN mlaas_api.jobs.iterations IS 'Iterations there will be, or at most.';
COMMENT ON COLUMN mlaas_api.jobs.loss IS 'Loss after the last iteration.';
COMMENT ON COLUMN mlaas_api.jobs.fraction IS 'Share of this phase that is done, 0 to 1.';
COMMENT ON COLUMN mlaas_api.jobs.seconds_left IS 'Seconds that this phase is likely to take still.';
COMMENT ON COLUMN mlaas_api.jobs.priority IS 'Higher ones begin first.';
COMMENT ON COLUMN mlaas_api.jobs.role IS 'Role that submitted it, as which it trains.';
COMMENT ON COLUMN mlaas_api.jobs.submitted_at IS 'When it was queued.';
COMMENT ON COLUMN mlaas_api.jobs.started_at IS 'When the last attempt began.';
COMMENT ON COLUMN mlaas_api.jobs.finished_at IS 'When it was over.';
COMMENT ON COLUMN mlaas_api.jobs.version IS 'Version that it stored; null unless it succeeded.';
COMMENT ON COLUMN mlaas_api.jobs.sqlstate IS 'SQLSTATE of the error that ended it.';
COMMENT ON COLUMN mlaas_api.jobs.message IS 'Text of that error.';
COMMENT ON COLUMN mlaas_api.jobs.detail IS 'Detail of that error.';
COMMENT ON COLUMN mlaas_api.jobs.hint IS 'Hint of that error.';

GRANT SELECT ON mlaas_api.models, mlaas_api.versions, mlaas_api.metrics, mlaas_api.deployments,
	mlaas_api.history, mlaas_api.algorithms, mlaas_api.jobs TO PUBLIC;

-- ---- predictions ----

CREATE FUNCTION mlaas_api.predict(model text, input json)
RETURNS json
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50
AS 'MODULE_PATHNAME', 'ml_rest_predict';
COMMENT ON FUNCTION mlaas_api.predict(text, json) IS
'Predict for one input or for several.

model: name of a model, or name@version, or name@alias. input: one object {"feature": value, ...}, or an array of such objects; null is a missing value, other members are ignored. Returns an object, or an array in the same order: {"prediction": number} for a regression, {"label": ..., "probabilities": {"class": ..., ...}} and, where the labels are numbers, "prediction", for a classifier. Errors: 404 (42704) no such model, version or alias; 401 or 403 (42501) no right to predict with it; 422 (22023 and others) a feature that is missing or of the wrong type; 413 (54000) more rows or bytes than a request may have.';

CREATE FUNCTION mlaas_api.predict_batch(model text, rows json, key text DEFAULT NULL,
										OUT key text, OUT prediction float8, OUT label text, OUT probability float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL SAFE COST 1000 ROWS 100
AS 'MODULE_PATHNAME', 'ml_rest_predict_batch';
COMMENT ON FUNCTION mlaas_api.predict_batch(text, json, text) IS
'Predict for many inputs: one row of the answer for each, which can be selected, filtered and ordered, or returned as CSV.

model: as in predict. rows: an array of objects {"feature": value, ...}; null is a missing value. key: name of a member that identifies a row; default: the number of the row, from 1. Returns key, prediction (a number; null for text labels), label and its probability (classifiers). With ?columns=model,rows in the address PostgREST passes the body on without parsing it, which is faster. Errors as in predict.';

CREATE FUNCTION mlaas_api.predict_by_key(model text, key text)
RETURNS json
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'ml_rest_predict_by_key';
COMMENT ON FUNCTION mlaas_api.predict_by_key(text, text) IS
'Predict for a row of the database: the features are read where the model was published with a table or view and its key.

model: as in predict. key: value of the key. Returns what predict returns for one object. The row is read with the rights of the role of the request; of a view, which who manages the model names, that runs its functions too. Errors: 404 no such model (42704) or no row with that key (P0002); 401 or 403 (42501) no right to predict with the model or to read the table; 409 (55000) the model is not published with a source; 422 (22P02) a key of the wrong type.';

-- ---- judging ----

CREATE FUNCTION mlaas_api.evaluate(model text, source text, OUT metric text, OUT value float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'ml_rest_evaluate';
COMMENT ON FUNCTION mlaas_api.evaluate(text, text) IS
'Measure a model on the rows of a table or view.

model: as in predict. source: a table or view that the role may read, with the features and the target, never SQL text. Returns every metric that fits the task, named as in scikit-learn; null where it is not defined. Errors: 404 no such model (42704), table or view (42P01); 401 or 403 (42501) no right to one of them; 400 SQL text as the source (22023), a column that is missing (42703) or values that do not fit.';

CREATE FUNCTION mlaas_api.compare(model text, version int, other int,
								  OUT metric text, OUT value float8, OUT other_value float8, OUT difference float8)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'ml_rest_compare';
COMMENT ON FUNCTION mlaas_api.compare(text, int, int) IS
'Compare the metrics of two versions of a model.

model: name. version, other: numbers of the versions. Returns for each metric the value of version, the other_value and their difference (other_value minus value). Each was measured on the rows that its own training held out; evaluate measures both on the same rows. Errors: 404 (42704) no such model or version; 401 or 403 (42501) no right to describe it.';

CREATE FUNCTION mlaas_api.describe(model text)
RETURNS jsonb
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_rest_describe';
COMMENT ON FUNCTION mlaas_api.describe(text) IS
'Describe a model: its algorithm, task, classes, features, preparation, parameters and what it learned.

model: as in predict. Errors: 404 (42704) no such model, version or alias; 401 or 403 (42501) no right to describe it, which the right to predict does not include.';

-- ---- training and deploying ----

-- A C function: a wrapper in SQL would have to fix its search_path, and then could not
-- find the relation as the request's search_path finds it.
CREATE FUNCTION mlaas_api.train(name text, source text, target text DEFAULT NULL, algorithm text DEFAULT 'auto',
								features text[] DEFAULT NULL, params jsonb DEFAULT '{}', preprocess jsonb DEFAULT '{}',
								validation jsonb DEFAULT '{}', weight text DEFAULT NULL, deploy text DEFAULT 'first',
								wait boolean DEFAULT false, priority int DEFAULT 0,
								OUT job bigint, OUT state text, OUT name text, OUT version int, OUT task text,
								OUT algorithm text, OUT metrics jsonb, OUT n_train bigint, OUT n_test bigint,
								OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rest_train';
COMMENT ON FUNCTION mlaas_api.train(text, text, text, text, text[], jsonb, jsonb, jsonb, text, text, boolean, int) IS
'Train a model on a table or view, as a job of which the answer, 202, has the address.

name: name of the model; its next version is stored. source: a table or view that the role may read, never SQL text. target: column to predict. algorithm: auto, or one of the algorithms there are. features: columns to learn from; default: all others. params, preprocess, validation: objects of options, whose keys the comment of ml_train lists. weight: column with the weight of each row. deploy: first (when none is deployed yet), if_better, always or never. wait: true trains at once, and the answer, 200, is when it is done. priority: jobs of a higher one begin first. Returns job and state (queued), and the header Location has the path to the row of the view jobs; with wait: the version, its metrics on held-out rows, the rows learned from and held out, and the seconds it took. Errors: 404 (42P01) no such table or view; 401 or 403 (42501) one that the role may not read, or a model that it may not manage; 400 no such column (42703), algorithm or parameter (42704), SQL text as the source or a value out of range (22023); 413 (54000) mlaas.max_memory reached; 429 (53400) too many jobs wait. Those that only the rows tell are in the job.';

CREATE FUNCTION mlaas_api.cancel(job bigint)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rest_cancel';
COMMENT ON FUNCTION mlaas_api.cancel(bigint) IS
'Cancel a job: one that waits at once, one that runs within a second as a rule.

job: its number. Returns false when it is over already. Errors: 404 (42704) no such job; 401 or 403 (42501) a job of another role.';

CREATE FUNCTION mlaas_api.deploy(model text, version int, alias text DEFAULT 'production', reason text DEFAULT NULL,
								 strategy text DEFAULT 'at_once', metric text DEFAULT NULL, margin float8 DEFAULT 0,
								 holdout text DEFAULT NULL,
								 OUT name text, OUT alias text, OUT version int, OUT previous_version int, OUT deployed boolean,
								 OUT metric text, OUT value float8, OUT previous_value float8)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rest_deploy';
COMMENT ON FUNCTION mlaas_api.deploy(text, int, text, text, text, text, float8, text) IS
'Deploy a version: from then on requests that name the model, or name@alias, use it.

model: name. version: its number. alias: production, which the bare name means, or another. reason: goes to the history. strategy: at_once, or if_better: only when it beats the version that is deployed by more than margin in metric, on the rows of holdout, a table or view, or by default on those that its training held out. Returns name, alias, version and previous_version, null when the alias is new; deployed, and for if_better the metric with value and previous_value. Errors: 404 (42704) no such model or version; 401 or 403 (42501) no right to manage it; 400 (22023) an unknown strategy or metric; 409 (55000) the version is not to be deployed as it is: a guard fails, it is archived, or not approved.';

CREATE FUNCTION mlaas_api.rollback(model text, alias text DEFAULT 'production',
								   OUT name text, OUT alias text, OUT version int, OUT previous_version int)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rest_rollback';
COMMENT ON FUNCTION mlaas_api.rollback(text, text) IS
'Roll back to the version that was deployed before; again, one further back.

model: name. alias: production, or another. Returns name, alias, version and previous_version. Errors: 404 (42704) no such model or alias; 401 or 403 (42501) no right to manage it; 409 (55000) nothing to roll back to.';

-- ---- setting it up ----

CREATE FUNCTION ml_rest_setup(authenticator text DEFAULT 'authenticator', anonymous text DEFAULT 'web_anon', roles text[] DEFAULT '{}')
RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rest_setup';
COMMENT ON FUNCTION ml_rest_setup(text, text, text[]) IS
'Makes the roles that PostgREST needs, as far as they are missing, and returns a postgrest.conf for them and this database.
authenticator: the role that PostgREST connects as; made with LOGIN and NOINHERIT, and without a password, which you give it. anonymous: the role of requests without a token. roles: those of requests with one. The authenticator becomes a member of each, and each gets USAGE on the schema mlaas_api. It can be called again and only adds: roles that are there keep their attributes, settings and grants. Runs with the rights of the caller, who must be allowed to make roles.
Errors: 42501 no right to make or grant a role; 22023 one of the roles is a superuser or may become one by SET ROLE, the authenticator cannot log in, or is also a role of requests.';
