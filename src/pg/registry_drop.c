/*
 * Dropping models, versions, and old versions: each under the model's lock, with its entries in the history.
 *
 * Old versions are those beyond the newest so many, counted by their numbers.  Of these stay
 * - what an alias points at, what a rollback of it would bring back, and what a route leads to;
 * - what somebody has judged: approved versions, and archived ones, which are there to be kept;
 * - what others are made from: the parents and members of versions that stay for one of these reasons, so that those
 *   can be made again, and of versions of other models.
 * Members of a pipeline or an ensemble are found by its lineage, where their identifiers stand.
 */
#include "postgres.h"

#include "pg/registry_write.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/publish.h"
#include "pg/rights.h"
#include "pg/route.h"

PG_FUNCTION_INFO_V1(ml_drop);
PG_FUNCTION_INFO_V1(ml_drop_old);
PG_FUNCTION_INFO_V1(ml_keep_versions);

/* ---- a model, a version ---- */

/* Drop a model with all its versions and aliases; its history stays. */
static int32
drop_model(const char *name)
{
	Writer		writer;
	ColumnValue id;
	int32		dropped;

	registry_begin_change(&writer, name, "ml_drop()");
	id = column_uuid("model_id", &writer.model.id);
	registry_write_event(&writer, "drop", NULL, 0, 0, NULL, NULL);
	writer_execute("DELETE FROM mlaas.route WHERE model_id = $1", SPI_OK_DELETE, 1, &id);
	writer_execute("DELETE FROM mlaas.alias WHERE model_id = $1", SPI_OK_DELETE, 1, &id);
	publish_model_changed(&writer);
	writer_execute("DELETE FROM mlaas.version WHERE model_id = $1", SPI_OK_DELETE, 1, &id);
	dropped = (int32) SPI_processed;
	writer_execute("DELETE FROM mlaas.model WHERE id = $1", SPI_OK_DELETE, 1, &id);
	rights_forget_model(&writer);
	writer_end(&writer);
	return dropped;
}

/* Error when an alias of the locked model points at a version. */
static void
check_no_alias(const Writer *writer, int32 version)
{
	char	   *aliases = registry_aliases_of(writer, version);

	if (aliases != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop version %d of model \"%s\" because it is deployed",
						version, writer->model.name),
				 errdetail("It is what these aliases point at: %s.", aliases),
				 errhint("Deploy another version under them first, or drop the whole model with ml_drop(%s).",
						 quote_literal_cstr(writer->model.name))));
}

