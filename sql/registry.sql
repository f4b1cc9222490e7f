-- The registry: its tables and the views through which roles see them.
--
-- No foreign keys and no sequences, so that the tables can become reference tables of a
-- distributed database; identifiers are random uuids, numbers count inside a model's row.
-- src/pg/registry.c reads by the indexes named here and writes as the tables' owner after
-- it has checked the caller's rights; it knows the columns by their numbers.

CREATE TABLE mlaas.model (
	id				uuid NOT NULL,
	owner			regrole NOT NULL,
	last_version	int NOT NULL,
	last_event		int NOT NULL,
	versions		int NOT NULL,
	latest_version	int,
	created_at		timestamptz NOT NULL,
	name			text COLLATE "C" NOT NULL,
	description		text,
	tags			text[] COLLATE "C" NOT NULL DEFAULT '{}',
	keep_versions	int CHECK (keep_versions > 0),
	CONSTRAINT model_pkey PRIMARY KEY (name),
	CONSTRAINT model_id_key UNIQUE (id)
);
COMMENT ON TABLE mlaas.model IS 'One row per model name; its row lock serialises whatever changes the model.';
COMMENT ON COLUMN mlaas.model.last_version IS 'The highest version number ever given: numbers are not used twice.';
COMMENT ON COLUMN mlaas.model.versions IS 'How many versions there are: kept here so that a listing reads no version for it.';
COMMENT ON COLUMN mlaas.model.latest_version IS 'The highest version there is.';
COMMENT ON COLUMN mlaas.model.keep_versions IS 'How many of the newest versions a new one leaves; NULL: all.';
COMMENT ON COLUMN mlaas.model.last_event IS 'The highest number given to an entry of the model''s history.';

CREATE TABLE mlaas.version (
	id				uuid NOT NULL,
	model_id		uuid NOT NULL,
	version			int NOT NULL,
	created_at		timestamptz NOT NULL,
	n_train			bigint NOT NULL,
	n_test			bigint NOT NULL,
	n_skipped		bigint NOT NULL,
	seconds			float8 NOT NULL,
	wal_lsn			pg_lsn NOT NULL,
	snapshot		pg_snapshot NOT NULL,
	task			text NOT NULL,
	target			text,
	algorithm		text NOT NULL,
	trained_by		text NOT NULL,
	source			text,
	row_digest		text,
	software_version text NOT NULL,
	status			text NOT NULL CHECK (status IN ('candidate', 'approved', 'archived')),
	parent_version_id uuid,
	parent			text,
	parameters		jsonb NOT NULL,
	preprocess		jsonb NOT NULL,
	validation		jsonb NOT NULL,
	features		jsonb NOT NULL,
	metrics			jsonb NOT NULL,
	baseline		jsonb NOT NULL,
	lineage			jsonb NOT NULL,
	model			@extschema@.ml_model NOT NULL,
	CONSTRAINT version_pkey PRIMARY KEY (id),
	CONSTRAINT version_number_key UNIQUE (model_id, version)
);
COMMENT ON TABLE mlaas.version IS 'One row per trained version, with the model''s bytes and where it came from; nothing but its status ever changes.';

-- Coefficients do not compress, and plain bytes are read back fastest.
ALTER TABLE mlaas.version ALTER COLUMN model SET STORAGE EXTERNAL;

CREATE TABLE mlaas.alias (
	model_id		uuid NOT NULL,
	version_id		uuid NOT NULL,
	version			int NOT NULL,
	deployed_at		timestamptz NOT NULL,
	alias			text COLLATE "C" NOT NULL,
	routed			boolean NOT NULL DEFAULT false,
	CONSTRAINT alias_pkey PRIMARY KEY (model_id, alias)
);
COMMENT ON COLUMN mlaas.alias.routed IS 'Whether mlaas.route has rows of this alias: kept here so that a prediction looks there only then.';
COMMENT ON TABLE mlaas.alias IS 'Which version each alias of a model points at; a bare model name means the alias production.';

CREATE TABLE mlaas.event (
	model_id		uuid NOT NULL,
	number			int NOT NULL,
	version			int,
	from_version	int,
	at				timestamptz NOT NULL,
	action			text NOT NULL CHECK (action IN ('train', 'register', 'copy', 'deploy', 'rollback', 'route', 'drop',
											'approve', 'archive', 'grant', 'revoke', 'owner', 'rename', 'tag', 'describe',
											'guard', 'publish', 'unpublish', 'keep')),
	name			text NOT NULL,
	owner			text,
	who				text NOT NULL,
	alias			text,
	reason			text,
	detail			jsonb,
	CONSTRAINT event_pkey PRIMARY KEY (model_id, number)
);
COMMENT ON TABLE mlaas.event IS 'What happened to each model, in order; outlives the model.';
-- by its name: events outlive roles, and a number could be that of another role where they are restored
COMMENT ON COLUMN mlaas.event.owner IS 'Who owned the model then; NULL: a role that had been dropped.';

