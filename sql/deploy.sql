-- Moving aliases, dropping, and a registered model as a value (src/pg/deploy.c).

CREATE FUNCTION ml_deploy(name text, version int, alias text DEFAULT 'production', reason text DEFAULT NULL,
						  OUT name text, OUT alias text, OUT version int, OUT previous_version int)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_deploy';
COMMENT ON FUNCTION ml_deploy(text, int, text, text) IS
'Points an alias of a model at a version: from the commit on, statements that name the model, or name@alias, use it. Default alias: production, which a bare name means. The reason goes to mlaas.history. previous_version is NULL when the alias is new; an alias that is there already stays and leaves no history. Errors: no such model or version, a model of another role, an alias that is a number.';

CREATE FUNCTION ml_rollback(name text, alias text DEFAULT 'production',
							OUT name text, OUT alias text, OUT version int, OUT previous_version int)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_rollback';
COMMENT ON FUNCTION ml_rollback(text, text) IS
'Points an alias of a model (default: production) back at the version it was deployed at before; again, one further back. Versions dropped since are passed over. Errors: no such model or alias, a model of another role, nothing to roll back to.';

CREATE FUNCTION ml_drop(name text)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_drop';
COMMENT ON FUNCTION ml_drop(text) IS
'Drops a model with all its versions and aliases; returns how many versions there were. Its history stays. Errors: no such model, a model of another role.';

CREATE FUNCTION ml_drop(name text, version int)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_drop';
COMMENT ON FUNCTION ml_drop(text, int) IS
'Drops one version of a model, whose number is not used again; returns 1. Error when an alias points at it.';

CREATE FUNCTION ml_model(model text)
RETURNS ml_model
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model';
COMMENT ON FUNCTION ml_model(text) IS
'The model registered under name, name@version or name@alias as a value, for columns, other databases and calls that must be IMMUTABLE.';

-- Of a bare literal the parser would make a constant of the type ml_model; an exact match on
-- unknown comes before that, so ml_model('churn') is the look-up that it reads as.
CREATE FUNCTION ml_model(model unknown)
RETURNS ml_model
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_model_literal';
COMMENT ON FUNCTION ml_model(unknown) IS
'The same for a name written as a literal: ml_model(''churn''). The text form of a model is cast instead: ''{...}''::ml_model.';
