/*
 * Columns that deployed models need: dropping or renaming one is refused.
 *
 * An event trigger sees what ALTER commands drop, and columns before they are renamed.  Which columns a version needs
 * was recorded at its training (lineage.dependencies, by names); a version counts as deployed when an alias or a
 * route leads to it.  What a DROP of a whole table, view or schema takes along is not refused: no row of it is left to
 * predict, and whoever cleans up need not know of models.
 *
 * mlaas.protect_columns = off, which everybody may set for himself, is the way out; the hint says so.  The names
 * of models are told to those who may predict with them only.
 *
 * Known race: a training that reads a column while it is renamed, and deploys after that, is not seen.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/cmdtag.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/module.h"
#include "pg/registry_write.h"

/* Versions that an error shows. */
#define MAX_SHOWN 10

PG_FUNCTION_INFO_V1(ml_protect_columns);

/* The deployed versions that need one of the columns that gone lists (col NULL: any of the relation). */
#define NEEDING(gone) \
	"SELECT DISTINCT m.id, m.owner::oid, m.name, v.version, gone.schema, gone.relation, gone.col" \
	" FROM (" gone ") AS gone(schema, relation, col)" \
	" JOIN (mlaas.version v JOIN mlaas.model m ON m.id = v.model_id" \
	" CROSS JOIN LATERAL jsonb_array_elements(v.lineage -> 'dependencies') AS d)" \
	" ON d ->> 'schema' = gone.schema AND d ->> 'relation' = gone.relation" \
	" AND (gone.col IS NULL OR d -> 'columns' ? gone.col)" \
	" WHERE v.id IN (SELECT version_id FROM mlaas.alias UNION ALL SELECT version_id FROM mlaas.route)" \
	" ORDER BY m.name, v.version"

/* Error when the last statement found versions that need something. */
static void
check_found(const Writer *writer, const char *doing)
{
	StringInfoData shown;
	int			hidden = 0;
	char	   *column;

	if (SPI_processed == 0)
		return;
	initStringInfo(&shown);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		RegistryModel model = {.id = *DatumGetUUIDP(writer_result(i, 1)),
							   .owner = DatumGetObjectId(writer_result(i, 2))};

		if (i >= MAX_SHOWN || !registry_has_rights(&model, writer->caller, REGISTRY_PREDICT))
			hidden++;
		else
			appendStringInfo(&shown, "%s%s@%d", shown.len > 0 ? ", " : "", TextDatumGetCString(writer_result(i, 3)),
							 DatumGetInt32(writer_result(i, 4)));
	}
	if (hidden > 0)
		appendStringInfo(&shown, "%s%d %s", shown.len > 0 ? " and " : "", hidden,
						 shown.len > 0 ? "more" : "of other roles");
	column = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 7);
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 column != NULL ?
			 errmsg("cannot %s column \"%s\" of relation \"%s.%s\" because deployed models need it", doing, column,
					TextDatumGetCString(writer_result(0, 5)), TextDatumGetCString(writer_result(0, 6))) :
			 errmsg("cannot %s relation \"%s.%s\" because deployed models need it", doing,
					TextDatumGetCString(writer_result(0, 5)), TextDatumGetCString(writer_result(0, 6))),
			 errdetail("Models: %s.", shown.data),
			 errhint("Deploy versions that do without it, or drop the models."
					 " To do it all the same: SET mlaas.protect_columns = off.")));
}

/* Check what a command has dropped. */
static void
check_dropped(const Writer *writer)
{
	writer_execute(NEEDING("SELECT address_names[1], address_names[2],"
						   " CASE WHEN object_type LIKE '% column' THEN address_names[3] END"
						   " FROM pg_event_trigger_dropped_objects()"
						   " WHERE object_type LIKE '% column' OR object_type IN ('view', 'materialized view')"),
				   SPI_OK_SELECT, 0, NULL);
	check_found(writer, "drop");
}

/* Check a column that is about to be renamed, in a table and in those that inherit it. */
static void
check_renamed(const Writer *writer, List *relations, const char *name)
{
	ListCell   *cell;

	foreach(cell, relations)
	{
		Oid			relation = lfirst_oid(cell);
		ColumnValue values[] = {
			column_text("schema", get_namespace_name(get_rel_namespace(relation))),
			column_text("relation", get_rel_name(relation)),
			column_text("col", name)
		};

		writer_execute(NEEDING("SELECT $1, $2, $3"), SPI_OK_SELECT, lengthof(values), values);
		check_found(writer, "rename");
	}
}

/* Is a relation the current user's? */
static bool
is_owned(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool		owned;

	if (!HeapTupleIsValid(tuple))
		return false;
	owned = has_privs_of_role(GetUserId(), ((Form_pg_class) GETSTRUCT(tuple))->relowner);
	ReleaseSysCache(tuple);
	return owned;
}

/*
 * The tables whose column a command is about to rename; NIL when it renames none.  Of others' tables nothing is told:
 * the command fails by itself.
 */
static List *
renamed_in(Node *command)
{
	RenameStmt *rename = (RenameStmt *) command;
	Oid			relation;

	if (!IsA(command, RenameStmt) || rename->renameType != OBJECT_COLUMN || rename->relation == NULL)
		return NIL;
	relation = RangeVarGetRelid(rename->relation, NoLock, true);
	if (!OidIsValid(relation) || !is_owned(relation))
		return NIL;
	return find_all_inheritors(relation, NoLock, NULL);
}

/* The function of the event triggers: refuse what deployed models need. */
Datum
ml_protect_columns(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigger;
	List	   *renamed = NIL;
	Writer		writer;
	bool		drops;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is not called as an event trigger")));
	trigger = (EventTriggerData *) fcinfo->context;
	drops = strcmp(trigger->event, "sql_drop") == 0;
	if (!drops)
		renamed = renamed_in(trigger->parsetree);
	if (!mlaas_protect_columns || IsBinaryUpgrade || (!drops && renamed == NIL))
		PG_RETURN_NULL();

	writer_begin(&writer, GetCommandTagName(trigger->tag));
	if (drops)
		check_dropped(&writer);
	else
		check_renamed(&writer, renamed, ((RenameStmt *) trigger->parsetree)->subname);
	writer_end(&writer);
	PG_RETURN_NULL();
}