CREATE TABLE mlaas.privilege (
	model_id		uuid NOT NULL,
	grantee			regrole NOT NULL,
	granted_at		timestamptz NOT NULL,
	privilege		text COLLATE "C" NOT NULL CHECK (privilege IN ('predict', 'describe', 'manage')),
	granted_by		text NOT NULL,
	CONSTRAINT privilege_pkey PRIMARY KEY (model_id, grantee, privilege)
);
COMMENT ON TABLE mlaas.privilege IS 'What roles other than the owner may do with a model; the grantee 0 is everybody.';

REVOKE ALL ON mlaas.model, mlaas.version, mlaas.alias, mlaas.event, mlaas.privilege FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('mlaas.model', '');
SELECT pg_catalog.pg_extension_config_dump('mlaas.version', '');
SELECT pg_catalog.pg_extension_config_dump('mlaas.alias', '');
SELECT pg_catalog.pg_extension_config_dump('mlaas.event', '');
-- not what dropped roles had: their numbers may be those of others where it is restored
SELECT pg_catalog.pg_extension_config_dump('mlaas.privilege',
	'WHERE grantee::oid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = grantee)');

CREATE FUNCTION mlaas.has_privilege(model_id uuid, privilege text)
RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_has_privilege';
COMMENT ON FUNCTION mlaas.has_privilege(uuid, text) IS
'Whether the current role has a privilege on a model, by its identifier: predict, describe or manage; NULL when there is no such model. For views and policies. Error 22023 for any other privilege.';

-- Nobody is granted a table.  Should an administrator grant one, its rows are those of the views.
ALTER TABLE mlaas.model ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlaas.version ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlaas.alias ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlaas.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE mlaas.privilege ENABLE ROW LEVEL SECURITY;
CREATE POLICY model_read ON mlaas.model FOR SELECT USING (mlaas.has_privilege(id, 'predict'));
CREATE POLICY version_read ON mlaas.version FOR SELECT USING (mlaas.has_privilege(model_id, 'describe'));
CREATE POLICY alias_read ON mlaas.alias FOR SELECT USING (mlaas.has_privilege(model_id, 'predict'));
CREATE POLICY event_read ON mlaas.event FOR SELECT
	USING (coalesce(mlaas.has_privilege(model_id, 'manage'),
					pg_catalog.pg_has_role(coalesce((SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = owner), 0), 'USAGE')));
CREATE POLICY privilege_read ON mlaas.privilege FOR SELECT USING (mlaas.has_privilege(model_id, 'manage'));

-- Views run with their owner's rights on the tables and ask about the current role: each role
-- sees what it may of the models that it owns, as a member of the owner too, and of those that
-- it was granted a privilege on; a superuser sees all.  Asking about the owner first is faster.

CREATE VIEW mlaas.models WITH (security_barrier) AS
SELECT m.name,
	   r.rolname AS owner,
	   m.description,
	   m.tags,
	   v.task,
	   v.target,
	   v.algorithm,
	   a.version AS deployed_version,
	   m.latest_version,
	   m.versions,
	   v.metrics,
	   v.features,
	   m.created_at,
	   v.created_at AS trained_at,
	   m.keep_versions
FROM mlaas.model m
LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.owner
LEFT JOIN mlaas.alias a ON a.model_id = m.id AND a.alias = 'production'
-- one row by index for each model: most versions are not asked for
LEFT JOIN LATERAL (SELECT n.* FROM mlaas.version n
				   WHERE n.model_id = m.id AND n.version = coalesce(a.version, m.latest_version)
				   LIMIT 1) v ON true
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'predict');

