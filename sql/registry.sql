-- The registry: four tables and the views through which roles see them.
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
	created_at		timestamptz NOT NULL,
	name			text COLLATE "C" NOT NULL,
	CONSTRAINT model_pkey PRIMARY KEY (name),
	CONSTRAINT model_id_key UNIQUE (id)
);
COMMENT ON TABLE mlaas.model IS 'One row per model name; its row lock serialises whatever changes the model.';
COMMENT ON COLUMN mlaas.model.last_version IS 'The highest version number ever given: numbers are not used twice.';
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
	parameters		jsonb NOT NULL,
	preprocess		jsonb NOT NULL,
	validation		jsonb NOT NULL,
	features		jsonb NOT NULL,
	metrics			jsonb NOT NULL,
	baseline		jsonb NOT NULL,
	model			@extschema@.ml_model NOT NULL,
	CONSTRAINT version_pkey PRIMARY KEY (id),
	CONSTRAINT version_number_key UNIQUE (model_id, version)
);
COMMENT ON TABLE mlaas.version IS 'One row per trained version, with the model''s bytes and where it came from; never updated.';

-- Coefficients do not compress, and plain bytes are read back fastest.
ALTER TABLE mlaas.version ALTER COLUMN model SET STORAGE EXTERNAL;

CREATE TABLE mlaas.alias (
	model_id		uuid NOT NULL,
	version_id		uuid NOT NULL,
	version			int NOT NULL,
	deployed_at		timestamptz NOT NULL,
	alias			text COLLATE "C" NOT NULL,
	CONSTRAINT alias_pkey PRIMARY KEY (model_id, alias)
);
COMMENT ON TABLE mlaas.alias IS 'Which version each alias of a model points at; a bare model name means the alias production.';

CREATE TABLE mlaas.event (
	model_id		uuid NOT NULL,
	number			int NOT NULL,
	owner			regrole NOT NULL,
	version			int,
	from_version	int,
	at				timestamptz NOT NULL,
	action			text NOT NULL CHECK (action IN ('train', 'deploy', 'rollback', 'drop')),
	name			text NOT NULL,
	who				text NOT NULL,
	alias			text,
	reason			text,
	CONSTRAINT event_pkey PRIMARY KEY (model_id, number)
);
COMMENT ON TABLE mlaas.event IS 'What happened to each model, in order; outlives the model.';

REVOKE ALL ON mlaas.model, mlaas.version, mlaas.alias, mlaas.event FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('mlaas.model', '');
SELECT pg_catalog.pg_extension_config_dump('mlaas.version', '');
SELECT pg_catalog.pg_extension_config_dump('mlaas.alias', '');
SELECT pg_catalog.pg_extension_config_dump('mlaas.event', '');

-- Views run with their owner's rights on the tables, while pg_has_role asks about the
-- current role: each role sees the models of the roles it belongs to, a superuser all.

CREATE VIEW mlaas.models WITH (security_barrier) AS
SELECT m.name,
	   pg_catalog.pg_get_userbyid(m.owner) AS owner,
	   v.task,
	   v.target,
	   v.algorithm,
	   a.version AS deployed_version,
	   l.version AS latest_version,
	   l.versions,
	   v.metrics,
	   m.created_at,
	   v.created_at AS trained_at
FROM mlaas.model m
LEFT JOIN mlaas.alias a ON a.model_id = m.id AND a.alias = 'production'
CROSS JOIN LATERAL (SELECT max(n.version) AS version, count(*)::int AS versions
					FROM mlaas.version n
					WHERE n.model_id = m.id) l
LEFT JOIN mlaas.version v ON v.model_id = m.id AND v.version = coalesce(a.version, l.version)
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW mlaas.models IS
'The models that the current role may use: those of its own and of the roles it is a member of.';
COMMENT ON COLUMN mlaas.models.name IS 'Name, as given to ml_train; ml_predict(name, ...) uses the deployed version.';
COMMENT ON COLUMN mlaas.models.owner IS 'Role that trained the name first; its members may use and change the model.';
COMMENT ON COLUMN mlaas.models.task IS 'regression, binary or multiclass; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.target IS 'Column that is predicted; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.algorithm IS 'Algorithm of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.deployed_version IS 'Version under the alias production; NULL when none is deployed.';
COMMENT ON COLUMN mlaas.models.latest_version IS 'Highest version there is.';
COMMENT ON COLUMN mlaas.models.versions IS 'How many versions there are.';
COMMENT ON COLUMN mlaas.models.metrics IS 'Metrics on the held-out rows; of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas.models.created_at IS 'When the name was trained first.';
COMMENT ON COLUMN mlaas.models.trained_at IS 'When the deployed version, else the latest, was trained.';

