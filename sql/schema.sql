-- The two schemas of mlaas.  Both are members of the extension, so DROP EXTENSION
-- takes them along; functions and types go to the schema named at CREATE EXTENSION.

CREATE SCHEMA mlaas;
COMMENT ON SCHEMA mlaas IS
'Registry of machine-learning models: the views models, versions, aliases and history show what the current role may use.';

CREATE SCHEMA mlaas_api;
COMMENT ON SCHEMA mlaas_api IS
'Machine-learning models

List them, train them, predict with them. PostgREST shows this text above its description of the API.';

-- Whoever may use the schemas sees his own models only: the tables have no grants, and
-- views and functions check the current role.
REVOKE ALL ON SCHEMA mlaas, mlaas_api FROM PUBLIC;
GRANT USAGE ON SCHEMA mlaas, mlaas_api TO PUBLIC;