COMMENT ON VIEW mlaas.models IS
'The models that the current role may predict with: those of its own and of the roles it is a member of, and those it was granted. Needs no privilege beyond predict.';
COMMENT ON COLUMN mlaas.models.name IS 'Name, as given to ml_train; ml_predict(name, ...) uses the deployed version.';
COMMENT ON COLUMN mlaas.models.owner IS 'Role that trained the name first, or was made the owner since; its members have every privilege. NULL when the role was dropped.';
COMMENT ON COLUMN mlaas.models.description IS 'As ml_set_description set it.';
COMMENT ON COLUMN mlaas.models.tags IS 'Tags in order, as ml_tag and ml_untag left them.';
COMMENT ON COLUMN mlaas.models.task IS 'regression, binary, multiclass, ranking, anomaly or transform; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.target IS 'Column that is predicted; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.algorithm IS 'Algorithm of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.deployed_version IS 'Version under the alias production; NULL when none is deployed.';
COMMENT ON COLUMN mlaas.models.latest_version IS 'Highest version there is.';
COMMENT ON COLUMN mlaas.models.versions IS 'How many versions there are.';
COMMENT ON COLUMN mlaas.models.metrics IS 'Metrics on the held-out rows; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.features IS 'What an input must have: name, kind and type of each feature; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.created_at IS 'When the name was trained first.';
COMMENT ON COLUMN mlaas.models.trained_at IS 'When the deployed version, else the latest, was trained.';
COMMENT ON COLUMN mlaas.models.keep_versions IS 'How many of the newest versions ml_keep_versions lets stay; NULL: all.';

CREATE VIEW mlaas.versions WITH (security_barrier) AS
SELECT m.name,
	   v.version,
	   v.status,
	   v.algorithm,
	   v.task,
	   v.target,
	   v.metrics,
	   v.baseline,
	   (SELECT pg_catalog.array_agg(a.alias ORDER BY a.alias)
		FROM mlaas.alias a
		WHERE a.model_id = v.model_id AND a.version_id = v.id) AS aliases,
	   coalesce((SELECT pm.name || '@' || p.version
				 FROM mlaas.version p
				 JOIN mlaas.model pm ON pm.id = p.model_id
				 WHERE p.id = v.parent_version_id), v.parent) AS parent,
	   v.n_train,
	   v.n_test,
	   v.n_skipped,
	   v.seconds,
	   v.source,
	   v.features,
	   v.parameters,
	   v.preprocess,
	   v.validation,
	   v.trained_by,
	   v.created_at,
	   v.snapshot,
	   v.wal_lsn,
	   v.row_digest,
	   v.software_version,
	   v.lineage,
	   pg_catalog.pg_column_size(v.model)::bigint AS bytes,
	   v.id,
	   v.parent_version_id
FROM mlaas.version v
JOIN mlaas.model m ON m.id = v.model_id
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'describe');

COMMENT ON VIEW mlaas.versions IS
'The versions of the models that the current role may describe, with how each came to be. The model itself: ml_model(name@version).';
COMMENT ON COLUMN mlaas.versions.name IS 'Model.';
COMMENT ON COLUMN mlaas.versions.version IS 'Number, from 1; never used twice.';
COMMENT ON COLUMN mlaas.versions.algorithm IS 'One of ml_algorithms(), or pipeline, ensemble or transform.';
COMMENT ON COLUMN mlaas.versions.task IS 'regression, binary, multiclass, ranking, anomaly, or transform of a preparation alone.';
COMMENT ON COLUMN mlaas.versions.target IS 'Column that is predicted; NULL of a model without one.';
COMMENT ON COLUMN mlaas.versions.status IS 'candidate at first; approved or archived by ml_approve and ml_archive.';
COMMENT ON COLUMN mlaas.versions.metrics IS 'Metrics on the held-out rows, else on the training rows; empty of one registered as a value.';
COMMENT ON COLUMN mlaas.versions.baseline IS 'The same metrics of the baseline on the same rows: the mean, or the shares of the classes.';
COMMENT ON COLUMN mlaas.versions.aliases IS 'Aliases that point at this version; NULL when there is none.';
COMMENT ON COLUMN mlaas.versions.parent IS 'Version it was made from, as name@version: continued, refitted, edited or copied; NULL for a model of its own.';
COMMENT ON COLUMN mlaas.versions.n_train IS 'Rows learned from; 0 of one registered as a value, like the next two.';
COMMENT ON COLUMN mlaas.versions.n_test IS 'Rows held out.';
COMMENT ON COLUMN mlaas.versions.n_skipped IS 'Rows left out because their target is NULL.';
COMMENT ON COLUMN mlaas.versions.seconds IS 'Duration of the training in seconds.';
COMMENT ON COLUMN mlaas.versions.source IS 'Table, view or query, as given; NULL of one registered as a value.';
COMMENT ON COLUMN mlaas.versions.features IS 'The columns learned from: name, kind and type.';
COMMENT ON COLUMN mlaas.versions.parameters IS 'All hyperparameters, defaults filled in.';
COMMENT ON COLUMN mlaas.versions.preprocess IS 'Preparation, as given.';
COMMENT ON COLUMN mlaas.versions.validation IS 'How rows were held out, as given.';
COMMENT ON COLUMN mlaas.versions.trained_by IS 'Role that trained or registered it.';
COMMENT ON COLUMN mlaas.versions.created_at IS 'When it was stored.';
COMMENT ON COLUMN mlaas.versions.snapshot IS 'pg_current_snapshot() of the training: which transactions it saw.';
COMMENT ON COLUMN mlaas.versions.wal_lsn IS 'Position of the write-ahead log when it was stored.';
COMMENT ON COLUMN mlaas.versions.row_digest IS 'Digest of the rows read, whatever their order: equal rows, equal digest.';
COMMENT ON COLUMN mlaas.versions.software_version IS 'Versions of mlaas and PostgreSQL that trained it.';
COMMENT ON COLUMN mlaas.versions.lineage IS 'The operation that made it with all its arguments, and what the source read: {"operation": ..., "arguments": {...}, ...}.';
COMMENT ON COLUMN mlaas.versions.bytes IS 'Size of the model in bytes.';
COMMENT ON COLUMN mlaas.versions.id IS 'Identifier, never used again.';
COMMENT ON COLUMN mlaas.versions.parent_version_id IS 'Identifier of the parent, which may have been dropped since.';

