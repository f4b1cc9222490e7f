-- Deploying: which version a name means, guards of that, and a registered model as a value (src/pg/deploy.c,
-- registry_alias.c, deploy_compare.c, guard.c).

CREATE TABLE mlaas.guard (
	model_id		uuid NOT NULL,
	number			int NOT NULL,
	made_at			timestamptz NOT NULL,
	made_by			regrole NOT NULL,
	threshold		float8 NOT NULL,
	alias			text COLLATE "C" NOT NULL,
	metric			text NOT NULL,
	operator		text NOT NULL CHECK (operator IN ('>=', '>', '<=', '<')),
	by				text,
	source			text,
	search_path		text NOT NULL,
	CONSTRAINT guard_pkey PRIMARY KEY (model_id, number)
);
COMMENT ON TABLE mlaas.guard IS 'Conditions that a version must pass before an alias points at it.';
COMMENT ON COLUMN mlaas.guard.made_by IS 'With whose rights the source is read.';
COMMENT ON COLUMN mlaas.guard.search_path IS 'Under which the names in the source are found.';
REVOKE ALL ON mlaas.guard FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlaas.guard', '');
ALTER TABLE mlaas.guard ENABLE ROW LEVEL SECURITY;
CREATE POLICY guard_read ON mlaas.guard FOR SELECT USING (mlaas.has_privilege(model_id, 'describe'));

CREATE VIEW mlaas.guards WITH (security_barrier) AS
SELECT m.name, g.alias, g.number,
	   pg_catalog.format(CASE WHEN g.by IS NULL THEN '%1$s %3$s %4$s' ELSE 'max_gap(%1$s, %2$I) %3$s %4$s' END,
						 g.metric, g.by, g.operator, g.threshold) AS condition,
	   g.metric, g.by, g.operator, g.threshold, g.source,
	   (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = g.made_by) AS made_by,
	   g.made_at
FROM mlaas.guard g
JOIN mlaas.model m ON m.id = g.model_id
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'describe');
COMMENT ON VIEW mlaas.guards IS
'The guards of the models that the current role may describe: what a version must pass before an alias points at it.';
COMMENT ON COLUMN mlaas.guards.name IS 'Model.';
COMMENT ON COLUMN mlaas.guards.alias IS 'Alias that versions must pass it for.';
COMMENT ON COLUMN mlaas.guards.number IS 'Number of the guard, for ml_drop_guard.';
COMMENT ON COLUMN mlaas.guards.condition IS 'As ml_guard was given it; the following columns are its parts.';
COMMENT ON COLUMN mlaas.guards.metric IS 'What is measured: a metric, bytes or microseconds.';
COMMENT ON COLUMN mlaas.guards.by IS 'Column between whose groups the gap is taken; NULL for no gap.';
COMMENT ON COLUMN mlaas.guards.operator IS '>=, >, <= or <.';
COMMENT ON COLUMN mlaas.guards.threshold IS 'In the unit of the metric.';
COMMENT ON COLUMN mlaas.guards.source IS 'Rows that it is measured on; NULL for what is stored with the version.';
COMMENT ON COLUMN mlaas.guards.made_by IS 'Role that made it, with whose rights the source is read; NULL when it was dropped.';
COMMENT ON COLUMN mlaas.guards.made_at IS 'When.';
GRANT SELECT ON mlaas.guards TO PUBLIC;

