/*
 * ml_rest_setup: the roles that PostgREST needs, and its configuration.
 *
 * Runs with the caller's rights, and only adds: roles that are missing, memberships and USAGE that are
 * missing.  A role that is there keeps its attributes, settings and grants; one that would make the API
 * unsafe is an error.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(ml_rest_setup);

/* What is asked of a role. */
typedef struct RoleState
{
	bool		exists;
	bool		super;			/* or may become one */
	bool		login;
} RoleState;

/* Run one statement, with up to two texts for $1 and $2. */
static void
run(const char *sql, int expected, const char *first, const char *second)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2] = {(Datum) 0, (Datum) 0};
	int			count = (first != NULL) + (second != NULL);

	if (first != NULL)
		values[0] = CStringGetTextDatum(first);
	if (second != NULL)
		values[1] = CStringGetTextDatum(second);
	if (SPI_execute_with_args(sql, count, types, values, NULL, false, 0) != expected)
		elog(ERROR, "setting up roles failed: %s", sql);
}

/* Tell whether a query returns a row. */
static bool
holds(const char *sql, const char *first, const char *second)
{
	run(sql, SPI_OK_SELECT, first, second);
	return SPI_processed > 0;
}

/* What a role is. */
static RoleState
role_state(const char *role)
{
	RoleState	state = {0};
	bool		isnull;

	run("SELECT EXISTS (SELECT FROM pg_roles s WHERE s.rolsuper AND pg_has_role(r.oid, s.oid, 'MEMBER')), r.rolcanlogin"
		" FROM pg_roles r WHERE r.rolname = $1", SPI_OK_SELECT, role, NULL);
	state.exists = SPI_processed > 0;
	if (state.exists)
	{
		state.super = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		state.login = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	}
	return state;
}

/* Make a role unless it is there; one that is there must not be a superuser, nor become one by SET ROLE. */
static bool
need_role(const char *role, const char *attributes)
{
	RoleState	state = role_state(role);

	if (state.super)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" is a superuser or may become one, which requests must never", role)));
	if (!state.exists)
		run(psprintf("CREATE ROLE %s %s", quote_identifier(role), attributes), SPI_OK_UTILITY, NULL, NULL);
	return !state.exists;
}

/* Make the role that connects unless it is there. */
static void
need_authenticator(const char *role)
{
	bool		made = need_role(role, "NOINHERIT LOGIN");

	if (!made && !role_state(role).login)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" cannot log in", role),
				 errhint("ALTER ROLE %s LOGIN lets it, if nothing speaks against it.", quote_identifier(role))));
	/* so that settings of roles that requests run as, like mlaas.max_memory, are known to its connections */
	if (made && superuser())
		run(psprintf("ALTER ROLE %s SET session_preload_libraries = 'mlaas'", quote_identifier(role)),
			SPI_OK_UTILITY, NULL, NULL);
}

/* Make a role that requests run as unless it is there, and let the authenticator become it. */
static void
need_request_role(const char *authenticator, const char *role)
{
	if (strcmp(role, authenticator) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("requests must not run as the role that connects, \"%s\"", role)));
	(void) need_role(role, "NOLOGIN");
	if (!holds("SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles a ON a.oid = m.member"
			   " WHERE a.rolname = $1 AND r.rolname = $2", authenticator, role))
		run(psprintf("GRANT %s TO %s", quote_identifier(role), quote_identifier(authenticator)),
			SPI_OK_UTILITY, NULL, NULL);
	if (!holds("SELECT WHERE has_schema_privilege($1, 'mlaas_api', 'USAGE')", role, NULL))
		run(psprintf("GRANT USAGE ON SCHEMA mlaas_api TO %s", quote_identifier(role)), SPI_OK_UTILITY, NULL, NULL);
}

/* Add a value of the configuration: in double quotes, with a backslash before one and before itself. */
static void
append_quoted(StringInfo text, const char *value)
{
	appendStringInfoChar(text, '"');
	for (; *value != '\0'; value++)
	{
		if (*value == '"' || *value == '\\')
			appendStringInfoChar(text, '\\');
		appendStringInfoChar(text, *value);
	}
	appendStringInfoString(text, "\"\n");
}

/* Quote a value of a libpq connection string. */
static char *
connection_value(const char *value)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '\'');
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(&text, '\\');
		appendStringInfoChar(&text, *value);
	}
	appendStringInfoChar(&text, '\'');
	return text.data;
}

/* The configuration for these roles and this database. */
static char *
configuration(const char *authenticator, const char *anonymous)
{
	StringInfoData conf;
	char	   *database;
	bool		isnull;

	run("SELECT current_database()::text", SPI_OK_SELECT, NULL, NULL);
	database = TextDatumGetCString(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	initStringInfo(&conf);
	appendStringInfoString(&conf, "# PostgREST in front of mlaas; each value can also come from the environment, as "
						   "PGRST_DB_URI and so on\n"
						   "# add host=, and password= or PGPASSWORD, where the server is not on this machine's "
						   "socket\ndb-uri = ");
	append_quoted(&conf, psprintf("user=%s dbname=%s port=%s", connection_value(authenticator),
								  connection_value(database), GetConfigOption("port", false, false)));
	appendStringInfoString(&conf, "db-schemas = \"mlaas_api\"\n"
						   "# where tables are found that train and evaluate are given without a schema\n"
						   "db-extra-search-path = \"public\"\n"
						   "# requests without a token run as this role, others as the role in their claims\n"
						   "db-anon-role = ");
	append_quoted(&conf, anonymous);
	appendStringInfoString(&conf, "# the key of the tokens, 32 characters or more: set PGRST_JWT_SECRET\n"
						   "# connections: two for each core of the database serve predictions; the sum over all "
						   "instances of\n# PostgREST must stay below max_connections\n"
						   "db-pool = 10\n"
						   "server-host = \"127.0.0.1\"\n"
						   "server-port = 3000\n"
						   "openapi-mode = \"follow-privileges\"\n");
	return conf.data;
}

/* The names in an array of text, none of them NULL. */
static void
need_request_roles(const char *authenticator, ArrayType *roles)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	deconstruct_array(roles, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the name of a role must not be NULL")));
		need_request_role(authenticator, TextDatumGetCString(names[i]));
	}
}

/* ml_rest_setup(authenticator, anonymous, roles). */
Datum
ml_rest_setup(PG_FUNCTION_ARGS)
{
	char	   *authenticator = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *anonymous = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			level = NewGUCNestLevel();
	text	   *result;
	char	   *conf;

	/* what names mean here does not depend on the caller's search_path */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	need_authenticator(authenticator);
	need_request_role(authenticator, anonymous);
	need_request_roles(authenticator, PG_GETARG_ARRAYTYPE_P(2));
	conf = configuration(authenticator, anonymous);
	result = SPI_palloc(VARHDRSZ + strlen(conf));
	SET_VARSIZE(result, VARHDRSZ + strlen(conf));
	memcpy(VARDATA(result), conf, strlen(conf));
	SPI_finish();
	AtEOXact_GUC(true, level);
	PG_RETURN_TEXT_P(result);
}
