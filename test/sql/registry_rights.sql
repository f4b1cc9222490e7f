-- Who may do what with a model: privileges, roles, changing roles in a session, row-level security, dropped roles,
-- and that no function can be made to run another's SQL.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
SET client_min_messages = warning;
CREATE SCHEMA rights_test;
SET search_path = rights_test, public;
CREATE TABLE run AS SELECT timestamptz :'began' AS began;
GRANT SELECT ON run TO PUBLIC;
CREATE TABLE points AS SELECT i::float8 AS x, 2.0 * i AS y, 3.0 * i AS z FROM generate_series(1, 50) i;
CREATE FUNCTION error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''));
END $$;
CREATE FUNCTION at_ten(model text) RETURNS numeric
LANGUAGE sql STABLE AS $$ SELECT round(ml_predict(model, '{"x": 10}'::jsonb)::numeric, 6) $$;
GRANT USAGE, CREATE ON SCHEMA rights_test TO PUBLIC;
GRANT SELECT ON points TO PUBLIC;
CREATE ROLE regress_rights_ann;
CREATE ROLE regress_rights_bob;
CREATE ROLE regress_rights_cat;
CREATE ROLE regress_rights_bobs_team IN ROLE regress_rights_bob;
SET ROLE regress_rights_ann;
SELECT version FROM ml_train('rights', 'points', 'y', 'linear_regression', '{x}', validation => '{"split": "none"}');
SELECT version FROM ml_train('rights', 'points', 'z', 'linear_regression', '{x}', validation => '{"split": "none"}');

-- what a role may do, one function of each kind beside its privilege; run in a subtransaction that is rolled back
CREATE TABLE attempts (needs text, command text);
INSERT INTO attempts VALUES
	('predict', $$SELECT ml_predict('rights', '{"x": 1}'::jsonb)$$),
	('predict', $$SELECT ml_predict('rights@2', 1.0)$$),
	('predict', $$SELECT * FROM ml_predict_batch('rights', 'rights_test.points')$$),
	('predict', $$SELECT * FROM ml_evaluate('rights', 'rights_test.points')$$),
	('predict', $$SELECT mlaas_api.predict('rights', '{"x": 1}')$$),
	('describe', $$SELECT ml_describe('rights')$$),
	('describe', $$SELECT ml_model('rights')$$),
	('describe', $$SELECT * FROM ml_coefficients('rights')$$),
	('describe', $$SELECT * FROM ml_statistics('rights')$$),
	('describe', $$SELECT * FROM ml_explain('rights', '{"x": 1}'::jsonb)$$),
	('describe', $$SELECT * FROM ml_explain_batch('rights', 'rights_test.points')$$),
	('describe', $$SELECT * FROM ml_importance('rights', 'shap', 'rights_test.points')$$),
	('describe', $$SELECT * FROM ml_partial_dependence('rights', 'rights_test.points', 'x')$$),
	('describe', $$SELECT * FROM ml_ice('rights', 'rights_test.points', 'x')$$),
	('describe', $$SELECT ml_copy('rights', 'rights copied')$$),
	('manage', $$SELECT version FROM ml_train('rights', 'rights_test.points', 'y', 'linear_regression', '{x}')$$),
	('manage', $$SELECT ml_deploy('rights', 2)$$),
	('manage', $$SELECT ml_drop('rights', 2)$$),
	('manage', $$SELECT ml_drop('rights')$$),
	('manage', $$SELECT ml_rename('rights', 'x')$$),
	('manage', $$SELECT ml_tag('rights', 'x')$$),
	('manage', $$SELECT ml_set_description('rights', 'x')$$),
	('manage', $$SELECT ml_approve('rights', 2)$$),
	('manage', $$SELECT ml_archive('rights', 2)$$),
	('manage', $$SELECT ml_grant('rights', 'public', 'predict')$$),
	('manage', $$SELECT ml_revoke('rights', 'regress_rights_bob', 'predict')$$),
	('owner', $$SELECT ml_set_owner('rights', current_user)$$);
GRANT SELECT ON attempts TO PUBLIC;
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE command;
		RAISE EXCEPTION 'rolled back' USING ERRCODE = 'RB000';
	EXCEPTION WHEN SQLSTATE 'RB000' THEN
		RETURN 'may';
	END;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN 'may not';