-- Each role in use (src/pg/rights.c) holds EXECUTE on this function in its own name, so that DROP ROLE names it.
CREATE FUNCTION mlaas.models_of(role regrole)
RETURNS TABLE (model text, privilege text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT m.name, 'owner' FROM mlaas.models m
	WHERE m.owner = (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = role)
	UNION ALL
	SELECT p.model, p.privilege FROM mlaas.privileges p
	WHERE p.grantee = (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = role)
	UNION ALL
	SELECT g.name, pg_catalog.format('guard %s', g.number) FROM mlaas.guards g
	WHERE g.made_by = (SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = role)
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION mlaas.models_of(regrole) IS
'Models that a role owns (privilege owner), was granted a privilege on itself or made a guard of (guard and its number), as far as the current role may see: what to hand over by ml_set_owner, drop, revoke or take away by ml_drop_guard before DROP ROLE, which fails while there are any, in a database with "privileges for function mlaas.models_of(regrole)".';

CREATE FUNCTION ml_deploy(name text, version int, alias text DEFAULT 'production', reason text DEFAULT NULL,
						  strategy text DEFAULT 'at_once', metric text DEFAULT NULL, margin float8 DEFAULT 0,
						  holdout text DEFAULT NULL,
						  OUT name text, OUT alias text, OUT version int, OUT previous_version int, OUT deployed boolean,
						  OUT metric text, OUT value float8, OUT previous_value float8)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_deploy';
COMMENT ON FUNCTION ml_deploy(text, int, text, text, text, text, float8, text) IS
'Points an alias of a model at a version: from the commit on, statements that name the model, or name@alias, use it. Default alias: production, which a bare name means. The reason goes to mlaas.history. An alias that is there already stays and leaves no history; routes of the alias stay.
strategy: at_once, or if_better: only when the version beats the one that the alias points at by more than margin, in the unit of metric (default: roc_auc for two classes, log_loss for more, rmse for numbers, ndcg for rankings). Both are measured on the same rows: those of holdout, a table, view or query that neither was trained on, read with the rights of the caller; or by default those that the training of the version held out, found again in its source, which must have the same rows still; only the role that trained the version has it read so, since the source is SQL of that role. The version before may have learned from some of those, which favours it.
Guards of the alias (ml_guard) are measured then, and all must hold.
Returns previous_version (NULL when the alias is new), whether the version is deployed now, and for if_better the metric with the figures of both.
Errors: 42704 no such model, version or metric; 42501 not allowed to manage the model, or not a member of mlaas_deployer where that role exists; 42602 an alias that is a number; 55000 an archived version, one that is not approved where the role mlaas_approver exists, one that fails a guard (the detail has each with its figure), or versions that cannot be compared.';

CREATE FUNCTION ml_rollback(name text, alias text DEFAULT 'production',
							OUT name text, OUT alias text, OUT version int, OUT previous_version int)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rollback';
COMMENT ON FUNCTION ml_rollback(text, text) IS
'Undoes the last move of an alias of a model (default: production). Where routes send some calls elsewhere they all end, and the alias stays where it points; else it points back at the version it was deployed at before; again, one further back. Versions dropped or archived since are passed over; guards are not asked. previous_version: where calls went until now. Errors: 42704 no such model or alias; 42501 as for ml_deploy; 55000 nothing to roll back to.';

CREATE FUNCTION ml_promote(name text, alias text DEFAULT 'production', version int DEFAULT NULL, reason text DEFAULT NULL,
						   OUT name text, OUT alias text, OUT version int, OUT previous_version int, OUT deployed boolean,
						   OUT metric text, OUT value float8, OUT previous_value float8)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_promote';
COMMENT ON FUNCTION ml_promote(text, text, int, text) IS
'Finishes a canary: deploys the version that the routes of an alias lead to, and ends all its routes. version: which, when they lead to several. Guards must hold, as for ml_deploy; ml_rollback takes it back. Errors: as ml_deploy; 55000 an alias of which no route leads to the version.';

CREATE FUNCTION ml_guard(name text, condition text, alias text DEFAULT 'production', source text DEFAULT NULL)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_guard';
COMMENT ON FUNCTION ml_guard(text, text, text, text) IS
'Adds a condition that a version must pass before an alias points at it, or a route leads to it; returns its number.
condition: a measure, one of >=, >, <= and <, and a number. Measures: any metric of ml_evaluate (roc_auc, also written auc; rmse, ...), max_gap(metric, column): the largest difference of a metric between two groups of rows with the same value in a column; bytes: the size of the model; microseconds: what the model takes for a row, one by one, without reading it, in the fastest of five passes over up to 1000 rows.
source: the table, view or query to measure on; it is read with the rights of the role that made the guard and under its search_path, and it reads nothing temporary. Without one a metric is that of the rows which the version''s training held out. Gaps and microseconds need one, bytes has none. Groups on whose rows the metric is not defined are left out of a gap; a metric that is not defined fails.
Errors: 42601 not a condition; 42704 no such model or metric; 23505 a guard that is there already; 42501 not allowed to manage the model.';

CREATE FUNCTION ml_drop_guard(name text, guard int)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_drop_guard';
COMMENT ON FUNCTION ml_drop_guard(text, int) IS
'Drops a guard of a model by its number, which mlaas.guards has. Errors: 42704 no such model or guard; 42501 not allowed to manage the model.';

CREATE FUNCTION ml_drop(name text)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_drop';
COMMENT ON FUNCTION ml_drop(text) IS
'Drops a model with all its versions and aliases; returns how many versions there were. Its history stays. Errors: 42704 no such model; 42501 without the privilege manage; 2BP01 when other objects depend on its published function.';

CREATE FUNCTION ml_drop(name text, version int)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_drop';
COMMENT ON FUNCTION ml_drop(text, int) IS
'Drops one version of a model, whose number is not used again; returns 1. Errors: 42704 no such model or version; 42501 without the privilege manage; 2BP01 a version that an alias points at or a route leads to.';

CREATE FUNCTION ml_drop_old(name text, keep int)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_drop_old';
COMMENT ON FUNCTION ml_drop_old(text, int) IS
'Drops the old versions of a model, all but the newest keep (at least 1), and returns how many there were. These stay besides: what an alias points at, what a rollback of it would bring back, and what a route leads to; approved and archived versions; and the parents and members of a version that stays for one of these reasons or belongs to another model. Each version dropped has its entry in mlaas.history. Errors: 42704 no such model; 42501 without the privilege manage; 22023 keep below 1.';

CREATE FUNCTION ml_keep_versions(name text, keep int)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_keep_versions';
COMMENT ON FUNCTION ml_keep_versions(text, int) IS
'Drops the old versions of a model as ml_drop_old does, now, and in the transaction of each training or the like that stores a new one, which counts, and of each deployment; returns how many it dropped now. NULL ends it. mlaas.models shows keep_versions. Errors as for ml_drop_old.';

CREATE FUNCTION ml_model(model text)
RETURNS ml_model
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model';
COMMENT ON FUNCTION ml_model(text) IS
'The model registered under name, name@version or name@alias as a value, for columns, other databases and calls that must be IMMUTABLE. Errors: 42704 no such model, version or alias; 42501 without the privilege describe.';

-- Of a bare literal the parser would make a constant of the type ml_model; an exact match on
-- unknown comes before that, so ml_model('churn') is the look-up that it reads as.
CREATE FUNCTION ml_model(model unknown)
RETURNS ml_model
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_literal';
COMMENT ON FUNCTION ml_model(unknown) IS
'The same for a name written as a literal: ml_model(''churn''). The text form of a model is cast instead: ''{...}''::ml_model.';
