-- Routes: calls of an alias that go to other versions (src/pg/route.c, route_write.c), and columns that deployed
-- models need (src/pg/protect.c).

CREATE TABLE mlaas.route (
	model_id		uuid NOT NULL,
	version_id		uuid NOT NULL,
	number			int NOT NULL,
	version			int NOT NULL,
	weight			float8 CHECK (weight >= 0 AND weight <= 1),
	role			regrole,
	alias			text COLLATE "C" NOT NULL,
	claim			text,
	value			text,
	condition		text,
	key				text,
	salt			text,
	CONSTRAINT route_pkey PRIMARY KEY (model_id, alias, number),
	CHECK (num_nonnulls(weight, role, claim, condition) = 1),
	CHECK ((claim IS NULL) = (value IS NULL) AND (weight IS NULL) = (salt IS NULL))
);
COMMENT ON TABLE mlaas.route IS 'Which calls of an alias go to other versions than its own.';
REVOKE ALL ON mlaas.route FROM PUBLIC;
-- not those of dropped roles, which no call takes: their numbers may be those of others where it is restored
SELECT pg_catalog.pg_extension_config_dump('mlaas.route',
	'WHERE role IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
ALTER TABLE mlaas.route ENABLE ROW LEVEL SECURITY;
CREATE POLICY route_read ON mlaas.route FOR SELECT USING (mlaas.has_privilege(model_id, 'describe'));

CREATE VIEW mlaas.routes WITH (security_barrier) AS
SELECT m.name, r.alias, r.number, r.version, r.weight,
	   CASE WHEN r.role IS NOT NULL THEN
			coalesce((SELECT o.rolname FROM pg_catalog.pg_roles o WHERE o.oid = r.role)::text, '(dropped)') END AS role,
	   r.claim, r.value, r.condition, r.key, r.salt
FROM mlaas.route r
JOIN mlaas.model m ON m.id = r.model_id
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'describe');
COMMENT ON VIEW mlaas.routes IS
'Routes of the models that the current role may describe. Those with a role, a claim or a condition come first, in the order of their numbers, and the first that holds decides; weights divide the rest.';
COMMENT ON COLUMN mlaas.routes.name IS 'Model.';
COMMENT ON COLUMN mlaas.routes.alias IS 'Alias whose calls it takes.';
COMMENT ON COLUMN mlaas.routes.number IS 'Number of the route, for ml_unroute.';
COMMENT ON COLUMN mlaas.routes.version IS 'Where it leads.';
COMMENT ON COLUMN mlaas.routes.weight IS 'Share of the calls, from 0 to 1; what the weights leave goes to the alias'' own version.';
COMMENT ON COLUMN mlaas.routes.role IS 'Members of this role go here, superusers only when they were made members.';
COMMENT ON COLUMN mlaas.routes.claim IS 'Path of a claim in request.jwt.claims that must have the value.';
COMMENT ON COLUMN mlaas.routes.value IS 'What the claim must be, or have among the values of an array.';
COMMENT ON COLUMN mlaas.routes.condition IS 'What must hold for the input.';
COMMENT ON COLUMN mlaas.routes.key IS 'Column of the input whose value decides between weights; NULL: all features together.';
COMMENT ON COLUMN mlaas.routes.salt IS 'Second argument of ml_bucket for the weights.';
GRANT SELECT ON mlaas.routes TO PUBLIC;

CREATE FUNCTION ml_route(name text, alias text, version int, weight float8 DEFAULT NULL, role text DEFAULT NULL,
						 claim text DEFAULT NULL, value text DEFAULT NULL, condition text DEFAULT NULL,
						 key text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_route';
COMMENT ON FUNCTION ml_route(text, text, int, float8, text, text, text, text, text, text) IS
'Lets some calls of an alias go to another version; returns the route''s number. Exactly one of these says which calls:
weight: a share from 0 to 1 of those that no other route takes, by the bucket of the input''s key (ml_bucket), so that a key keeps its version while weights grow. key: the column or JSON member that is the key, for all weights of the alias; without it, or where an input has none, all features of the input together are the key.
role: calls by members of this role. claim and value: calls whose setting request.jwt.claims has this value at the path claim (names joined by dots), or in the array there. condition: inputs for which it holds, such as plan = ''pro'' and age >= 30: columns, or setting ''app.name'', compared by = <> < <= > >= with a number, a text, true or false, or IS [NOT] NULL, joined by AND; a column that the input lacks is NULL.
The alias must point at a version of the same kind, and its guards hold for the new one. Predictions follow routes, ml_predict_json tells the version; ml_evaluate and what describes a model use the alias'' own version. An alias has 32 routes at most.
Errors: 42704 no such model, version, alias or role; 22023 wrong arguments, weights above 1; 42601 not a condition; 23505 a weight that is there (ml_shift changes it); 42809 another kind of model; 55000 as for ml_deploy; 42501 as for ml_deploy.';

CREATE FUNCTION ml_shift(name text, alias text, version int, weight float8, reason text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_shift';
COMMENT ON FUNCTION ml_shift(text, text, int, float8, text) IS
'Changes the share, 0 to 1, of the calls of an alias that go to a version. With one weight, keys only move to the version when it grows, and only back when it shrinks. Errors: 42704 no such model or weight; 22023 weights above 1; 42501 as for ml_deploy.';

CREATE FUNCTION ml_unroute(name text, alias text DEFAULT 'production', number int DEFAULT NULL)
RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_unroute';
COMMENT ON FUNCTION ml_unroute(text, text, int) IS
'Ends one route of an alias by its number, or all of them; returns how many there were. Errors: 42704 no such model or route; 42501 as for ml_deploy.';

CREATE FUNCTION ml_bucket(key text, salt text)
RETURNS float8
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_bucket';
COMMENT ON FUNCTION ml_bucket(text, text) IS
'Where a key falls in [0, 1): the same for ever and everywhere, and evenly over keys. The weights of an alias, in the order of their numbers, divide this range from 0 on; their salt is in mlaas.routes. NULL for a NULL.';

CREATE FUNCTION ml_routed_version(model text, key text)
RETURNS int
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_routed_version';
COMMENT ON FUNCTION ml_routed_version(text, text) IS
'The version that the weights of name, or name@alias, give a key now: what a prediction for an input with this key uses, unless a route by role, claim or condition takes it. Errors: 42704 no such model or alias; 42501 not allowed to predict with it.';

CREATE FUNCTION mlaas.protect_columns()
RETURNS event_trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'ml_protect_columns';
COMMENT ON FUNCTION mlaas.protect_columns() IS
'Refuses to drop or rename a column that a deployed model was trained on, unless mlaas.protect_columns is off.';

CREATE EVENT TRIGGER mlaas_protect_dropped ON sql_drop
	WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'ALTER TYPE')
	EXECUTE FUNCTION mlaas.protect_columns();
CREATE EVENT TRIGGER mlaas_protect_renamed ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW')
	EXECUTE FUNCTION mlaas.protect_columns();