END $$;
CREATE FUNCTION allowed() RETURNS TABLE (needs text, outcome text, commands bigint) LANGUAGE sql AS $$
	SELECT needs, rights_test.attempt(command) AS outcome, count(*) FROM rights_test.attempts
	GROUP BY 1, 2 ORDER BY array_position('{predict,describe,manage,owner}', needs), 2
$$;
-- what it sees, as counts of rows
CREATE FUNCTION seen() RETURNS text LANGUAGE sql AS $$
	SELECT format('models %s, aliases %s, metrics %s, versions %s, history %s, privileges %s',
				  (SELECT count(*) FROM mlaas.models), (SELECT count(*) FROM mlaas.aliases),
				  (SELECT count(DISTINCT (name, version)) FROM mlaas.metrics), (SELECT count(*) FROM mlaas.versions),
				  (SELECT count(*) > 0 FROM mlaas.history, rights_test.run WHERE name = 'rights' AND at >= began), (SELECT count(*) FROM mlaas.privileges))
$$;

-- 1. each privilege, with those before it

SELECT * FROM allowed();
SELECT seen();
SET ROLE regress_rights_bob;
SELECT * FROM allowed();
SELECT seen();
SET ROLE regress_rights_ann;
SELECT ml_grant('rights', 'regress_rights_bob', 'predict') AS new, ml_grant('rights', 'regress_rights_bob', 'predict') AS again;
SET ROLE regress_rights_bob;
SELECT * FROM allowed();
SELECT seen();
-- a member of the grantee has it, another role has not
SET ROLE regress_rights_bobs_team;
SELECT at_ten('rights');
SET ROLE regress_rights_cat;
SELECT error_of($$SELECT at_ten('rights')$$);
SET ROLE regress_rights_ann;
SELECT ml_grant('rights', 'regress_rights_bob', 'describe');
SET ROLE regress_rights_bob;
SELECT * FROM allowed();
SELECT seen();
SET ROLE regress_rights_ann;
SELECT ml_grant('rights', 'regress_rights_bob', 'manage');
SET ROLE regress_rights_bob;
SELECT * FROM allowed();
SELECT seen();
-- who was granted manage grants in turn
SELECT ml_grant('rights', 'regress_rights_cat', 'predict');
SELECT model, grantee, privilege, granted_by FROM mlaas.privileges ORDER BY 2, 3;
SET ROLE regress_rights_cat;
SELECT at_ten('rights');
SELECT version, source IS NULL AS hidden FROM mlaas.versions;
-- revoking takes what implies it as well
SET ROLE regress_rights_ann;
SELECT ml_revoke('rights', 'regress_rights_bob', 'describe'), ml_revoke('rights', 'regress_rights_bob', 'describe') AS again;
SELECT grantee, privilege FROM mlaas.privileges ORDER BY 1, 2;
SET ROLE regress_rights_bob;
SELECT * FROM allowed();
-- everybody
SET ROLE regress_rights_ann;
SELECT ml_revoke('rights', 'regress_rights_bob', 'predict'), ml_revoke('rights', 'regress_rights_cat', 'predict');
SELECT ml_grant('rights', 'public', 'predict');
SELECT grantee, privilege FROM mlaas.privileges;
SET ROLE regress_rights_cat;
SELECT at_ten('rights');
SET ROLE regress_rights_ann;
SELECT ml_revoke('rights', 'public', 'predict');
SELECT error_of(command) FROM unnest(ARRAY[
	$$SELECT ml_grant('rights', 'regress_rights_nobody', 'predict')$$, $$SELECT ml_grant('rights', 'regress_rights_bob', 'predit')$$,
	$$SELECT ml_grant('rights', 'regress_rights_bob', NULL)$$, $$SELECT ml_grant('rights', NULL, 'predict')$$,
	$$SELECT ml_grant('rihts', 'regress_rights_bob', 'predict')$$, $$SELECT mlaas.has_privilege(gen_random_uuid(), 'all')$$]) command;