CREATE VIEW mlaas.versions WITH (security_barrier) AS
SELECT m.name,
	   v.version,
	   v.algorithm,
	   v.task,
	   v.target,
	   v.metrics,
	   v.baseline,
	   (SELECT pg_catalog.array_agg(a.alias ORDER BY a.alias)
		FROM mlaas.alias a
		WHERE a.model_id = v.model_id AND a.version_id = v.id) AS aliases,
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
	   pg_catalog.pg_column_size(v.model)::bigint AS bytes,
	   v.id
FROM mlaas.version v
JOIN mlaas.model m ON m.id = v.model_id
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW mlaas.versions IS
'The versions of the models that the current role may use, with how each came to be. The model itself: ml_model(name@version).';
COMMENT ON COLUMN mlaas.versions.metrics IS 'Metrics on the held-out rows, else on the training rows.';
COMMENT ON COLUMN mlaas.versions.baseline IS 'The same metrics of the baseline on the same rows: the mean, or the shares of the classes.';
COMMENT ON COLUMN mlaas.versions.aliases IS 'Aliases that point at this version; NULL when there is none.';
COMMENT ON COLUMN mlaas.versions.n_train IS 'Rows learned from.';
COMMENT ON COLUMN mlaas.versions.n_test IS 'Rows held out.';
COMMENT ON COLUMN mlaas.versions.n_skipped IS 'Rows left out because their target is NULL.';
COMMENT ON COLUMN mlaas.versions.seconds IS 'Duration of the training in seconds.';
COMMENT ON COLUMN mlaas.versions.source IS 'Table, view or query, as given.';
COMMENT ON COLUMN mlaas.versions.features IS 'The columns learned from: name, kind and type.';
COMMENT ON COLUMN mlaas.versions.parameters IS 'All hyperparameters, defaults filled in.';
COMMENT ON COLUMN mlaas.versions.preprocess IS 'Preparation, as given.';
COMMENT ON COLUMN mlaas.versions.validation IS 'How rows were held out, as given.';
COMMENT ON COLUMN mlaas.versions.trained_by IS 'Role that trained it.';
COMMENT ON COLUMN mlaas.versions.created_at IS 'When it was stored.';
COMMENT ON COLUMN mlaas.versions.snapshot IS 'pg_current_snapshot() of the training: which transactions it saw.';
COMMENT ON COLUMN mlaas.versions.wal_lsn IS 'Position of the write-ahead log when it was stored.';
COMMENT ON COLUMN mlaas.versions.row_digest IS 'Digest of the rows read, whatever their order: equal rows, equal digest.';
COMMENT ON COLUMN mlaas.versions.software_version IS 'Versions of mlaas and PostgreSQL that trained it.';
COMMENT ON COLUMN mlaas.versions.bytes IS 'Size of the model in bytes.';
COMMENT ON COLUMN mlaas.versions.id IS 'Identifier, never used again.';

CREATE VIEW mlaas.aliases WITH (security_barrier) AS
SELECT m.name, a.alias, a.version, a.deployed_at
FROM mlaas.alias a
JOIN mlaas.model m ON m.id = a.model_id
WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW mlaas.aliases IS
'Where the aliases of the models that the current role may use point. A bare model name means the alias production.';
COMMENT ON COLUMN mlaas.aliases.deployed_at IS 'When the alias was moved here.';

CREATE VIEW mlaas.history WITH (security_barrier) AS
SELECT e.name, e.number, e.at, e.who, e.action, e.alias, e.version, e.from_version, e.reason, e.model_id
FROM mlaas.event e
LEFT JOIN mlaas.model m ON m.id = e.model_id
WHERE pg_catalog.pg_has_role(coalesce(m.owner, e.owner)::oid, 'USAGE');

COMMENT ON VIEW mlaas.history IS
'What happened to models, those dropped since included: trainings, deployments, rollbacks, drops.';
COMMENT ON COLUMN mlaas.history.number IS 'Order of the events of one model.';
COMMENT ON COLUMN mlaas.history.at IS 'When.';
COMMENT ON COLUMN mlaas.history.who IS 'Current role of the session that did it.';
COMMENT ON COLUMN mlaas.history.action IS 'train, deploy, rollback or drop.';
COMMENT ON COLUMN mlaas.history.version IS 'Version trained, deployed, rolled back to or dropped; NULL when the whole model was dropped.';
COMMENT ON COLUMN mlaas.history.from_version IS 'Version the alias pointed at before; NULL when it is new.';
COMMENT ON COLUMN mlaas.history.reason IS 'As given to ml_deploy.';
COMMENT ON COLUMN mlaas.history.model_id IS 'Identifier of the model: tells apart models that bore the same name one after the other.';

GRANT SELECT ON mlaas.models, mlaas.versions, mlaas.aliases, mlaas.history TO PUBLIC;