/* Drop one version that no alias points at. */
static int32
drop_version(const char *name, int32 version)
{
	RegistryVersion found;
	Writer		writer;
	ColumnValue id;

	registry_resolve_version(name, version, REGISTRY_MANAGE, &found);
	registry_begin_change(&writer, name, "ml_drop()");
	check_no_alias(&writer, version);
	route_check_unused(&writer, version);
	if (!writer_execute_model(&writer, "DELETE FROM mlaas.version WHERE model_id = $1 AND id = $2", SPI_OK_DELETE,
							  column_uuid("id", &found.id)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more", version, name)));
	id = column_uuid("id", &writer.model.id);
	writer_execute("UPDATE mlaas.model SET versions = versions - 1, latest_version ="
				   " (SELECT max(v.version) FROM mlaas.version v WHERE v.model_id = $1) WHERE id = $1",
				   SPI_OK_UPDATE, 1, &id);
	registry_write_event(&writer, "drop", NULL, version, 0, NULL, NULL);
	writer_end(&writer);
	return 1;
}

/* ml_drop(name) and ml_drop(name, version). */
Datum
ml_drop(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");

	if (PG_NARGS() == 1)
		PG_RETURN_INT32(drop_model(name));
	need_argument(fcinfo, 1, "version");
	PG_RETURN_INT32(drop_version(name, PG_GETARG_INT32(1)));
}

/* ---- old versions ---- */

/* The versions that rollbacks of the aliases of the locked model would bring back. */
static ColumnValue
rollback_targets(const Writer *writer)
{
	ColumnValue id = column_uuid("model_id", &writer->model.id);
	SPITupleTable *aliases;
	uint64		count;
	Datum	   *targets;

	writer_execute("SELECT alias, version FROM mlaas.alias WHERE model_id = $1", SPI_OK_SELECT, 1, &id);
	aliases = SPI_tuptable;
	count = SPI_processed;
	targets = palloc(sizeof(Datum) * (count + 1));
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		char	   *alias = SPI_getvalue(aliases->vals[i], aliases->tupdesc, 1);
		int32		version = DatumGetInt32(SPI_getbinval(aliases->vals[i], aliases->tupdesc, 2, &isnull));

		targets[i] = Int32GetDatum(registry_version_before(writer, alias, version));
	}
	return (ColumnValue) {"targets", INT4ARRAYOID,
		PointerGetDatum(construct_array(targets, (int) count, INT4OID, sizeof(int32), true, TYPALIGN_INT)), false};
}

/*
 * Drop the old versions of the locked model but the newest so many and those that are needed; returns how many there
 * were.
 */
int32
registry_drop_old(const Writer *writer, int32 keep)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_version("keep", keep),
		rollback_targets(writer),
		column_time("at"),
		column_text("name", writer->model.name),
		column_text("who", GetUserNameFromId(writer->caller, false)),
		column_text("owner", GetUserNameFromId(writer->model.owner, true)),
		column_text("reason", psprintf("keep %d", keep))
	};

	writer_execute("WITH own AS (SELECT v.id, v.version, v.status <> 'candidate' OR v.version = ANY ($3)"
				   " OR row_number() OVER (ORDER BY v.version DESC) <= $2"
				   " OR EXISTS (SELECT FROM mlaas.alias a WHERE a.model_id = $1 AND a.version_id = v.id)"
				   " OR EXISTS (SELECT FROM mlaas.route r WHERE r.model_id = $1 AND r.version_id = v.id) AS stays"
				   " FROM mlaas.version v WHERE v.model_id = $1),"
				   " made AS (SELECT m.parent_version_id, m.lineage #> '{arguments,member_version_ids}' AS members"
				   " FROM mlaas.version m LEFT JOIN own o USING (id)"
				   " WHERE coalesce(o.stays, true) AND (m.parent_version_id IS NOT NULL"
				   " OR m.algorithm IN ('pipeline', 'ensemble'))),"
				   " needed AS (SELECT parent_version_id::text AS id FROM made WHERE parent_version_id IS NOT NULL"
				   " UNION SELECT jsonb_array_elements_text(members) FROM made WHERE jsonb_typeof(members) = 'array'),"
				   " gone AS (DELETE FROM mlaas.version v USING own o WHERE v.id = o.id AND NOT o.stays"
				   " AND NOT EXISTS (SELECT FROM needed n WHERE n.id = o.id::text) RETURNING v.version),"
				   " counted AS (SELECT version, row_number() OVER (ORDER BY version) AS place, count(*) OVER () AS "
				   "count FROM gone),"
				   " changed AS (UPDATE mlaas.model SET versions = versions - c.count, last_event = last_event + "
				   "c.count FROM (SELECT max(count)::int AS count FROM counted) c WHERE id = $1 AND c.count > 0"
				   " RETURNING last_event - c.count AS before)"
				   " INSERT INTO mlaas.event (model_id, number, owner, version, at, action, name, who, reason)"
				   " SELECT $1, before + place, $7, version, $4, 'drop', $5, $6, $8 FROM counted, changed",
				   SPI_OK_INSERT, lengthof(values), values);
	return (int32) SPI_processed;
}

/* The argument that says how many versions are to stay; NULL is for the caller. */
static int32
number_to_keep(FunctionCallInfo fcinfo, int index)
{
	int32		keep = PG_ARGISNULL(index) ? 1 : PG_GETARG_INT32(index);

	if (keep < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of versions to keep must be at least 1"),
				 errhint("ml_drop(%s) drops the model with all its versions.",
						 quote_literal_cstr(need_text(fcinfo, 0, "model name")))));
	return keep;
}

/* ml_drop_old(name, keep): drop old versions now. */
Datum
ml_drop_old(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	Writer		writer;
	int32		keep;
	int32		dropped;

	need_argument(fcinfo, 1, "keep");
	keep = number_to_keep(fcinfo, 1);
	registry_begin_change(&writer, name, "ml_drop_old()");
	/* each version that goes has a number of its own */
	registry_return_event(&writer);
	dropped = registry_drop_old(&writer, keep);
	writer_end(&writer);
	PG_RETURN_INT32(dropped);
}

/* ml_keep_versions(name, keep): drop old versions now and whenever a new one is stored; NULL ends it. */
Datum
ml_keep_versions(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	bool		all = PG_ARGISNULL(1);
	int32		keep = number_to_keep(fcinfo, 1);
	int32		dropped = 0;
	Writer		writer;

	registry_begin_change(&writer, name, "ml_keep_versions()");
	if (writer_execute_model(&writer, "UPDATE mlaas.model SET keep_versions = $2"
							 " WHERE id = $1 AND keep_versions IS DISTINCT FROM $2", SPI_OK_UPDATE,
							 (ColumnValue) {"keep", INT4OID, Int32GetDatum(keep), all}))
		registry_write_event(&writer, "keep", NULL, 0, 0, NULL,
							 all ? "{\"versions\": null}" : psprintf("{\"versions\": %d}", keep));
	else
		registry_return_event(&writer);
	if (!all)
		dropped = registry_drop_old(&writer, keep);
	writer_end(&writer);
	PG_RETURN_INT32(dropped);
}