SELECT number, action, detail FROM mlaas.history WHERE at >= :'began' AND name = 'rights' AND action IN ('grant', 'revoke') ORDER BY number;
SELECT mlaas.has_privilege(gen_random_uuid(), 'predict') IS NULL AS no_such_model;
-- a name that exists and one that does not are told apart, as PostgreSQL does; the nearest name is one's own
SET ROLE regress_rights_cat;
SELECT error_of($$SELECT at_ten('rights')$$), error_of($$SELECT at_ten('right')$$);

-- 2. roles that restrict an activity, here for as long as a transaction

RESET ROLE;
BEGIN;
CREATE ROLE mlaas_trainer;
CREATE ROLE mlaas_approver;
GRANT mlaas_trainer TO regress_rights_cat;
SET LOCAL ROLE regress_rights_ann;
SELECT error_of($$SELECT ml_train('rights', 'points', 'y')$$);
SELECT error_of($$SELECT ml_copy('rights', 'x')$$);
SELECT error_of($$SELECT ml_approve('rights', 1)$$);
-- the rest is hers still
SELECT at_ten('rights'), ml_tag('rights', 'x');
SET LOCAL ROLE regress_rights_cat;
SELECT version FROM ml_train('cats', 'points', 'y', 'linear_regression', '{x}');
SELECT error_of($$SELECT ml_train('rights', 'points', 'y')$$);
-- an approver needs to see the model, and no more
RESET ROLE;
GRANT mlaas_approver TO regress_rights_bob;
SET LOCAL ROLE regress_rights_bob;
SELECT error_of($$SELECT ml_approve('rights', 1)$$);
RESET ROLE;
SELECT ml_grant('rights', 'regress_rights_bob', 'describe');
SET LOCAL ROLE regress_rights_bob;
SELECT * FROM ml_approve('rights', 1, 'seen');
SELECT error_of($$SELECT ml_archive('rights', 2)$$);
RESET ROLE;
ROLLBACK;

-- 3. changing the role in a session: what one role opened, cached or prepared, another is refused

SET ROLE regress_rights_ann;
PREPARE ten AS SELECT round(ml_predict('rights', '{"x": 10}'::jsonb)::numeric, 6) AS ten;
PREPARE ten_of(text) AS SELECT at_ten($1) AS ten;
CREATE FUNCTION kept(model text) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN round(ml_predict(model, '{"x": 10}'::jsonb)::numeric, 6);
END $$;
EXECUTE ten;
EXECUTE ten_of('rights');
SELECT kept('rights'), kept('rights@1');
SET ROLE regress_rights_bob;
EXECUTE ten;
EXECUTE ten_of('rights');
SELECT kept('rights');
SELECT count(*) FROM mlaas.models;
-- a generic plan as well
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_rights_ann;
EXECUTE ten;
SET ROLE regress_rights_bob;
EXECUTE ten;
RESET plan_cache_mode;
-- inside a transaction, in loops that keep a call site's state
SET ROLE regress_rights_ann;
CREATE FUNCTION as_each(model text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	who text;
	seen text := '';
BEGIN
	FOREACH who IN ARRAY ARRAY['regress_rights_ann', 'regress_rights_bob', 'regress_rights_ann'] LOOP
		PERFORM set_config('role', who, true);
		BEGIN
			seen := seen || ' ' || round(ml_predict(model, '{"x": 10}'::jsonb)::numeric);
		EXCEPTION WHEN insufficient_privilege THEN
			seen := seen || ' refused';
		END;
	END LOOP;
	RETURN seen;
END $$;
RESET ROLE;
BEGIN;
SELECT as_each('rights');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT as_each('rights');
ROLLBACK;
-- a view asks for the rights of who reads it, a function of the owner's lends
SET ROLE regress_rights_ann;
CREATE VIEW scored AS SELECT x, ml_predict('rights', p) AS y FROM rights_test.points p;
GRANT SELECT ON scored TO PUBLIC;
CREATE VIEW named AS SELECT name FROM mlaas.models;
GRANT SELECT ON named TO PUBLIC;
SET ROLE regress_rights_bob;
SELECT error_of('SELECT sum(y) FROM rights_test.scored');
SELECT count(*) FROM named;
-- a grant counts from the next statement on, and so does a revocation
RESET ROLE;
BEGIN;
SELECT ml_grant('rights', 'regress_rights_bob', 'predict');
SET LOCAL ROLE regress_rights_bob;
EXECUTE ten;
RESET ROLE;
SELECT ml_revoke('rights', 'regress_rights_bob', 'predict');
SET LOCAL ROLE regress_rights_bob;
EXECUTE ten;
ROLLBACK;
DEALLOCATE ALL;

-- 4. tables: no grants, and row-level security should somebody grant them

RESET ROLE;
SELECT c.oid::regclass AS without_policy FROM pg_class c
WHERE c.relnamespace = 'mlaas'::regnamespace AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid));
SELECT c.oid::regclass AS open_to_everybody FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'mlaas'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee = 0;
SELECT has_schema_privilege('regress_rights_bob', s, 'CREATE') FROM unnest('{mlaas,mlaas_api}'::text[]) s;
BEGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON mlaas.model, mlaas.version, mlaas.alias, mlaas.event, mlaas.privilege TO PUBLIC;
SELECT ml_grant('rights', 'regress_rights_cat', 'predict');
CREATE FUNCTION pg_temp.rows() RETURNS text LANGUAGE sql AS $$
	SELECT format('model %s, alias %s, version %s, event %s, privilege %s',
				  (SELECT count(*) FROM mlaas.model WHERE name = 'rights'), (SELECT count(*) FROM mlaas.alias),
				  (SELECT count(*) FROM mlaas.version), (SELECT count(*) > 0 FROM mlaas.event, rights_test.run WHERE at >= began), (SELECT count(*) FROM mlaas.privilege)) $$;
