/*
 * Moving aliases, dropping, and a registered model as a value.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/registry.h"

PG_FUNCTION_INFO_V1(ml_deploy);
PG_FUNCTION_INFO_V1(ml_rollback);
PG_FUNCTION_INFO_V1(ml_drop);
PG_FUNCTION_INFO_V1(ml_model);
PG_FUNCTION_INFO_V1(ml_model_literal);

/* The row (name, alias, version, previous_version) of a move. */
static Datum
move_result(FunctionCallInfo fcinfo, const RegistryVersion *version, const char *alias, int32 previous)
{
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false, false, false, previous == 0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 4)
		elog(ERROR, "a row of four columns is expected by the call");
	values[0] = CStringGetTextDatum(version->name);
	values[1] = CStringGetTextDatum(alias);
	values[2] = Int32GetDatum(version->version);
	values[3] = Int32GetDatum(previous);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* ml_deploy(name, version, alias, reason): point an alias at a version whose model opens. */
Datum
ml_deploy(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *alias = need_text(fcinfo, 2, "alias");
	char	   *reason = optional_text(fcinfo, 3);
	RegistryVersion version;
	int32		previous;

	need_argument(fcinfo, 1, "version");
	registry_resolve_version(name, PG_GETARG_INT32(1), REGISTRY_MANAGE, &version);
	(void) cache_model(&version, CurrentMemoryContext);
	previous = registry_deploy(&version, alias, reason);
	PG_RETURN_DATUM(move_result(fcinfo, &version, alias, previous));
}

/* ml_rollback(name, alias): point an alias back at the version before, whose model must open. */
Datum
ml_rollback(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *alias = need_text(fcinfo, 1, "alias");
	RegistryVersion version;
	int32		previous = registry_rollback(name, alias, &version);

	(void) cache_model(&version, CurrentMemoryContext);
	PG_RETURN_DATUM(move_result(fcinfo, &version, alias, previous));
}

/* ml_drop(name) and ml_drop(name, version). */
Datum
ml_drop(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");

	if (PG_NARGS() == 1)
		PG_RETURN_INT32(registry_drop(name));
	need_argument(fcinfo, 1, "version");
	PG_RETURN_INT32(registry_drop_version(name, PG_GETARG_INT32(1)));
}

/* The model of a name as a value. */
static Datum
model_value(const char *name)
{
	RegistryVersion version;

	registry_resolve(name, REGISTRY_DESCRIBE, &version);
	return PointerGetDatum(registry_model_bytes(&version));
}

/* ml_model(text). */
Datum
ml_model(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(model_value(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* ml_model(unknown): a literal, which arrives as a C string. */
Datum
ml_model_literal(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(model_value(PG_GETARG_CSTRING(0)));
}
