-- Who may do what with a model (src/pg/rights.c).

CREATE FUNCTION ml_grant(model text, role text, privilege text)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_grant';
COMMENT ON FUNCTION ml_grant(text, text, text) IS
'Grants a role, or everybody (public), a privilege on a model with all its versions. predict: predict and evaluate; see the model''s metrics and features. describe: also see the model itself, its versions, source and lineage, and explain predictions, all of which tell about the training rows. manage: also train, deploy, drop and grant. Each implies those before it. The owner and its members have all. Returns whether it was new. Errors: 42704 no such model or role; 22023 no such privilege; 42501 without the privilege manage.';

CREATE FUNCTION ml_revoke(model text, role text, privilege text)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_revoke';
COMMENT ON FUNCTION ml_revoke(text, text, text) IS
'Takes a privilege on a model from a role, or from everybody (public), and with it those that imply it: revoking predict takes all. What the role has as a member of another, as one of everybody or as the owner it keeps. Returns whether there was anything to take. Errors as for ml_grant.';

CREATE VIEW mlaas.privileges WITH (security_barrier) AS
SELECT m.name AS model,
	   CASE p.grantee::oid WHEN 0 THEN 'public' ELSE r.rolname END AS grantee,
	   p.privilege,
	   p.granted_by,
	   p.granted_at
FROM mlaas.privilege p
JOIN mlaas.model m ON m.id = p.model_id
LEFT JOIN pg_catalog.pg_roles r ON r.oid = p.grantee
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'manage');

COMMENT ON VIEW mlaas.privileges IS
'What was granted on the models that the current role may manage; the owner''s own rights are not listed.';
COMMENT ON COLUMN mlaas.privileges.model IS 'Name of the model.';
COMMENT ON COLUMN mlaas.privileges.grantee IS 'Role; public is everybody; NULL when the role was dropped, which leaves nobody with the privilege.';
COMMENT ON COLUMN mlaas.privileges.privilege IS 'predict, describe or manage.';
COMMENT ON COLUMN mlaas.privileges.granted_by IS 'Role that granted it.';
COMMENT ON COLUMN mlaas.privileges.granted_at IS 'When.';

GRANT SELECT ON mlaas.privileges TO PUBLIC;