SET LOCAL ROLE regress_rights_bob;
SELECT pg_temp.rows();
SET LOCAL ROLE regress_rights_cat;
SELECT pg_temp.rows();
-- nothing can be written
WITH u AS (UPDATE mlaas.model SET owner = 'regress_rights_cat' RETURNING 1) SELECT count(*) FROM u;
WITH d AS (DELETE FROM mlaas.alias RETURNING 1) SELECT count(*) FROM d;
SAVEPOINT a;
INSERT INTO mlaas.privilege SELECT id, 'regress_rights_cat', now(), 'manage', 'me' FROM mlaas.model;
ROLLBACK TO a;
SET LOCAL ROLE regress_rights_ann;
SELECT pg_temp.rows();
ROLLBACK;

-- 5. training and evaluating read what the caller may read

RESET ROLE;
CREATE TABLE rows_of AS SELECT i::float8 AS x, 2.0 * i AS y, CASE WHEN i <= 30 THEN 'regress_rights_bob' ELSE 'regress_rights_cat' END AS who
FROM generate_series(1, 80) i;
ALTER TABLE rows_of ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON rows_of USING (who = current_user);
GRANT SELECT ON rows_of TO PUBLIC;
SET ROLE regress_rights_bob;
SELECT n_train FROM ml_train('bobs', 'rows_of', 'y', 'linear_regression', '{x}', validation => '{"split": "none"}');
SELECT ml_grant('bobs', 'regress_rights_cat', 'manage');
SET ROLE regress_rights_cat;
SELECT n_train FROM ml_train('bobs', 'rows_of', 'y', 'linear_regression', '{x}', validation => '{"split": "none"}');
SELECT count(*) FROM ml_predict_batch('bobs', 'rows_of');
SELECT trained_by, n_train FROM mlaas.versions WHERE name = 'bobs' ORDER BY version;

-- 6. no function runs with other rights than the caller's, whatever the search path