CREATE VIEW mlaas.aliases WITH (security_barrier) AS
SELECT m.name, a.alias, a.version, a.deployed_at
FROM mlaas.alias a
JOIN mlaas.model m ON m.id = a.model_id
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE') OR mlaas.has_privilege(m.id, 'predict');

COMMENT ON VIEW mlaas.aliases IS
'Where the aliases of the models that the current role may predict with point. A bare model name means the alias production.';
COMMENT ON COLUMN mlaas.aliases.name IS 'Model.';
COMMENT ON COLUMN mlaas.aliases.alias IS 'production, which the bare name means, or another; name@alias asks for it.';
COMMENT ON COLUMN mlaas.aliases.version IS 'Version that it points at.';
COMMENT ON COLUMN mlaas.aliases.deployed_at IS 'When the alias was moved here.';

CREATE VIEW mlaas.history WITH (security_barrier) AS
SELECT coalesce(m.name, e.name) AS name, e.number, e.at, e.who, e.action, e.alias, e.version, e.from_version,
	   e.reason, e.detail, e.model_id
FROM mlaas.event e
LEFT JOIN mlaas.model m ON m.id = e.model_id
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = e.owner
WHERE pg_catalog.pg_has_role(coalesce(m.owner::oid, r.oid, 0), 'USAGE') OR mlaas.has_privilege(m.id, 'manage');

COMMENT ON VIEW mlaas.history IS
'What happened to the models that the current role may manage, and to those dropped since that its roles owned: trainings, deployments, grants, drops and all other changes.';
COMMENT ON COLUMN mlaas.history.name IS 'The name that the model has now; of one dropped, the name that it had then.';
COMMENT ON COLUMN mlaas.history.number IS 'Order of the events of one model.';
COMMENT ON COLUMN mlaas.history.at IS 'When.';
COMMENT ON COLUMN mlaas.history.who IS 'Current role of the session that did it.';
COMMENT ON COLUMN mlaas.history.action IS 'train, register, copy, deploy, rollback, route, drop, approve, archive, grant, revoke, owner, rename, tag, describe, guard, publish, unpublish or keep.';
COMMENT ON COLUMN mlaas.history.alias IS 'Alias that it happened to; NULL when it happened to no alias.';
COMMENT ON COLUMN mlaas.history.version IS 'Version that it happened to, or that was deployed or rolled back to; NULL when it happened to the whole model.';
COMMENT ON COLUMN mlaas.history.from_version IS 'Version the alias pointed at before; NULL when it is new.';
COMMENT ON COLUMN mlaas.history.reason IS 'As given to the function.';
COMMENT ON COLUMN mlaas.history.detail IS 'What the other columns do not tell: to whom a privilege was granted, the tags, the former name, why a training with if_better was not deployed, ...';
COMMENT ON COLUMN mlaas.history.model_id IS 'Identifier of the model: tells apart models that bore the same name one after the other.';

GRANT SELECT ON mlaas.models, mlaas.versions, mlaas.aliases, mlaas.history TO PUBLIC;
