/*
 * The settings of the session that submits a job, which its training runs under.
 *
 * All that was set for the session, the role or the database and that everyone may set: search_path, time zone,
 * DateStyle, mlaas.max_memory, and those that policies of row-level security ask for.  Left out is
 * what belongs to the connection, to the transaction or to somebody who waits for an answer.
 */
#include "pg/job.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/json.h"

#include "pg/compat.h"

/* Settings that a job does without; a star ends a prefix. */
static const char *const not_kept[] = {
	"application_name", "client_connection_check_interval", "client_encoding", "client_min_messages",
	"default_transaction_*", "idle_*", "lock_timeout", "role", "seed", "session_authorization",
	"statement_timeout", "tcp_*", "transaction_*",
	/* of one request, with what let it in */
	"request.cookie*", "request.header*", "response.*"
};

/* Is it one that a job does without? */
static bool
is_left_out(const char *name)
{
	for (size_t i = 0; i < lengthof(not_kept); i++)
	{
		size_t		length = strcspn(not_kept[i], "*");

		if (not_kept[i][length] == '*' ? strncmp(name, not_kept[i], length) == 0 : strcmp(name, not_kept[i]) == 0)
			return true;
	}
	return false;
}

/* Was it set for this session, its role or its database, by a way that is open to everyone? */
static bool
is_kept(const struct config_generic *setting)
{
	return setting->context == PGC_USERSET && setting->source >= PGC_S_GLOBAL &&
		setting->source != PGC_S_OVERRIDE && !is_left_out(setting->name);
}

Datum
job_settings(void)
{
	StringInfoData json;
	int			count;
	struct config_generic **settings = compat_guc_variables(&count);

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < count; i++)
	{
		const char *value;

		if (!is_kept(settings[i]))
			continue;
		value = GetConfigOptionByName(settings[i]->name, NULL, true);
		if (value == NULL)
			continue;
		if (json.len > 1)
			appendStringInfoString(&json, ", ");
		escape_json(&json, settings[i]->name);
		appendStringInfoString(&json, ": ");
		escape_json(&json, value);
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

void
job_settings_apply(Jsonb *settings)
{
	JsonbIterator *iterator = JsonbIteratorInit(&settings->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && value.type == jbvString)
			(void) set_config_option(name, pnstrdup(value.val.string.val, value.val.string.len),
									 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, ERROR, false);
	}
}
