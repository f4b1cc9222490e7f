-- What is said about models: names, owners, descriptions, tags, the status of versions; copies
-- (src/pg/metadata.c); values as versions (src/pg/register.c); and metrics as rows.

CREATE FUNCTION ml_rename(name text, new_name text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rename';
COMMENT ON FUNCTION ml_rename(text, text) IS
'Renames a model, which keeps its versions, aliases, privileges and history. Statements that name it by the old name fail from the commit on. Errors: 42704 no such model; 42501 without the privilege manage; 23505 a model of the new name exists; 42602 a name that is unfit.';

CREATE FUNCTION ml_copy(model text, new_name text, OUT name text, OUT version int)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_copy';
COMMENT ON FUNCTION ml_copy(text, text) IS
'Copies a version (name, name@version or name@alias) with its metrics and lineage as version 1 of a new model, which belongs to the current role and has the description and tags of the first. The copy is a candidate whose parent is the version copied, and is not deployed. Errors: 42704 no such model or version; 42501 without the privilege describe, or without the role mlaas_trainer where it exists; 23505 a model of the new name exists.';

CREATE FUNCTION ml_register(name text, model ml_model, description text DEFAULT NULL, deploy text DEFAULT 'first',
							OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_register';
COMMENT ON FUNCTION ml_register(text, ml_model, text, text) IS
'Stores a model that is there as a value as the next version of name: from ml_fit, ml_fit_preprocess or another database. What the value says of its training is not checked, so the version has no metrics and no rows, guards on them fail, it cannot be compared on the rows that its training held out, and ml_reproduce and a new training by ml_update refuse it; ml_evaluate measures it on rows of yours. Its task is transform where it is a preparation alone, which "transform" of preprocess names.
description: of the model, as by ml_set_description; NULL leaves it. deploy: first: the version becomes the one that the bare name means when there is none yet; always; never; if_better: stored and not deployed, with a warning, where there is one.
Returns the version, what it is, and whether it was deployed. Errors: 22004 no name or model; 42602 a name that is unfit; 42501 a model that the role does not manage, or without the role mlaas_trainer where it exists; XX001 a value that is no sound model; 25006 a read-only transaction.';

CREATE FUNCTION ml_set_owner(name text, role text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_set_owner';
COMMENT ON FUNCTION ml_set_owner(text, text) IS
'Gives a model to another role, as ALTER ... OWNER TO does: the current role must be a member of the owner and able to SET ROLE to the new one, or a superuser. Errors: 42704 no such model or role; 42501 without these memberships.';

CREATE FUNCTION ml_set_description(name text, description text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_set_description';
COMMENT ON FUNCTION ml_set_description(text, text) IS
'Sets the description of a model, which mlaas.models shows; NULL or an empty text removes it. Errors: 42704 no such model; 42501 without the privilege manage.';

CREATE FUNCTION ml_tag(name text, VARIADIC tags text[])
RETURNS text[]
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_tag';
COMMENT ON FUNCTION ml_tag(text, text[]) IS
'Adds tags to a model and returns all that it has, in order. A tag has at most 63 bytes, no @ and no control character, and a model at most 100. Errors: 42704 no such model; 42501 without the privilege manage; 42602 an unfit tag; 54000 too many.';

CREATE FUNCTION ml_untag(name text, VARIADIC tags text[])
RETURNS text[]
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_untag';
COMMENT ON FUNCTION ml_untag(text, text[]) IS
'Removes tags from a model, as far as it has them, and returns those left. Errors: 42704 no such model; 42501 without the privilege manage.';

CREATE FUNCTION ml_approve(name text, version int, reason text DEFAULT NULL,
						   OUT name text, OUT version int, OUT status text)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_approve';
COMMENT ON FUNCTION ml_approve(text, int, text) IS
'Sets the status of a version to approved; the reason goes to mlaas.history. Where the role mlaas_approver exists, it takes membership in it and the privilege describe on the model, and only approved versions can be deployed under the alias production; elsewhere it takes the privilege manage. Errors: 42704 no such model or version; 42501 without these rights.';

CREATE FUNCTION ml_archive(name text, version int, reason text DEFAULT NULL,
						   OUT name text, OUT version int, OUT status text)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_archive';
COMMENT ON FUNCTION ml_archive(text, int, text) IS
'Sets the status of a version to archived: it stays and predicts as name@version, and cannot be deployed before ml_approve approves it again. The reason goes to mlaas.history. Errors: 42704 no such model or version; 42501 without the privilege manage; 55000 a version that an alias points at; 2BP01 one that a route leads to.';

CREATE VIEW mlaas.metrics WITH (security_barrier) AS
SELECT m.name,
	   v.version,
	   x.key AS metric,
	   CASE pg_catalog.jsonb_typeof(x.value) WHEN 'number' THEN x.value::float8 END AS value,
	   CASE pg_catalog.jsonb_typeof(v.baseline -> x.key) WHEN 'number' THEN (v.baseline -> x.key)::float8 END AS baseline
FROM mlaas.model m
JOIN mlaas.version v ON v.model_id = m.id
CROSS JOIN LATERAL pg_catalog.jsonb_each(v.metrics) x
WHERE (pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'predict'))
  AND pg_catalog.jsonb_typeof(x.value) IN ('number', 'null');

COMMENT ON VIEW mlaas.metrics IS
'The metrics of all versions of the models that the current role may predict with, one row each.';
COMMENT ON COLUMN mlaas.metrics.name IS 'Name of the model.';
COMMENT ON COLUMN mlaas.metrics.version IS 'Version of the model.';
COMMENT ON COLUMN mlaas.metrics.metric IS 'Name of the metric: roc_auc, log_loss, r2, rmse, ...';
COMMENT ON COLUMN mlaas.metrics.value IS 'On the held-out rows, else on the training rows; NULL when it is not defined on them.';
COMMENT ON COLUMN mlaas.metrics.baseline IS 'The same of the baseline on the same rows: the mean, or the shares of the classes.';

GRANT SELECT ON mlaas.metrics TO PUBLIC;