RESET ROLE;
SELECT p.oid::regprocedure AS security_definer FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'mlaas'
WHERE p.prosecdef AND d.deptype = 'e';
CREATE TABLE caught (who text);
GRANT INSERT ON caught TO PUBLIC;
CREATE SCHEMA rights_evil AUTHORIZATION regress_rights_bob;
SET ROLE regress_rights_bob;
CREATE FUNCTION rights_evil.catch() RETURNS void LANGUAGE sql AS $$ INSERT INTO rights_test.caught VALUES (current_user) $$;
CREATE FUNCTION rights_evil.text_eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN true; END $$;
CREATE FUNCTION rights_evil.text_ne(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN false; END $$;
CREATE FUNCTION rights_evil.uuid_eq(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN true; END $$;
CREATE FUNCTION rights_evil.oid_eq(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN true; END $$;
CREATE FUNCTION rights_evil.int_pl(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN 77; END $$;
CREATE FUNCTION rights_evil.array_cat(text[], text[]) RETURNS text[] LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN '{evil}'; END $$;
CREATE FUNCTION rights_evil.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN NEXT 'evil'; END $$;
CREATE FUNCTION rights_evil.to_jsonb(text[]) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN '{}'; END $$;
CREATE FUNCTION rights_evil.jsonb_build_object(text, text, text, text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN '{}'; END $$;
CREATE FUNCTION rights_evil.models_of(regrole) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN 1; END $$;
CREATE OPERATOR rights_evil.= (FUNCTION = rights_evil.text_eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR rights_evil.<> (FUNCTION = rights_evil.text_ne, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR rights_evil.= (FUNCTION = rights_evil.uuid_eq, LEFTARG = uuid, RIGHTARG = uuid);
CREATE OPERATOR rights_evil.= (FUNCTION = rights_evil.oid_eq, LEFTARG = oid, RIGHTARG = oid);
CREATE OPERATOR rights_evil.+ (FUNCTION = rights_evil.int_pl, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR rights_evil.|| (FUNCTION = rights_evil.array_cat, LEFTARG = text[], RIGHTARG = text[]);
CREATE DOMAIN rights_evil.text AS pg_catalog.text;
CREATE DOMAIN rights_evil.regrole AS pg_catalog.regrole;
CREATE TABLE rights_evil.model (id uuid, name pg_catalog.text);
CREATE TEMP TABLE model (id uuid, owner regrole, name pg_catalog.text);
CREATE TEMP TABLE privilege (model_id uuid, grantee regrole, privilege pg_catalog.text);
CREATE FUNCTION pg_temp.has_privilege(uuid, pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN true; END $$;
CREATE FUNCTION pg_temp.pg_has_role(oid, pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM rights_evil.catch(); RETURN true; END $$;
SET search_path = rights_evil, pg_temp, pg_catalog, public;
SET quote_all_identifiers = on;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT ml_tag('bobs', 'a', '''; SELECT rights_evil.catch(); --'), ml_untag('bobs', 'a');
SELECT ml_set_description('bobs', '$1''; SELECT rights_evil.catch(); --');
SELECT ml_grant('bobs', 'regress_rights_ann', 'predict'), ml_revoke('bobs', 'regress_rights_ann', 'predict');
SELECT * FROM ml_approve('bobs', 2, ''' || rights_evil.catch() || ''');
SELECT * FROM ml_archive('bobs', 2);
SELECT * FROM ml_copy('bobs@2', '"; DROP TABLE mlaas.model; --');
SELECT ml_rename('"; DROP TABLE mlaas.model; --', 'bobs copy');
SELECT ml_set_owner('bobs copy', 'regress_rights_bob');
SELECT version FROM ml_train('bobs copy', 'rights_test.points', 'y', 'linear_regression', '{x}', validation => '{"split": "none"}', deploy => 'always');
SELECT count(*) FROM mlaas.models_of('regress_rights_bob'::pg_catalog.regrole);
SELECT count(*) FROM mlaas.models;
SELECT count(*) FROM mlaas.models AS m, mlaas.versions AS v, mlaas.metrics AS x, mlaas.history AS h, mlaas.privileges AS p, mlaas.aliases AS a
WHERE pg_catalog.starts_with(m.name, 'rights') AND h.at OPERATOR(pg_catalog.>=) :'began';
SELECT name, tags, description, owner, latest_version FROM mlaas.models ORDER BY name USING OPERATOR(pg_catalog.<);
SELECT ml_drop('bobs copy');
-- the trap works: the session's own operators run, as the session's role, and nothing else did
SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text AS trapped;
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET quote_all_identifiers;
RESET ROLE;
SET search_path = rights_test, public;
SELECT DISTINCT who FROM caught;
DROP TABLE pg_temp.model, pg_temp.privilege;
DROP FUNCTION pg_temp.has_privilege(uuid, text), pg_temp.pg_has_role(oid, text);
-- an odd name of a role cannot leave its quotes
CREATE ROLE "regress_rights_""; DROP TABLE mlaas.model; --";
SELECT ml_grant('rights', 'regress_rights_"; DROP TABLE mlaas.model; --', 'predict');
SELECT grantee FROM mlaas.privileges WHERE model = 'rights';
SELECT error_of($$DROP ROLE "regress_rights_""; DROP TABLE mlaas.model; --"$$);
SELECT ml_revoke('rights', 'regress_rights_"; DROP TABLE mlaas.model; --', 'predict');
DROP ROLE "regress_rights_""; DROP TABLE mlaas.model; --";

-- 7. roles in use cannot be dropped, and one that is gone is nobody

CREATE ROLE regress_rights_leaver;
GRANT regress_rights_leaver TO regress_rights_ann;
SET ROLE regress_rights_leaver;
SELECT version FROM ml_train('leaving', 'points', 'y', 'linear_regression', '{x}');
SELECT version FROM ml_train('leaving too', 'points', 'y', 'linear_regression', '{x}');
RESET ROLE;
SELECT ml_grant('rights', 'regress_rights_leaver', 'describe');
SELECT * FROM mlaas.models_of('regress_rights_leaver');
SELECT error_of('DROP ROLE regress_rights_leaver');
SELECT ml_drop('leaving too');
SELECT ml_set_owner('leaving', 'regress_rights_ann');
SELECT error_of('DROP ROLE regress_rights_leaver');
SELECT ml_revoke('rights', 'regress_rights_leaver', 'predict');
SELECT * FROM mlaas.models_of('regress_rights_leaver');
-- what is rolled back leaves the tie as it was
BEGIN;
SELECT ml_set_owner('leaving', 'regress_rights_leaver');
ROLLBACK;
DROP ROLE regress_rights_leaver;
CREATE ROLE regress_rights_leaver;
SELECT ml_set_owner('leaving', 'regress_rights_leaver'), ml_grant('rights', 'regress_rights_leaver', 'manage');
DROP OWNED BY regress_rights_leaver;
DROP ROLE regress_rights_leaver;
SELECT name, owner FROM mlaas.models WHERE name = 'leaving';
SELECT model, grantee, privilege FROM mlaas.privileges ORDER BY model, grantee;
SELECT ml_revoke('rights', 'public', 'predict') AS nothing;
SELECT model, grantee, privilege FROM mlaas.privileges ORDER BY model, grantee;
SELECT round(ml_predict('leaving', '{"x": 10}'::jsonb)::numeric, 6) AS for_a_superuser;
SET ROLE regress_rights_ann;
SELECT error_of($$SELECT at_ten('leaving')$$), error_of($$SELECT ml_set_owner('leaving', 'regress_rights_ann')$$);
SELECT count(*) FROM mlaas.history WHERE at >= :'began' AND name = 'leaving';
RESET ROLE;
SELECT number, action, detail ->> 'to' = 'regress_rights_leaver' AS to_leaver FROM mlaas.history WHERE at >= :'began' AND name = 'leaving' AND action = 'owner' ORDER BY number;
SELECT ml_set_owner('leaving', 'regress_rights_ann');
SELECT owner FROM mlaas.models WHERE name = 'leaving';

-- 8. the audit: a model's history is for those who manage it, and after its end for those who owned it

SET ROLE regress_rights_cat;
SELECT count(*) FROM mlaas.history WHERE at >= :'began' AND name = 'leaving';
SET ROLE regress_rights_ann;
SELECT ml_drop('leaving');
SELECT string_agg(action, ' ' ORDER BY number) FROM mlaas.history WHERE at >= :'began' AND name = 'leaving';
SET ROLE regress_rights_cat;
SELECT count(*) FROM mlaas.history WHERE at >= :'began' AND name = 'leaving';
RESET ROLE;
SELECT who = 'regress_rights_ann' AS by_ann FROM mlaas.history WHERE at >= :'began' AND name = 'leaving' AND action = 'drop';

SELECT ml_drop('rights'), ml_drop('bobs');
SELECT proacl IS NULL OR NOT proacl::text LIKE '%regress_rights%' AS no_ties_left FROM pg_proc WHERE oid = 'mlaas.models_of(regrole)'::regprocedure;
DROP SCHEMA rights_evil, rights_test CASCADE;
DROP ROLE regress_rights_ann, regress_rights_bob, regress_rights_cat, regress_rights_bobs_team;
